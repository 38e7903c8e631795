"""Measure a target of numbers: its kind, its spread, and the noise that predictions leave."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from losskit.advisor.recommendation.profiles import (
    COUNT,
    NONNEGATIVE,
    POSITIVE,
    PROPORTION,
    REAL,
    Dispersion,
    Power,
    Quantity,
    Trend,
)
from losskit.advisor.recommendation.recipes import residual_losses
from losskit.advisor.recommendation.statistics import Numbers, drawn, ranks, spread, standardised
from losskit.errors import needs
from losskit.loss import LossFunction
from losskit.registry import use_engine

with needs("compare"):
    from scipy import special  # not scipy.stats: it loads longer than a million rows take to measure

LARGE_COUNT = 30
"""Counts with a larger median behave like quantities, whose variance is measured and not assumed."""


def kind_of(y: Numbers) -> str:
    """The kind of quantity that numbers are.

    >>> kind_of(np.array([0.0, 3.0, 1.0, 2.0])), kind_of(np.array([0.0, 0.25, 0.9]))
    ('count', 'proportion')
    """
    low, high = float(y.min()), float(y.max())
    if low < 0:
        return REAL
    if high <= 1 and low < 0.25 and high > 0.75:
        return PROPORTION
    if high > 1 and np.median(y) <= LARGE_COUNT and (y == np.round(y)).all():
        return COUNT
    return POSITIVE if low > 0 else NONNEGATIVE


def measure_quantity(
    y: Numbers, pair: tuple[Numbers, Numbers] | None, weight: Numbers | None, **common: Any
) -> Quantity:
    """The profile of a target of numbers; ``pair`` is targets with predictions, drawn already."""
    kind, low, high = kind_of(y), float(y.min()), float(y.max())
    rows = drawn(weight, y.size)
    y = y if rows is None else y[rows]
    known, prediction = (y, None) if pair is None else pair
    residuals = known if prediction is None else known - prediction
    noise = spread(residuals)
    positive = y[y > 0]
    return Quantity(
        **common,
        kind=kind,
        low=low,
        high=high,
        zeros=float(np.mean(y == 0)),
        target_spread=spread(y),
        gamma_gain=gamma_gain(y) if kind == POSITIVE else None,
        variation=float(positive.std() / positive.mean()) if positive.size else 0.0,
        basis="targets" if prediction is None else "residuals",
        noise=noise,
        local=noise if prediction is None else spread(standardised(residuals, prediction)),
        efficiency=efficiencies(residuals - noise.median, residual_losses(noise.scale)),
        fan=None if prediction is None else _fan(residuals - noise.median, prediction),
        power=None if prediction is None or low < 0 else _power(residuals, prediction),
        dispersion=_dispersion(known, prediction) if kind == COUNT else None,
    )


def gamma_gain(y: Numbers) -> float:
    """How much better a gamma law fits positive numbers than a Gaussian, in standard errors (Vuong 1989).

    >>> gamma_gain(np.random.default_rng(0).gamma(1.0, size=100)) > 2
    True
    """
    mean = y.mean()
    gap = float(np.log(mean) - np.log(y).mean())
    if gap < 1e-12:
        return 0.0
    root = np.sqrt((gap - 3) ** 2 + 24 * gap)
    shape = (3 - gap + root) / (12 * gap)  # Minka (2002), within 1.5 % of the likeliest
    of_gamma = shape * np.log(shape * y / mean) - np.log(y) - shape * y / mean - special.gammaln(shape)
    of_gaussian = -0.5 * ((y - mean) / y.std()) ** 2 - np.log(y.std() * np.sqrt(2 * np.pi))
    gain = of_gamma - of_gaussian
    return float(gain.mean() / gain.std() * np.sqrt(y.size)) if gain.std() > 0 else 0.0


def efficiencies(residuals: Numbers, losses: Mapping[str, LossFunction]) -> dict[str, float]:
    """How precise each loss's estimate of a centre is, beside the best: 0.5 needs twice the rows.

    The variance of an M-estimator is E[slope²] / E[curvature]² / n (Huber 1964). A kink has no curvature: where
    the slope jumps, at 0, the density of the residuals takes its place.
    """
    variances: dict[str, float] = {}
    width = spread(residuals).scale * residuals.size**-0.2
    near = int(np.count_nonzero(np.abs(residuals) < width))
    density = max(near - near**0.5, 0.0) / (2 * width * residuals.size)  # at its least: few residuals tell it
    with use_engine("numpy"):
        for name, loss in losses.items():
            each = loss.replace(reduction="none")
            centre = np.zeros_like(residuals)
            slope = each.derivative(centre, residuals)
            bend = float(each.second_derivative(centre, residuals).mean())
            jump = float(np.ptp(each.derivative(np.zeros(2), np.array([-1e-9, 1e-9]) * width)))
            bend += jump * density if jump > 1e-6 else 0.0
            variances[name] = float((slope * slope).mean()) / bend**2 if bend > 0 else np.inf
    best = min(variances.values())
    return {name: best / v if v > 0 else 1.0 for name, v in variances.items()}


def _fan(residuals: Numbers, prediction: Numbers) -> Trend | None:
    sizes = np.abs(residuals)
    if np.ptp(prediction) == 0 or np.ptp(sizes) == 0:
        return None
    rho = float(np.corrcoef(ranks(sizes), ranks(prediction))[0, 1])
    freedom = residuals.size - 2
    t = abs(rho) * np.sqrt(freedom / max(1 - rho * rho, 1e-300))
    return Trend(rho, float(2 * special.stdtr(freedom, -t)))


def _power(residuals: Numbers, prediction: Numbers, bins: int = 10) -> Power | None:
    """The slope of log variance over log mean among bins of like predictions; None where they hardly differ."""
    if prediction.min() <= 0 or residuals.size < 10 * bins:
        return None
    parts = np.array_split(np.argsort(prediction, kind="stable"), bins)
    means = np.array([np.log(prediction[rows].mean()) for rows in parts])
    variances = np.array([(residuals[rows] ** 2).mean() for rows in parts])
    if np.ptp(means) < 0.4 or variances.min() <= 0:
        return None
    (slope, _), covariance = np.polyfit(means, np.log(variances), 1, cov=True)
    return Power(float(slope), float(np.sqrt(covariance[0, 0])))


def _dispersion(y: Numbers, prediction: Numbers | None) -> Dispersion | None:
    """How much more counts vary than Poisson's with the predicted means, or with the mean of all."""
    mean = np.full_like(y, y.mean()) if prediction is None else np.maximum(prediction, 1e-3 * y.mean())
    excess = float(((y - mean) ** 2 - y).sum())
    square = float((mean * mean).sum())
    return Dispersion(
        ratio=float(((y - mean) ** 2).sum() / mean.sum()),
        alpha=max(excess / square, 0.0),
        z=excess / float(np.sqrt(2 * square)),
        zeros=float(np.exp(-mean).mean()),
    )
