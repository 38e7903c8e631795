"""Count batches on all threads."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import reduce
from itertools import takewhile
from operator import add
from queue import SimpleQueue
from threading import Event

from losskit.engines.numba import pool
from losskit.scoring.files import Progress, batches_of
from losskit.scoring.roles import Batch, Grouping, Roles
from losskit.scoring.tally import Counted, Tally
from losskit.scoring.terms import ScoredLoss


def count_files(
    paths: Sequence[str | os.PathLike[str]],
    losses: Sequence[ScoredLoss],
    roles: Roles,
    progress: Progress | None = None,
) -> Counted:
    """Count the rows of files."""
    groupings = [Grouping(column) for column in roles.by]
    return count(batches_of(paths, roles, groupings, progress), losses, roles, groupings)


def count(
    batches: Iterable[Batch], losses: Sequence[ScoredLoss], roles: Roles, groupings: Sequence[Grouping]
) -> Counted:
    """Count batches on all threads.

    They are read on a thread of their own: a Ctrl-C then reaches Python at once, and never DuckDB, whose reader may wait
    forever after one.
    """
    stopped = Event()
    with ThreadPoolExecutor(1, thread_name_prefix="losskit-read") as reader:
        read = takewhile(lambda _: not stopped.is_set(), batches)
        reading = reader.submit(copy_context().run, _count, read, losses, roles, groupings)
        try:
            return reading.result()
        except BaseException:
            stopped.set()
            raise


def _count(
    batches: Iterable[Batch], losses: Sequence[ScoredLoss], roles: Roles, groupings: Sequence[Grouping]
) -> Counted:
    """Count batches, each thread in a tally of its own, while the next ones are read."""
    threads = pool.get_num_threads()
    tallies = [Tally(losses, roles) for _ in range(threads)]
    idle: SimpleQueue[Tally] = SimpleQueue()
    for tally in tallies:
        idle.put(tally)

    def add_to_idle(batch: Batch) -> None:
        tally = idle.get()
        try:
            tally.add(batch)
        finally:
            idle.put(tally)

    with ThreadPoolExecutor(threads, thread_name_prefix="losskit-score") as workers:
        submitted = (workers.submit(copy_context().run, add_to_idle, batch) for batch in batches)
        for future in _in_flight(submitted, 2 * threads):
            future.result()
    return reduce(add, (tally.counted(groupings) for tally in tallies))


def _in_flight(futures: "Iterator[Future[None]]", most: int) -> "Iterator[Future[None]]":
    """The futures in order; at most so many are under way, which bounds the memory.

    In order, so that of several bad rows the first one is reported.
    """
    waiting: deque[Future[None]] = deque()
    for future in futures:
        waiting.append(future)
        if len(waiting) >= most:
            yield waiting.popleft()
    yield from waiting
