"""The cases, library by library: each an input that was seen to fail, with the reason."""

from benchmarks.failures.case import Case
from benchmarks.failures.cases import of_keras, of_metrics, of_optax, of_torch, of_vision

CASES: list[Case] = [
    *of_torch.CASES,
    *of_optax.CASES,
    *of_keras.CASES,
    *of_vision.CASES,
    *of_metrics.CASES,
]
