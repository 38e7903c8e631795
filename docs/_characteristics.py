"""The table of characteristics: what the laws measure of each loss, beside what a common table says."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from losskit import facts, scalar
from losskit.about import About
from losskit.labels import label_of
from losskit.laws import traits
from losskit.laws.inputs import Array, Path, RowsOf
from losskit.laws.subject import Subject
from losskit.loss import LossFunction
from losskit.registry import use_engine
from losskit.rules import ARGUMENTS, bind
from losskit.structures import ElementwiseLoss, RowLoss
from losskit.structures.overlap import LovaszExtension, MaskLoss, OverlapLoss

LAWS = {"robust": traits.robust, "smooth": traits.smooth, "convex": traits.convex}
CLASSIFICATION = {"binary", "multiclass", "multilabel", "segmentation"}
TRANSCENDENTAL = ("exp", "expm1", "log", "log1p", "power", "sqrt", "tanh")


class Characteristics(NamedTuple):
    """One line of the table."""

    robust: bool
    smooth: bool
    convex: bool
    classification: bool
    regression: bool
    cost: str


CLAIMED: dict[str, dict[str, bool]] = {
    name: {"robust": robust, "smooth": smooth, "classification": not regression, "regression": regression}
    for name, robust, smooth, regression in (
        ("mean_squared_error", False, True, True),
        ("mean_absolute_error", True, False, True),
        ("huber", True, True, True),
        ("binary_cross_entropy", False, True, False),
        ("binary_cross_entropy from logits", False, True, False),
        ("hinge", False, False, False),
        ("focal", True, True, False),
        ("focal from logits", True, True, False),
        ("dice", True, False, False),
        ("iou", True, False, False),
    )
}
"""What comparison tables of losses commonly say."""

WHY = {
    ("binary_cross_entropy from logits", "robust"): (
        "from logits the slope is p - y, at most 1 in size: a wrong label pulls on a logit no harder than any other. "
        "The common answer is right of probabilities, where the slope is 1/p."
    ),
    ("hinge", "robust"): (
        "its slope is at most 1 in size, as that of the absolute error, which the same tables call robust. "
        "Neither value is bounded; the pull of an outlier is."
    ),
    ("focal", "robust"): (
        "it makes little of easy examples, not of wrong ones: where the prediction is confident and wrong its slope "
        "grows as that of cross-entropy does."
    ),
    ("dice", "smooth"): (
        "it is a ratio of sums, as smooth as its probabilities as long as its denominator is not 0. What is not smooth "
        "is the overlap of masks after rounding to 0 or 1, which nobody differentiates."
    ),
    ("iou", "smooth"): "as for Dice, a ratio of sums; the extension that has kinks is Lovász's.",
}  # fmt: skip
"""Why what is measured differs from what is claimed; a difference without a reason is an error."""

TEXT = """# Characteristics of losses, measured

Tables like this are often printed; this one is measured. `make docs` takes each loss with its default parameters,
looks for a counterexample to each property with the laws of `losskit.check`, and writes *no* where it finds one.

- **robust**: the slope is bounded, so one wrong target pulls only so hard, however wrong it is.
- **smooth**: the slope has no jump inside of the domain, looked for down to neighbouring floats.
- **convex**: along every line of predictions that was tried the slope never falls. It is about the loss as a function
  of its predictions; a network in front of it makes any loss non-convex in the weights.
- **classification**, **regression**: what the loss is for, as its page says. Masks count as classification.
- **cost**: calls of exp, log, power, root and tanh for value and slope of one element, in the rules as they are written;
  a loss of rows pays its softmax or its logarithm besides, and a loss of masks runs its rules once a region, not
  once an element. 0 is arithmetic alone, which runs at the speed of memory.

{table}

## Where the usual table says otherwise

Of {claims} common statements {differences} differ from what is measured.

{notes}
"""


def page(built_in: dict[type[LossFunction], About]) -> str:
    """The page in Markdown."""
    measured, rows = {}, []
    for cls, about in built_in.items():
        for name, loss in _variants(cls):
            found = measured[name] = _measure(loss, about)
            link = f"[`{label_of(loss)}`](losses/{cls.name}.md){name.removeprefix(cls.name)}"
            rows.append(f"| {link} | {' | '.join(map(_said, found))} |")
    head = "| loss | robust | smooth | convex | classification | regression | cost |"
    return TEXT.format(
        table="\n".join([head, "| --- " * 7 + "|", *rows]),
        claims=sum(map(len, CLAIMED.values())),
        differences=len(WHY),
        notes="\n".join(_notes(measured)),
    )


def _variants(cls: type[LossFunction]) -> Iterator[tuple[str, LossFunction]]:
    """What is measured of a loss: of elements and rows also from logits, of masks from probabilities."""
    if issubclass(cls, ElementwiseLoss | RowLoss | OverlapLoss | LovaszExtension):
        loss = facts.specimen(cls)
        yield cls.name, loss
        if not issubclass(cls, MaskLoss) and loss.parameters().get("from_logits") is False:
            yield f"{cls.name} from logits", loss.replace(from_logits=True)


def _said(fact: bool | str) -> str:
    return fact if isinstance(fact, str) else "yes" if fact else "no"


def _notes(measured: dict[str, Characteristics]) -> list[str]:
    """Every difference with its reason; both must be there."""
    lines, found = [], set()
    for name, claims in CLAIMED.items():
        for column, claimed in claims.items():
            if getattr(measured[name], column) != claimed:
                found.add((name, column))
                answer = "is" if not claimed else "is not"
                what = {"smooth": "smooth", "robust": "robust"}[column]
                lines.append(f"- **{name}** {answer} {what}: {WHY[name, column]}")
    if found != WHY.keys():
        raise ValueError(f"these no longer differ from what is claimed: {sorted(WHY.keys() - found)}")
    return lines


def _measure(loss: LossFunction, about: About) -> Characteristics:
    with use_engine("numpy"), np.errstate(all="ignore"):
        subject = _subject(loss)
        held = {name: not list(law(subject)) for name, law in LAWS.items()}
    return Characteristics(
        **held,
        classification=bool(about.tasks & CLASSIFICATION),
        regression="regression" in about.tasks,
        cost=_cost(loss),
    )


def _subject(loss: LossFunction) -> Any:
    """The loss with the lines on which it is looked at."""
    if isinstance(loss, MaskLoss):
        return MaskSubject(loss)
    plain = Subject(loss, seed=0)
    if isinstance(plain.inputs, RowsOf) and plain.inputs.target != "index":
        return Subject(loss, seed=0, kind=SoftTargets(**vars(plain.inputs)))
    return plain


class SoftTargets(RowsOf):
    """Rows with some targets that are not certain of their class: where a kink may lie inside of the simplex."""

    def paths(self) -> Iterator[Path]:
        """Those to certain targets, then some between predictions for a soft one."""
        yield from super().paths()
        y, p = self.ordinary(np.random.default_rng(6), 4)
        for i in (1, 3):
            yield Path(y[i], p[i], p[i - 1] - p[i], np.linspace(0.0, 1.0, 99), ())


class MaskSubject:
    """A loss of masks on lines between predictions, the last of which is wrong everywhere."""

    def __init__(self, loss: MaskLoss) -> None:
        self.loss, self.inputs = loss, self
        random = np.random.default_rng(0)
        self.mask, *_ = loss.example(random, 1)
        self.predictions = [random.uniform(0.02, 0.98, self.mask.shape) for _ in range(2)] + [1.0 - self.mask]

    def paths(self) -> Iterator[Path]:
        """From each prediction to the next."""
        ends = (1.0 - 10.0 ** -np.arange(1.0, 15.0),)
        for start, end in pairwise(self.predictions):
            base = start.ravel()
            yield Path(self.mask.ravel(), base, end.ravel() - base, np.linspace(0.0, 1.0, 9), ends)

    def interior(self, t: Array) -> Array:
        """All but the ends of a path."""
        return t[1:-1]

    def each(self, verb: str, batch: tuple[Array, Array]) -> Array:
        """A verb's answer for each prediction."""
        ask = getattr(self.loss, verb)
        return np.array([np.ravel(ask(self.mask, p.reshape(self.mask.shape))) for p in batch[1]])


def _cost(loss: Any) -> str:
    """Calls of transcendental functions in the rules of value and slope; of rows for each class or for each row."""
    if isinstance(loss, MaskLoss):
        return "0"
    count = sum(_calls(getattr(t.rules, kind), t) for t in loss.terms for kind in ("value", "slope"))
    if not isinstance(loss, RowLoss):
        return str(count)
    return f"{count} + {'a softmax' if loss.form.link == 'softmax' else 'a logarithm'}"


def _calls(rule: Callable[..., Any], term: Any) -> int:
    """How often a rule calls a transcendental function."""
    calls = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return function(*arguments)

        return call

    words = {name: getattr(scalar, name) for name in scalar.PRIMITIVES}
    words |= {name: counted(words[name]) for name in TRANSCENDENTAL}
    numbers = term.numbers(float(np.finfo(np.float64).tiny))
    bind(rule, words)(*[np.float64(0.5)] * len(ARGUMENTS[term.rules.argument]), *map(np.float64, numbers))
    return calls
