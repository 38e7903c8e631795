"""A student's logits against labels and against a teacher's logits, as array operations."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from losskit.engines.array_formula import Fault
from losskit.structures.distillation import StudentLoss


class Softmax(NamedTuple):
    """The probabilities of rows of logits, without cancellation in the column of the largest."""

    p: Any
    rest: Any
    """1 - p."""
    nll: Any
    top: Any


class Point(NamedTuple):
    """What value and derivatives are made of."""

    student: Softmax
    soft: Softmax
    """The student's at the temperature."""
    teacher: Softmax
    excess: Any
    """log(q / p) of each class less its mean under q; 0 where the teacher gives no share."""
    divergence: Any
    apart: Any
    """p - q."""
    own: Any
    """True in the column of the label."""


def shape(loss: StudentLoss, y: tuple[int, ...], z: tuple[int, ...], u: tuple[int, ...]) -> tuple[int, ...]:
    """One term a row."""
    if z != u:
        raise ValueError(f"teacher must be of y_pred's shape {z}, got shape {u}")
    if not z or y != z[:-1]:
        hint = "; one-hot targets become indices with y_true.argmax(-1)" if y == z and z else ""
        raise ValueError(
            f"y_true must be class indices of the shape of y_pred (..., classes) less its last axis; got y_true of "
            f"shape {y} and y_pred of shape {z}{hint}"
        )
    if z[-1] == 0 and 0 not in y:
        raise ValueError(f"y_pred of shape {z} has no classes on its last axis")
    return y


def faults(xp: Any, loss: StudentLoss, y: Any, z: Any, u: Any) -> Iterator[Fault]:
    """Labels out of range."""
    outside = (y < 0) | (y >= z.shape[-1])
    if loss.ignore_index is not None:
        outside = outside & (y != loss.ignore_index)
    yield Fault("y_true", outside, f"in 0..{z.shape[-1] - 1}, the classes of y_pred", index=True)


def present(xp: Any, loss: StudentLoss, y: Any, z: Any, u: Any) -> Any:
    """Rows that are not ignored."""
    return None if loss.ignore_index is None else y != loss.ignore_index


def _softmax(xp: Any, z: Any, temperature: float) -> Softmax:
    peak = xp.expand_dims(xp.argmax(z, axis=-1), -1)
    largest = xp.take_along_axis(z, peak, axis=-1)
    top = xp.arange(z.shape[-1]) == peak
    d = xp.where(top, 0.0, z - largest) / temperature  # not inf - inf
    e = xp.exp(d)
    others = xp.sum(xp.where(top, 0.0, e), axis=-1, keepdims=True)
    p = e / (1.0 + others)
    return Softmax(p, xp.where(top, others / (1.0 + others), 1.0 - p), xp.log1p(others) - d, top)


def _point(xp: Any, loss: StudentLoss, y: Any, z: Any, u: Any) -> Point:
    t = loss.temperature
    student, soft, teacher = _softmax(xp, z, 1.0), _softmax(xp, z, t), _softmax(xp, u, t)
    shared = teacher.p != 0.0  # where it is not, 0 log 0 is 0
    ratio = xp.where(shared, soft.nll - xp.where(shared, teacher.nll, 0.0), 0.0)
    peak = xp.expand_dims(xp.argmax(u, axis=-1), -1)
    highest = xp.take_along_axis(ratio, peak, axis=-1)
    gaps = ((u - xp.take_along_axis(u, peak, axis=-1)) - (z - xp.take_along_axis(z, peak, axis=-1))) / t
    gaps = xp.where(shared & ~teacher.top, gaps, 0.0)  # log ratios less that of the teacher's choice
    mean = xp.sum(teacher.p * gaps, axis=-1, keepdims=True)
    excess = xp.where(shared, gaps - mean, 0.0)
    own = xp.one_hot(xp.clip(y, 0, z.shape[-1] - 1), z.shape[-1]) != 0.0
    near = (xp.max(xp.abs(excess), axis=-1) < 8.0) & xp.all(shared | (soft.p == 0.0), axis=-1)
    beyond = xp.sum(teacher.p * _beyond_line(xp, xp.clip(-excess, -8.0, 8.0)), axis=-1)
    divergence = xp.where(near, xp.log1p(beyond), (highest + mean)[..., 0])
    moved = xp.expm1(-xp.clip(excess + xp.expand_dims(divergence, -1), -1.0, 1.0))
    close = xp.abs(excess + xp.expand_dims(divergence, -1)) < 1.0
    apart = xp.where(close, teacher.p * moved, soft.p - teacher.p)
    apart = xp.where(soft.top & teacher.top & ~close, teacher.rest - soft.rest, apart)
    return Point(student, soft, teacher, excess, divergence, apart, own)


def _beyond_line(xp: Any, x: Any) -> Any:
    """e^x - 1 - x, whose mean under q, for x = log(p / q) less its mean, is e^KL(q, p) - 1."""
    series = 1.0 / 14.0
    small = xp.where(xp.abs(x) < 0.25, x, 0.0)
    for n in range(13, 2, -1):
        series = (1.0 + small * series) / n
    return xp.where(xp.abs(x) < 0.25, 0.5 * small * small * (1.0 + small * series), xp.expm1(x) - x)


def terms(xp: Any, loss: StudentLoss, y: Any, z: Any, u: Any) -> Any:
    """The loss of each row."""
    at = _point(xp, loss, y, z, u)
    value = 0.0 * z[..., 0]
    if loss.alpha != 0.0:
        value = value + loss.alpha * xp.sum(xp.where(at.own, at.student.nll, 0.0), axis=-1)
    if loss.alpha != 1.0:
        value = value + (1.0 - loss.alpha) * loss.temperature**2 * at.divergence
    return value


def pullback(xp: Any, loss: StudentLoss, cotangent: Any, y: Any, z: Any, u: Any) -> tuple[Any, Any]:
    """The derivatives with respect to the student's and the teacher's logits."""
    at = _point(xp, loss, y, z, u)
    soft = (1.0 - loss.alpha) * loss.temperature
    student = loss.alpha * xp.where(at.own, -at.student.rest, at.student.p) + soft * at.apart
    teacher = soft * at.teacher.p * at.excess
    scale = xp.expand_dims(cotangent, -1)
    return scale * student, scale * teacher


def diagonal(xp: Any, loss: StudentLoss, cotangent: Any, y: Any, z: Any, u: Any) -> tuple[Any, Any]:
    """The diagonals of the second derivatives."""
    at = _point(xp, loss, y, z, u)
    soft = 1.0 - loss.alpha
    student = loss.alpha * at.student.p * at.student.rest + soft * at.soft.p * at.soft.rest
    q = at.teacher
    teacher = soft * q.p * ((q.rest - q.p) * at.excess + q.rest)
    scale = xp.expand_dims(cotangent, -1)
    return scale * student, scale * teacher
