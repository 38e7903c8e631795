"""Inputs on which released losses answer NaN, a wrong number or nothing: `python -m benchmarks.failures`."""
