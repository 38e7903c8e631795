"""How losses are computed: one folder per engine, one file per structure. No loss is named here."""

from losskit.registry import register, register_arrays

STRUCTURES = ("elementwise", "rows")
"""Structures with a module in the folder of each engine."""

for _engine in ("numba", "numpy"):
    for _structure in STRUCTURES:
        register(_engine, _structure, f"losskit.engines.{_engine}.{_structure}")

for _structure in ("sum", "by_hand"):  # made of calls to other losses: nothing to compile
    register("numpy", _structure, f"losskit.engines.numpy.{_structure}")

for _structure in (*STRUCTURES, "sum", "by_hand"):
    register("torch", _structure, "losskit.engines.torch.evaluate")
register_arrays("torch", "torch", "Tensor")

for _structure, _module in (*((s, "evaluate") for s in STRUCTURES), ("sum", "sum"), ("by_hand", "by_hand")):
    register("jax", _structure, f"losskit.engines.jax.{_module}")
register_arrays("jax", "jax", "Array")
