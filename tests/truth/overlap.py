"""Losses of masks by their definitions, and the masks that they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf

from .jets import Mpf
from .sample import Sample, keeper

TEXTBOOK: dict[str, Callable[..., list[Mpf]]] = {}

_define = keeper(TEXTBOOK)


class Element(NamedTuple):
    """One number of a mask with its place."""

    sample: int
    cls: int
    place: int
    y: Mpf
    p: Mpf


def _elements(
    y_true: Any, y_pred: Any, from_logits: bool = False, activation: str = "sigmoid",
    ignore_index: int | None = None, **_: Any,
) -> list[Element]:  # fmt: skip
    """All elements that count; targets are masks (samples, classes, places) or indices (samples, places)."""
    by_index = not isinstance(y_true[0][0], list)
    found = []
    for n, rows in enumerate(y_pred):
        for i in range(len(rows[0])):
            column = [row[i] for row in rows]
            if from_logits and activation == "softmax":
                powers = [mp.exp(z) for z in column]
                probabilities = [x / sum(powers) for x in powers]
            else:
                probabilities = [1 / (1 + mp.exp(-z)) if from_logits else z for z in column]
            targets = [y_true[n][i]] if by_index else [row[i] for row in y_true[n]]
            if by_index and targets[0] == ignore_index:
                continue
            if from_logits and activation == "softmax" and ignore_index in targets and not by_index:
                continue
            for c, p in enumerate(probabilities):
                y = mpf(targets[0] == c) if by_index else targets[c]
                if by_index or y != ignore_index:
                    found.append(Element(n, c, i, y, p))
    return found


def _regions(y_pred: Any, elements: list[Element], per: str) -> list[list[Element]]:
    """The elements of each term."""
    samples, classes = range(len(y_pred)), range(len(y_pred[0]))
    if per == "all":
        return [elements]
    if per == "class":
        return [[e for e in elements if e.cls == c] for c in classes]
    if per == "sample":
        return [[e for e in elements if e.sample == n] for n in samples]
    return [[e for e in elements if (e.sample, e.cls) == (n, c)] for n in samples for c in classes]


def _over_regions(measure: Callable[..., Mpf]) -> Callable[..., list[Mpf]]:
    """A measure of weighted elements as a loss: class weights weigh a class within a sum, or its term."""

    def terms(
        y_true: Any, y_pred: Any, per: str = "all", class_weights: Any = None, **parameters: Any
    ) -> list[Mpf]:
        by_index = not isinstance(y_true[0][0], list)
        parameters["one_image"] = per == "all" and class_weights is None and not by_index
        found = []
        for region in _regions(y_pred, _elements(y_true, y_pred, **parameters), per):
            shares = [mpf(1) if class_weights is None else mpf(class_weights[e.cls]) for e in region]
            if "class" not in per or not region:
                found.append(measure(region, shares, **parameters))
            else:
                found.append(shares[0] * measure(region, [mpf(1)] * len(region), **parameters))
        return found

    return terms


def _ratio(numerator: Mpf, denominator: Mpf) -> Mpf:
    return numerator / denominator if denominator else mpf(1)


def _sums(region: list[Element], shares: list[Mpf], squared: bool = False) -> tuple[Mpf, Mpf, Mpf]:
    """sum y p, sum y and sum p, or the sums of squares."""
    power = 2 if squared else 1
    pairs = list(zip(shares, region, strict=True))
    return (
        sum((w * e.y * e.p for w, e in pairs), mpf(0)),
        sum((w * e.y**power for w, e in pairs), mpf(0)),
        sum((w * e.p**power for w, e in pairs), mpf(0)),
    )


@_define("DiceLoss")
@_over_regions
def _dice(
    region: list[Element], shares: list[Mpf], smooth: Any = 1e-6, squared: bool = False, **_: Any
) -> Mpf:
    """Dice 1945; with squares Milletari et al. 2016, section 3."""
    both, true, pred = _sums(region, shares, squared)
    return 1 - _ratio(2 * both + mpf(smooth), true + pred + mpf(smooth))


@_define("IoULoss")
@_over_regions
def _iou(
    region: list[Element], shares: list[Mpf], smooth: Any = 1e-6, squared: bool = False, **_: Any
) -> Mpf:
    """Rahman and Wang 2016, eq. 3-5."""
    both, true, pred = _sums(region, shares, squared)
    return 1 - _ratio(both + mpf(smooth), true + pred - both + mpf(smooth))


def _tversky_index(region: list[Element], shares: list[Mpf], alpha: Any, beta: Any, smooth: Any) -> Mpf:
    """Salehi et al. 2017, eq. 4, with alpha for false positives."""
    both, true, pred = _sums(region, shares)
    hits = both + mpf(smooth)
    return _ratio(hits, hits + mpf(alpha) * (pred - both) + mpf(beta) * (true - both))


@_define("TverskyLoss")
@_over_regions
def _tversky(
    region: list[Element], shares: list[Mpf], alpha: Any = 0.3, beta: Any = 0.7, smooth: Any = 1e-6, **_: Any
) -> Mpf:
    return 1 - _tversky_index(region, shares, alpha, beta, smooth)


@_define("FocalTverskyLoss")
@_over_regions
def _focal_tversky(
    region: list[Element], shares: list[Mpf], gamma: Any = 0.75, alpha: Any = 0.3, beta: Any = 0.7,
    smooth: Any = 1e-6, **_: Any,
) -> Mpf:  # fmt: skip
    """Abraham and Khan 2019, eq. 4, whose gamma is the reciprocal."""
    return (1 - _tversky_index(region, shares, alpha, beta, smooth)) ** mpf(gamma)


@_define("GeneralizedDiceLoss")
@_over_regions
def _generalized_dice(
    region: list[Element], shares: list[Mpf], smooth: Any = 1e-6, power: Any = 2.0, **_: Any
) -> Mpf:
    """Sudre et al. 2017, section 2; weights are relative to the smallest class's, absent ones like that."""
    volumes: dict[int, Mpf] = {}
    for e in region:
        volumes[e.cls] = volumes.get(e.cls, mpf(0)) + e.y
    smallest = min((v for v in volumes.values() if v), default=mpf(1))
    weights = {c: (smallest / v) ** mpf(power) if v else mpf(1) for c, v in volumes.items()}
    weighed = [w * weights[e.cls] for w, e in zip(shares, region, strict=True)]
    both, true, pred = _sums(region, weighed)
    return 1 - _ratio(2 * both + mpf(smooth), true + pred + mpf(smooth))


@_define("LovaszLoss")
@_over_regions
def _lovasz(
    region: list[Element], shares: list[Mpf], kind: str = "probability", smooth: Any = 0.0, **_: Any
) -> Mpf:
    """Berman et al. 2018, eq. 8 and 9: errors in descending order times the growth of the Jaccard loss."""

    def jaccard(wrong: list[tuple[Mpf, Element]]) -> Mpf:
        target = sum((w for w, e in zip(shares, region, strict=True) if e.y), mpf(0))
        missed = sum((w for w, e in wrong if e.y), mpf(0))
        false = sum((w for w, e in wrong if not e.y), mpf(0))
        return 1 - _ratio(target - missed + mpf(smooth), target + false + mpf(smooth)) if wrong else mpf(0)

    def error(e: Element) -> Mpf:
        return max(mpf(0), 1 - (2 * e.y - 1) * e.p) if kind == "hinge" else abs(e.y - e.p)

    order = sorted(zip(shares, region, strict=True), key=lambda pair: -error(pair[1]))
    return sum(
        (error(e) * (jaccard(order[: k + 1]) - jaccard(order[:k])) for k, (_, e) in enumerate(order)), mpf(0)
    )


# --- of a boundary ------------------------------------------------------------------------------


def _mean(region: list[Element], shares: list[Mpf], values: list[Mpf]) -> Mpf:
    weighed = sum((w * v for w, v in zip(shares, values, strict=True)), mpf(0))
    return weighed / len(region) if region else mpf(0)


@_define("BoundaryLoss")
@_over_regions
def _boundary(region: list[Element], shares: list[Mpf], **_: Any) -> Mpf:
    """Kervadec et al. 2021, eq. 6; distances as in the authors' program: to the other side, inside less 1."""

    def signed(e: Element) -> Mpf:
        mask = [o for o in region if (o.sample, o.cls) == (e.sample, e.cls)]
        away = [abs(o.place - e.place) for o in mask if o.y != e.y]
        if not away:
            return mpf(0)
        return mpf(1 - min(away)) if e.y else mpf(min(away))

    return _mean(region, shares, [signed(e) * e.p for e in region])


@_define("MedicalImagingLoss")
@_over_regions
def _medical(
    region: list[Element], shares: list[Mpf], boundary_weight: Any = 0.3, spatial_dims: int | None = None,
    one_image: bool = True, **_: Any,
) -> Mpf:  # fmt: skip
    """Two-sided cross-entropy and | |grad p| - |grad y| | by numpy.gradient's differences along each axis.

    Masks of (2, 2, 2) are one image where nothing asks for samples or classes, else four of two places.
    """
    at = {(e.sample, e.cls, e.place): e for e in region}
    axes = range(3)[3 - (spatial_dims or (3 if one_image else 1)) :]

    def difference(e: Element, axis: int, what: str) -> Mpf:
        """Between the neighbours along an axis, as far as there are any: of two places the one at the border."""
        place = (e.sample, e.cls, e.place)
        ends = [tuple(x + side * (i == axis) for i, x in enumerate(place)) for side in (1, -1)]
        high, low = (at.get(end, e) for end in ends)
        count = sum(end in at for end in ends)
        return (getattr(high, what) - getattr(low, what)) / count if count else mpf(0)

    def steepness(e: Element, what: str) -> Mpf:
        return mp.sqrt(sum(difference(e, axis, what) ** 2 for axis in axes))

    def cost(e: Element) -> Mpf:
        edge = mpf(boundary_weight) * abs(steepness(e, "p") - steepness(e, "y"))
        return edge - (e.y * mp.log(e.p) if e.y else 0) - ((1 - e.y) * mp.log(1 - e.p) if e.y != 1 else 0)

    return _mean(region, shares, [cost(e) for e in region])


# --- what they are tried on ---------------------------------------------------------------------


def samples(name: str, parameters: dict[str, Any], dtype: Any) -> Iterator[Sample]:
    """Ordinary and extreme masks of two samples, two classes and two places."""
    from_logits, ignored = parameters.get("from_logits"), parameters.get("ignore_index")
    random = np.random.default_rng(5)
    masks = np.array([[[1, 0], [0, 1]], [[0, 0], [1, 1]]], dtype)
    indices = np.array([[0, 1], [1, 1]])
    near = 1.0 - np.finfo(dtype).eps
    if from_logits:
        scores = random.normal(size=masks.shape).astype(dtype) * 2
        predictions = {
            "ordinary": scores, "confident": 24 * masks - 12 + scores, "confidently wrong": 12 - 24 * masks + scores,
            "almost sure": 64 * masks - 32 + scores, "of two minds": 30 * scores,
        }  # fmt: skip
    else:
        probabilities = random.uniform(0.05, 0.95, masks.shape).astype(dtype)
        predictions = {
            "ordinary": probabilities, "almost perfect": np.where(masks == 1, near, 1.0 - near).astype(dtype),
            "almost wrong": np.where(masks == 1, 1.0 - near, near).astype(dtype),
            "tiny": (probabilities * 2.0**-100).astype(dtype),
        }  # fmt: skip
    for case, p in predictions.items():
        smooth = name != "LovaszLoss" or case in ("ordinary", "confident")
        yield Sample(case, (masks, p), smooth)
        if parameters.get("spatial_dims") != 2:  # with indices one axis is left to be space
            yield Sample(f"{case}, indices", (indices, p), smooth)
    ordinary = predictions["ordinary"]
    if name not in ("LovaszLoss", "BoundaryLoss"):
        yield Sample("soft masks", ((0.5 * masks + 0.5).astype(dtype), ordinary))
    # Of a softmax without targets all predictions are equally bad: the derivative is 0.
    yield Sample("no target", (0 * masks, ordinary), parameters.get("activation") != "softmax")
    yield Sample("nothing but target", (0 * masks + 1, ordinary))
    if ignored is not None:
        if parameters.get("spatial_dims") != 2:
            yield Sample("one index ignored", (np.array([[0, ignored], [1, 1]]), ordinary))
        some = masks.copy()
        some[1, 0, 1] = ignored
        yield Sample("one element ignored", (some, ordinary))
    if not from_logits:
        yield Sample("perfect", (masks, masks), False)
        yield Sample("two empty masks", (0 * masks, 0 * masks), False)
