"""How contestants are compared: checked first, then timed in rounds, in random order, in one process.

A machine that others use as well runs the same code at two or three speeds by turns. Therefore every
round times each contestant once, and what counts is the ratio within a round; its median comes with a
bootstrap interval. Best rounds are reported beside it: they say what the code can do when left alone.
"""

import gc
import math
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.agreement import WITHIN, Answer, disagreement
from benchmarks.outcomes import Entry, Kind, Outcome, interval

SAMPLE = 0.002
"""A timed sample lasts about this long, in seconds: a shorter call is repeated."""

REST = 0.01
"""Seconds of quiet before a sample: the threads of OpenMP, which torch and scikit-learn use, keep spinning
for milliseconds after their work and would take a core from whoever comes next."""


@dataclass(frozen=True)
class Runner:
    """A contestant at the start line: its buffers exist and its code is compiled."""

    run: Callable[[], Any]
    """What is timed. Run in a loop, every turn does the whole work again."""
    answer: Callable[[Any], Answer] | None = None
    """Value and gradient out of what ``run`` returned; None for a floor, which has no answer."""
    release: Callable[[], None] = lambda: None
    """Frees what ``run`` left behind, outside the timed region."""


@dataclass(frozen=True)
class Contestant:
    """Someone who computes a loss and its gradient, or a floor that moves the same bytes."""

    name: str
    kind: Kind
    start: Callable[[], Runner]
    code: str = ""
    """What a user of a peer writes, where it is data."""


@dataclass(frozen=True)
class Case:
    """One loss at one size."""

    structure: str
    loss: str
    size: str
    build: Callable[[], list[Contestant]]
    """Makes the data and the contestants; the first of kind "losskit" is what all ratios refer to."""
    dtype: str = "float32"
    tolerance: float = 1e-5
    """In float32 values agree to this relative error, gradients to this part of the largest gradient."""


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds until ``seconds`` are spent, at least and at most so many."""

    seconds: float = 12.0
    at_least: int = 7
    at_most: int = 40


QUICK = Plan(seconds=1.0, at_least=3, at_most=5)


def compete(
    case: Case, threads: int, plan: Plan, without: Iterable[str] = (), alone: bool = False
) -> Outcome:
    """Check the contestants of a case against losskit and time those that agree; ``alone``: no peers."""
    left = set(without)
    contestants = [c for c in case.build() if c.name not in left and not (alone and c.kind == "peer")]
    entries = [Entry(c.name, c.kind, c.code) for c in contestants]
    tolerance = case.tolerance * WITHIN[case.dtype]
    outcome = Outcome(case.structure, case.loss, case.size, case.dtype, threads, tolerance, entries)
    runners = _checked(contestants, entries, tolerance)
    baseline = next((e.name for e in entries if e.kind == "losskit"), None)
    if baseline in runners:
        _time(runners, {e.name: e for e in entries}, plan)
        _compare(entries, baseline)
    runners.clear()
    gc.collect()
    return outcome


def _checked(contestants: list[Contestant], entries: list[Entry], tolerance: float) -> dict[str, Runner]:
    """Start every contestant and keep those whose answer is losskit's; the others say why not."""
    reference: Answer | None = None
    runners: dict[str, Runner] = {}
    for contestant, entry in zip(contestants, entries, strict=True):
        try:
            runner = contestant.start()
            result = runner.run()
            if runner.answer is not None:
                answer = runner.answer(result)
                if reference is None:
                    reference = answer[0], answer[1].copy()
                entry.trouble = disagreement(reference, answer, tolerance)
                del answer
            del result
            runner.release()
        except Exception as error:  # a peer that breaks down is a result, not the end of the run
            entry.trouble = f"{type(error).__name__}: {error}".splitlines()[0]
        if not entry.trouble:
            runners[contestant.name] = runner
    return runners


def _time(runners: dict[str, Runner], entries: dict[str, Entry], plan: Plan) -> None:
    """Fill in the times, in rounds of random order."""
    repeats = {name: _repeats(runner) for name, runner in runners.items()}
    order = list(runners)
    shuffle = random.Random(0).shuffle
    start = time.perf_counter()
    for done in range(plan.at_most):
        if done >= plan.at_least and time.perf_counter() - start > plan.seconds:
            break
        shuffle(order)
        for name in order:
            time.sleep(REST)
            entries[name].times.append(seconds_a_call(runners[name], repeats[name]))


def _repeats(runner: Runner) -> int:
    """How often a sample repeats the call, so that reading the clock does not count."""
    once = min(seconds_a_call(runner, 1) for _ in range(3))
    return max(1, min(1000, math.ceil(SAMPLE / max(once, 1e-7))))


def seconds_a_call(runner: Runner, repeats: int) -> float:
    """One sample: the mean time of ``repeats`` calls in a row, with the garbage collector at rest."""
    run, clock = runner.run, time.perf_counter
    enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(repeats):
            result = run()
        end = clock()
    finally:
        if enabled:
            gc.enable()
    del result
    runner.release()
    return (end - start) / repeats


def _compare(entries: list[Entry], baseline: str) -> None:
    ours = next(e for e in entries if e.name == baseline)
    for entry in entries:
        if entry.times:
            entry.ratio = interval([t / u for t, u in zip(entry.times, ours.times, strict=True)])
            entry.best_ratio = entry.best / ours.best
