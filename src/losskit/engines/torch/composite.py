"""Losses as torch operations: the path for compilers, transforms, other devices and second derivatives.

Values that cannot be looked at, because a compiler or a transform is at work, are not checked: where
they are outside a loss's domain the answer is NaN. An index out of range is never read in either case.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from losskit.domain import PROBABILITY, Domain
from losskit.engines.array_traced import Weights
from losskit.engines.inputs import shape_error
from losskit.engines.row_inputs import _axis, _by_index
from losskit.engines.torch import array_composite, expansion, rows
from losskit.engines.torch.arrays import ask
from losskit.engines.torch.expansion import BoundTerm, bound
from losskit.engines.torch.inputs import HALVES, beside, predictions, weights_of, working_dtype
from losskit.engines.torch.paths import is_known
from losskit.engines.torch.reductions import reduced, weighed, weight_of
from losskit.loss import LossFunction, WeightedSum
from losskit.registry import Wanted
from losskit.rules import FromDtype
from losskit.structures import ArrayLoss, ElementwiseLoss, RowForm, RowLoss


class Bound(NamedTuple):
    """A loss as torch operations in one dtype: all that a traced call reads."""

    loss: LossFunction
    reduction: str
    empty: str
    validate: bool
    terms: tuple[BoundTerm, ...] = ()
    domains: tuple[tuple[Domain, ...], tuple[Domain, ...]] = ((), ())
    """Of targets and of predictions, for an elementwise loss."""
    index_terms: tuple[BoundTerm, ...] = ()
    """Of a loss of rows, in the place of ``terms`` where targets are class indices."""
    form: RowForm | None = None
    floor: float = 0.0
    summands: tuple[tuple[float, "Bound"], ...] = ()

    @property
    def is_of_arrays(self) -> bool:
        """Whether it is a loss of whole arrays, whose formula is bound elsewhere."""
        return isinstance(self.loss, ArrayLoss)


def bound_loss(loss: LossFunction, dtype: torch.dtype) -> Bound:
    """A loss with its rules bound to torch, once a loss and dtype."""
    known: dict[torch.dtype, Bound] = loss.__dict__.setdefault("_bound", {})
    if dtype not in known:
        known[dtype] = _bind(loss, dtype)
    return known[dtype]


@torch.compiler.disable(reason="rules are bound before they are traced")  # type: ignore[untyped-decorator, no-untyped-call]
def _bind(loss: LossFunction, dtype: torch.dtype) -> Bound:
    common = (loss, loss.reduction, loss.empty, loss.validate)
    if isinstance(loss, WeightedSum):
        return Bound(*common, summands=tuple((k, bound_loss(term, dtype)) for k, term in loss.summands))
    if isinstance(loss, ElementwiseLoss):
        domains = tuple(
            tuple(dict.fromkeys(d for d in (getattr(t.rules, side) for t in loss.terms) if d is not None))
            for side in ("targets", "predictions")
        )
        return Bound(*common, tuple(bound(t, dtype) for t in loss.terms), domains)  # type: ignore[arg-type]
    if isinstance(loss, RowLoss):
        form = loss.form
        floor = torch.finfo(dtype).tiny if isinstance(form.floor, FromDtype) else form.floor
        terms, by_index = (tuple(bound(t, dtype) for t in loss.terms_for(of)) for of in (False, True))
        return Bound(*common, terms, index_terms=by_index, form=form, floor=floor)
    if isinstance(loss, ArrayLoss):
        array_composite.make_ready(loss)
        return Bound(*common)
    raise NotImplementedError(
        f"{type(loss).__name__} computes on NumPy arrays, which torch can neither trace nor transform; subclass a "
        "structure such as losskit.ResidualLoss and write rules"
    )


class Point(NamedTuple):
    """Targets and predictions ready for the rules: in the dtype at work, class axis last, nothing bad in them."""

    y: Tensor | None
    labels: Tensor | None
    p: Tensor
    class_weights: Tensor | None
    weights: Weights
    dtype: torch.dtype
    bound: Bound
    """The loss in that dtype."""


Bounds = tuple[Bound, Bound]
"""A loss bound to float32 and to float64."""


def total(
    bounds: Bounds,
    arguments: tuple[Any, ...],
    sample_weight: Any,
    mask: Any,
    class_weights: Tensor | None = None,
    num_items: Any = None,
) -> Tensor:
    """The loss as a differentiable tensor, reduced as it says, with ``num_items`` as a mean's denominator."""
    narrow, wide = bounds
    if narrow.summands:
        more = sample_weight, mask, class_weights, num_items
        pairs = zip(narrow.summands, wide.summands, strict=True)
        (k, first), *rest = [(k, total((a, b), arguments, *more)) for (k, a), (_, b) in pairs]
        answer = k * first
        for k, one in rest:
            answer = answer + k * one
        return answer
    if narrow.is_of_arrays:
        point_of_arrays = array_composite.prepared(narrow.loss, arguments, sample_weight, mask)  # type: ignore[arg-type]
        return array_composite.loss_of(point_of_arrays, num_items)
    point = prepared(bounds, arguments, sample_weight, mask, class_weights)
    whole = reduced(terms_of(point), point.weights, narrow.reduction, narrow.empty, num_items)
    return whole.to(point.dtype)


def bounds_of(loss: LossFunction) -> Bounds:
    """A loss bound to both dtypes that work is done in."""
    return bound_loss(loss, torch.float32), bound_loss(loss, torch.float64)


def terms_of(point: Point) -> Tensor:
    """The loss of each term, 0 where it does not count."""
    b = point.bound
    if b.form is None:
        assert point.y is not None
        terms = expansion.expanded(b.terms, point.y, point.p)
    elif point.p.numel() == 0:
        return point.p.sum(-1)
    else:
        terms = rows.expanded(_rows_of(point), *point[:4])
    return weighed(terms, point.weights)


def _rows_of(point: Point) -> rows.Rows:
    """The rules of a loss of rows for the targets at hand."""
    b = point.bound
    assert b.form is not None
    terms = b.terms if point.labels is None else b.index_terms
    return rows.Rows(terms, b.form.link, b.floor, b.form.shift)


def curvatures(point: Point) -> Tensor:
    """The diagonal of the second derivative, of each term, against the predictions' own axes."""
    b = point.bound
    scale = scale_of(point)
    if b.form is None:
        assert point.y is not None
        return _saturated(b, weighed(expansion.diagonal(b.terms, point.y, point.p), point.weights) * scale)
    if point.p.numel() == 0:
        return torch.zeros_like(point.p).movedim(-1, b.form.axis)
    second = rows.diagonal(_rows_of(point), *point[:4])
    along = Weights(*(None if x is None else x.unsqueeze(-1) for x in point.weights))
    return _saturated(b, weighed(second, along) * scale).movedim(-1, b.form.axis)


def _saturated(b: Bound, second: Tensor) -> Tensor:
    return expansion.finite(second) if any(term.saturates for term in b.terms) else second


def scale_of(point: Point) -> Any:
    """What each term of a mean is multiplied by."""
    if point.bound.reduction != "mean":
        return 1.0
    weight = weight_of(point.weights, point.p[..., 0] if point.bound.form else point.p)
    if isinstance(weight, Tensor):
        return torch.where(weight > 0.0, 1.0 / weight, 0.0).to(point.dtype)
    return 1.0 / weight if weight else 0.0


def prepared(
    bounds: Bounds, arguments: tuple[Any, ...], sample_weight: Any, mask: Any, class_weights: Tensor | None
) -> Point:
    """Check the inputs of a loss that is no sum, and make them safe to work on."""
    loss = bounds[0].loss
    t, name = loss.arguments
    y, p = predictions(loss, arguments)
    if isinstance(y, bool | int | float):
        y = torch.full(p.shape, y, dtype=p.dtype, device=p.device)
    y = beside(t, y, p, name)
    if y.is_complex():
        raise TypeError(f"{t} must be real numbers, got dtype {y.dtype}")
    if bounds[0].form is None:
        return _pair(bounds, y, p, sample_weight, mask)
    return _rows(bounds, y, p, sample_weight, mask, class_weights)


def _pair(bounds: Bounds, y: Tensor, p: Tensor, sample_weight: Any, mask: Any) -> Point:
    loss = bounds[0].loss
    if y.shape != p.shape:
        raise shape_error(loss, tuple(y.shape), tuple(p.shape))
    if not y.is_floating_point():
        y = y.to(p.dtype)
    dtype = working_dtype(y, p)
    b = bounds[dtype is torch.float64]
    weights = weights_of(p.shape, p, loss.arguments[1], sample_weight, mask)
    target, q = _kept(y.to(dtype), weights.keep), _kept(p.to(dtype), weights.keep)
    bad = weights.bad
    if b.validate:
        for x, domains in ((target, b.domains[0]), (q, b.domains[1])):
            for domain in domains:
                bad = _also(bad, domain.outside(x.detach()), weights.keep)
    weights = _refused(loss, (y, p), sample_weight, mask, weights, bad)
    return Point(target, None, q, None, weights, dtype, b)


def _rows(
    bounds: Bounds, y: Tensor, p: Tensor, sample_weight: Any, mask: Any, class_weights: Tensor | None
) -> Point:
    loss, form = bounds[0].loss, bounds[0].form
    assert form is not None
    assert isinstance(loss, RowLoss)
    axis = _axis(loss, p, form.axis)  # type: ignore[arg-type]
    shape = p.shape[:axis] + p.shape[axis + 1 :]
    by_index = _by_index(loss, form.target, tuple(y.shape), tuple(p.shape), tuple(shape), axis)
    if not by_index and not y.is_floating_point():
        y = y.to(p.dtype)
    dtype = working_dtype(None if by_index else y, p)
    b = bounds[dtype is torch.float64]
    classes = p.shape[axis]
    if classes == 0 and 0 not in shape:
        raise ValueError(f"{loss.arguments[1]} of shape {tuple(p.shape)} has no classes on axis {form.axis}")
    class_weights = _class_weights(form, class_weights, p, dtype, axis)
    weights = weights_of(shape, p, loss.arguments[1], sample_weight, mask)
    labels, bad = None, weights.bad
    if by_index:
        labels, weights, bad = _labels(loss, form, y, weights, classes)
    keep = weights.keep
    along = None if keep is None else keep.unsqueeze(-1)
    q = _kept(p.to(dtype).movedim(axis, -1), along)
    shares = None if by_index else _kept(y.to(dtype).movedim(axis, -1), along)
    if b.validate:
        tolerance = 3e-2 if any(x.dtype in HALVES for x in (y, p)) else 1e-3
        for x, logarithms in (
            (shares, False),
            (None if form.link == "softmax" else q, form.link == "log_probability"),
        ):
            if x is not None:
                bad = _also(bad, _no_distribution(x.detach(), logarithms, tolerance), keep)
    weights = _refused(loss, (y, p), sample_weight, mask, weights, bad)
    return Point(shares, labels, q, class_weights, weights, dtype, b)


def _kept(x: Tensor, keep: Tensor | None) -> Tensor:
    """0 where a term does not count: not even a NaN touches the answer."""
    return x if keep is None else torch.where(keep, x, 0.0)


def _labels(
    loss: RowLoss, form: RowForm, y: Tensor, weights: Weights, classes: int
) -> tuple[Tensor, Weights, Tensor | None]:
    """Class indices that are safe to read by, the rows that count, and where an index was none."""
    w, keep, bad = weights
    labels = y.to(torch.int64)
    if form.ignore_index is not None:
        present = labels != form.ignore_index
        keep = present if keep is None else keep & present
        bad = None if bad is None else bad & present
    outside = (labels < 0) | (labels >= classes)
    if y.is_floating_point():
        if y.requires_grad:
            raise TypeError(
                f"{loss.arguments[0]} holds class indices, which have no gradient: pass integers, or a distribution "
                "over the classes, whose shares have one"
            )
        outside = outside | (torch.floor(y) != y)
    safe = torch.clamp(labels, 0, max(classes - 1, 0))
    return safe, Weights(w, keep, None), _also(bad, outside, keep)


def _class_weights(
    form: RowForm, given: Tensor | None, p: Tensor, dtype: torch.dtype, axis: int
) -> Tensor | None:
    if given is None and form.class_weights is not None:
        given = torch.tensor(form.class_weights, device=p.device, dtype=dtype)
    if given is None:
        return None
    if given.shape[0] != p.shape[axis]:
        raise ValueError(
            f"class_weights has {given.shape[0]} numbers, but y_pred of shape {tuple(p.shape)} has {p.shape[axis]} "
            f"classes on axis {form.axis}"
        )
    return given.to(dtype)


def _no_distribution(x: Tensor, logarithms: bool, tolerance: float) -> Tensor:
    """Rows that are no distribution, or no logarithms of one."""
    outside = x > tolerance if logarithms else PROBABILITY.outside(x)
    sums = (torch.exp(x) if logarithms else x).sum(-1)
    return outside.any(-1) | (torch.abs(sums - 1.0) > tolerance)


def _also(bad: Tensor | None, more: Tensor, keep: Tensor | None) -> Tensor:
    """Where terms are bad, or bad in one more way, and count."""
    more = more if keep is None else more & keep
    return more if bad is None else bad | more


def _refused(
    loss: LossFunction,
    arguments: tuple[Tensor, Tensor],
    sample_weight: Any,
    mask: Any,
    weights: Weights,
    bad: Tensor | None,
) -> Weights:
    """Raise for bad values where they can be looked at; else weigh the terms they are in by NaN."""
    if bad is None:
        return weights._replace(bad=None)
    # Off the host, looking makes it wait: validate=False spares that, and an index out of range is then NaN, too.
    if is_known(bad) and (loss.validate or bad.is_cpu):
        if bool(bad.any()):
            ask(loss, *arguments, Wanted(value=True), sample_weight, mask)  # the engine on arrays says where
        bad = None
    return weights._replace(bad=bad)
