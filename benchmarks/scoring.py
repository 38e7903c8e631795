"""Scoring a large file beside DuckDB's own sum of squares over it: `python -m benchmarks.scoring`."""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

import losskit as lk
from benchmarks.outcomes import interval
from losskit.scoring import score

Times = npt.NDArray[np.float64]

LOSSES = ("huber", "mae", "mse")


def main(argv: list[str] | None = None) -> int:
    """Print both times, round by round interleaved, their ratio, and the peak memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring", description=__doc__)
    parser.add_argument("--rows", type=float, default=1e8, help="rows of the Parquet file (default: 1e8)")
    parser.add_argument("--dtype", choices=("FLOAT", "DOUBLE"), default="FLOAT")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the file is written; else a temporary folder")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        file = Path(folder) / "predictions.parquet"
        write(file, int(arguments.rows), arguments.dtype)
        ours, theirs = measure(file, arguments.rounds)
    report(int(arguments.rows), ours, theirs)
    return 0


def write(file: Path, rows: int, dtype: str) -> None:
    """A file of random targets, and predictions near them."""
    with duckdb.connect(config={"memory_limit": "1GB"}) as database:
        database.execute(
            f"COPY (SELECT y, (y + random() - 0.5)::{dtype} AS p FROM"
            f" (SELECT (100 * random())::{dtype} AS y FROM range({rows}))) TO '{file}' (FORMAT parquet)"
        )


def measure(file: Path, rounds: int) -> tuple[Times, Times]:
    """(seconds, seconds of processor time) of either in each round, after one that compiles and warms up."""
    ours, theirs = [], []
    with duckdb.connect(config={"threads": lk.get_num_threads()}) as database:
        query = f"SELECT sum((y - p) * (y - p)) FROM '{file}'"
        for _ in range(rounds + 1):
            theirs.append(times(lambda: database.execute(query).fetchone()))
            ours.append(times(lambda: score(file, true="y", pred="p", losses=LOSSES)))
    return np.array(ours[1:]), np.array(theirs[1:])


def times(run: Callable[[], object]) -> tuple[float, float]:
    """How long a call takes, and what it takes of the processors."""
    start, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - busy


def report(rows: int, ours: Times, theirs: Times) -> None:
    """Print what was measured."""
    print(
        f"{rows:.3g} rows, threads: {lk.get_num_threads()}, rounds: {len(ours)}; losses: {', '.join(LOSSES)}"
    )
    for what, mine, other in zip(("seconds", "processor seconds"), ours.T, theirs.T, strict=True):
        ratio = interval(mine / other)
        print(
            f"{what}: losskit score best {min(mine):.3f}, median {np.median(mine):.3f};"
            f" DuckDB's sum((a-b)*(a-b)) best {min(other):.3f}, median {np.median(other):.3f};"
            f" ratio {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), of best rounds {min(mine) / min(other):.2f}"
        )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.2f} GiB")


if __name__ == "__main__":
    raise SystemExit(main())
