"""How much a run takes: all there is, or enough to see each kind of code at work."""

import os

THOROUGH = os.environ.get("LOSSKIT_THOROUGH") == "1"
"""Whether to run every law on every set of parameters, every loss through every transform, and every combination.

Otherwise each class stands for its sets that differ in numbers only, in the frameworks the first class of a structure
for the others, and each value of a test's parameters has its turn once.
"""
