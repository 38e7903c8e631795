"""The answer of a comparison: what each loss measured, and a verdict."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.comparison.evidence import Difference, corrected_t_test
from losskit.advisor.comparison.metrics import metric_named
from losskit.advisor.comparison.plan import Plan
from losskit.labels import label_of, number
from losskit.loss import LossFunction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Score:
    """One loss under one model, with its metrics on every fold."""

    loss: LossFunction
    """With the parameters that follow from all rows."""
    model: str
    reasons: tuple[str, ...]
    metrics: Mapping[str, NDArray[np.float64]]
    """One number for each fold, the mean over the seeds."""
    seconds: float
    """Median time of one fit; the first one may compile a kernel."""
    seed_spreads: Mapping[str, float] = field(default_factory=dict)
    """Standard deviation over the seeds, the mean of the folds; empty where a fit does not depend on a seed."""
    tuned: tuple[Any, ...] = ()
    """The tuned parameter's value on each fold."""

    @property
    def label(self) -> str:
        """The loss with the parameters that matter, for a table: ``huber(delta=72.3)``."""
        return label_of(self.loss)

    def mean(self, metric: str) -> float:
        """A metric's mean over the folds."""
        return float(self.metrics[metric].mean())

    def spread(self, metric: str) -> float:
        """A metric's standard deviation over the folds."""
        return float(self.metrics[metric].std(ddof=1))


@dataclass(frozen=True)
class Verdict:
    """Which loss is best by the metric that decides, and whether that is more than noise."""

    winner: str
    against: str
    """The baseline; where that wins, the second best."""
    model: str
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
    """What was compared, how, and what came out; ``scores`` are best first.

    A loss is compared with the baseline under the same model, on the same folds.
    """

    source: str
    target: str
    task: str
    rows: int
    features: int
    positive: str | None
    plan: Plan
    baseline: str
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return self.plan.metrics[0]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metric that decides, then the others."""
        return self.plan.metrics

    @property
    def models(self) -> tuple[str, ...]:
        """The models, that of the best score first."""
        return tuple(dict.fromkeys(score.model for score in self.scores))

    def of_model(self, model: str) -> tuple[Score, ...]:
        """The scores under a model, best first."""
        return tuple(score for score in self.scores if score.model == model)

    def score(self, label: str, model: str | None = None) -> Score:
        """The score of a loss by its label; under the best model unless another is named."""
        return next(score for score in self.of_model(model or self.models[0]) if score.label == label)

    def base(self, model: str) -> Score:
        """The baseline's score under a model."""
        return self.score(self.baseline, model)

    def is_base(self, score: Score) -> bool:
        """Whether a score is the baseline's."""
        return score.label == self.baseline

    def difference(self, first: Score, second: Score, metric: str) -> Difference:
        """The paired difference of two scores over the folds, with its evidence."""
        tests = len(self.scores) - len(self.models)
        test_share = 1.0 / self.plan.folds
        return corrected_t_test(first.metrics[metric], second.metrics[metric], test_share, tests)

    def mark(self, score: Score, metric: str) -> str:
        """``+`` for better than the model's baseline by more than noise, ``-`` for worse, else a blank."""
        if self.is_base(score):
            return " "
        difference = self.difference(score, self.base(score.model), metric)
        if difference.p_value >= SIGNIFICANT:
            return " "
        return "+" if metric_named(metric).sign * difference.mean < 0 else "-"

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """A verdict for each model, the best first."""
        return tuple(self._verdict(model) for model in self.models)

    @property
    def verdict(self) -> Verdict:
        """Which loss wins under the best model, and whether by more than noise."""
        return self.verdicts[0]

    def _verdict(self, model: str) -> Verdict:
        winner, second = self.of_model(model)[:2]
        against = second if self.is_base(winner) else self.base(model)
        difference = self.difference(winner, against, self.metric)
        text = self._sentence(winner, against, difference.p_value)
        if len(self.models) > 1:
            text = f"With the {model} model: {text[0].lower()}{text[1:]}"
        return Verdict(winner.label, against.label, model, self.metric, difference, text)

    def _sentence(self, winner: Score, against: Score, p: float) -> str:
        ours, theirs = (number(score.mean(self.metric)) for score in (winner, against))
        chance = "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
        test = f"{chance}, corrected resampled t-test over {self.plan.splits} folds"
        numbers = f"{metric_named(self.metric).title} {ours} against {theirs}"
        if self.is_base(winner):
            noise = "by more than noise" if p < SIGNIFICANT else "though not by more than noise"
            return (
                f"Stay with {winner.label}, the baseline: no loss beats it;"
                f" next is {against.label} ({numbers}), {noise} ({test})."
            )
        if p < SIGNIFICANT:
            return (
                f"Train with {winner.label}: {numbers} for {against.label}, the baseline,"
                f" and that is more than noise ({test})."
            )
        return (
            f"No clear winner: {winner.label} comes first, {numbers} for {against.label}, the baseline,"
            f" but that is within the noise ({test})."
        )

    def heading(self) -> str:
        """One line that says what was compared and how."""
        task = self.task if self.positive is None else f'{self.task} (looking for "{self.positive}")'
        return f"{self.source}: {self.rows} rows, target {self.target}, {task}, {self.plan.in_words()}"

    def plot(self, output: str | os.PathLike[str] | None = None) -> "Figure":
        """Draw the scores, one panel a metric, with what is more than noise; write the picture to ``output`` if given."""
        from losskit.advisor.comparison.picture import draw

        return draw(self, output)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain data, ready for JSON; losses are best first."""
        from losskit.advisor.comparison.forms import as_data

        return as_data(self)

    def __str__(self) -> str:
        from losskit.advisor.comparison.forms import as_text

        return as_text(self)
