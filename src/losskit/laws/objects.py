"""Laws about losses as objects, and about the arrays they are given."""

import json
import pickle
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from losskit import catalogue, registry
from losskit.laws.law import Finding, law
from losskit.laws.subject import Subject, show, with_parameters
from losskit.loss import LossFunction
from losskit.structures import ArrayLoss

N = 7


@law("config", "to_config and from_config lose nothing, through JSON")
def config(subject: Subject) -> Iterator[Finding]:
    """Parameters that do not come back."""
    loss = subject.loss
    taken = {type(part): catalogue.find(part.name) for _, part in loss.weighted_terms()}
    for own, known in taken.items():
        if known is not own:  # another class of the user's, defined later, or a built-in one
            yield Finding(
                "note",
                f"a configuration cannot stand for {own.__module__}.{own.__qualname__}: the name {own.name!r} is taken"
                f" by {known.__module__}.{known.__qualname__}",
            )
            return
    back = catalogue.from_config(json.loads(json.dumps(loss.to_config())))
    if back != loss:
        yield Finding(
            "error",
            f"from_config(to_config()) gives {back!r} instead of {loss!r}",
            got=repr(back),
            expected=repr(loss),
        )


def _local(subject: Subject) -> str | None:
    for _, part in subject.loss.weighted_terms():
        cls = type(part)
        if getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is not cls:
            return f"{cls.__name__} is not a name of its module: Python cannot pickle it"
    return None


@law("pickle", "a pickled loss comes back equal", _local)
def pickled(subject: Subject) -> Iterator[Finding]:
    """Attributes that cannot be pickled or do not come back."""
    back = pickle.loads(pickle.dumps(subject.loss))
    if back != subject.loss or repr(back) != repr(subject.loss):
        yield Finding(
            "error",
            f"pickle gives {back!r} instead of {subject.loss!r}",
            got=repr(back),
            expected=repr(subject.loss),
        )


@law("value-object", "a loss is a value: equal to its copy, hashable, sealed")
def value_object(subject: Subject) -> Iterator[Finding]:
    """A hash that changes, a parameter that can be set."""
    loss = subject.loss
    copy = pickle_free_copy(loss)
    if copy is not None and (copy != loss or hash(copy) != hash(loss)):
        yield Finding(
            "error", f"the same loss made again, {copy!r}, is not equal to {loss!r} or has another hash"
        )
    for name in (*loss.parameters(), "anything"):
        try:
            setattr(loss, name, 1.0)
        except AttributeError:
            continue
        yield Finding(
            "error", f"{name} can be set after construction: a loss that is a key of a dict must not change"
        )
        return


def pickle_free_copy(loss: LossFunction) -> LossFunction | None:
    """The loss made again from its parameters; None where its constructor does not take them."""
    try:
        copy: LossFunction = loss.replace()
    except TypeError:
        return None
    return copy


@law("repr", "repr is the Python that makes the loss again")
def representation(subject: Subject) -> Iterator[Finding]:
    """Parameters that repr does not show."""
    loss = subject.loss
    names = {type(part).__name__: type(part) for _, part in loss.weighted_terms()}
    text = repr(loss)
    if any("__init__" in vars(cls) for cls in names.values()) and pickle_free_copy(loss) is None:
        return  # a constructor with other arguments than its attributes: Python's own repr could do no better
    try:
        back = eval(text, {"inf": float("inf"), "nan": float("nan"), **names})
    except Exception as error:
        yield Finding(
            "warning",
            f"repr gives {text}, which is no Python that makes a loss: {type(error).__name__}: {error}",
            got=text,
        )
        return
    if back != loss:
        yield Finding("error", f"repr gives {text}, which makes another loss", got=text)


@law("inputs-untouched", "inputs may be read-only and are never written")
def inputs_untouched(subject: Subject) -> Iterator[Finding]:
    """A compute that works in place."""
    verbs = (
        ("value_and_derivative",)
        if subject.is_of_rules
        else ("compute", "derivative", "value_and_derivative")
    )
    for verb in verbs:
        arrays = subject.arguments(subject.inputs.ordinary(subject.random, N))
        before = tuple(np.copy(a) for a in arrays)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(subject.loss, verb)(*arrays)
            for name, now, then in zip(subject.loss.arguments, arrays, before, strict=True):
                if now is not None and now.tobytes() != then.tobytes():
                    i = int(np.argmax(np.ravel(now != then)))
                    yield Finding(
                        "error",
                        f"{verb} writes to its input: {name}[{i}] was {show(then.flat[i])}, and then {show(now.flat[i])}",
                        before[0], before[-1], now.flat[i], then.flat[i],
                    )  # fmt: skip
                    return
            if not subject.is_of_rules:  # kernels take them all alike: the engines' own tests say so
                for array in arrays:
                    if array is not None:
                        array.flags.writeable = False
                getattr(subject.loss, verb)(*arrays)


@law("layout", "strided and contiguous arrays give the same bits; an empty set has mean 0")
def layout(subject: Subject) -> Iterator[Finding]:
    """Strides, and no terms at all."""
    y, p = subject.inputs.ordinary(subject.random, N)
    arrays = subject.arguments((y, p))
    wide = tuple(None if a is None else np.repeat(np.expand_dims(a, -1), 3, axis=-1)[..., 1] for a in arrays)
    for verb in ("compute", "derivative"):
        with np.errstate(all="ignore"):
            got, expected = getattr(subject.loss, verb)(*wide), getattr(subject.loss, verb)(*arrays)
        if not _same(got, expected):
            yield Finding(
                "error", f"{verb} of strided arrays differs from that of contiguous ones", y, p, got, expected
            )
            return
    if subject.loss.reduction != "none" and p.ndim and y.ndim:
        none = y[:0], p[:0]
        value, gradient = float(subject.ask("compute", none)), subject.ask("derivative", none)
        expected = np.nan if subject.loss.empty == "nan" and subject.loss.reduction == "mean" else 0.0
        if not np.array_equal(value, expected, equal_nan=True) or gradient.shape != p[:0].shape:
            yield Finding(
                "error",
                f"the {subject.loss.reduction} of no terms is {show(value)} instead of {show(expected)}",
                got=value,
                expected=expected,
            )


def _same(got: Any, expected: Any) -> bool:
    if isinstance(got, tuple):
        return all(map(_same, got, expected))
    return np.array_equal(got, expected, equal_nan=True)


@law("dtypes", "float32 and float64 stay what they are, and agree")
def dtypes(subject: Subject) -> Iterator[Finding]:
    """A dtype that is changed, a float32 answer that is another."""
    y, p = subject.inputs.ordinary(subject.random, N, np.float32)
    wide = (y if y.dtype.kind != "f" else y.astype(np.float64)), p.astype(np.float64)
    answer = subject.each if subject.is_of_rules else subject.ask
    for verb in ("compute", "derivative"):
        got, expected = np.asarray(answer(verb, (y, p))), np.asarray(answer(verb, wide))
        if verb == "derivative" and got.dtype != np.float32:
            yield Finding(
                "warning",
                f"the derivative of float32 predictions is {got.dtype}",
                got=str(got.dtype),
                expected="float32",
            )
        scale = np.nanmax(np.abs(expected), initial=0.0)
        off = (
            ~(np.abs(got - expected) <= 1e-3 * np.abs(expected) + 1e-5 * scale + 1e-37)
            & ~(np.isnan(got) & np.isnan(expected))
            & (got != expected)
        )
        if off.any():
            i = int(np.argmax(np.ravel(off)))
            a, b = float(np.ravel(got)[i]), float(np.ravel(expected)[i])
            yield Finding(
                "error", f"{verb} in float32 is {show(a)}, in float64 {show(b)}", y, p, a, b, show(abs(a - b))
            )
            return


def _compiled(subject: Subject) -> str | None:
    if subject.is_of_rules or isinstance(subject.loss, ArrayLoss):
        return None
    return "the loss is not made of rules: there is nothing to compile"


@law("engines", "the compiled kernel answers what the reference engine does", _compiled)
def engines(subject: Subject) -> Iterator[Finding]:
    """A rule that does not compile, or that means something else in the kernel."""
    batch = subject.inputs.ordinary(subject.random, 50 if subject.is_of_rules else N)
    answers: dict[str, list[Any]] = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for engine in ("numba", "numpy"):
            with registry.use_engine(engine), np.errstate(all="ignore"):
                # made anew: a loss warns once that it does not compile
                loss = with_parameters(subject.loss, reduction="none", validate=False) or subject.loss
                if subject.is_of_rules:  # asked directly: its warning is what is looked for
                    answers[engine] = [*loss.value_and_derivative(*batch), loss.second_derivative(*batch)]
                else:  # the second derivative of arrays is the formula's on both
                    answers[engine] = [*subject.ask("value_and_derivative", batch, loss)]
    for told in caught:
        if "runs on the NumPy engine" in str(told.message):
            yield Finding("warning", f"no kernel: {told.message}")
            return
    for verb, got, expected in zip(
        ("compute", "derivative", "second_derivative"), answers["numba"], answers["numpy"], strict=False
    ):
        scale = np.abs(expected) + 1e-6 * np.nanmax(np.abs(expected), initial=0.0)
        off = (
            ~(np.abs(got - expected) <= 1e-9 * scale)
            & ~(np.isnan(got) & np.isnan(expected))
            & (got != expected)
        )
        if off.any():
            i = int(np.argmax(np.ravel(off)))
            a, b = float(np.ravel(got)[i]), float(np.ravel(expected)[i])
            yield Finding(
                "error",
                f"{verb} is {show(a)} on the Numba engine and {show(b)} on NumPy",
                *batch,
                a,
                b,
                show(abs(a - b)),
            )
            return
