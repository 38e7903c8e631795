"""What a loss needs beyond its inputs and outputs: `python -m benchmarks.memory --size 1e7`.

Each loss is measured in a process of its own, on Linux: the high-water mark of resident memory is set back after the
inputs and an ``out=`` are in place and the kernel has run once on few numbers, and read after one call on all of them.
The bar is 1 MB a thread.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import losskit as lk
from benchmarks import elementwise, rows
from benchmarks.agreement import WITHIN, Array
from benchmarks.contestants import taken_by_losskit
from benchmarks.harness import Case
from losskit.structures import RowLoss, RuleLoss

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Peak:
    """What one call added to the resident memory, in bytes."""

    loss: str
    size: str
    inputs: int
    gradient: int
    scratch: int
    """With ``out=``, which is there beforehand: all that a call needs for itself."""
    fresh: int
    """Without: the gradient as well."""


def peak(loss: str, size: str, dtype: str) -> Peak:
    """Measure a loss in this process."""
    arrays, made = _data(loss, size, dtype)
    taken, out = [taken_by_losskit(a) for a in arrays], taken_by_losskit(np.zeros_like(arrays[1]))
    few = max(1, len(arrays[1]) // 20)
    for _ in range(2):  # compiles, and starts the threads
        made.value_and_derivative(*(a[:few] for a in taken), out=out[:few])
    before = _set_back()
    made.value_and_derivative(*taken, out=out)
    scratch = _status("VmHWM") - before
    before = _set_back()
    made.value_and_derivative(*taken)
    return Peak(
        loss, size, sum(a.nbytes for a in arrays), arrays[1].nbytes, scratch, _status("VmHWM") - before
    )


def _data(loss: str, size: str, dtype: str) -> tuple[tuple[Array, Array], RuleLoss]:
    if "x" not in size:
        made = lk.parse(loss)
        assert isinstance(made, RuleLoss)
        return elementwise.data(made, int(float(size)), dtype), made
    n, classes = (int(part) for part in size.split("x"))
    of_rows: RowLoss = rows.made(loss, classes)
    return rows.data(of_rows, (n, classes), dtype), of_rows


def _set_back() -> int:
    """Set the high-water mark to the present use, and answer with that."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _status(name: str) -> int:
    """A figure of the kernel's about this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def peaks(cases: Iterable[Case], threads: int) -> Iterator[Peak]:
    """Measure each case in a process of its own."""
    for case in cases:
        program = (
            f"import json, losskit; losskit.set_num_threads({threads}); from benchmarks.memory import peak;"
            f"print(json.dumps(peak({case.loss!r}, {case.size!r}, {case.dtype!r}).__dict__))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{case.loss} cannot be measured: {done.stderr.strip().splitlines()[-1]}")
        yield Peak(**json.loads(done.stdout))


def main(argv: list[str] | None = None) -> int:
    """Print a table; 1 where a loss needs more than the bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--size", default="1e7", help="numbers, or rows x classes (default: %(default)s)")
    parser.add_argument("--dtype", default="float32", choices=WITHIN)
    parser.add_argument("--threads", type=int, default=lk.get_num_threads(), help="default: %(default)s")
    parser.add_argument("--only", action="append", metavar="LOSS", help="as `python -m benchmarks` names it")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args(argv)
    if not Path("/proc/self/clear_refs").exists():
        parser.error("the high-water mark of memory is read from /proc/self, which only Linux has")
    module = rows if "x" in arguments.size else elementwise
    cases = [
        case
        for case in module.cases((arguments.size,), arguments.dtype)
        if not arguments.only or case.loss in arguments.only
    ]
    if not cases:
        parser.error(f"--only {', '.join(arguments.only)}: no loss of this structure has that name")
    measured = peaks(cases, arguments.threads)
    try:
        found = list(track(measured, total=len(cases), transient=True, description="memory"))
    except RuntimeError as error:
        parser.error(str(error))
    Console(highlight=False).print(table(found, arguments.threads))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([p.__dict__ for p in found], indent=1) + "\n", encoding="utf-8")
    return int(any(p.scratch > arguments.threads * MEGABYTE for p in found))


def table(found: list[Peak], threads: int) -> Table:
    """One loss a line, in MB."""
    what = Table(
        title=f"peak memory, size {found[0].size}, threads: {threads}", title_justify="left",
        caption=f"with out= a call may add {threads} MB: 1 MB a thread", caption_justify="left",
    )  # fmt: skip
    what.add_column("MB", overflow="fold")
    for heading in ("inputs", "gradient", "a call with out= adds", "a call without adds"):
        what.add_column(heading, justify="right")
    for p in found:
        cells = (f"{x / MEGABYTE:.2f}" for x in (p.inputs, p.gradient, p.scratch, p.fresh))
        what.add_row(p.loss, *cells, style="red" if p.scratch > threads * MEGABYTE else "")
    return what


if __name__ == "__main__":
    raise SystemExit(main())
