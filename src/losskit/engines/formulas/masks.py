"""What the formulas of masks share: how targets are read, and what makes probabilities of predictions.

Arrays are brought to the shape (outer, classes, inner): samples, classes and space. Where nothing asks
for classes, or for samples, those axes have length 1.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from losskit.engines.array_formula import Fault
from losskit.structures.overlap import MaskLoss

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How the predictions' axes are read."""

    outer: int
    classes: int
    inner: int
    by_index: bool
    """Whether targets are class indices."""

    @property
    def shape(self) -> Shape:
        return self.outer, self.classes, self.inner

    def regions(self, per: str) -> Shape:
        """The shape of the terms beside (outer, classes, inner), with an axis of length 1 for each sum."""
        return self.outer if "sample" in per else 1, self.classes if "class" in per else 1, 1

    def terms(self, per: str) -> Shape:
        """The shape of the terms."""
        return tuple(n for n, name in zip(self.shape, ("sample", "class"), strict=False) if name in per)

    @property
    def pixels(self) -> Shape:
        """The shape of what all classes share."""
        return self.outer, 1, self.inner


def layout(loss: MaskLoss, true: Shape, pred: Shape) -> Layout:
    """The axes of the predictions, or a ValueError for shapes that do not fit."""
    t, p = loss.arguments
    indices = pred[:1] + pred[2:]
    if true != pred and (true != indices or len(pred) < 2):
        either = f", or class indices of shape {indices}" if len(pred) > 1 else ""
        raise ValueError(
            f"{t} must be masks of {p}'s shape {pred}{either}; got shape {true}{_hint(t, true, pred)}"
        )
    by_index = true != pred
    if by_index or loss.needs_classes:
        return _with_classes(loss, pred, by_index)
    if loss.per == "sample":
        _require_axes(loss, pred, 1)
        return Layout(pred[0], 1, math.prod(pred[1:]), False)
    return Layout(1, 1, math.prod(pred), False)


def shape(loss: MaskLoss, true: Shape, pred: Shape) -> Shape:
    """The shape of the terms."""
    return layout(loss, true, pred).terms(loss.per)


def _with_classes(loss: MaskLoss, pred: Shape, by_index: bool) -> Layout:
    _require_axes(loss, pred, 2)
    weights = loss.class_weights
    if weights is not None and len(weights) != pred[1]:
        raise ValueError(
            f"class_weights must be one a class: {len(weights)} weights, but {loss.arguments[1]} of shape {pred} "
            f"has {pred[1]} classes on axis 1"
        )
    return Layout(pred[0], pred[1], math.prod(pred[2:]), by_index)


def _require_axes(loss: MaskLoss, pred: Shape, count: int) -> None:
    if len(pred) < count:
        axes = "(n, classes, *space)" if count == 2 else "(n, ...)"
        asked = "classes" if count == 2 else "samples"
        raise ValueError(
            f"{loss.arguments[1]} must have the shape {axes}, got {pred}: {loss!r} asks for {asked}"
        )


def _hint(name: str, true: Shape, pred: Shape) -> str:
    if len(pred) > 1 and pred[1] == 1 and true == pred[:1] + pred[2:]:
        return f"; pass {name}[:, None]"
    if len(pred) > 1 and true == (pred[0], 1, *pred[2:]):
        return f"; for class indices pass {name}[:, 0]"
    if len(pred) > 1 and true == (pred[0], *pred[2:], pred[1]):
        return f"; pass numpy.moveaxis({name}, -1, 1)"
    return "; losskit never broadcasts arrays"


def weight_shape(loss: MaskLoss, true: Shape, pred: Shape) -> Shape:
    """Of one weight a pixel where its classes stand or fall together, else of one an element."""
    together = layout(loss, true, pred).by_index or loss.link == "softmax"
    return pred[:1] + pred[2:] if together else pred


def faults(xp: Any, loss: MaskLoss, y: Any, p: Any, weight: Any = None) -> Iterator[Fault]:
    """Targets that are no class, no mask, or predictions that are no probability."""
    t, name = loss.arguments
    axes = layout(loss, y.shape, p.shape)
    if axes.by_index:
        last = axes.classes - 1
        illegal = xp.logical_not(xp.logical_and(y == xp.floor(y), xp.logical_and(y >= 0, y <= last)))
        but = "" if loss.ignore_index is None else f" or ignore_index={loss.ignore_index}"
        yield Fault(t, _kept(xp, loss, y, illegal), f"a class from 0 to {last}{but}", index=True)
    elif loss.validate:
        wrong = xp.logical_and(y == y, y * y != y) if loss.hard else xp.logical_or(y < 0, y > 1)
        yield Fault(t, _kept(xp, loss, y, wrong), "0 or 1" if loss.hard else "in [0, 1]")
    if loss.validate and loss.link == "probability":
        wrong = _kept(xp, loss, xp.expand_dims(y, 1) if axes.by_index else y, xp.logical_or(p < 0, p > 1))
        yield Fault(name, wrong, "in [0, 1]; for logits pass from_logits=True")


def _kept(xp: Any, loss: MaskLoss, y: Any, wrong: Any) -> Any:
    """What is wrong, but for where the target is the value to ignore."""
    return wrong if loss.ignore_index is None else xp.logical_and(y != loss.ignore_index, wrong)


@dataclass(frozen=True)
class Masks:
    """Targets, predictions and weights in the shape of the layout; where a weight is 0, all are."""

    y: Any
    z: Any
    w: Any
    axes: Layout


def read(xp: Any, loss: MaskLoss, y: Any, p: Any, weight: Any) -> Masks:
    """The arguments of a loss as masks, with 0 where elements are ignored."""
    axes = layout(loss, y.shape, p.shape)
    own = axes.pixels if axes.by_index else axes.shape
    target, z = xp.reshape(y, own), xp.reshape(p, axes.shape)
    one = xp.ones_like(target)
    w = one if weight is None else xp.reshape(weight, own if _fits(weight.shape, own) else axes.pixels)
    if loss.ignore_index is not None:
        kept = target != loss.ignore_index
        if loss.link == "softmax":
            kept = xp.all(kept, axis=1, keepdims=True)
        target, w = xp.where(kept, target, xp.zeros_like(target)), xp.where(kept, w, xp.zeros_like(target))
        z = xp.where(kept, z, xp.zeros_like(z))
    if axes.by_index:
        classes = xp.reshape(xp.cast(xp.arange(axes.classes), xp.float), (1, axes.classes, 1))
        target = xp.where(target == classes, xp.ones_like(z), xp.zeros_like(z))
    return Masks(xp.where(w == 0.0, xp.zeros_like(target), target), z, w, axes)


def _fits(shape: Shape, own: Shape) -> bool:
    return math.prod(shape) == math.prod(own)


def class_weights(xp: Any, loss: MaskLoss) -> Any:
    """The weights of the classes, (1, classes, 1); one 1 where there are none."""
    one = xp.ones((1, 1, 1))
    if loss.class_weights is None:
        return one
    return xp.concatenate([one * w for w in loss.class_weights], 1)


def probabilities(xp: Any, loss: MaskLoss, z: Any) -> tuple[Any, Any]:
    """p and 1 - p, each with all its digits."""
    if loss.link == "probability":
        return z, 1.0 - z
    if loss.link == "sigmoid":
        return xp.sigmoid(z), xp.sigmoid(-z)
    top, powers, others = _powers(xp, z)
    p = powers / (1.0 + others)
    return p, xp.where(top, others / (1.0 + others), 1.0 - p)


def _powers(xp: Any, z: Any) -> tuple[Any, Any, Any]:
    """Where the largest logit is, exp(z - largest), and the sum of those of the other classes."""
    classes = xp.reshape(xp.arange(z.shape[1]), (1, z.shape[1], 1))
    top = classes == xp.expand_dims(xp.argmax(z, axis=1), 1)
    powers = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    others = xp.sum(xp.where(top, xp.zeros_like(z), powers), axis=1, keepdims=True)
    return top, powers, others


def chain(xp: Any, loss: MaskLoss, z: Any, slope: Any) -> Any:
    """The derivative with respect to predictions, from that with respect to probabilities."""
    if loss.link in ("probability", "score"):
        return slope
    p, q = probabilities(xp, loss, z)
    if loss.link == "sigmoid":
        return slope * (p * q)
    # p_j (d_j - sum_k p_k d_k), the slopes d taken beside that of the largest: its p is no factor of the sum then,
    # and 1 - p need not be known
    top, zero = _powers(xp, z)[0], xp.zeros_like(z)
    beside = slope - xp.sum(xp.where(top, slope + zero, zero), axis=1, keepdims=True)
    return p * (beside - xp.sum(p * beside, axis=1, keepdims=True))
