"""All fits of a comparison: every candidate with every model on every fold."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

import losskit
from losskit.advisor.comparison.bench import Bench, Rows
from losskit.advisor.comparison.candidates import Candidate, Facts, baseline, probe
from losskit.advisor.comparison.journal import Interrupted, Journal
from losskit.advisor.comparison.plan import Plan
from losskit.advisor.comparison.result import Score
from losskit.advisor.comparison.tuning import INNER, tunable
from losskit.errors import InputError, needs
from losskit.labels import label_of, short
from losskit.links import terms
from losskit.loss import LossFunction

with needs("compare"):
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

Progress = Callable[[int, int, str], None]
"""Called with fits done, fits in all, and the loss that comes next."""


class _Fold:
    """Training and test rows, prepared when a fit first needs them."""

    def __init__(self, bench: Bench, train: Any, test: Any) -> None:
        self._bench, self._train, self._test = bench, train, test

    @cached_property
    def rows(self) -> Rows:
        return self._bench.rows(self._train, self._test)


class Campaign:
    """The fits of one comparison, in order; those that a journal holds are not repeated."""

    def __init__(self, bench: Bench, tried: list[Candidate]) -> None:
        self.bench, self.tried, self.plan = bench, tried, bench.plan
        self.baseline = label_of(baseline(bench.problem.task).make(Facts()))
        self.pairs = [(model, i) for model in self.plan.models for i in range(len(tried))]

    def identity(self) -> dict[str, Any]:
        """Everything that decides the fits but the data, for a journal's name."""
        facts = probe(self.bench.problem.task)
        return {
            "losskit": losskit.__version__,
            "task": self.bench.problem.task,
            "losses": [repr(candidate.make(facts)) for candidate in self.tried],
            "plan": repr(self.plan),
        }

    def run(self, journal: Journal, progress: Progress | None) -> tuple[list[Score], list[str]]:
        """Fit and score; a candidate that cannot be fitted is left out with a note."""
        total = self.plan.splits * len(self.pairs)
        records: dict[tuple[str, int], list[Any]] = {pair: [] for pair in self.pairs}
        failed: dict[tuple[str, int], str] = {}
        try:
            for number, fold in enumerate(self._folds()):
                for place, (model, i) in enumerate(self.pairs):
                    if progress:
                        progress(number * len(self.pairs) + place, total, self._name(model, i))
                    if (model, i) in failed:
                        continue
                    record = self._record(journal, f"{number} {model} {i}", fold, model, i)
                    if "failed" in record:
                        failed[model, i] = self._reason(self.tried[i], record["failed"])
                    else:
                        records[model, i].append(record)
            scores = self._scores({p: found for p, found in records.items() if p not in failed})
        except KeyboardInterrupt:
            raise Interrupted(len(journal.records) if journal.path else 0, total) from None
        self._check(scores, failed)
        if progress:
            progress(total, total, "")
        journal.close()
        notes = [journal.note] if journal.note else []
        notes += [f"{self._name(*pair)} left out: {why}" for pair, why in failed.items()]
        return scores, notes + self._unconverged(records, failed)

    def _folds(self) -> Iterator[_Fold]:
        y, features = self.bench.problem.y, self.bench.table.features
        kind = RepeatedKFold if self.bench.problem.task == "regression" else RepeatedStratifiedKFold
        splits = kind(n_splits=self.plan.folds, n_repeats=self.plan.repeats, random_state=self.plan.seed)
        for train, test in splits.split(features, y):
            yield _Fold(self.bench, train, test)

    def _record(self, journal: Journal, key: str, fold: _Fold, model: str, i: int) -> Any:
        """A fit's record, from the journal or made now."""
        if key in journal.records:
            return journal.records[key]
        record = self.bench.record(self.tried[i], model, fold.rows)
        if _is_built_in(self.tried[i].make(fold.rows.facts)):  # the code of another may change between runs
            journal.put(key, record)
        return record

    def _scores(self, records: dict[tuple[str, int], list[Any]]) -> list[Score]:
        """The candidates with what they measured, each with the loss to train with on all rows."""
        everything = np.arange(self.bench.table.rows)
        rows = self.bench.rows(everything, everything[:1])
        return [
            _score(self.tried[i], model, self.bench.loss(self.tried[i], model, rows), rows, found, self.plan)
            for (model, i), found in records.items()
        ]

    def _name(self, model: str, i: int) -> str:
        name = self.tried[i].name
        return f"{name} ({model})" if len(self.plan.models) > 1 else name

    def _reason(self, candidate: Candidate, why: str) -> str:
        """Why a candidate is left out; an error where the user asked for it."""
        if not candidate.asked:
            return why
        table = self.bench.table
        raise InputError(
            f'{table.source}: {candidate.name} cannot be trained on the target "{table.target}": {why}'
        )

    def _check(self, scores: list[Score], failed: dict[tuple[str, int], str]) -> None:
        """There is nothing to compare where the baseline or all others failed."""
        for model in self.plan.models:
            labels = [score.label for score in scores if score.model == model]
            if len(labels) < 2 or self.baseline not in labels:
                why = "; ".join(
                    f"{self.tried[i].name}: {why}" for (m, i), why in failed.items() if m == model
                )
                raise InputError(f"{self.bench.table.source}: the {model} model cannot be compared: {why}.")

    def _unconverged(self, records: Any, failed: Any) -> list[str]:
        slow = {pair: sum(record["unconverged"] for record in found) for pair, found in records.items()}
        return [
            f"{self._name(*pair)}: {count} of {sum(len(r['seconds']) for r in records[pair])} fits stopped"
            " before they converged"
            for pair, count in slow.items()
            if count and pair not in failed
        ]


def _is_built_in(loss: LossFunction) -> bool:
    return all(type(part).__module__.startswith("losskit.") for part in terms(loss))


def _score(
    candidate: Candidate, model: str, loss: LossFunction, rows: Rows, records: list[Any], plan: Plan
) -> Score:
    """A candidate's metrics over the folds, each the mean over the seeds."""
    by_seed = {name: np.array([r["metrics"][name] for r in records]) for name in plan.metrics}
    tuned = tuple(record["tuned"] for record in records if record["tuned"] is not None)
    how = _how_tuned(loss, tuned) if tuned else candidate.how(rows.facts)
    return Score(
        loss=loss,
        model=model,
        reasons=(*candidate.why, *how),
        metrics={name: values.mean(axis=1) for name, values in by_seed.items()},
        seconds=float(np.median([record["seconds"] for record in records])),
        seed_spreads={name: float(values.std(axis=1, ddof=1).mean()) for name, values in by_seed.items()}
        if len(records[0]["seconds"]) > 1
        else {},
        tuned=tuned,
    )


def _how_tuned(loss: LossFunction, tuned: tuple[float, ...]) -> list[str]:
    name = tunable(loss)
    assert name is not None
    return [
        f"{name} = {short(loss.parameters()[name])} tuned by {INNER} inner folds on all rows;"
        f" from {short(min(tuned))} to {short(max(tuned))} over the folds"
    ]
