"""Labels against frames: all ways to spell a label sequence, one class a frame, with blanks between.

The states of a sequence are its labels with a blank before, between and after them. A path starts in
one of the first two states, ends in one of the last two, and from frame to frame stays, steps on, or
skips a blank between two different labels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from losskit.engines.array_formula import Arrays, Fault
from losskit.engines.formulas.paths import centred, later, merged, sooner, spoilt
from losskit.structures.lattice import LabellingLoss

_SUMS_TO_1 = 0.03
"""How far a frame's probabilities may be from 1 in sum: those of half precision get that far."""

Shape = tuple[int, ...] | None


def shape(
    loss: LabellingLoss, y_true: Shape, y_pred: Shape, targets: Shape, frames: Shape
) -> tuple[int, ...]:
    """(batch,)."""
    if y_pred is None or len(y_pred) != 3 or y_pred[0] == 0:
        raise ValueError(
            f"y_pred must be (frames, batch, classes), with at least one frame; got shape {y_pred}"
        )
    batch, classes = y_pred[1:]
    if loss.blank >= classes:
        raise ValueError(
            f"blank={loss.blank} is not one of the {classes} classes of y_pred, of shape {y_pred}"
        )
    if y_true is not None and len(y_true) == 1 and targets is None:
        raise ValueError(
            f"y_true of shape {y_true} holds labels in a row: pass target_lengths, or labels of shape ({batch}, labels)"
        )
    if y_true is None or len(y_true) != 2 or y_true[0] != batch:
        raise ValueError(
            f"y_true must be (batch, labels) with y_pred's batch of {batch}; got shapes {y_true} and {y_pred}"
        )
    for name, lengths in (("target_lengths", targets), ("logit_lengths", frames)):
        if lengths is not None and lengths != (batch,):
            raise ValueError(
                f"{name} must be one length a sequence, of shape ({batch},); got shape {lengths}"
            )
    return (batch,)


def faults(
    xp: Any,
    loss: LabellingLoss,
    y_true: Any,
    y_pred: Any,
    target_lengths: Any = None,
    logit_lengths: Any = None,
) -> Iterator[Fault]:
    """Lengths beyond the table, labels that are no class, blanks among them, scores that are no log-probabilities."""
    frames, _, classes = y_pred.shape
    for name, lengths, most, what in (
        ("target_lengths", target_lengths, y_true.shape[1], "labels of y_true"),
        ("logit_lengths", logit_lengths, frames, "frames of y_pred"),
    ):
        if lengths is not None:
            outside = (lengths < 0) | (lengths > most)
            yield Fault(name, outside, f"in 0..{most}, the {what}", index=True)
    used = _inside(xp, y_true.shape[1], target_lengths, y_true.shape[0])
    outside = (y_true < 0) | (y_true >= classes)
    yield Fault("y_true", used & outside, f"in 0..{classes - 1}, the classes of y_pred", index=True)
    yield Fault("y_true", used & (y_true == loss.blank), f"labels, and blank={loss.blank} is none")
    if not loss.from_logits:
        alive = xp.swapaxes(_inside(xp, frames, logit_lengths, y_pred.shape[1]), 0, 1)
        hint = "; for logits pass from_logits=True"
        yield Fault("y_pred", alive[..., None] & (y_pred > 0.0), f"log-probabilities, at most 0{hint}")
        off = xp.abs(xp.sum(xp.exp(y_pred), axis=-1) - 1.0) > _SUMS_TO_1
        yield Fault("y_pred", alive & off, f"log-probabilities, whose exponentials sum to 1{hint}")


def terms(xp: Any, loss: LabellingLoss, *arrays: Any) -> Any:
    """-log of the probability of each label sequence."""
    table = _Table.of(xp, loss, *arrays)
    total, _, _ = _forward(xp, table)
    value = 0.0 - total
    if loss.zero_infinity:
        value = xp.where(total == -math.inf, xp.zeros_like(value), value)
    return xp.cast(spoilt(xp, table.broken, value), xp.float)


def pullback(xp: Any, loss: LabellingLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """The softmax, or nothing, less the share of the paths that have a class at a frame."""
    table, shares = _shares(xp, loss, cotangent, *arrays)
    if not loss.from_logits:
        return (_answer(xp, table, -shares),)
    probabilities = xp.exp(table.scores)
    slope = probabilities * xp.sum(shares, axis=-1, keepdims=True) - shares
    # The slopes of a frame sum to 0: where p is almost 1, p less its share is what the others are.
    top = _is_largest(xp, probabilities)
    others = xp.where(top, xp.zeros_like(slope), slope)
    return (_answer(xp, table, xp.where(top, -xp.sum(others, axis=-1, keepdims=True), slope)),)


def diagonal(xp: Any, loss: LabellingLoss, cotangent: Any, *arrays: Any) -> Arrays:
    """p (1 - p) of the softmax, or nothing, less q (1 - q) of the share q of the paths."""
    table, shares = _shares(xp, loss, xp.ones_like(cotangent), *arrays)
    second = -shares * _complement(xp, shares)
    if loss.from_logits:
        feasible = xp.sum(shares, axis=-1, keepdims=True)
        probabilities = xp.exp(table.scores)
        second = second + feasible * probabilities * _complement(xp, probabilities)
    return (_answer(xp, table, xp.cast(cotangent, xp.wide)[:, None] * second),)


@dataclass(frozen=True)
class _Table:
    """The log-probabilities of the classes, and what the labels make of them."""

    scores: Any
    """(frames, batch, classes), without NaN."""
    classes: Any
    """(batch, states): the class of each state."""
    emissions: Any
    """(frames, batch, states): the log-probability of each state's class."""
    can_skip: Any
    """(batch, states): whether a path may come from two states before."""
    alive: Any
    """(frames, batch): which frames are the sequence's own."""
    last: Any
    """(batch,): the last state."""
    broken: Any
    """(batch,): whether a sequence has a NaN."""

    @classmethod
    def of(
        cls,
        xp: Any,
        loss: LabellingLoss,
        y_true: Any,
        y_pred: Any,
        target_lengths: Any = None,
        logit_lengths: Any = None,
    ) -> "_Table":
        """The table of labels and scores."""
        frames, batch, _ = y_pred.shape
        alive = xp.swapaxes(_inside(xp, frames, logit_lengths, batch), 0, 1)
        scores = xp.cast(y_pred, xp.wide)
        if loss.from_logits:
            scores = _log_softmax(xp, scores)
        wrong = xp.isnan(scores) & alive[..., None]
        scores = xp.where(xp.isnan(scores), xp.zeros_like(scores), scores)

        used = _inside(xp, y_true.shape[1], target_lengths, batch)
        known = used & (y_true >= 0) & (y_true < scores.shape[2])  # others are never looked up
        labels = xp.where(known, y_true, xp.full_like(y_true, loss.blank))
        classes = _with_blanks(xp, labels, loss.blank)
        new = labels[:, 1:] != labels[:, :-1]
        no = xp.zeros((batch, 1), dtype=new.dtype)
        new = xp.concatenate([no, new], axis=1)[:, : labels.shape[1]]
        states = xp.broadcast_to(classes, (frames, *classes.shape))
        return cls(
            scores=scores,
            classes=classes,
            emissions=xp.take_along_axis(scores, states, axis=2),
            can_skip=_with_blanks(xp, new, False),
            alive=alive,
            last=2 * xp.sum(xp.cast(used, xp.index), axis=1),
            broken=xp.any(xp.any(wrong, axis=2), axis=0),
        )


def _forward(xp: Any, table: _Table) -> tuple[Any, Any, Any]:
    """The log-probability of each sequence, the shares of its last two states, and those of each step."""
    nothing = -math.inf

    def step(state: Any, frame: Any) -> tuple[Any, Any]:
        before, total = state
        emission, alive = frame
        alive = alive[:, None]
        two_before = later(xp, before, 2, nothing)
        ways = xp.stack([
            before,
            later(xp, before, 1, nothing),
            xp.where(table.can_skip, two_before, xp.full_like(before, nothing)),
        ])  # fmt: skip
        scores, shares = merged(xp, ways)
        now, shift = centred(xp, scores + emission)
        stay = xp.stack([xp.ones_like(now), xp.zeros_like(now), xp.zeros_like(now)])
        total = xp.where(alive[:, 0], total + shift, total)
        return (xp.where(alive, now, before), total), xp.where(alive, shares, stay)

    start = table.emissions[0]
    before = xp.where(xp.arange(start.shape[1]) == 0, xp.zeros_like(start), xp.full_like(start, nothing))
    state, shares = xp.scan(step, (before, xp.zeros_like(start[:, 0])), (table.emissions, table.alive))
    final, total = state
    label = xp.maximum(table.last - 1, xp.zeros_like(table.last))
    ends = xp.take_along_axis(final, xp.stack([table.last, label], axis=1), axis=1)
    no_label = xp.full_like(ends[:, 1], nothing)
    ways = xp.stack([ends[:, 0], xp.where(table.last > 0, ends[:, 1], no_label)])
    score, end_shares = merged(xp, ways)
    return total + score, end_shares, shares


def _shares(xp: Any, loss: LabellingLoss, cotangent: Any, *arrays: Any) -> tuple[_Table, Any]:
    """Which share of the paths has each class at each frame, times ``cotangent``."""
    table = _Table.of(xp, loss, *arrays)
    _, ends, steps = _forward(xp, table)
    places = xp.arange(table.classes.shape[1])
    blank, label = (places == (table.last - k)[:, None] for k in (0, 1))
    ends = xp.cast(cotangent, xp.wide) * ends
    none = xp.zeros_like(ends[0][:, None])
    at_end = xp.where(blank, ends[0][:, None], none) + xp.where(label, ends[1][:, None], none)

    def back(share: Any, ways: Any) -> tuple[Any, Any]:
        before = ways[0] * share + sooner(xp, ways[1] * share, 1) + sooner(xp, ways[2] * share, 2)
        return before, share

    _, shares = xp.scan(back, at_end, xp.flip(steps, axis=0))
    shares = xp.flip(shares, axis=0)
    shares = xp.where(table.alive[..., None], shares, xp.zeros_like(shares))
    members = xp.cast(xp.one_hot(table.classes, table.scores.shape[2]), xp.wide)
    return table, xp.swapaxes(xp.matmul(xp.swapaxes(shares, 0, 1), members), 0, 1)


def _answer(xp: Any, table: _Table, slope: Any) -> Any:
    """The gradient: 0 after the last frame, NaN throughout a sequence that has one."""
    slope = spoilt(xp, table.broken[:, None], slope)
    return xp.cast(xp.where(table.alive[..., None], slope, xp.zeros_like(slope)), xp.float)


def _inside(xp: Any, n: int, lengths: Any, batch: int) -> Any:
    """(batch, n): which places lie within the lengths; all where there are none."""
    places = xp.broadcast_to(xp.arange(n), (batch, n))
    return places >= 0 if lengths is None else places < lengths[:, None]


def _with_blanks(xp: Any, labels: Any, blank: int) -> Any:
    """(batch, states): blanks before, between and after the labels."""
    batch, n = labels.shape
    pairs = xp.reshape(xp.stack([xp.full_like(labels, blank), labels], axis=2), (batch, 2 * n))
    return xp.concatenate([pairs, xp.zeros((batch, 1), dtype=labels.dtype) + blank], axis=1)


def _log_softmax(xp: Any, logits: Any) -> Any:
    """log p of each class; NaN where there is no limit: several of +inf, or nothing but -inf."""
    largest = xp.stop(xp.max(logits, axis=-1, keepdims=True))
    top = logits == largest
    ties = xp.sum(xp.cast(top, xp.wide), axis=-1, keepdims=True)
    gaps = xp.where(top & xp.isinf(largest), xp.zeros_like(logits), logits - largest)
    total, _ = merged(xp, xp.moveaxis(gaps, -1, 0))
    unclear = (largest == -math.inf) | ((largest == math.inf) & (ties > 1.0))
    return xp.where(unclear, xp.full_like(gaps, math.nan), gaps - total[..., None])


def _is_largest(xp: Any, shares: Any) -> Any:
    """True at one of the largest of each last axis."""
    return xp.arange(shares.shape[-1]) == xp.expand_dims(xp.argmax(shares, axis=-1), -1)


def _complement(xp: Any, shares: Any) -> Any:
    """1 - share: of the largest, the sum of the others, which keeps the digits of a share near 1."""
    top = _is_largest(xp, shares)
    others = xp.sum(xp.where(top, xp.zeros_like(shares), shares), axis=-1, keepdims=True)
    return xp.where(top, others, 1.0 - shares)
