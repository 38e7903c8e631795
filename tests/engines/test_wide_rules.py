"""Rules that ask for float64: float32 answers of every engine are the true ones, rounded once."""

import numpy as np
import pytest

import losskit as lk
from losskit.engines.numba.compile import Writer
from losskit.losses.robust import GemanMcClureLoss
from losskit.rules import is_wide, rule
from losskit.scalar import exp, where
from losskit.structures import ResidualLoss

THIRD = 1.0 / 3.0  # no number of float32


def bump(r):
    """A helper that a narrow rule and a wide one call."""
    return exp(-THIRD * r * r)


class MixedLoss(ResidualLoss):
    """A narrow value, wide derivatives."""

    scale: float = lk.parameter(default=0.1, above=0, doc="any")

    @rule
    def value(r, scale):
        return -scale * bump(r)

    @rule(wide=True)
    def slope(r, scale):
        return where(r == r, scale * (2.0 * THIRD * r) * bump(r), r)

    @rule(wide=True)
    def curvature(r, scale):
        return scale * (2.0 * THIRD) * (1.0 - 2.0 * THIRD * r * r) * bump(r)


LOSS = MixedLoss(reduction="none")
R = np.linspace(-3.0, 3.0, 1001).astype(np.float32)
ZERO = np.zeros_like(R)
REFERENCE = {name: np.float64(x) for name, x in (("r", R), ("scale", np.float32(0.1)))}
SLOPE = MixedLoss.slope(**REFERENCE)
CURVATURE = MixedLoss.curvature(**REFERENCE)


def assert_rounded_once(got, truth):
    assert np.asarray(got).dtype == np.float32
    assert np.max(np.abs(got - truth) / np.spacing(np.abs(truth).astype(np.float32))) < 0.51


def test_rules_say_what_they_are():
    assert [is_wide(r) for r in (MixedLoss.value, MixedLoss.slope, GemanMcClureLoss.value)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_numpy_arrays(engine):
    with lk.use_engine(engine):
        assert_rounded_once(LOSS.derivative(ZERO, R), SLOPE)
        assert_rounded_once(LOSS.second_derivative(ZERO, R), CURVATURE)


def test_a_narrow_rule_stays_narrow():
    with lk.use_engine("numba"):
        got = LOSS(ZERO, R)
    units = np.abs(got - MixedLoss.value(**REFERENCE)) / np.spacing(np.abs(got))
    assert 0.51 < units.max() < 4.0


def test_kernels_of_float64_know_no_difference():
    for dtype, wide in (("float32", True), ("float64", False)):
        writer = Writer(dtype)
        writer.rule(MixedLoss.slope, "slope")
        assert ("math_wide.exp" in "\n".join(writer.functions)) is wide


def test_torch_operations():
    torch = pytest.importorskip("torch")
    y, p = torch.zeros(R.size), torch.from_numpy(R)
    value, pull = torch.func.vjp(lambda x: LOSS(y, x), p)
    assert value.dtype == torch.float32
    assert_rounded_once(pull(torch.ones_like(value))[0].numpy(), SLOPE)
    assert_rounded_once(torch.func.vmap(LOSS.second_derivative)(y, p).numpy(), CURVATURE)


def test_a_device_without_float64(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("losskit.engines.torch.expansion.NARROW_DEVICES", ("cpu",))
    value, pull = torch.func.vjp(lambda x: LOSS(torch.zeros(R.size), x), torch.from_numpy(R))
    got = pull(torch.ones_like(value))[0].numpy()
    np.testing.assert_allclose(got, SLOPE, rtol=1e-6)
    assert np.any(got != SLOPE.astype(np.float32))


def test_jax():
    jax = pytest.importorskip("jax")
    slope = jax.vmap(jax.grad(lambda x: LOSS(0.0, x)))
    bend = jax.jit(jax.vmap(jax.grad(jax.grad(lambda x: LOSS(0.0, x)))))
    assert_rounded_once(slope(R), SLOPE)
    assert_rounded_once(bend(R), CURVATURE)
    assert jax.numpy.ones(1).dtype == np.float32  # float64 was for inside of the rule
