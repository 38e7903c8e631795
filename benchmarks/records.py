"""A run as plain data: what ``--json`` writes, and the outcomes that a file holds."""

import json
from pathlib import Path
from typing import Any

from benchmarks.outcomes import Entry, Interval, Outcome
from benchmarks.startup import Cost
from losskit.errors import InputError


def as_data(
    facts: dict[str, Any], outcomes: list[Outcome], costs: list[Cost], left_out: dict[str, str]
) -> dict[str, Any]:
    """The whole run for JSON: every sample, in seconds unless it says otherwise."""
    return {
        "machine": facts,
        "cases": [_case_data(outcome) for outcome in outcomes],
        "startup": [
            {
                "what": c.what,
                "unit": c.unit,
                "median": c.median,
                "best": c.best,
                "samples": c.samples,
                "note": c.note,
            }
            for c in costs
        ],
        "left_out": left_out,
    }


def _case_data(outcome: Outcome) -> dict[str, Any]:
    best = outcome.best_peer
    entries = []
    for entry in outcome.entries:
        data: dict[str, Any] = {"name": entry.name, "kind": entry.kind}
        if entry.code:
            data["code"] = entry.code
        if entry.trouble:
            data["not_timed"] = entry.trouble
        if entry.times:
            data |= {"median": entry.median, "best": entry.best, "times": entry.times}
        if entry.ratio is not None:
            data["over_losskit"] = {
                "median": entry.ratio.median, "low": entry.ratio.low, "high": entry.ratio.high,
                "best": entry.best_ratio,
            }  # fmt: skip
        entries.append(data)
    return {
        "structure": outcome.structure, "loss": outcome.loss, "size": outcome.size, "dtype": outcome.dtype,
        "threads": outcome.threads, "tolerance": outcome.tolerance, "contestants": entries,
        "best_peer": best.name if best else None, "ahead": outcome.ahead,
    }  # fmt: skip


def read(file: Path) -> tuple[dict[str, Any], list[Outcome]]:
    """The machine and the outcomes of a file that ``--json`` wrote."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return data["machine"], [_outcome(case) for case in data["cases"]]
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: is no file that `python -m benchmarks --json` wrote ({type(error).__name__}: {error})."
        ) from None


def _outcome(case: dict[str, Any]) -> Outcome:
    entries = [_entry(data) for data in case["contestants"]]
    facts = {name: case[name] for name in ("structure", "loss", "size", "dtype", "threads", "tolerance")}
    return Outcome(**facts, entries=entries)


def _entry(data: dict[str, Any]) -> Entry:
    entry = Entry(
        data["name"], data["kind"], data.get("code", ""), data.get("times", []), data.get("not_timed", "")
    )
    ratio = data.get("over_losskit")
    if ratio is not None:
        entry.ratio, entry.best_ratio = Interval(ratio["median"], ratio["low"], ratio["high"]), ratio["best"]
    return entry
