"""Array formulas: one file per structure, one spelling for NumPy, torch and JAX.

A formula is a module of functions of ``xp``, the words of the framework at work: ``shape``, ``terms``
and ``pullback``, its derivative by hand, and as the structure needs them ``faults``, ``present``,
``diagonal`` and ``weight_shape`` (``losskit.engines.array_formula`` says what each answers).
"""
