"""Distances between sets: value and gradient, beside POT, SciPy and the same arithmetic on dense torch tensors.

POT's gradient is autograd's, with respect to the predictions; losskit's is for both sets. "value only" peers have no
gradient at all.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import losskit as lk
from benchmarks.agreement import Answer, Array
from benchmarks.arrays import cast
from benchmarks.contestants import copy_floors, eager
from benchmarks.harness import Case, Contestant, Runner
from benchmarks.peers import left_out, torch_or_none

SIZES = ("1e6", "2000x3")
QUICK = ("1e5", "300x3")

Sets = tuple[Array, Array]


def cases(sizes: tuple[str, ...], dtype: str) -> list[Case]:
    """A size is a number of samples on the line, or points x features."""
    found = []
    for size in sizes:
        numbers = [int(float(part)) for part in size.split("x")]
        subjects = _LINES if len(numbers) == 1 else _CLOUDS
        found += [
            Case(
                "transport", name, size, partial(_contestants, make, peers, numbers, dtype), dtype, tolerance
            )
            for name, (make, peers, tolerance) in subjects.items()
        ]
    return found


def _contestants(
    make: Callable[[], Any], peers: Callable[[Any, Sets], list[Contestant]], numbers: list[int], dtype: str
) -> list[Contestant]:
    rng = np.random.default_rng(0)
    y, x = cast([rng.random(numbers, dtype=np.float32) + np.float32(shift) for shift in (0.2, 0.0)], dtype)
    loss = make()
    ours = Contestant(
        "losskit", "losskit", lambda: Runner(lambda: loss.value_and_derivative(y, x), _of_predictions)
    )
    return [ours, *peers(loss, (y, x)), *copy_floors(x)]


def _of_predictions(result: tuple[Any, Sets]) -> Answer:
    return float(result[0]), result[1][1]


# ---- on the line ----------------------------------------------------------------------------------------


def _eager(name: str, function: Callable[..., Any], sets: Sets) -> list[Contestant]:
    return [] if torch_or_none() is None else [eager(name, function, sets, [1])]


def _by_sorting(y: Any, x: Any) -> Any:
    return (x.sort().values - y.sort().values).abs().mean()


def _peers_on_the_line(loss: Any, sets: Sets) -> list[Contestant]:
    y, x = sets
    found = _eager("torch sort", _by_sorting, sets)
    gradient = loss.derivative(y, x)[1]

    def value_only(name: str, call: Callable[[], Any]) -> Contestant:
        return Contestant(
            f"{name} (value only)", "peer", lambda: Runner(call, lambda v: (float(v), gradient))
        )

    try:
        from scipy.stats import wasserstein_distance

        found.append(value_only("scipy", lambda: wasserstein_distance(y, x)))
    except ImportError as error:
        left_out.add("scipy", error)
    try:
        import ot

        found += _eager("POT wasserstein_1d", lambda b, a: ot.wasserstein_1d(a, b), sets)
        found.append(value_only("POT emd2_1d", lambda: ot.emd2_1d(y, x, metric="euclidean")))
    except ImportError as error:
        left_out.add("POT", error)
    return found


# ---- between points, on dense matrices ------------------------------------------------------------------


def _dense(function: Callable[..., Any], loss: Any, sets: Sets) -> list[Contestant]:
    return _eager("torch, dense", lambda y, x: function(loss, x, y), sets)


def _energy(loss: Any, x: Any, y: Any) -> Any:
    import torch

    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


def _mmd(loss: Any, x: Any, y: Any) -> Any:
    import torch

    def similarity(a: Any, b: Any) -> Any:
        return torch.exp(torch.cdist(a, b).square() / (-2 * loss.bandwidth[0] ** 2)).mean()

    return similarity(x, x) + similarity(y, y) - 2 * similarity(x, y)


def _sliced(loss: Any, x: Any, y: Any) -> Any:
    import torch

    directions = torch.from_numpy(loss.directions(x.shape[1]).T).to(x.dtype)
    return ((x @ directions).sort(0).values - (y @ directions).sort(0).values).square().mean()


def _sinkhorn(loss: Any, x: Any, y: Any) -> Any:
    """The same updates and schedule; as in geomloss, each potential is differentiated at its own points only."""
    import torch

    x, y = x / loss.blur, y / loss.blur

    def costs(a: Any, b: Any) -> Any:
        return (a[:, None] - b.detach()[None]).square().sum(-1) / 2

    between = costs(x, y), costs(x, x), costs(y, x), costs(y, y)

    def softmins(weight: float, f: list[Any]) -> list[Any]:
        others = f[2], f[1], f[0], f[3]
        return [
            -weight * torch.logsumexp(g / weight - c / weight - np.log(c.shape[1]), 1)
            for g, c in zip(others, between, strict=True)
        ]

    with torch.no_grad():
        both = torch.cat([x, y])
        extent = float((both.amax(0) - both.amin(0)).norm())
        f = [x.new_zeros(len(c)) for c in between]
        for k in range(loss.iterations):
            better = softmins(max(extent * 0.5**k, 1.0) ** 2, f)
            f = [0.5 * (old + new) for old, new in zip(f, better, strict=True)]
    x_y, x_x, y_x, y_y = softmins(1.0, f)
    return loss.blur**2 * ((x_y - x_x).mean() + (y_x - y_y).mean())


# In float32 the levels of POT's quantiles are rounded to some percent of a sample's mass, and the projections that
# torch sorts are rounded otherwise than ours, so that neighbours change places.
_LINES: dict[str, Any] = {"wasserstein": (lambda: lk.WassersteinLoss(), _peers_on_the_line, 0.1)}
_CLOUDS: dict[str, Any] = {
    "sliced_wasserstein": (lambda: lk.SlicedWassersteinLoss(), partial(_dense, _sliced), 1e-3),
    "energy_distance": (lambda: lk.EnergyDistance(), partial(_dense, _energy), 2e-5),
    "mmd": (lambda: lk.MMDLoss(bandwidth=(0.5,)), partial(_dense, _mmd), 1e-4),
    "sinkhorn": (lambda: lk.SinkhornLoss(), partial(_dense, _sinkhorn), 1e-4),
}
