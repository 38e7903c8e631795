"""The models that a comparison may train, by name."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from losskit.advisor.models.boosted import BoostedClassifier, BoostedRegressor
from losskit.advisor.models.estimators import LossClassifier, LossRegressor
from losskit.errors import MissingExtraError, unknown
from losskit.loss import LossFunction

Maker = Callable[[LossFunction, int], Any]
"""A loss and a seed to an estimator with fit, predict and, for classes, predict_proba and decision_function."""


@dataclass(frozen=True)
class Choice:
    """A kind of model: how to make one for numbers and for classes, and what to say of it."""

    regressor: Maker
    classifier: Maker
    about: str
    random: bool = False
    """Whether a fit depends on the seed."""
    package: str = ""
    """What has to be installed for it."""

    def make(self, task: str, loss: LossFunction, seed: int) -> Any:
        """An estimator that learns the loss."""
        return (self.regressor if task == "regression" else self.classifier)(loss, seed)


def _ours(about: str, hidden: int, l2: float) -> Choice:
    return Choice(
        lambda loss, seed: LossRegressor(loss, hidden=hidden, l2=l2, random_state=seed),
        lambda loss, seed: LossClassifier(loss, hidden=hidden, l2=l2, random_state=seed),
        about,
        random=hidden > 0,
    )


def _boosted(library: str, about: str) -> Choice:
    return Choice(
        lambda loss, _: BoostedRegressor(loss, library),
        lambda loss, _: BoostedClassifier(loss, library),
        about,
        package=library,
    )


CHOICES: Mapping[str, Choice] = {
    "linear": _ours("a linear model", 0, 1e-3),
    "network": _ours("one hidden layer of 16 tanh units", 16, 3e-2),
    "lightgbm": _boosted("lightgbm", "trees boosted by LightGBM"),
    "xgboost": _boosted("xgboost", "trees boosted by XGBoost"),
}
"""Every model; the penalty on a network's weights keeps it from learning the rows by heart."""


def chosen_models(models: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Model names, given one by one or separated by commas; each once, and installed.

    >>> chosen_models("linear, network")
    ('linear', 'network')
    """
    texts = [models] if isinstance(models, str) else models
    names = tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",")))
    for name in names:
        if name not in CHOICES:
            raise unknown("model", name, CHOICES)
        package = CHOICES[name].package
        if package and importlib.util.find_spec(package) is None:
            raise MissingExtraError(f'the model "{name}" needs {package}: pip install "losskit[boosting]"')
    return names
