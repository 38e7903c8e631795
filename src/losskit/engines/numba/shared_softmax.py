"""Sums such as Dice + cross-entropy: an overlap and a loss of classes, of the same logits, on one softmax."""

import inspect
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from losskit.engines import array_evaluate, memory
from losskit.engines.formulas.ratios import regions
from losskit.engines.inputs import Array
from losskit.engines.numba import masks_loop, shared_softmax_loop
from losskit.engines.numba.compile import Writer, load
from losskit.engines.numba.mask_values import legal, prepared
from losskit.engines.numba.masks import DECORATORS, TILE, MaskInputs, add_constants, mask_inputs
from losskit.engines.numba.row_kernel import Sets, add_rules, numbers_of
from losskit.engines.numpy.array_words import xp
from losskit.engines.shared import Shared
from losskit.registry import Evaluation, Wanted
from losskit.structures.overlap import OverlapLoss

_STEPS = (
    masks_loop.place, masks_loop.shares, masks_loop.pair, masks_loop.element, shared_softmax_loop.nll_at,
)  # fmt: skip
_PARTS = (
    masks_loop.softmax, masks_loop.copy, masks_loop.add_up, masks_loop.slope, masks_loop.through_softmax,
    shared_softmax_loop.surprise, shared_softmax_loop.add_losses, shared_softmax_loop.steepness,
    shared_softmax_loop.add_slopes,
)  # fmt: skip


def evaluate(
    shared: Shared, arguments: tuple[Any, ...], wanted: Wanted, sample_weight: Any, mask: Any, out: Any
) -> Evaluation:
    """Value and derivative of the sum: two passes, as the overlap alone takes."""
    found: dict[str, float] = {}
    compute = partial(_compute, shared, found)
    answer = array_evaluate.evaluate(
        compute, shared.overlap, prepared(arguments), wanted, sample_weight, mask, out, legal=legal
    )
    if wanted.value:
        kind = type(answer.value)
        answer.value = kind(shared.overlap_factor * float(answer.value) + found.get("value", 0.0))
    answer.parts = None  # parts of a sum do not merge
    return answer


def _compute(
    shared: Shared, found: dict[str, float], loss: OverlapLoss, arrays: tuple[Array, Array],
    cotangent: Array | None, needed: Any, weight: Array | None = None,
) -> tuple[Array, tuple[Array] | None]:  # fmt: skip
    """The overlap's terms and the gradient of the whole sum; its other value goes into ``found``."""
    x = mask_inputs(loss, *arrays, weight)
    run = _Run(shared, x)
    sums, share, own = regions(xp, loss, run.overlap_sums())
    terms = (loss.value(*sums, *loss.rule_parameters) * own).reshape(x.axes.terms(loss.per))
    factor = run.factor()
    found["value"] = factor * run.total
    if cotangent is None:
        return terms, None
    seed = shared.overlap_factor * np.reshape(cotangent, x.axes.regions(loss.per)) * own * share
    slopes = tuple(seed * slope for slope in loss.slopes(*sums, *loss.rule_parameters))
    return terms, (run.gradient(slopes, factor).reshape(arrays[1].shape),)


class _Run:
    """One call: the sums of the first pass, then the gradient of the second."""

    def __init__(self, shared: Shared, x: MaskInputs) -> None:
        self.shared, self.x = shared, x
        terms = shared.rows.index_terms
        self.module = _module_of(tuple((t.rules, t.coefficient != 1.0) for t in terms), x.z.dtype)
        self.numbers = tuple(map(x.z.dtype.type, numbers_of(terms, x.z.dtype)))
        self.of_classes = np.asarray(shared.rows.form.class_weights or (), x.z.dtype)
        self.weight = self.total = 0.0

    def overlap_sums(self) -> tuple[Array, Array, Array]:
        """tp, fp and fn of each class of each sample; weight and total of the losses of classes are kept."""
        outer, classes, _ = self.x.axes.shape
        totals, sums = np.empty((outer * self.x.tiles, classes, 3)), np.empty((outer * self.x.tiles, 2))
        nothing = np.empty((0, 0, 0), self.x.z.dtype)
        self._loop(0.0, totals, sums, nothing, nothing)
        self.weight, self.total = (float(s) for s in sums.sum(axis=0))
        tp, fp, fn = np.moveaxis(totals.reshape(outer, self.x.tiles, classes, 3).sum(axis=1), -1, 0)[
            ..., None
        ]
        return tp, fp, fn

    def factor(self) -> float:
        """What the losses of classes are multiplied by."""
        if self.shared.rows.reduction == "sum":
            return self.shared.rows_factor
        return self.shared.rows_factor / self.weight if self.weight > 0.0 else 0.0

    def gradient(self, slopes: tuple[Array, ...], factor: float) -> Array:
        """The derivative in the logits, from those in the three sums."""
        partials = np.empty((*self.x.axes.shape[:2], 3), self.x.z.dtype)
        for k, slope in enumerate(slopes):
            partials[..., k] = slope[..., 0]
        gradient = memory.empty(self.x.z.size, self.x.z.dtype).reshape(self.x.z.shape)
        self._loop(factor, np.empty((0, 0, 0)), np.empty((0, 0)), partials, gradient)
        return gradient

    def _loop(self, factor: float, totals: Array, sums: Array, partials: Array, gradient: Array) -> None:
        x = self.x
        start = (
            x.z,
            x.y,
            x.w,
            self.of_classes,
            self.numbers,
            factor,
            self.shared.overlap.squares,
            x.ignored,
            TILE,
        )
        x.run(partial(self.module.shared, *start, totals, sums, partials, gradient))


@cache
def _module_of(sets: Sets, dtype: np.dtype[Any]) -> ModuleType:
    """The compiled loop with the rules of a loss of classes, in one dtype."""
    writer = Writer(dtype.name)
    writer.add(DECORATORS)
    add_rules(writer, sets)
    add_constants(writer, "softmax")
    for decorator, helpers in (("step", _STEPS), ("part", _PARTS)):
        for helper in helpers:
            writer.add(f"@{decorator}\n{inspect.getsource(helper)}")
    names = "_".join(rules.name for rules, _ in sets)
    return load(
        writer.text(f"an overlap and {names} ({dtype.name})", [shared_softmax_loop.shared]),
        f"shared_{names}"[:60],
    )
