"""Scoring on several machines: a Ray task a file, whose exact totals are merged."""

import os
from collections.abc import Sequence
from functools import reduce
from operator import add

from losskit.errors import InputError, needs
from losskit.scoring.counting import count_files
from losskit.scoring.roles import Roles
from losskit.scoring.tally import Counted
from losskit.scoring.terms import ScoredLoss


def count_on_ray(
    paths: Sequence[str | os.PathLike[str]], losses: Sequence[ScoredLoss], roles: Roles
) -> Counted:
    """Count every file in a task of its own, on the cluster that Ray is connected to, or on this machine.

    Every machine must see the files by the same path.
    """
    with needs("ray"):
        import ray
    task = ray.remote(count_files)
    running = [task.remote([os.path.abspath(path)], losses, roles) for path in paths]
    try:
        counted: Counted = reduce(add, ray.get(running))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise (InputError(str(cause)) if isinstance(cause, InputError) else cause) from None
    return counted
