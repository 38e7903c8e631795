"""The answer of a comparison: a table, a verdict, and the same as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.comparison.evidence import Difference, corrected_t_test
from losskit.labels import finite, label_of, number, own_parameters, plain
from losskit.loss import LossFunction


@dataclass(frozen=True)
class Metric:
    """How a metric is named for people, which tasks it belongs to, and which way is better."""

    title: str
    tasks: frozenset[str]
    sign: int
    """+1 where less is better, -1 where more is."""


_CLASSES = frozenset({"binary", "multiclass"})

METRICS: Mapping[str, Metric] = {
    "median_absolute_error": Metric("median absolute error", frozenset({"regression"}), 1),
    "mean_absolute_error": Metric("mean absolute error", frozenset({"regression"}), 1),
    "rmse": Metric("root mean squared error", frozenset({"regression"}), 1),
    "average_precision": Metric("average precision", frozenset({"binary"}), -1),
    "accuracy": Metric("accuracy", _CLASSES, -1),
    "log_loss": Metric("log loss", _CLASSES, 1),
}
"""Every metric; the first of a task's decides unless another is asked for."""

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Score:
    """One loss with its metrics on every fold."""

    loss: LossFunction
    reasons: tuple[str, ...]
    metrics: Mapping[str, NDArray[np.float64]]
    seconds: float
    """Median time of one fit; the first one may compile a kernel."""

    @property
    def label(self) -> str:
        """The loss with the parameters that matter, for a table: ``huber(delta=72.3)``."""
        return label_of(self.loss)


@dataclass(frozen=True)
class Verdict:
    """Which loss is best by the metric that decides, and whether that is more than noise."""

    winner: str
    against: str
    """The baseline; where that wins, the second best."""
    metric: str
    difference: Difference
    """With the p-value of the corrected resampled t-test, adjusted for the number of losses tried."""
    text: str

    @property
    def more_than_noise(self) -> bool:
        """Whether noise alone gives such a difference in less than 5 % of cases."""
        return self.difference.p_value < SIGNIFICANT


@dataclass(frozen=True)
class Comparison:
    """What was compared, how, and what came out; ``scores`` are best first."""

    source: str
    target: str
    task: str
    rows: int
    features: int
    positive: str | None
    model: str
    folds: int
    repeats: int
    seed: int
    metric: str
    baseline: str
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metric that decides, then the others."""
        return (self.metric, *(name for name in self.scores[0].metrics if name != self.metric))

    def score(self, label: str) -> Score:
        """The score of a loss, by its label."""
        return next(score for score in self.scores if score.label == label)

    def difference(self, first: str, second: str, metric: str) -> Difference:
        """The paired difference of two losses over the folds, with its evidence."""
        a, b = self.score(first).metrics[metric], self.score(second).metrics[metric]
        return corrected_t_test(a, b, test_share=1.0 / self.folds, tests=len(self.scores) - 1)

    def mark(self, label: str, metric: str) -> str:
        """``+`` for better than the baseline by more than noise, ``-`` for worse, else a blank."""
        if label == self.baseline:
            return " "
        difference = self.difference(label, self.baseline, metric)
        if difference.p_value >= SIGNIFICANT:
            return " "
        return "+" if METRICS[metric].sign * difference.mean < 0 else "-"

    @cached_property
    def verdict(self) -> Verdict:
        """Which loss wins, and whether by more than noise."""
        winner = self.scores[0].label
        against = self.scores[1].label if winner == self.baseline else self.baseline
        difference = self.difference(winner, against, self.metric)
        return Verdict(
            winner, against, self.metric, difference, self._sentence(winner, against, difference.p_value)
        )

    def _sentence(self, winner: str, against: str, p: float) -> str:
        title = METRICS[self.metric].title
        ours, theirs = (
            number(float(self.score(name).metrics[self.metric].mean())) for name in (winner, against)
        )
        chance = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
        test = f"{chance}, corrected resampled t-test over {self.folds * self.repeats} folds"
        numbers = f"{title} {ours} against {theirs}"
        if winner == self.baseline:
            noise = "by more than noise" if p < SIGNIFICANT else "though not by more than noise"
            return (
                f"Stay with {winner}, the baseline: no loss beats it;"
                f" next is {against} ({numbers}), {noise} ({test})."
            )
        if p < SIGNIFICANT:
            return (
                f"Train with {winner}: {numbers} for {against}, the baseline,"
                f" and that is more than noise ({test})."
            )
        return (
            f"No clear winner: {winner} comes first, {numbers} for {against}, the baseline,"
            f" but that is within the noise ({test})."
        )

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain data, ready for JSON; losses are best first."""
        v = self.verdict
        return {
            "task": self.task,
            "target": self.target,
            "rows": self.rows,
            "losses": [self._loss_dict(score) for score in self.scores],
            "verdict": {
                "winner": v.winner,
                "against": v.against,
                "metric": v.metric,
                "difference": finite(v.difference.mean),
                "interval": [finite(v.difference.low), finite(v.difference.high)],
                "p_value": finite(v.difference.p_value),
                "more_than_noise": v.more_than_noise,
                "text": v.text,
            },
            "baseline": self.baseline,
            "positive": self.positive,
            "model": self.model,
            "folds": self.folds,
            "repeats": self.repeats,
            "seed": self.seed,
            "notes": list(self.notes),
        }

    def _loss_dict(self, score: Score) -> dict[str, Any]:
        label = score.label
        against = {m: finite(self.difference(label, self.baseline, m).p_value) for m in self.metric_names}
        return {
            "loss": score.loss.name,
            "label": label,
            "parameters": {name: plain(value) for name, value in own_parameters(score.loss).items()},
            "reasons": list(score.reasons),
            "metrics": {name: finite(float(score.metrics[name].mean())) for name in self.metric_names},
            "spreads": {name: finite(float(score.metrics[name].std(ddof=1))) for name in self.metric_names},
            "p_values": None if label == self.baseline else against,
            "seconds": round(score.seconds, 6),
        }

    def heading(self) -> str:
        """One line that says what was compared and how."""
        task = self.task if self.positive is None else f'{self.task} (looking for "{self.positive}")'
        times = f"{self.folds} folds" + (f" x {self.repeats}" if self.repeats > 1 else "")
        return f"{self.source}: {self.rows} rows, target {self.target}, {task}, {self.model} model, {times}"

    def cell(self, score: Score, metric: str) -> str:
        """A metric for people: mean and spread over the folds, and the mark."""
        values = score.metrics[metric]
        mean, spread = number(float(values.mean())), number(float(values.std(ddof=1)), 2)
        return f"{mean} ± {spread} {self.mark(score.label, metric)}"

    def __str__(self) -> str:
        titles = ["loss", *(METRICS[m].title for m in self.metric_names), "s/fit"]
        rows = [titles]
        for s in self.scores:
            name = s.label + (" (baseline)" if s.label == self.baseline else "")
            rows.append([name, *(self.cell(s, m) for m in self.metric_names), f"{s.seconds:.3f}"])
        widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join(
            [self.heading(), "", *lines, "", LEGEND, self.verdict.text, *(f"Note: {n}." for n in self.notes)]
        )


LEGEND = "mean ± standard deviation over the folds; + better, - worse than the baseline by more than noise"
