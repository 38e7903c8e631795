"""What all tests share: one thread a worker for OpenMP, and which combinations of parameters the quick run takes."""

import hashlib
import os

from thoroughness import THOROUGH

# Before torch is imported; pytest -n has a worker for each core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

EVERY_COMBINATION = ("test_exactness.py", "test_array_exactness.py", "test_sweeps.py")
"""Files whose tests are what losskit promises: the quick run takes all of them, too."""


def pytest_collection_modifyitems(config, items):
    """Of a test over several parameters, take combinations until each value has had its turn.

    `make check` takes all combinations, and so does whoever asks for tests by name.
    """
    if THOROUGH or config.option.keyword or any("::" in argument for argument in config.args):
        return
    kept = {id(item) for item in items if not _is_thinned(item)}
    turns = set()
    for item in sorted(filter(_is_thinned, items), key=_order):
        values = {
            (item.parent.nodeid, item.originalname, *names, *(repr(item.callspec.params[n]) for n in names))
            for names in _parametrizations(item)
        }
        if not values <= turns:
            turns |= values
            kept.add(id(item))
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = [item for item in items if id(item) in kept]


def _is_thinned(item):
    return len(_parametrizations(item)) > 1 and item.path.name not in EVERY_COMBINATION


def _parametrizations(item):
    """The names that each decorator gives values to: those of one go together."""
    given = [mark.args[0] for mark in item.iter_markers("parametrize")]
    return [tuple(x.replace(",", " ").split()) if isinstance(x, str) else tuple(x) for x in given]


def _order(item):
    """Shuffled, alike on every worker: else the first dtype would have all the turns."""
    return hashlib.sha256(item.nodeid.encode()).hexdigest()
