"""Threads for the kernels, which release the GIL.

A call is cut into blocks of a fixed size, each with its own partial sum, added up in a fixed order:
the answer has the same bits for any number of threads. Numba's own ``parallel=True`` would compile
three times as long and is unsafe after a fork and from concurrent callers.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_lock = threading.Lock()
_executor: ThreadPoolExecutor | None = None
_threads: int | None = None


def get_num_threads() -> int:
    """How many threads a large call uses.

    >>> import losskit as lk
    >>> lk.get_num_threads() >= 1
    True
    """
    global _threads
    if _threads is None:
        _threads = _default()
    return _threads


def set_num_threads(n: int) -> None:
    """Use ``n`` threads from now on, n >= 1; no answer depends on it.

    >>> import losskit as lk
    >>> lk.set_num_threads(2)
    """
    global _threads, _executor
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"n must be a whole number of at least 1, got {n!r}")
    with _lock:
        old, _executor, _threads = _executor, None, n
    if old is not None:
        old.shutdown(wait=False)  # calls under way finish on it


def _default() -> int:
    text = os.environ.get("LOSSKIT_NUM_THREADS")
    if text is not None:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"LOSSKIT_NUM_THREADS must be a whole number of at least 1, got {text!r}")
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_PORTIONS = 4
"""Portions a thread: who is done takes the next, so that a thread that was held up does not hold up the call."""


def run(kernel: Callable[[int, int], Any], blocks: int, threads: int) -> None:
    """Call ``kernel(first, last)`` for ranges that cover all blocks, on up to ``threads`` threads."""
    if threads <= 1 or blocks <= 1:
        if blocks:
            kernel(0, blocks)
        return
    portion = -(-blocks // (threads * _PORTIONS))
    starts = iter(range(0, blocks, portion))  # to take the next is atomic

    def work() -> None:
        for first in starts:
            kernel(first, min(first + portion, blocks))

    futures = [_submit(work) for _ in range(min(threads, -(-blocks // portion)) - 1)]
    work()  # the calling thread works too
    for future in futures:
        future.result()


def _submit(work: Callable[[], None]) -> "Future[None]":
    global _executor
    while True:
        with _lock:
            if _executor is None:
                _executor = ThreadPoolExecutor(max(get_num_threads() - 1, 1), thread_name_prefix="losskit")
            executor = _executor
        try:
            return executor.submit(work)
        except RuntimeError:  # shut down between the two lines, by set_num_threads
            if executor is _executor:
                raise


def _forget() -> None:
    """A child of fork has the pool's object but none of its threads."""
    global _executor, _lock
    _executor = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
