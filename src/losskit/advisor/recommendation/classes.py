"""Measure a target of labels: the balance of the classes, and how probabilities agree with the labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from losskit.advisor.recommendation.profiles import Classes, Doubt
from losskit.advisor.recommendation.statistics import Numbers

MOST_COMPARED = 20_000
"""Rows by which wrong labels are told from probabilities that are too sure."""

TINY = np.finfo(np.float64).tiny

KINDS = {"binary": "two classes", "multiclass": "classes", "ordinal": "ordered classes"}


def measure_classes(
    codes: NDArray[np.intp],
    labels: tuple[str, ...],
    pair: tuple[NDArray[np.intp], Numbers] | None,
    weight: Numbers | None,
    **common: Any,
) -> Classes:
    """The profile of class codes 0, 1, 2, ..., ``pair`` is codes with probabilities, drawn already."""
    counts = np.bincount(codes, minlength=len(labels))
    heaps = counts if weight is None else np.bincount(codes, weights=weight, minlength=len(labels))
    return Classes(
        **common,
        kind=KINDS[common["task"]],
        labels=labels,
        shares=tuple((heaps / heaps.sum()).tolist()),
        smallest=int(counts.min()),
        doubt=None if pair is None else doubt_of(*pair),
    )


def measure_distributions(y: Numbers, weight: Numbers | None, **common: Any) -> Classes:
    """The profile of rows that are distributions over classes."""
    shares = np.average(y, axis=0, weights=weight)
    return Classes(
        **common,
        kind="distributions",
        labels=tuple(str(i) for i in range(y.shape[1])),
        shares=tuple((shares / shares.sum()).tolist()),
        smallest=len(y),
    )


def doubt_of(codes: NDArray[np.intp], probabilities: Numbers, bins: int = 15) -> Doubt:
    """How probabilities and labels agree.

    >>> doubt_of(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]])).accuracy
    1.0
    """
    guess = probabilities.argmax(axis=1)
    confidence, right = probabilities.max(axis=1), guess == codes
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, order.size))
    gaps = [part.size * abs(float(right[part].mean() - confidence[part].mean())) for part in parts]
    of_label = probabilities[np.arange(codes.size), codes]
    wrong, wrong_z = _wrong_labels(codes, probabilities)
    shares = np.bincount(codes) / codes.size
    return Doubt(
        accuracy=float(right.mean()),
        confidence=float(confidence.mean()),
        calibration_error=float(sum(gaps)) / codes.size,
        wrong=wrong,
        wrong_z=wrong_z,
        log_loss=float(-np.log(np.maximum(of_label, TINY)).mean()),
        base_log_loss=float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()),
    )


def _wrong_labels(codes: NDArray[np.intp], probabilities: Numbers) -> tuple[float, float]:
    """The likeliest share of wrong labels, and how much likelier it is than probabilities that are too sure.

    Both explain labels that contradict sure predictions, each by one number: a share of labels drawn from the other
    classes, or a temperature. Vuong's statistic (1989) compares the two, row by row.
    """
    rows, classes = probabilities[:MOST_COMPARED], probabilities.shape[1]
    place = np.arange(len(rows)), codes[:MOST_COMPARED]
    shares = np.linspace(0.0, 0.5, 51)[:, None]
    p = rows[place]
    by_share = np.log(np.maximum((1 - shares) * p + shares * (1 - p) / (classes - 1), TINY))
    logs = np.log(np.maximum(rows, TINY))
    by_temperature = np.array([_log_softmax(logs / t)[place] for t in np.geomspace(0.25, 16.0, 37)])
    share = int(by_share.sum(axis=1).argmax())
    gain = by_share[share] - by_temperature[by_temperature.sum(axis=1).argmax()]
    spread = float(gain.std())
    return float(shares[share, 0]), float(gain.mean() / spread * np.sqrt(gain.size)) if spread > 0 else 0.0


def _log_softmax(logits: Numbers) -> Numbers:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
