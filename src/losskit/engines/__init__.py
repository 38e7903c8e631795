"""How losses are computed: one folder per engine, one file per structure. No loss is named here."""

from losskit.registry import register

STRUCTURES = ("elementwise", "rows")
"""Structures with a module in the folder of each engine."""

for _engine in ("numba", "numpy"):
    for _structure in STRUCTURES:
        register(_engine, _structure, f"losskit.engines.{_engine}.{_structure}")

for _structure in ("sum", "by_hand"):  # made of calls to other losses: nothing to compile
    register("numpy", _structure, f"losskit.engines.numpy.{_structure}")
