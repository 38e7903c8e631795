"""Losses over all paths through a table: known answers, both engines, edges, and what is refused."""

import re
from itertools import product

import numpy as np
import pytest

import losskit as lk
from losskit.engines.numba import lattice
from truth.lattice import alignments, spelled

INF, NAN = np.inf, np.nan


@pytest.fixture(params=["numba", "numpy"])
def engine(request):
    with lk.use_engine(request.param):
        yield request.param


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def some_frames(frames=20, batch=6, classes=5, most=7, dtype=np.float64, seed=0, blank=0):
    """(labels, logits, target lengths, logit lengths), with repeated labels and an empty target."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([c for c in range(classes) if c != blank], (batch, most))
    labels[0, :] = labels[0, 0]
    lengths = rng.integers(0, most + 1, batch)
    lengths[:2] = most, 0
    logits = (2.0 * rng.normal(size=(frames, batch, classes))).astype(dtype)
    return labels, logits, lengths, rng.integers(2 * most, frames + 1, batch)


# ---- labels against frames: known answers -----------------------------------------------------------------


@pytest.mark.parametrize("blank", [0, 2])
def test_every_path_of_a_small_table(blank, engine):
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(3), (4, 1))
    loss = lk.CTCLoss(blank=blank)
    total = 0.0
    for length in range(5):
        for labels in product([c for c in range(3) if c != blank], repeat=length):
            paths = [q for q in product(range(3), repeat=4) if spelled(q, blank) == list(labels)]
            truth = sum(np.prod([p[t, 0, c] for t, c in enumerate(q)]) for q in paths)
            value = loss.compute(np.array([labels], np.int64).reshape(1, length), np.log(p))
            assert np.exp(-value) == pytest.approx(truth, rel=1e-14)
            total += np.exp(-value)
    assert total == pytest.approx(1.0, rel=1e-14)  # every path spells something


def test_a_single_frame_is_cross_entropy(engine):
    z = np.array([[[20.0, 0.0, -1.0]], [[0.0, 20.0, 1.0]]])
    loss = lk.CTCLoss(from_logits=True)
    truth = lk.SparseCategoricalCrossEntropy(from_logits=True)
    for frame, label in ((z[:1], 0), (z[1:], 1)):
        labels = np.array([[label]] if label else [[]], np.int64)
        value, slope = loss.value_and_derivative(labels, frame)
        expected = truth.value_and_derivative([label], frame[0])
        np.testing.assert_allclose(value, expected[0], rtol=1e-15)
        np.testing.assert_allclose(slope[0], expected[1], rtol=1e-14)
        np.testing.assert_allclose(
            loss.second_derivative(labels, frame)[0], truth.second_derivative([label], frame[0]), rtol=1e-13
        )


def test_the_shares_of_a_frame(engine):
    labels, logits, *lengths = some_frames()
    scores = log_softmax(logits)
    slope = lk.CTCLoss(reduction="sum").derivative(labels, scores, *lengths)
    inside = np.arange(len(scores))[:, None] < lengths[1]
    np.testing.assert_allclose(slope.sum(axis=-1), -1.0 * inside, atol=1e-13)
    assert (slope <= 0.0).all()
    of_logits = lk.CTCLoss(from_logits=True, reduction="sum").derivative(labels, logits, *lengths)
    np.testing.assert_allclose(of_logits, (slope + np.exp(scores)) * inside[..., None], atol=1e-13)


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_derivatives_are_those_of_the_documented_input(from_logits, engine):
    labels, x, *lengths = some_frames(frames=6, batch=2, classes=3, most=2)
    lengths[1] = np.array([6, 5])
    loss = lk.CTCLoss(from_logits=from_logits, validate=False, reduction="sum")
    x = x if from_logits else log_softmax(x)
    first, second = loss.derivative(labels, x, *lengths), loss.second_derivative(labels, x, *lengths)
    h = 1e-5
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        rise = loss.compute(labels, x + step, *lengths) - loss.compute(labels, x - step, *lengths)
        bend = (
            loss.derivative(labels, x + step, *lengths)[place]
            - loss.derivative(labels, x - step, *lengths)[place]
        )
        assert rise / (2 * h) == pytest.approx(first[place], abs=1e-8)
        assert bend / (2 * h) == pytest.approx(second[place], rel=1e-6, abs=1e-8)


# ---- kernel and formula -----------------------------------------------------------------------------------


def both_engines(loss, *arguments, **options):
    answers = []
    for name in ("numba", "numpy"):
        with lk.use_engine(name):
            answers.append(loss.value_and_derivative(*arguments, **options))
    return answers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("from_logits", [True, False])
def test_the_kernel_agrees_with_the_formula(from_logits, dtype):
    loss = lk.CTCLoss(blank=1, from_logits=from_logits)
    labels, x, *lengths = some_frames(frames=90, batch=9, classes=40, most=30, dtype=dtype, blank=1)
    x = x if from_logits else log_softmax(x)
    weight = np.array([1.0, 0.5, 0.0, 2.0, 1.0, 3.0, 1.0, 1.0, 0.25])
    mask = np.arange(9) != 4
    x[:, 4] = NAN
    rtol = 1e-6 if dtype == np.float32 else 1e-12
    for options in ({}, {"sample_weight": weight}, {"sample_weight": weight, "mask": mask}):
        for reduction in ("mean", "sum", "none"):
            if not options and reduction != "none":
                continue  # the NaN of sequence 4 is all there is to see
            one, other = both_engines(loss.replace(reduction=reduction), labels, x, *lengths, **options)
            if "mask" in options:
                assert np.isfinite(one[1]).all()
            np.testing.assert_allclose(one[0], other[0], rtol=rtol)
            np.testing.assert_allclose(one[1], other[1], rtol=rtol, atol=rtol * 1e-1)


def test_a_long_table_keeps_its_digits():
    """Log space in float32 errs by 1e-3 here, and probabilities of paths are as small as 1e-600."""
    labels, logits, *_ = some_frames(frames=400, batch=2, classes=20, most=50, dtype=np.float32)
    (value, slope), (truth, gradient) = both_engines(lk.CTCLoss(from_logits=True), labels, logits)
    assert value == pytest.approx(truth, rel=1e-7)
    np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=1e-7 * np.abs(gradient).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("scale", "extended"), [(0.5, 0), (2.0, 0), (10.0, 3)])
def test_numbers_far_apart(scale, extended, dtype, monkeypatch):
    """Floats on scales of their own hold ordinary numbers, extended range what is too far apart for them."""
    calls, run = [], lattice.Labellings.run_extended
    monkeypatch.setattr(lattice.Labellings, "run_extended", lambda *a: calls.append(a) or run(*a))
    labels, logits, *_ = some_frames(frames=300, batch=3, classes=12, most=40, dtype=dtype)
    one, other = both_engines(lk.CTCLoss(from_logits=True), labels, dtype(scale) * logits)
    assert len(calls) == extended
    np.testing.assert_allclose(one[0], other[0], rtol=1e-6 if dtype == np.float32 else 1e-13)
    atol = 1e-7 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(one[1], other[1], rtol=1e-6, atol=atol * np.abs(other[1]).max())


def test_more_than_probabilities():
    """Scores that nobody checks may grow from frame to frame instead of falling."""
    labels, logits, *_ = some_frames(frames=300, batch=2, classes=12, most=40)
    one, other = both_engines(lk.CTCLoss(validate=False), labels, 20.0 + logits)
    np.testing.assert_allclose(one[0], other[0], rtol=1e-13)
    np.testing.assert_allclose(one[1], other[1], rtol=1e-9, atol=1e-13)


def test_numbers_beyond_the_extended_range():
    for scale in (1e7, 1e30):
        labels, logits, *lengths = some_frames(frames=12, batch=4, classes=4, most=3)
        one, other = both_engines(lk.CTCLoss(from_logits=True), labels, scale * logits, *lengths)
        assert np.isfinite(one[0])
        np.testing.assert_allclose(one[0], other[0])
        np.testing.assert_allclose(one[1], other[1])


@pytest.mark.parametrize("loss", [lk.CTCLoss(from_logits=True), lk.SoftDTWLoss()], ids=["ctc", "soft_dtw"])
def test_any_number_of_threads_has_the_same_bits(loss):
    arguments = loss.example(np.random.default_rng(0), 300)
    before, answers = lk.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            lk.set_num_threads(n)
            value, slopes = loss.value_and_derivative(*arguments)
            answers.append((value, *(slopes if isinstance(slopes, tuple) else (slopes,))))
    finally:
        lk.set_num_threads(before)
    for one, other in zip(answers[0] * 2, answers[1] + answers[2], strict=True):
        np.testing.assert_array_equal(one, other)


# ---- edges ------------------------------------------------------------------------------------------------


def test_targets_that_no_path_spells(engine):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 2, 4))
    labels = np.array([[1, 1, 0], [1, 2, 3]])
    lengths = np.array([2, 3]), np.array([2, 3])  # 1 1 needs three frames
    value, slope = lk.CTCLoss(from_logits=True).value_and_derivative(labels, logits, *lengths)
    alone = lk.CTCLoss(from_logits=True, reduction="sum").derivative(labels[1:], logits[:, 1:])
    assert value == INF
    assert not slope[:, 0].any()  # no small change of the logits helps
    np.testing.assert_allclose(slope[:, 1:], alone / 2)
    kind = lk.CTCLoss(from_logits=True, zero_infinity=True, reduction="none")
    assert kind.compute(labels, logits, *lengths)[0] == 0.0
    assert not kind.derivative(labels, logits, *lengths)[:, 0].any()
    assert not kind.second_derivative(labels, logits, *lengths)[:, 0].any()


def test_probabilities_of_0(engine):
    with np.errstate(divide="ignore"):
        scores = np.log([[[0.5, 0.5, 0.0]], [[0.25, 0.0, 0.75]]])
    value, slope = lk.CTCLoss().value_and_derivative([[1]], scores)
    assert value == pytest.approx(-np.log(0.5 * 0.25))
    np.testing.assert_allclose(slope[:, 0], [[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    value, slope = lk.CTCLoss().value_and_derivative([[1, 2, 1]], scores)
    assert value == INF
    assert not slope.any()


def test_infinite_logits(engine):
    z = np.array([[[INF, 0.0, 1.0]], [[0.0, 1.0, -INF]]])
    value, slope = lk.CTCLoss(from_logits=True).value_and_derivative([[1]], z)
    assert value == pytest.approx(np.log1p(np.exp(-1.0)))
    assert np.isfinite(slope).all()
    assert np.isnan(lk.CTCLoss(from_logits=True).compute([[1]], np.full((1, 1, 2), INF)))
    assert np.isnan(lk.CTCLoss(from_logits=True).compute([[1]], np.full((1, 1, 2), -INF)))


def test_nan_stays_in_its_sequence_and_frames(engine):
    labels, logits, lengths, frames = some_frames(frames=20)
    frames[:2] = 14, 20
    logits[3, 1, 2] = logits[17, 0, 0] = NAN  # the second lies behind the last frame of its sequence
    loss = lk.CTCLoss(from_logits=True, reduction="none")
    value, slope = loss.value_and_derivative(labels, logits, lengths, frames)
    np.testing.assert_array_equal(np.isnan(value), np.arange(6) == 1)
    assert np.isnan(slope[:, 1]).all()
    assert not np.isnan(np.delete(slope, 1, axis=1)).any()


def test_empty_targets_and_frames(engine):
    logits = np.random.default_rng(0).normal(size=(3, 2, 4))
    loss = lk.CTCLoss(from_logits=True, reduction="none")
    blanks = -log_softmax(logits)[:, :, 0].sum(axis=0)
    np.testing.assert_allclose(loss.compute(np.zeros((2, 0), int), logits), blanks)
    np.testing.assert_allclose(loss.compute([[1], [2]], logits, [0, 0]), blanks)
    np.testing.assert_array_equal(loss.compute([[1], [2]], logits, [0, 1], [0, 0]), [0.0, INF])
    none = lk.CTCLoss(from_logits=True)
    assert none.compute(np.zeros((0, 2), int), np.zeros((3, 0, 4))) == 0.0
    assert none.derivative([[1], [2]], logits, mask=[False, False]).shape == logits.shape


def test_labels_in_a_row(engine):
    labels, logits, lengths, frames = some_frames()
    row = np.concatenate([one[:n] for one, n in zip(labels, lengths, strict=True)])
    keep = np.array([True, True, False, True, False, True])
    for loss in (lk.CTCLoss(from_logits=True), lk.CTCLoss(from_logits=True, reduction="none")):
        expected = loss.value_and_derivative(labels, logits, lengths, frames, mask=keep)
        for target in (row, row.tolist()):
            got = loss.value_and_derivative(target, logits, lengths, frames, mask=keep)
            np.testing.assert_array_equal(got[0], expected[0])
            np.testing.assert_array_equal(got[1], expected[1])


def test_any_layout_has_the_same_bits():
    labels, logits, lengths, frames = some_frames(dtype=np.float32)
    loss = lk.CTCLoss(from_logits=True)
    expected = loss.value_and_derivative(labels, logits, lengths, frames)
    frozen = logits.copy()
    frozen.flags.writeable = False
    batch_first = np.ascontiguousarray(logits.swapaxes(0, 1)).swapaxes(0, 1)
    for x, y in (
        (frozen, labels.astype(np.int8)),
        (batch_first, labels.astype(np.uint16)),
        (logits, labels * 1.0),
    ):
        value, slope = loss.value_and_derivative(y, x, lengths.astype(np.int32), frames)
        assert value == expected[0]
        np.testing.assert_array_equal(slope, expected[1])
    half = loss.derivative(labels, logits.astype(np.float16), lengths, frames)
    assert half.dtype == np.float16


# ---- what is refused --------------------------------------------------------------------------------------

LOGITS = np.zeros((3, 2, 4))
EVEN = np.log(np.full((3, 2, 4), 0.25))
BAD = [
    (([[1], [2]], np.zeros((3, 4))), {}, ValueError, "y_pred must be (frames, batch, classes)"),
    (([[1]], LOGITS), {}, ValueError, "y_true must be (batch, labels) with y_pred's batch of 2; got shapes (1, 1)"),
    (([1, 2], LOGITS), {}, ValueError, "holds labels in a row: pass target_lengths"),
    (([1, 2, 3], LOGITS, [1, 1]), {}, ValueError, "3 labels in a row, but target_lengths [1, 1] add up to 2"),
    (([[1], [2]], LOGITS, [1]), {}, ValueError, "target_lengths must be one length a sequence, of shape (2,)"),
    (([[1], [2]], LOGITS, [1, 2]), {}, IndexError, "target_lengths must be in 0..1, the labels of y_true, got 2"),
    (([[1], [2]], LOGITS, [1, -1]), {}, IndexError, "got -1 at index 1"),
    (([[1], [2]], LOGITS, [1, 1], [3, 4]), {}, IndexError, "logit_lengths must be in 0..3, the frames of y_pred, got 4"),
    (([[1], [4]], LOGITS), {}, IndexError, "y_true must be in 0..3, the classes of y_pred, got 4 at index (1, 0)"),
    (([[1], [-1]], LOGITS), {"validate": False}, IndexError, "got -1 at index (1, 0)"),
    (([[1], [0]], LOGITS), {}, ValueError, "y_true must be labels, and blank=0 is none, got 0 at index (1, 0)"),
    (([[1], [2]], LOGITS), {"blank": 4}, ValueError, "blank=4 is not one of the 4 classes"),
    (([[1], [2]], EVEN + 2.0), {"from_logits": False}, ValueError, "log-probabilities, at most 0; for logits pass from_logits=True"),
    (([[1], [2]], EVEN - 2.0), {"from_logits": False}, ValueError, "log-probabilities, whose exponentials sum to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "parameters", "error", "message"), BAD)
def test_bad_labellings(arguments, parameters, error, message, engine):
    loss = lk.CTCLoss(**({"from_logits": True} | parameters))
    with pytest.raises(error, match=re.escape(message)):
        loss.value_and_derivative(*arguments)


def test_what_lies_behind_the_lengths_is_not_looked_at(engine):
    scores = np.concatenate([EVEN, np.full((1, 2, 4), 7.0)])
    value = lk.CTCLoss().compute([[1, -9], [2, 99]], scores, [1, 1], [3, 3])
    assert value == pytest.approx(lk.CTCLoss().compute([[1], [2]], EVEN))


def test_bad_alignments(engine):
    loss = lk.SoftDTWLoss()
    for x, y in (((2, 3, 4), (2, 3, 5)), ((2, 3, 4), (3, 3, 4)), ((4,), (4,)), ((1, 2, 3, 4), (2, 3, 4))):
        with pytest.raises(ValueError, match=r"must be \(..., length, features\)"):
            loss.compute(np.zeros(x), np.zeros(y))
    with pytest.raises(ValueError, match="at least one vector"):
        loss.compute(np.zeros((2, 0, 3)), np.zeros((2, 1, 3)))
    with pytest.raises(ValueError, match="gamma must be >= 0"):
        lk.SoftDTWLoss(gamma=-1)


# ---- one sequence against another -------------------------------------------------------------------------

FORMS = [{}, {"gamma": 0.125}, {"gamma": 0.0}, {"normalize": True}, {"gamma": 0.0, "normalize": True}]


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_every_alignment_of_short_sequences(gamma, engine):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    costs = [sum(((x[i] - y[j]) ** 2).sum() for i, j in path) for path in alignments(4, 3)]
    assert len(costs) == 25  # a Delannoy number
    truth = min(costs) if gamma == 0.0 else -gamma * np.log(np.sum(np.exp(-np.array(costs) / gamma)))
    assert lk.SoftDTWLoss(gamma).compute(x, y) == pytest.approx(truth, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", FORMS, ids=str)
def test_alignments_on_both_engines(parameters, dtype):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(2, 3, n, 4)).astype(dtype) for n in (37, 20))
    one, other = both_engines(lk.SoftDTWLoss(**parameters), x, y, sample_weight=rng.random((2, 3)))
    rtol = 2e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(one[0], other[0], rtol=rtol)
    for mine, truth in zip(one[1], other[1], strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, truth, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("parameters", FORMS, ids=str)
def test_second_derivatives_of_alignments(parameters, engine):
    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 4, 2))
    loss = lk.SoftDTWLoss(**parameters)
    h = 1e-5
    for k, second in enumerate(loss.second_derivative(*arguments)):
        for place in np.ndindex(second.shape):
            ends = []
            for side in (h, -h):
                moved = [a.copy() for a in arguments]
                moved[k][place] += side
                ends.append(loss.derivative(*moved)[k][place])
            assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(second[place], rel=1e-6, abs=1e-8)


def test_limits_of_gamma(engine):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 6, 2)), rng.normal(size=(3, 5, 2))
    hard, soft = lk.SoftDTWLoss(0.0), lk.SoftDTWLoss(1e-9)
    np.testing.assert_allclose(soft.compute(x, y), hard.compute(x, y), rtol=1e-8)
    for a, b in zip(soft.derivative(x, y), hard.derivative(x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8)


def test_the_divergence_is_0_at_equal_sequences(engine):
    x = np.random.default_rng(0).normal(size=(3, 6, 2))
    value, slopes = lk.SoftDTWLoss(normalize=True).value_and_derivative(x, x)
    assert value == 0.0
    np.testing.assert_allclose(slopes[0], 0.0, atol=1e-14)
    assert lk.SoftDTWLoss(normalize=True).compute(x, x[:, :4]) > 0.0


def test_extreme_sequences(engine):
    loss = lk.SoftDTWLoss(reduction="none")
    x, y = np.zeros((1, 2, 1)), np.full((1, 3, 1), 1e200)
    value, slopes = loss.value_and_derivative(x, y)
    assert value == [INF]  # 1e400
    assert all(np.isfinite(s).all() for s in slopes)
    y[0, 1] = NAN
    value, slopes = loss.value_and_derivative(x, y)
    assert np.isnan(value).all()
    assert all(np.isnan(s).all() for s in slopes)
    assert loss.compute([[[1e-30]]], [[[3e-30]]])[0] == pytest.approx(4e-60, rel=1e-14)
