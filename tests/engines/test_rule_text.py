"""Where the text of a rule comes from: a kernel is compiled from the file, so the file must be the one that runs."""

import importlib
import sys

import numpy as np
import pytest

from losskit.rules import source_of

MODULE = '''
import losskit as lk
from losskit.rules import rule
from losskit.scalar import sqrt


def made(power):
    class Root(lk.ResidualLoss):
        @rule
        def value(r):
            """A root,

            of some power.
            """
            return sqrt(r * r + 1.0) * power

        @rule
        def slope(r):
            return r / sqrt(r * r + 1.0) * power

        @rule
        def curvature(r):
            return power / sqrt(r * r + 1.0) ** 3

    return Root()
'''


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A module of somebody's own, and its file."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "somebodys_rules.py"
    file.write_text(MODULE)
    yield importlib.import_module("somebodys_rules"), file
    del sys.modules["somebodys_rules"]


def test_a_rule_that_closes_over_a_number_is_compiled(written):
    module, _ = written
    assert "sqrt(r * r + 1.0) * power" in source_of(type(module.made(2.0)).value)
    assert module.made(2.0)(np.zeros(3), np.zeros(3)) == 2.0


def test_a_file_that_was_edited_since_is_not_compiled(written):
    module, file = written
    file.write_text(MODULE.replace("r * r + 1.0", "r * r + 4.0"))  # the same lines, another formula
    loss = module.made(3.0)
    with pytest.warns(UserWarning, match=r"edited after it was loaded.*runs on the NumPy engine"):
        assert loss(np.zeros(3), np.zeros(3)) == 3.0


def test_lines_that_moved_are_not_taken_for_a_rule(written):
    module, file = written
    file.write_text("# one more line\n" + MODULE)
    with pytest.raises(OSError, match="edited after it was loaded"):
        source_of(type(module.made(2.0)).slope)
