"""Every deep-learning loss, exact, stable and fused: one definition for NumPy, PyTorch and JAX.

>>> import losskit as lk
>>> loss = lk.HuberLoss(delta=1.0)
>>> value, gradient = loss.value_and_derivative([1.0, 2.0], [1.5, 5.0])
>>> float(value), gradient
(1.3125, array([0.25, 0.5 ]))

Targets come first, then predictions. ``lk.list_losses()`` names the losses; all public names are
loaded when first used.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import losskit.engines  # registers the engines; loads none

if TYPE_CHECKING:
    from losskit.about import About as About
    from losskit.advisor.recommendation.advice import recommend as recommend
    from losskit.boosting import boosting_objective as boosting_objective
    from losskit.catalogue import UnknownLoss as UnknownLoss
    from losskit.catalogue import from_config as from_config
    from losskit.catalogue import get as get
    from losskit.catalogue import list_losses as list_losses
    from losskit.catalogue import parse as parse
    from losskit.checking import check as check
    from losskit.engines.numba.pool import get_num_threads as get_num_threads
    from losskit.engines.numba.pool import set_num_threads as set_num_threads
    from losskit.explanation.explaining import explain as explain
    from losskit.loss import LossFunction as LossFunction
    from losskit.losses.adversarial import *
    from losskit.losses.binary import *
    from losskit.losses.boundary import *
    from losskit.losses.boxes import *
    from losskit.losses.distillation import *
    from losskit.losses.divergence import *
    from losskit.losses.divergence_kin import *
    from losskit.losses.images import *
    from losskit.losses.latent import *
    from losskit.losses.lattice import *
    from losskit.losses.likelihood import *
    from losskit.losses.likelihood_scale import *
    from losskit.losses.linear import *
    from losskit.losses.lists import *
    from losskit.losses.margin import *
    from losskit.losses.overlap import *
    from losskit.losses.pairs import *
    from losskit.losses.ranking import *
    from losskit.losses.relative import *
    from losskit.losses.residual import *
    from losskit.losses.robust import *
    from losskit.losses.scores import *
    from losskit.losses.similarity import *
    from losskit.losses.softmax import *
    from losskit.losses.softmax_kin import *
    from losskit.losses.transport import *
    from losskit.losses.tweedie import *
    from losskit.numerics import clip_gradients as clip_gradients
    from losskit.numerics import log_sum_exp as log_sum_exp
    from losskit.numerics import stable_cross_entropy as stable_cross_entropy
    from losskit.numerics import stable_softmax as stable_softmax
    from losskit.parameters import parameter as parameter
    from losskit.pictures.maps import plot_map as plot_map
    from losskit.pictures.plotting import plot as plot
    from losskit.reduction import Parts as Parts
    from losskit.registry import use_engine as use_engine
    from losskit.rules import rule as rule
    from losskit.scoring.scorer import score as score
    from losskit.structures import ArrayLoss as ArrayLoss
    from losskit.structures import ElementwiseLoss as ElementwiseLoss
    from losskit.structures import MarginLoss as MarginLoss
    from losskit.structures import ResidualLoss as ResidualLoss
    from losskit.structures import SoftmaxLoss as SoftmaxLoss
    from losskit.structures.columns import ColumnLoss as ColumnLoss
    from losskit.structures.overlap import OverlapLoss as OverlapLoss
    from losskit.structures.pairs import PairLoss as PairLoss

__version__ = "0.1.0"

_HOMES = {
    "about": ("About",),
    "advisor.recommendation.advice": ("recommend",),
    "advisor.comparison.trial": ("compare",),
    "boosting": ("boosting_objective",),
    "catalogue": ("UnknownLoss", "from_config", "get", "list_losses", "parse"),
    "checking": ("check",),
    "engines.numba.pool": ("get_num_threads", "set_num_threads"),
    "loss": ("LossFunction",),
    "numerics": ("clip_gradients", "log_sum_exp", "stable_cross_entropy", "stable_softmax"),
    "parameters": ("parameter",),
    "explanation.explaining": ("explain",),
    "pictures.maps": ("plot_map",),
    "pictures.plotting": ("plot",),
    "reduction": ("Parts",),
    "registry": ("use_engine",),
    "rules": ("rule",),
    "scoring.scorer": ("score",),
    "structures": ("ArrayLoss", "ElementwiseLoss", "MarginLoss", "ResidualLoss", "SoftmaxLoss"),
    "structures.columns": ("ColumnLoss",),
    "structures.overlap": ("OverlapLoss",),
    "structures.pairs": ("PairLoss",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, from its home; a loss class, from whatever file of losses/ defines it."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(f"losskit.{_HOME_OF[name]}"), name)
    else:
        value = _loss_class(name) if name[:1].isupper() else None
        if value is None:
            raise AttributeError(f"module 'losskit' has no attribute {name!r}")
    globals()[name] = value
    return value


def _loss_class(name: str) -> Any:
    """The loss that a class name, or an alias written like one, stands for: IoULoss is JaccardLoss, too."""
    catalogue = importlib.import_module("losskit.catalogue")
    try:
        found = catalogue.find(name)
    except catalogue.UnknownLoss:
        return None
    return found if found.__module__.startswith("losskit.losses.") else None


def _loss_classes() -> dict[str, Any]:
    """The built-in losses by class name."""
    catalogue = importlib.import_module("losskit.catalogue")
    return {c.__name__: c for c in catalogue.all_losses() if c.__module__.startswith("losskit.losses.")}


def __dir__() -> list[str]:
    submodules = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    return sorted({*_HOME_OF, *_loss_classes(), *submodules, "__version__"})
