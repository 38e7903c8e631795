"""What came out, as tables on the terminal."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.outcomes import Entry, Interval, Outcome
from benchmarks.startup import Cost

PACKAGES = (
    "losskit", "numpy", "numba", "torch", "jax", "optax", "scikit-learn", "keras", "kornia", "monai", "POT",
)  # fmt: skip


def machine(threads: Iterable[int], date: str) -> dict[str, Any]:
    """Where and with what it was measured."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(), "cores": os.cpu_count(), "system": platform.system(), "threads": sorted(threads),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None, "versions": versions, "date": date,
    }  # fmt: skip


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    name = facts.get("model name") or platform.machine()
    if "cpu family" in facts:  # a virtual machine may say no more than the maker's name
        name += f" (family {facts['cpu family']}, model {facts.get('model', '?')})"
    return name


def machine_line(facts: dict[str, Any]) -> str:
    """The machine in one line."""
    threads = ", ".join(str(n) for n in facts["threads"])
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return f"{facts['cpu']}, {facts['cores']} cores, threads: {threads}; {versions}; {facts['date']}"


def digits(x: float) -> str:
    """Three significant digits, never as a power of ten."""
    return f"{x:.0f}" if abs(x) >= 999.5 else f"{x:#.3g}".rstrip(".")


def duration(seconds: float) -> str:
    """Microseconds or milliseconds."""
    return f"{digits(1e6 * seconds)} µs" if seconds < 1e-3 else f"{digits(1e3 * seconds)} ms"


def _interval(x: Interval | None) -> str:
    return "" if x is None else f"{x.median:.2f} ({x.low:.2f}–{x.high:.2f})"


def case_table(outcome: Outcome) -> Table:
    """A case, one contestant a line."""
    threads = "1 thread" if outcome.threads == 1 else f"{outcome.threads} threads"
    title = f"{outcome.loss}, {outcome.size} {outcome.dtype}, {threads}"
    table = Table(title=title, title_justify="left", caption=verdict(outcome), caption_justify="left")
    table.add_column("")
    for heading in ("median", "best", "÷ losskit (95 %)", "best ÷ best", "÷ floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in outcome.entries:
        if not entry.times:
            table.add_row(entry.name, "not timed", style="yellow")
            continue
        best = "" if entry.best_ratio is None else f"{entry.best_ratio:.2f}"
        table.add_row(
            entry.name, duration(entry.median), duration(entry.best), _interval(entry.ratio), best,
            _over_floor(outcome, entry), style="bold" if entry.kind == "losskit" else "",
        )  # fmt: skip
    return table


def _over_floor(outcome: Outcome, entry: Entry | None) -> str:
    floor = outcome.floor
    if floor is None or entry is None or not entry.times:
        return ""
    return f"{entry.median / floor.median:.2f}"


def verdict(outcome: Outcome) -> str:
    """Whether losskit is ahead of the best peer, never claimed within the noise; and who was not timed, and why."""
    return "\n".join([_claim(outcome), *(f"{e.name}: {e.trouble}" for e in outcome.entries if e.trouble)])


def _claim(outcome: Outcome) -> str:
    best = outcome.best_peer
    if best is None or best.ratio is None or best.best_ratio is None:
        return "no peer to compare with"
    if outcome.ahead:
        return f"losskit is ahead: {best.times_faster:.2f} times faster than {best.name}, the best peer"
    if outcome.behind:
        return f"losskit is behind: {1.0 / max(best.ratio.median, best.best_ratio):.2f} times slower than {best.name}"
    return f"no difference that stands out from the noise between losskit and {best.name}"


def startup_table(costs: list[Cost]) -> Table:
    """Import, first calls, small calls."""
    table = Table(title="startup and small calls", title_justify="left")
    table.add_column("")
    table.add_column("median", justify="right")
    table.add_column("best", justify="right")
    table.add_column("")
    for cost in costs:
        table.add_row(
            cost.what, f"{digits(cost.median)} {cost.unit}", f"{digits(cost.best)} {cost.unit}", cost.note
        )
    return table
