"""The contract that holds of every loss, tested where it does not depend on the loss."""

import json
import math
import os
import pickle
import stat
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

import losskit as lk
from losskit.loss import WeightedSum
from losskit.reduction import Parts
from losskit.structures import ElementwiseSum

Y, P = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 7.0])
NAN = float("nan")


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


# ---- verbs, reductions, parts ---------------------------------------------------------------------------


def test_verbs(engine):
    loss = lk.MeanSquaredError()
    assert loss.compute(Y, P) == loss(Y, P) == pytest.approx(16.25 / 3)
    np.testing.assert_allclose(loss.derivative(Y, P), [1 / 3, 0, 8 / 3])
    np.testing.assert_allclose(loss.second_derivative(Y, P), [2 / 3] * 3)
    value, gradient = loss.value_and_derivative(Y, P)
    assert value == loss(Y, P)
    np.testing.assert_array_equal(gradient, loss.derivative(Y, P))


def test_reductions(engine):
    terms = lk.MeanSquaredError(reduction="none")(Y, P)
    np.testing.assert_array_equal(terms, [0.25, 0.0, 16.0])
    assert lk.MeanSquaredError(reduction="sum")(Y, P) == 16.25
    np.testing.assert_array_equal(lk.MeanSquaredError(reduction="none").derivative(Y, P), [1.0, 0.0, 8.0])
    np.testing.assert_array_equal(lk.MeanSquaredError(reduction="sum").derivative(Y, P), [1.0, 0.0, 8.0])
    assert lk.MeanSquaredError(reduction="none")(Y, P, sample_weight=[2, 1, 0]).tolist() == [0.5, 0.0, 0.0]


def test_parts_merge_and_means_of_means_do_not():
    loss = lk.MeanSquaredError()
    pieces = [loss.parts(Y[:1], P[:1]), loss.parts(Y[1:], P[1:])]
    assert sum(pieces, Parts()).mean() == sum(pieces).mean() == pytest.approx(float(loss(Y, P)))
    assert np.mean([p.mean() for p in pieces]) != pytest.approx(float(loss(Y, P)))
    weighted = loss.parts(Y, P, sample_weight=[1.0, 0.0, 2.0])
    assert (weighted.total, weighted.weight, weighted.count) == (32.25, 3.0, 2)
    with pytest.raises(TypeError):
        Parts() + 1


def test_a_mean_whose_sum_overflows(engine):
    p = np.full(4, 1e154)
    assert lk.MeanSquaredError()(np.zeros(4), p) == pytest.approx(1e308)


@pytest.mark.parametrize("options", [{}, {"mask": np.zeros(3, bool)}, {"sample_weight": np.zeros(3)}])
def test_the_empty_set(engine, options):
    y, p = (Y, P) if options else (Y[:0], P[:0])
    loss, nan = lk.HuberLoss(), lk.HuberLoss(empty="nan")
    assert loss(y, p, **options) == 0.0
    assert math.isnan(nan(y, p, **options))
    assert not loss.derivative(y, p, **options).any()
    assert loss.parts(y, p, **options).count == 0
    assert lk.HuberLoss(reduction="sum")(y, p, **options) == 0.0


def test_masked_and_weightless_elements_are_not_read(engine):
    y, p = np.array([0.0, NAN, 7.0]), np.array([0.5, 0.5, NAN])
    loss = lk.BinaryCrossEntropy()
    keep = np.array([True, False, False])
    for options in ({"mask": keep}, {"sample_weight": keep.astype(float)}):
        assert loss(y, p, **options) == pytest.approx(-math.log(0.5))
        np.testing.assert_array_equal(loss.derivative(y, p, **options)[1:], 0.0)
    assert math.isnan(loss(y[:1], p[2:]))


def test_weights_of_rows_and_of_leading_axes(engine):
    p = np.arange(6.0).reshape(2, 3)
    by_row = lk.MeanAbsoluteError()(np.zeros((2, 3)), p, sample_weight=[1.0, 3.0])
    assert by_row == pytest.approx((0 + 1 + 2 + 3 * (3 + 4 + 5)) / 12)
    assert lk.MeanAbsoluteError()(np.zeros((2, 3)), p, mask=[True, False]) == 1.0


# ---- shapes, dtypes, domains ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        (np.zeros((3, 1)), np.zeros(3), r"y_true and y_pred must have the same shape, got \(3, 1\) and \(3,\); "
                                        r"y_true has axes of length 1: pass y_true.reshape\(3\)"),
        (np.zeros(3), np.zeros((3, 1)), r"pass y_pred.reshape\(3\)"),
        (np.zeros(3), np.zeros(2), r"got \(3,\) and \(2,\); give both the same shape; losskit never broadcasts arrays"),
        (np.zeros(()), np.zeros(2), r"got \(\) and \(2,\)"),
    ],
)  # fmt: skip
def test_shapes_are_never_broadcast(engine, y, p, message):
    with pytest.raises(ValueError, match=message):
        lk.MeanSquaredError()(y, p)


def test_python_numbers_broadcast(engine):
    assert lk.MeanSquaredError()(0, P) == pytest.approx(float(np.mean(P**2)))
    assert lk.MeanSquaredError()(0.0, P.astype(np.float32)).dtype == np.float32
    assert lk.MeanSquaredError()(1.0, 3.0) == 4.0
    assert np.shape(lk.MeanSquaredError().derivative(1.0, 3.0)) == ()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_dtypes_of_answers(engine, dtype):
    value, gradient = lk.HuberLoss().value_and_derivative(Y.astype(dtype), P.astype(dtype))
    assert gradient.dtype == dtype
    assert value.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert float(value) == pytest.approx((0.125 + 3.5) / 3)
    assert lk.HuberLoss().second_derivative(Y.astype(dtype), P.astype(dtype)).dtype == dtype


def test_half_precision_is_summed_in_float32(engine):
    p = np.full(3000, 60.0, np.float16)  # squares of 3600, a sum of 1e7: both beyond float16
    assert lk.MeanSquaredError(reduction="sum")(np.zeros(3000, np.float16), p) == 3000 * 3600.0


@pytest.mark.parametrize("kind", [int, bool, list, np.uint8])
def test_integers_and_lists_are_float64(engine, kind):
    y = [1, 0, 1] if kind is list else np.array([1, 0, 1], kind)
    value = lk.MeanSquaredError()(y, [0, 0, 1])
    assert value.dtype == np.float64
    assert value == pytest.approx(1 / 3)
    assert lk.MeanSquaredError()(y, np.zeros(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "bad", [np.array(["a"]), np.array([1j]), np.array([None]), np.array([1.0], np.longdouble)]
)
def test_what_is_no_number(engine, bad):
    with pytest.raises(
        TypeError, match=r"y_pred must be an array of numbers in float16.*got ndarray of dtype"
    ):
        lk.MeanSquaredError()(np.zeros(1), bad)


@pytest.mark.parametrize(
    ("loss", "y", "p", "message"),
    [
        (
            lk.BinaryCrossEntropy(),
            [0, 1, 0],
            [0.5, 0.5, 1.5],
            r"y_pred must be in \[0, 1\], got 1.5 at index 2",
        ),
        (
            lk.BinaryCrossEntropy(),
            [0, 2, 0],
            [0.5, 0.5, 0.5],
            r"y_true must be in \[0, 1\], got 2.0 at index 1",
        ),
        (
            lk.HingeLoss(),
            [[1.0, -1.0], [0.0, 1.0]],
            np.zeros((2, 2)),
            r"y_true must be -1 or \+1, got 0.0 at index \(1, 0\)",
        ),
        (
            lk.MeanAbsolutePercentageError(),
            [1.0, 0.0],
            [1.0, 1.0],
            "y_true must be different from 0, got 0.0 at index 1",
        ),
        (
            lk.MeanSquaredLogarithmicError(),
            1.0,
            -1.0,
            "y_pred must be at least 0, got -1.0 at the only element",
        ),
    ],
)
def test_domains(engine, loss, y, p, message):
    with pytest.raises(ValueError, match=message):
        loss(y, p)
    loss.replace(validate=False)(y, p)
    size = np.size(y)
    if size > 1:
        assert np.isfinite(loss(y, p, mask=np.arange(size).reshape(np.shape(y)) < 1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mask": [1, 0, 1]}, TypeError, "mask must be boolean"),
        (
            {"mask": [True, False]},
            ValueError,
            r"mask must have the shape of the terms, \(3,\), or of a leading part of it; got \(2,\)",
        ),
        (
            {"sample_weight": [1.0, -1.0, 1.0]},
            ValueError,
            "sample_weight must be finite and at least 0, got -1.0 at index 1",
        ),
        ({"sample_weight": [1.0, NAN, 1.0]}, ValueError, "got nan at index 1"),
        ({"sample_weight": ["a", "b", "c"]}, TypeError, "sample_weight must be numbers"),
        ({"sample_weight": np.ones((3, 1))}, ValueError, r"got \(3, 1\)"),
    ],
)
def test_weights_and_masks_that_do_not_fit(engine, options, error, message):
    with pytest.raises(error, match=message):
        lk.HuberLoss()(Y, P, **options)


def test_out(engine):
    loss = lk.HuberLoss()
    out = np.full(3, 9.0)
    assert loss.derivative(Y, P, out=out) is out
    np.testing.assert_array_equal(out, loss.derivative(Y, P))
    half = np.empty(3, np.float16)
    value, gradient = loss.value_and_derivative(Y.astype(np.float16), P.astype(np.float16), out=half)
    assert gradient is half
    assert float(value) == pytest.approx((0.125 + 3.5) / 3)
    wide = np.empty(6)[::2]
    np.testing.assert_array_equal(loss.derivative(Y, P, out=wide), out)
    for wrong in (np.empty(2), np.empty(3, np.float32), np.empty((3, 1))):
        with pytest.raises(
            ValueError, match=r"out must be writable, of shape \(3,\) and dtype float64; got shape"
        ):
            loss.derivative(Y, P, out=wrong)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        loss.derivative(Y, P, out=out)
    with pytest.raises(TypeError, match="out must be a NumPy array, got list"):
        loss.derivative(Y, P, out=[0.0] * 3)


def test_arrays_that_are_views(engine):
    loss = lk.HuberLoss()
    big = np.arange(24.0).reshape(4, 6)
    y, p = big[::2, ::3], big[1::2, 1::3]
    assert loss(y, p) == loss(y.copy(), p.copy())
    frozen = big.copy()
    frozen.flags.writeable = False
    assert loss(frozen, frozen + 1) == 0.5
    assert loss(np.broadcast_to(np.float64(0), (5,)), np.ones(5)) == 0.5
    assert loss(np.ones((0, 3)), np.ones((0, 3))) == 0.0
    assert loss(np.zeros(3, ">f8"), np.ones(3, ">f8")) == 0.5  # big-endian


# ---- a loss is a value ----------------------------------------------------------------------------------


class Weighted(lk.LossFunction):
    """As a learner writes it: no call of the base's constructor, and a list among its attributes."""

    def __init__(self, alpha, weights=(1.0, 2.0)):
        self.alpha = alpha
        self.weights = weights

    def compute(self, y_true, y_pred):
        return self.alpha * np.mean((y_true - y_pred) ** 2)

    def derivative(self, y_true, y_pred):
        return 2 * self.alpha * (y_pred - y_true) / len(y_true)


def test_sealed():
    loss = lk.HuberLoss()
    with pytest.raises(AttributeError, match=r"HuberLoss is sealed: cannot set 'delta'.*replace\(delta="):
        loss.delta = 3.0
    with pytest.raises(AttributeError, match="cannot delete"):
        del loss.delta
    loss(Y, P)  # kernels are kept beside the parameters
    assert loss == lk.HuberLoss()
    assert loss != lk.HuberLoss(2.0) != lk.SmoothL1Loss(2.0)
    assert len({loss, lk.HuberLoss(1), lk.HuberLoss(2)}) == 2
    assert loss.replace(delta=2, reduction="sum") == lk.HuberLoss(2.0, reduction="sum")
    assert repr(lk.HuberLoss(2, reduction="sum")) == "HuberLoss(delta=2.0, reduction='sum')"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lk.HuberLoss(0), ValueError, "delta must be > 0, got 0"),
        (lambda: lk.HuberLoss("1"), TypeError, r"delta must be a number, got '1' \(str\)"),
        (lambda: lk.HuberLoss(True), TypeError, "delta must be a number, got True"),
        (lambda: lk.HuberLoss(NAN), ValueError, "delta must be > 0, got nan"),
        (lambda: lk.QuantileLoss(1), ValueError, "quantile must be > 0 and < 1, got 1"),
        (
            lambda: lk.HuberLoss(reduction="average"),
            ValueError,
            "reduction must be one of 'mean', 'sum', 'none', got 'average'",
        ),
        (lambda: lk.HuberLoss(validate=1), TypeError, "validate must be True or False, got 1"),
        (lambda: lk.BinaryCrossEntropy(from_logits="yes"), TypeError, "from_logits must be True or False"),
        (lambda: lk.WeightedCrossEntropy([1, 2, 3]), ValueError, "class_weights must be two numbers"),
        (lambda: lk.HuberLoss(delt=1), TypeError, "delt"),
    ],
)
def test_parameters_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_learners_losses_are_values_too(engine):
    loss = Weighted(0.5, [1, np.float64(2.0)])
    assert loss(Y, P) == pytest.approx(16.25 / 6)
    assert loss.weights == (1, 2.0)
    assert loss == Weighted(0.5, (1, 2.0))
    assert hash(loss) == hash(Weighted(0.5, (1, 2.0)))
    assert repr(loss) == "Weighted(alpha=0.5, weights=(1, 2.0))"
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert lk.from_config(json.loads(json.dumps(loss.to_config()))) == loss
    with pytest.raises(AttributeError, match="sealed"):
        loss.alpha = 1.0
    assert loss(Y, P, mask=[True, False, False]) == pytest.approx(0.125)
    assert loss(Y, P, sample_weight=[1, 0, 1]) == pytest.approx(16.25 / 4)
    np.testing.assert_allclose(loss.derivative(Y, P), [1 / 6, 0, 4 / 3])
    np.testing.assert_allclose(loss.second_derivative(Y, P), [1 / 3] * 3, rtol=1e-9)
    value, gradient = loss.value_and_derivative(Y, P)
    assert (value, gradient.shape) == (loss(Y, P), (3,))
    assert (loss.parts(Y[:1], P[:1]) + loss.parts(Y[1:], P[1:])).mean() == pytest.approx(float(loss(Y, P)))
    out = np.empty(3)
    assert loss.derivative(Y, P, out=out) is out
    assert 2 * loss == WeightedSum(((2.0, loss),))
    assert (2 * loss)(Y, P) == pytest.approx(16.25 / 3)


def test_pickle_after_use():
    loss = lk.LogCoshLoss()
    loss.value_and_derivative(Y, P)
    back = pickle.loads(pickle.dumps(loss))
    assert back == loss
    assert back(Y, P) == loss(Y, P)


def test_a_loss_without_compute_says_what_to_do():
    class Empty(lk.LossFunction):
        pass

    with pytest.raises(
        NotImplementedError, match=r"Empty has no compute\(self, y_true, y_pred\); write it, or subclass"
    ):
        Empty()(Y, P)


def test_rules_may_not_be_mixed_with_verbs():
    with pytest.raises(TypeError, match="defines 'compute', but a elementwise loss is made of rules"):

        class Mixed(lk.ResidualLoss):
            def compute(self, y_true, y_pred):
                return 0.0


# ---- algebra --------------------------------------------------------------------------------------------


def test_a_sum_of_elementwise_losses_is_one_loss(engine):
    mixture = 0.5 * lk.MeanSquaredError() + lk.MeanAbsoluteError() * 0.25
    assert isinstance(mixture, ElementwiseSum)
    assert len(mixture.terms) == 2
    expected = 0.5 * lk.MeanSquaredError()(Y, P) + 0.25 * lk.MeanAbsoluteError()(Y, P)
    assert mixture(Y, P) == pytest.approx(float(expected))
    np.testing.assert_allclose(
        mixture.derivative(Y, P),
        0.5 * lk.MeanSquaredError().derivative(Y, P) + 0.25 * lk.MeanAbsoluteError().derivative(Y, P),
    )
    assert mixture == lk.parse(repr(mixture).replace("()", "")) == lk.from_config(mixture.to_config())
    assert (
        eval(repr(mixture), vars(lk) | {n: getattr(lk, n) for n in dir(lk) if n.endswith("Error")}) == mixture
    )


def test_algebra():
    huber = lk.HuberLoss()
    assert 1.0 * huber is huber
    assert sum([huber]) is huber
    assert (2 * (3 * huber)).weighted_terms() == ((6.0, huber),)
    assert (huber + 0 * lk.MeanSquaredError())(np.zeros(1), np.array([1e200])) == 1e200 - 0.5
    with pytest.raises(TypeError):
        huber * huber
    with pytest.raises(TypeError):
        huber + 1
    with pytest.raises(TypeError):
        huber * True
    with pytest.raises(
        ValueError, match=r"cannot add losses whose reduction differs: HuberLoss.* has 'mean', .* has 'sum'"
    ):
        huber + lk.MeanSquaredError(reduction="sum")


def test_sums_across_structures(engine):
    y = np.array([[0.0, 1.0], [0.5, 0.5]])
    p = np.array([[0.25, 0.75], [0.5, 0.5]])
    total = lk.MeanSquaredError() + 2 * lk.KLDivergence()
    assert isinstance(total, WeightedSum)
    assert total(y, p) == pytest.approx(
        float(lk.MeanSquaredError()(y, p)) + 2 * float(lk.KLDivergence()(y, p))
    )
    with pytest.raises(NotImplementedError, match="does not split into parts that merge"):
        total.parts(y, p)
    with pytest.raises(ValueError, match="answer with different shapes"):
        (lk.MeanSquaredError(reduction="none") + lk.KLDivergence(reduction="none"))(y, p)


# ---- threads, processes, folders ------------------------------------------------------------------------


def run(code, **environment):
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False,
        env=os.environ | {k: v for k, v in environment.items() if v is not None},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_concurrent_callers():
    random = np.random.default_rng(0)
    y, p = random.normal(size=(2, 300_000))
    losses = [lk.HuberLoss(), lk.LogCoshLoss(), lk.HuberLoss(2.0), lk.MeanSquaredError()]
    expected = [loss.value_and_derivative(y, p) for loss in losses]
    wrong = []

    def work(k):
        for i in range(6):
            j = (i + k) % len(losses)
            value, gradient = losses[j].value_and_derivative(y, p)
            if value != expected[j][0] or gradient.tobytes() != expected[j][1].tobytes():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_concurrent_first_calls():
    """Eight threads that all want a kernel nobody has compiled yet, in a process of its own."""
    code = """
import threading, numpy as np, losskit as lk
y, p = np.zeros(100_000), np.ones(100_000)
answers = []
def work(k):
    loss = lk.parse(["huber", "mse", "mae", "log_cosh"][k % 4])
    answers.append((k % 4, float(loss(y, p))))
threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(answers), len(set(answers)))
"""
    assert run(code) == "8 4"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_after_use():
    code = """
import os, numpy as np, losskit as lk
lk.set_num_threads(3)
y, p = np.zeros(500_000), np.ones(500_000)
before = lk.LogCoshLoss()(y, p)
child = os.fork()
if child == 0:
    os._exit(0 if lk.LogCoshLoss()(y, p) == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(code) == "0"


def test_cache_folder(tmp_path):
    code = "import losskit as lk; print(float(lk.HuberLoss()([0.0], [3.0])))"
    chosen = tmp_path / "missing" / "folder"
    assert run(code, LOSSKIT_CACHE_DIR=str(chosen)) == "2.5"
    kernels = list((chosen / "kernels").glob("losskit_kernel_HuberLoss_*.py"))
    assert len(kernels) == 1
    assert stat.S_IMODE((chosen / "kernels").stat().st_mode) == 0o700
    assert run(code, LOSSKIT_CACHE_DIR=str(chosen)) == "2.5"  # now from the cache


def test_cache_folder_that_cannot_be_written(tmp_path):
    code = "import losskit as lk; print(float(lk.HuberLoss()([0.0], [3.0])))"
    file = tmp_path / "file"
    file.write_text("in the way")
    assert run(code, LOSSKIT_CACHE_DIR=str(file)) == "2.5"
    frozen = tmp_path / "frozen"
    frozen.mkdir(mode=0o500)
    assert run(code, LOSSKIT_CACHE_DIR=str(frozen)) == "2.5"


def test_number_of_threads():
    code = "import losskit as lk; print(lk.get_num_threads())"
    assert run(code, LOSSKIT_NUM_THREADS="3") == "3"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LOSSKIT_NUM_THREADS": "many"},
    )
    assert "LOSSKIT_NUM_THREADS must be a whole number of at least 1, got 'many'" in done.stderr
    before = lk.get_num_threads()
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="n must be a whole number of at least 1"):
            lk.set_num_threads(wrong)
    assert lk.get_num_threads() == before


def test_import_is_light():
    heavy = "numba torch jax sklearn scipy sympy mpmath matplotlib duckdb pandas typer rich"
    code = f"import sys, losskit; print([m for m in {heavy.split()!r} if m in sys.modules])"
    assert run(code) == "[]"
    used = code.replace("losskit;", "losskit as lk; lk.list_losses(); lk.HuberLoss();")
    assert run(used) == "[]"


def test_public_names_are_not_modules():
    code = """
import losskit.structures, losskit.parameters, losskit.rules, losskit.losses.binary, losskit.checking
import losskit as lk
from types import ModuleType
print([n for n in ("rule", "parameter", "check", "plot", "parse", "get") if isinstance(getattr(lk, n), ModuleType)])
"""
    assert run(code) == "[]"


def test_unknown_names():
    with pytest.raises(AttributeError, match="module 'losskit' has no attribute 'Hubber'"):
        lk.Hubber
    assert {"HuberLoss", "check", "rule", "parse"} <= set(dir(lk))


def test_engines_are_chosen_by_name():
    with (
        pytest.raises(ValueError, match=r"engine must be one of .*numba.*numpy.*; got 'cuda'"),
        lk.use_engine("cuda"),
    ):
        pass
