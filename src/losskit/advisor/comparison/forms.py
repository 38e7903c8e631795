"""A comparison for programs and for people: plain data, and a table."""

from typing import Any

from losskit.advisor.comparison.metrics import metric_named
from losskit.advisor.comparison.result import Comparison, Score, Verdict
from losskit.labels import finite, number, own_parameters, plain

LEGEND = "mean ± standard deviation over the folds; + better, - worse than the baseline by more than noise"


def as_data(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON has it."""
    plan = comparison.plan
    return {
        "task": comparison.task,
        "target": comparison.target,
        "rows": comparison.rows,
        "losses": [_loss(comparison, score) for score in comparison.scores],
        "verdict": _verdict(comparison.verdict),
        "verdicts": [_verdict(verdict) for verdict in comparison.verdicts],
        "baseline": comparison.baseline,
        "positive": comparison.positive,
        "models": list(plan.models),
        "folds": plan.folds,
        "repeats": plan.repeats,
        "seed": plan.seed,
        "seeds": plan.seeds,
        "tune": plan.tune,
        "notes": list(comparison.notes),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    difference = verdict.difference
    return {
        "winner": verdict.winner,
        "against": verdict.against,
        "model": verdict.model,
        "metric": verdict.metric,
        "difference": finite(difference.mean),
        "interval": [finite(difference.low), finite(difference.high)],
        "p_value": finite(difference.p_value),
        "more_than_noise": verdict.more_than_noise,
        "text": verdict.text,
    }


def _loss(comparison: Comparison, score: Score) -> dict[str, Any]:
    names, base = comparison.metric_names, comparison.base(score.model)
    against = {name: finite(comparison.difference(score, base, name).p_value) for name in names}
    return {
        "loss": score.loss.name,
        "label": score.label,
        "model": score.model,
        "parameters": {name: plain(value) for name, value in own_parameters(score.loss).items()},
        "reasons": list(score.reasons),
        "metrics": {name: finite(score.mean(name)) for name in names},
        "spreads": {name: finite(score.spread(name)) for name in names},
        "seed_spreads": {name: finite(value) for name, value in score.seed_spreads.items()},
        "tuned": list(score.tuned),
        "p_values": None if comparison.is_base(score) else against,
        "seconds": round(score.seconds, 6),
    }


def cell(comparison: Comparison, score: Score, metric: str) -> str:
    """A metric for people: mean and spread over the folds, and the mark."""
    mean, spread = number(score.mean(metric)), number(score.spread(metric), 2)
    return f"{mean} ± {spread} {comparison.mark(score, metric)}"


def as_text(comparison: Comparison) -> str:
    """A comparison as a table with a heading, a verdict and notes."""
    several = len(comparison.models) > 1
    names = comparison.metric_names
    titles = [metric_named(name).title for name in names]
    rows = [["loss", *(["model"] if several else []), *titles, "s/fit"]]
    for score in comparison.scores:
        name = score.label + (" (baseline)" if comparison.is_base(score) else "")
        cells = [cell(comparison, score, metric) for metric in names]
        rows.append([name, *([score.model] if several else []), *cells, f"{score.seconds:.3f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    verdicts = [verdict.text for verdict in comparison.verdicts]
    notes = [f"Note: {note}." for note in comparison.notes]
    return "\n".join([comparison.heading(), "", *lines, "", LEGEND, *verdicts, *notes])
