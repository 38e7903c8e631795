"""The largest error of each loss, shown at the end of a run with -v."""

from collections import defaultdict

import pytest


class LargestErrors:
    """In ulp, after division by the condition of the problem, by loss, dtype, engine and order."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str, str, int], float] = defaultdict(float)

    def add(self, loss: str, dtype: str, engine: str, order: int, error: float) -> None:
        key = (loss, dtype, engine, order)
        self.table[key] = max(self.table[key], error)

    def __str__(self) -> str:
        losses = dict.fromkeys(key[0] for key in self.table)
        kinds = [(d, e) for d in ("float32", "float64") for e in ("numba", "numpy")]
        lines = [
            "largest errors in ulp: value slope curvature",
            " " * 32 + "".join(f"{f'{d} {e}':>20}" for d, e in kinds),
        ]
        for loss in losses:
            cells = (" ".join(f"{self.table[loss, d, e, o]:.1f}" for o in range(3)) for d, e in kinds)
            lines.append(f"{loss:<32}" + "".join(f"{cell:>20}" for cell in cells))
        return "\n".join(lines)


ERRORS = LargestErrors()


@pytest.fixture
def largest_errors():
    return ERRORS


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    if ERRORS.table and config.getoption("verbose") >= 0:
        terminalreporter.write_line(str(ERRORS))
