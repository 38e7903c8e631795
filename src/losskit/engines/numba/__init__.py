"""The CPU engine: rules compiled by Numba into one fused, vectorised, threaded pass."""
