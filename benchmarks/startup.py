"""What losskit costs before it is fast: import, first call, a call on few numbers."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.harness import Runner, seconds_a_call

HEAVY = ("torch", "jax", "sklearn", "scipy", "sympy", "matplotlib", "duckdb", "pandas")
"""What `import losskit` must not load."""

_IMPORT = """
import sys, time
import numpy
start = time.perf_counter()
import losskit
print(time.perf_counter() - start, *(m for m in {heavy} if m in sys.modules))
"""

_FIRST = """
import time
import numpy as np
import losskit as lk
y, p = np.zeros(1000, np.float32), np.ones(1000, np.float32)
start = time.perf_counter()
lk.{loss}().value_and_derivative(y, p)
print(time.perf_counter() - start, time.monotonic())
"""


@dataclass
class Cost:
    """One quantity, measured several times."""

    what: str
    unit: str
    samples: list[float]
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def best(self) -> float:
        return min(self.samples)


def costs(repeats: int = 5) -> list[Cost]:
    """All of them; each process is started ``repeats`` times."""
    return [_import(repeats), *_first_calls("HuberLoss", repeats), *_small_calls(4 * repeats)]


def _python(program: str, folder: str) -> tuple[list[str], float]:
    """What a fresh interpreter prints, and when it was started; it imports this losskit and caches in ``folder``."""
    assert lk.__file__ is not None
    path = [str(Path(lk.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path), "LOSSKIT_CACHE_DIR": folder}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"a measured process failed:\n{done.stderr}")
    return done.stdout.split(), start


@contextmanager
def _empty_cache() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="losskit-bench-") as folder:
        yield folder


def _import(repeats: int) -> Cost:
    samples, loaded = [], set()
    with _empty_cache() as folder:
        for _ in range(repeats):
            (seconds, *modules), _ = _python(_IMPORT.format(heavy=HEAVY), folder)
            samples.append(1e3 * float(seconds))
            loaded |= set(modules)
    note = f"loads {', '.join(sorted(loaded))}" if loaded else "loads no framework"
    return Cost("import losskit, after NumPy", "ms", samples, note)


def _first_calls(loss: str, repeats: int) -> list[Cost]:
    """The first call that compiles, and the whole way from the start of a later process to its first result."""
    first, later = [], []
    program = _FIRST.format(loss=loss)
    for _ in range(repeats):
        with _empty_cache() as folder:
            (seconds, _), _ = _python(program, folder)
            first.append(1e3 * float(seconds))
            (_, end), start = _python(program, folder)
            later.append(1e3 * (float(end) - start))
    return [
        Cost("first call, nothing cached", "ms", first, loss),
        Cost("a later process: start of the interpreter to first result", "ms", later, loss),
    ]


def _small_calls(repeats: int) -> list[Cost]:
    rng = np.random.default_rng(0)
    y, p = rng.standard_normal((2, 1000), dtype=np.float32)
    out, loss = np.empty_like(p), lk.HuberLoss()
    calls: dict[str, Callable[[], Any]] = {
        "compute": lambda: loss.compute(y, p),
        "value_and_derivative": lambda: loss.value_and_derivative(y, p),
        "value_and_derivative, out=": lambda: loss.value_and_derivative(y, p, out=out),
    }
    found = []
    for name, call in calls.items():
        call()
        samples = [1e6 * seconds_a_call(Runner(call), 200) for _ in range(repeats)]
        found.append(Cost(f"{name} on 1000 numbers", "µs", samples, "HuberLoss"))
    return found
