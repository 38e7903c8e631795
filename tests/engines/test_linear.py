"""A linear layer with cross-entropy: the two steps apart, every option, what is refused."""

import tracemalloc

import numpy as np
import pytest

import losskit as lk
from losskit.engines import memory
from losskit.engines.numba import linear as kernels

OPTIONS = [
    {}, {"label_smoothing": 0.25}, {"z_loss": 0.125}, {"class_weights": (0.5, 0.0, 2.0, 1.0)}, {"ignore_index": 1},
    {"ignore_index": -100, "label_smoothing": 0.5, "z_loss": 0.25, "class_weights": (0.5, 1.0, 2.0, 1.0)},
]  # fmt: skip

every = pytest.mark.parametrize("options", OPTIONS, ids=repr)


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


def some(n, dtype=np.float64, shares=False, seed=0):
    """(targets, hidden, weight, bias) with four classes."""
    random = np.random.default_rng(seed)
    hidden, weight, bias = (random.normal(size=s).astype(dtype) for s in ((n, 3), (4, 3), 4))
    targets = random.dirichlet(np.ones(4), n).astype(dtype) if shares else random.integers(0, 4, n)
    return targets, hidden, weight, bias


def two_steps(options, targets, hidden, weight, bias, **kwargs):
    """Value and derivatives by way of the logits."""
    cls = lk.SparseCategoricalCrossEntropy if targets.ndim == 1 else lk.CategoricalCrossEntropy
    loss = cls(from_logits=True, **options)
    value, g = loss.value_and_derivative(targets, hidden @ weight.T + bias, **kwargs)
    return value, g @ weight, g.T @ hidden, g.sum(axis=0)


def close(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(), 1e-30))


@every
@pytest.mark.parametrize("n", [1, 5, 700])
def test_the_two_steps_apart(options, n, engine):
    arguments = some(n)
    value, slopes = lk.LinearCrossEntropy(**options).value_and_derivative(*arguments)
    close((value, *slopes), two_steps(options, *arguments), 1e-13)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.25, "class_weights": (0.5, 0.0, 2.0, 1.0)}])
def test_soft_targets(options, engine):
    arguments = some(50, shares=True)
    loss = lk.LinearCrossEntropy(targets="distribution", **options)
    value, slopes = loss.value_and_derivative(*arguments)
    close((value, *slopes), two_steps(options, *arguments), 1e-13)


@every
def test_float32_in_tiles(options, monkeypatch):
    monkeypatch.setattr(kernels, "SMALL", 0)
    monkeypatch.setattr(kernels, "TILE", 64)
    arguments = some(200, np.float32)
    value, slopes = lk.LinearCrossEntropy(**options).value_and_derivative(*arguments)
    assert {s.dtype for s in slopes} == {np.dtype(np.float32)}
    wide = tuple(a.astype(np.float64) if a.dtype.kind == "f" else a for a in arguments)
    close((value, *slopes), two_steps(options, *wide), 2e-6)


def test_weights_masks_and_leading_axes(engine):
    random = np.random.default_rng(1)
    targets, hidden, weight, bias = some(24)
    weights, mask = random.uniform(0.5, 2.0, 24), random.random(24) < 0.7
    spoilt = np.where(mask[:, None], hidden, np.nan)
    kwargs = {"sample_weight": weights, "mask": mask}
    loss = lk.LinearCrossEntropy()
    value, slopes = loss.value_and_derivative(targets, spoilt, weight, bias, **kwargs)
    expected = two_steps({}, targets, hidden, weight, bias, **kwargs)
    close((value, *slopes), expected, 1e-13)
    shape = (2, 3, 4)
    shaped = targets.reshape(shape), hidden.reshape(*shape, 3), weight, bias
    shaped_weights = {k: v.reshape(shape) for k, v in kwargs.items()}
    value, slopes = loss.value_and_derivative(*shaped, **shaped_weights)
    assert slopes[0].shape == (*shape, 3)
    close((value, slopes[0].reshape(24, 3), *slopes[1:]), expected, 1e-13)
    assert loss.replace(reduction="none")(*shaped).shape == shape


def test_without_bias(engine):
    targets, hidden, weight, _ = some(6)
    value, slopes = lk.LinearCrossEntropy().value_and_derivative(targets, hidden, weight)
    assert len(slopes) == 2
    close((value, *slopes), two_steps({}, targets, hidden, weight, 0.0)[:3], 1e-13)


def test_a_tail_keeps_its_digits(engine):
    hidden, weight = np.array([[2.0, 0.0]], np.float32), np.array([[10.0, 0.0], [0.0, 10.0]], np.float32)
    value, (of_hidden, _) = lk.LinearCrossEntropy().value_and_derivative([0], hidden, weight)
    assert value == pytest.approx(2.0611536e-09, rel=1e-6)
    assert of_hidden[0] == pytest.approx([-2.0611536e-08, 2.0611536e-08], rel=1e-6)


def test_nothing_counts(engine):
    targets, hidden, weight, bias = some(3)
    loss = lk.LinearCrossEntropy(ignore_index=7)
    value, slopes = loss.value_and_derivative(np.full(3, 7), hidden, weight, bias)
    assert value == 0.0
    assert not any(s.any() for s in slopes)
    assert lk.LinearCrossEntropy()(targets[:0], hidden[:0], weight, bias) == 0.0


def test_parts_merge(engine):
    targets, hidden, weight, bias = some(30)
    loss = lk.LinearCrossEntropy(ignore_index=2)
    halves = (loss.parts(targets[i], hidden[i], weight, bias) for i in (slice(11), slice(11, None)))
    assert sum(halves, start=lk.Parts()).mean() == pytest.approx(loss(targets, hidden, weight, bias))


def test_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(kernels, "SMALL", 0)
    random = np.random.default_rng(0)
    hidden, weight = (random.normal(size=s).astype(np.float32) for s in ((100, 8), (1000, 8)))
    targets, answers, before = random.integers(0, 1000, 100), [], lk.get_num_threads()
    try:
        for threads in (1, 2, 5):
            lk.set_num_threads(threads)
            answers.append(lk.LinearCrossEntropy().value_and_derivative(targets, hidden, weight))
    finally:
        lk.set_num_threads(before)
    for value, slopes in answers[1:]:
        assert value == answers[0][0]
        for a, b in zip(slopes, answers[0][1], strict=True):
            np.testing.assert_array_equal(a, b)


def test_logits_are_never_whole(monkeypatch):
    sizes, empty = [], memory.empty

    def noted(size, dtype):
        sizes.append(size)
        return empty(size, dtype)

    monkeypatch.setattr(memory, "empty", noted)  # which tracemalloc does not see
    random = np.random.default_rng(0)
    hidden, weight = (random.normal(size=s).astype(np.float32) for s in ((1500, 8), (2000, 8)))
    targets = random.integers(0, 2000, 1500)
    tracemalloc.start()
    try:
        lk.LinearCrossEntropy().value_and_derivative(targets, hidden, weight)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 4 * sum(sizes) + peak < 4 * 1500 * 2000 / 2


@pytest.mark.parametrize(
    ("options", "change", "error", "message"),
    [
        ({}, {"targets": np.array([0, 1, 4])}, IndexError, r"y_true must be in 0..3, .*got 4 at index 2"),
        ({}, {"targets": np.eye(4)[:3]}, ValueError, r'pass targets="distribution"'),
        ({"targets": "distribution"}, {}, ValueError, r'pass targets="index"'),
        ({}, {"weight": np.ones((3, 5))}, ValueError, r"pass weight.T|got hidden of shape \(3, 3\) and weight of shape \(3, 5\)"),
        ({}, {"bias": np.ones(3)}, ValueError, r"bias must be of shape \(4,\)"),
        ({"class_weights": (1.0, 2.0)}, {}, ValueError, r"class_weights has 2 numbers"),
        ({"targets": "distribution"}, {"targets": np.full((3, 4), 0.5)}, ValueError, r"rows that sum to 1"),
    ],
)  # fmt: skip
def test_errors(options, change, error, message, engine):
    targets, hidden, weight, bias = some(3)
    arguments = {"targets": targets, "hidden": hidden, "weight": weight, "bias": bias} | change
    with pytest.raises(error, match=message):
        lk.LinearCrossEntropy(**options)(*arguments.values())


def test_parameters():
    with pytest.raises(ValueError, match='it needs targets="index"'):
        lk.LinearCrossEntropy(ignore_index=1, targets="distribution")
