"""Distances between sets on the CPU: the kernel of each form, by name."""

from types import ModuleType
from typing import Any

from losskit.engines.inputs import Array
from losskit.engines.numba import transport_bins, transport_cloud, transport_line
from losskit.structures.transport import BINS, KERNEL, PLAN, SAMPLES, SLICES, TransportLoss

_FORMS: dict[str, ModuleType] = {
    SAMPLES: transport_line,
    SLICES: transport_line,
    BINS: transport_bins,
    KERNEL: transport_cloud,
    PLAN: transport_cloud,
}


def kernel(
    loss: TransportLoss, arrays: tuple[Array | None, ...], cotangent: Array | None, needed: tuple[bool, ...],
    *weight: Array,
) -> tuple[Array, tuple[Array | None, ...] | None]:  # fmt: skip
    """The distance of each pair of sets, and its derivatives with respect to the targets and the predictions."""
    found: Any = _FORMS[loss.form].kernel(loss, arrays, cotangent, needed, *weight)
    return found  # type: ignore[no-any-return]
