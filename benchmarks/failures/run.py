"""Runs the cases: what a peer and losskit answer to each, and what these answers are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.failures.case import Array, Case
from benchmarks.failures.judge import Verdict, judge
from benchmarks.failures.peers import Peer
from benchmarks.failures.truth import Truth


@dataclass(frozen=True)
class Row:
    """A case and its answers."""

    case: Case
    truth: Truth | None
    theirs: Array | Exception | None
    """None where the peer is not here."""
    ours: Array | Exception

    @cached_property
    def their_verdict(self) -> Verdict | None:
        """In which way the peer's answer fails."""
        return None if self.theirs is None else judge(self.theirs, self.truth)

    @cached_property
    def our_verdict(self) -> Verdict:
        """In which way losskit's answer fails, measured to the last digits."""
        return judge(self.ours, self.truth, strict=True)


@dataclass(frozen=True)
class Chapter:
    """The cases of one peer."""

    peer: Peer
    version: str
    missing: str
    """Why the peer did not run; empty where it did."""
    rows: Sequence[Row]


def run(peer: Peer, cases: Sequence[Case]) -> Chapter:
    """Run a peer's cases; losskit's side of them, too, where the peer is not installed."""
    names, version, missing = _load(peer)

    def row(case: Case) -> Row:
        theirs = None if names is None else peer.answer(case, names)
        return Row(case, case.true_answer(), theirs, case.our_answer())

    return Chapter(peer, version, missing, [row(case) for case in cases if case.peer == peer.name])


def _load(peer: Peer) -> tuple[dict[str, Any] | None, str, str]:
    try:
        return peer.load(), peer.version, ""
    except ModuleNotFoundError as error:
        return None, "", f"not installed (no module {error.name})"
    except Exception as error:  # a library that breaks at import does so in any way it likes
        return None, "", f"cannot be imported ({str(error).splitlines()[0]})"
