"""How a comparison is made: models, folds, seeds, and whether parameters are tuned."""

from dataclasses import dataclass

from losskit.errors import InputError


@dataclass(frozen=True)
class Plan:
    """The parts of a comparison that do not depend on the data."""

    models: tuple[str, ...]
    folds: int
    repeats: int
    seed: int
    seeds: int
    tune: bool
    metrics: tuple[str, ...]
    """The one that decides first."""

    @property
    def splits(self) -> int:
        """How often the rows are split into training and test rows."""
        return self.folds * self.repeats

    def in_words(self) -> str:
        """The plan as a phrase: ``linear model, 5 folds x 2``."""
        *others, last = self.models
        models = f"{', '.join(others)} and {last} models" if others else f"{last} model"
        folds = f"{self.folds} folds" + (f" x {self.repeats}" if self.repeats > 1 else "")
        seeds = f", {self.seeds} seeds" if self.seeds > 1 else ""
        return f"{models}, {folds}{seeds}" + (", parameters tuned" if self.tune else "")


def check_numbers(**least: tuple[object, int]) -> None:
    """Refuse what is no whole number of at least so much.

    >>> check_numbers(folds=(1, 2))
    Traceback (most recent call last):
    ...
    losskit.errors.InputError: folds must be a whole number of at least 2, got 1.
    """
    for name, (value, lowest) in least.items():
        if not isinstance(value, int) or value < lowest:
            raise InputError(f"{name} must be a whole number of at least {lowest}, got {value!r}.")
