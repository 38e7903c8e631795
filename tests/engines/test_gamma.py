"""log Γ, log x! and digamma, which are rules of the other words, on every engine against mpmath."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import torch
from numba import njit

from losskit import scalar
from losskit.engines.jax.words import WORDS, Operand
from losskit.engines.numba.compile import Writer, load
from losskit.engines.torch.words import words
from losskit.laws import digits
from losskit.rules import bind

ULP = 4.0
TRUTH = {
    "lgamma": mp.loggamma,
    "log_factorial": lambda x: mp.loggamma(1 + x) if x > 1e-30 else -mp.euler * x,
    "digamma": mp.digamma,
}
INF, NAN = float("inf"), float("nan")
NEAR = (1.0, 2.0, 7.0, 8.0, 1.4616321449683623)  # zeros, and where another formula takes over
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
NAMES = pytest.mark.parametrize("name", TRUTH)


def compiled(name, x):
    """As in a kernel: float32 in float32."""
    writer = Writer(x.dtype.name)
    writer.rule(getattr(scalar, name), name)
    function = getattr(load(writer.text("a test", []), name), name)

    @njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    out = np.empty_like(x)
    loop(x, out)
    return out


def on_torch(name, x):
    return bind(getattr(scalar, name), words(torch.from_numpy(x).dtype))(torch.from_numpy(x)).numpy()


def on_jax(name, x):
    function = bind(getattr(scalar, name), WORDS)
    with jax.enable_x64(x.dtype == np.float64):
        return np.asarray(jax.jit(lambda a: function(Operand(a)).array)(jnp.asarray(x)))


def on_numpy(name, x):
    with np.errstate(all="ignore"):
        return getattr(scalar, name)(x)


ENGINES = {"numpy": on_numpy, "numba": compiled, "torch": on_torch, "jax": on_jax}


def positive(dtype):
    """Ordinary numbers, numbers of every size, and the closest neighbours of the special ones."""
    random = np.random.default_rng(0)
    largest = 37.0 if dtype is np.float32 else 300.0
    beside = [z * (1 + s * 10.0 ** random.uniform(-16, -1, 40)) for z in NEAR for s in (-1, 1)]
    parts = [random.uniform(0, 10, 500), 10.0 ** random.uniform(-largest, largest, 300), *beside, list(NEAR)]
    return np.concatenate(parts).astype(dtype)


def errors(got, name, x):
    """In units in the last place of the true value, relative also beside its zeros."""
    info = np.finfo(x.dtype)
    with mp.workdps(60):
        for number, answer in zip(x.tolist(), got.tolist(), strict=True):
            truth = TRUTH[name](mp.mpf(number))
            exponent = max(int(mp.frexp(abs(truth))[1]) - 1, int(info.minexp)) if truth else int(info.minexp)
            if abs(truth) > float(info.max):
                yield 0.0 if answer == INF else INF
            else:
                yield float(abs(mp.mpf(answer) - truth) / mp.mpf(2) ** (exponent - int(info.nmant)))


@pytest.mark.parametrize("engine", ENGINES)
@BOTH
@NAMES
def test_error(name, dtype, engine):
    x = positive(dtype)
    found = np.array(list(errors(ENGINES[engine](name, x), name, x)))
    assert found.max() <= ULP, (found.max(), x[found.argmax()])


@pytest.mark.parametrize("engine", ENGINES)
@BOTH
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lgamma", [INF, INF, 0.0, 0.0, INF, NAN, NAN, NAN]),
        ("log_factorial", [0.0, 0.0, 0.0, np.log(2.0), INF, NAN, NAN, NAN]),
        ("digamma", [-INF, -INF, -np.euler_gamma, 1 - np.euler_gamma, INF, NAN, NAN, NAN]),
    ],
)
def test_special_values(name, expected, dtype, engine):
    x = np.array([0.0, -0.0, 1.0, 2.0, INF, -0.25, -INF, NAN], dtype)
    np.testing.assert_allclose(ENGINES[engine](name, x), expected, rtol=1e-6)


@NAMES
def test_of_many_digits(name):
    """The laws have these words from mpmath, not by our coefficients."""
    with digits.context.workdps(50):
        assert abs(digits.WORDS[name](digits.mpf(2.5)) - TRUTH[name](mp.mpf(2.5))) < 1e-15
    assert digits.context.isnan(digits.WORDS[name](-1))


@pytest.mark.parametrize(
    ("name", "slope"), [("lgamma", torch.digamma), ("log_factorial", lambda x: torch.digamma(1 + x))]
)
def test_derivative_in_torch(name, slope):
    x = torch.tensor([1e-3, 0.5, 1.0, 1.5, 2.0, 6.9, 7.1, 1e10], dtype=torch.float64, requires_grad=True)
    bind(getattr(scalar, name), words(torch.float64))(x).sum().backward()
    torch.testing.assert_close(x.grad, slope(x.detach()), rtol=1e-10, atol=1e-12)
