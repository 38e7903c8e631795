"""How losses are computed: one folder per engine, one file per structure. No loss is named here."""

from losskit.registry import register, register_arrays

STRUCTURES = ("elementwise", "rows")
"""Structures of rules, with a module in the folder of each engine."""

ARRAY_STRUCTURES = (
    "columns", "distillation", "gaps", "lattice", "linear", "lists", "overlap",
    "pairs", "similarity", "ssim", "transport", "variation",
)  # fmt: skip
"""Structures of whole arrays: each has a formula, which NumPy, torch and JAX share, and a kernel."""

for _engine in ("numba", "numpy"):
    for _structure in STRUCTURES:
        register(_engine, _structure, f"losskit.engines.{_engine}.{_structure}")

    for _structure in ARRAY_STRUCTURES:
        register(_engine, _structure, f"losskit.engines.{_engine}.arrays")

register("numba", "sum", "losskit.engines.numba.sum")
for _structure in ("sum", "by_hand"):  # made of calls to other losses: little or nothing to compile
    register("numpy", _structure, f"losskit.engines.numpy.{_structure}")

for _structure in (*STRUCTURES, "sum", "by_hand"):
    register("torch", _structure, "losskit.engines.torch.evaluate")
for _structure in ARRAY_STRUCTURES:
    register("torch", _structure, "losskit.engines.torch.array_evaluate")
    register("jax", _structure, "losskit.engines.jax.arrays")
register_arrays("torch", "torch", "Tensor")

for _structure, _module in (*((s, "evaluate") for s in STRUCTURES), ("sum", "sum"), ("by_hand", "by_hand")):
    register("jax", _structure, f"losskit.engines.jax.{_module}")
register_arrays("jax", "jax", "Array")
