"""The laws of ``losskit.check`` hold of every built-in loss, on both engines."""

import dataclasses

import pytest

import array_cases
import losskit as lk
from laws.cases import CASES, RULE_CASES, THOROUGH, distinct, name_of, own
from losskit.loss import LossFunction

PARAMETERS = [
    *(pytest.param(*c, id=name_of(*c)) for c in (RULE_CASES if THOROUGH else distinct(RULE_CASES))),
    # of arrays, numbers are looked at in test_array_exactness: here they change nothing
    *(pytest.param(type(c.loss), own(c.loss), id=c.name) for c in array_cases.CASES),
]


def _kind_of(cls, parameters):
    """What the reference engine tells apart; every class, where the run is thorough."""
    if THOROUGH:
        return cls
    loss = cls(**parameters)
    return loss.structure, getattr(loss, "argument", None), getattr(getattr(loss, "form", None), "link", None)


DEFAULTS = [
    *(pytest.param(*c, id=name_of(*c)) for c in {_kind_of(*c): c for c in reversed(RULE_CASES)}.values()),
    *(pytest.param(type(c.loss), own(c.loss), id=c.name) for c in array_cases.FIRST),
]


def spotless(loss: LossFunction) -> None:
    report = lk.check(loss)
    assert not report.findings, "\n".join(f"{f.severity} ({f.law}): {f.message}" for f in report.findings)


@pytest.mark.parametrize(("cls", "parameters"), PARAMETERS)
def test_laws_hold(cls, parameters):
    spotless(cls(**parameters))


@pytest.mark.parametrize(("cls", "parameters"), DEFAULTS)
def test_laws_hold_on_the_reference_engine(cls, parameters):
    with lk.use_engine("numpy"):
        spotless(cls(**parameters))


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize("name", ["huber", "focal", "sparse_categorical_cross_entropy"])
def test_laws_hold_with_other_reductions(name, reduction):
    spotless(lk.get(name, reduction=reduction))


@pytest.mark.parametrize(
    "text",
    [
        "0.7*huber(delta=2) + 0.3*mae",
        "0.5*categorical_cross_entropy + 2*kl_divergence",
        "bce(from_logits=True) + 0.5*mse",
    ],
)
def test_laws_hold_of_sums(text):
    spotless(lk.parse(text))


@pytest.mark.parametrize("cls", dict.fromkeys(c for c, _ in CASES), ids=lambda c: c.__name__)
def test_a_class_that_needs_arguments(cls):
    """A class that cannot be made without arguments is refused; the others are checked above."""
    required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    if required:
        with pytest.raises(
            TypeError, match=f"{cls.__name__} has parameters without a default: .*{required[0]}"
        ):
            lk.check(cls)
