"""The failure table: losskit is right in every row, the peers of the tests fail in theirs, and the page says so."""

import doctest
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.failures import __main__ as command
from benchmarks.failures import page, report, textbook, truth
from benchmarks.failures.case import Case
from benchmarks.failures.cases import CASES
from benchmarks.failures.judge import Failure, judge
from benchmarks.failures.peers import PEERS, Peer
from benchmarks.failures.run import Chapter, run
from mpmath import mp, mpf

import losskit as lk

PAGE = (Path(__file__).parents[1] / "docs" / "failures.md").read_text(encoding="utf-8")
ABSENT = Peer("torch", ("no_such_module",))
THEIRS = 3
"""The column of the page that depends on the peer and the machine."""

EASY = Case(
    peer="torch",
    theirs="torch.nn.MSELoss()(p, y)",
    ours="lk.MeanSquaredError().compute(y, p)",
    inputs="p=[3.0], y=[1.0]",
    truth=textbook.squared_error,
    why="nothing goes wrong",
)


@pytest.fixture(scope="module")
def chapters() -> list[Chapter]:
    """All cases, with the peers that the tests have, and the others as if they were not installed."""
    with lk.use_engine("numpy"):
        return [
            run(peer if peer.name in ("torch", "optax") else replace(peer, modules=ABSENT.modules), CASES)
            for peer in PEERS
        ]


def test_every_case_belongs_to_a_peer():
    assert {case.peer for case in CASES} == {peer.name for peer in PEERS}


def test_losskit_is_right_to_the_last_digits(chapters):
    wrong = [
        (row.case.ours, row.ours, row.our_verdict)
        for c in chapters
        for row in c.rows
        if row.our_verdict.failure
    ]
    assert not wrong


@pytest.mark.parametrize("name", ["torch", "optax"])
def test_the_peer_fails_in_the_version_of_the_page(chapters, name):
    chapter = next(chapter for chapter in chapters if chapter.peer.name == name)
    if f"## {name} {chapter.version}\n" not in PAGE:
        pytest.skip(f"the page is about another {name} than {chapter.version}")
    assert [row.case.theirs for row in chapter.rows if row.their_verdict.failure is None] == []


def test_the_page_is_fresh(chapters):
    def stable(line: str) -> list[str]:
        cells = line.split(" | ")
        return cells[: THEIRS - 1] + cells[THEIRS:]

    lines = [line for line in PAGE.splitlines() if line.startswith(("| `", "| d/d"))]
    assert [stable(line) for line in lines] == [stable(page.line(row)) for c in chapters for row in c.rows]


def test_the_page_has_an_answer_of_every_peer():
    assert "not installed" not in PAGE
    assert "cannot be imported" not in PAGE


@pytest.mark.parametrize(
    ("answer", "true", "failure"),
    [
        ([np.nan, 1.0], [1.0, 1.0], Failure.NAN),
        ([np.inf], [1.0], Failure.INFINITE),
        ([1e5], ["inf"], Failure.FINITE),
        ([0.0, 1.0], [1e-9, 1.0], Failure.ZERO),
        ([1.01], [1.0], Failure.WRONG),
        ([1.0, 1.0], [1.0], Failure.WRONG),
        ([1e-2, 1.0], [0.0, 1.0], Failure.WRONG),
        ([1.0005], [1.0], None),
        ([0.0], ["1e-50"], None),
        ([np.inf], ["inf"], None),
    ],
)
def test_judge(answer, true, failure):
    verdict = judge(np.array(answer, np.float32), np.array([mpf(x) for x in true], dtype=object))
    assert verdict.failure == failure


def test_judge_is_stricter_with_losskit():
    answer, true = np.array(1.0005, np.float32), np.array(mpf(1), dtype=object)
    assert judge(answer, true).failure is None
    assert judge(answer, true, strict=True).failure is Failure.WRONG


def test_judge_of_illegal_input():
    assert judge(ValueError("labels"), None).failure is None
    assert judge(np.array(0.5), None).failure is Failure.ACCEPTED
    assert judge(np.array(np.nan), None).failure is Failure.NAN
    assert judge(ValueError("labels"), np.array(mpf(1), dtype=object)).failure is Failure.ERROR


def test_truth_is_that_of_the_textbook():
    inputs = {"z": np.array([[20.0, 0.0]]), "y": np.array([0])}
    value = truth.solve(textbook.cross_entropy_of_logits, inputs)
    gradient = truth.solve(truth.derivative(textbook.cross_entropy_of_logits, "z"), inputs)
    with mp.workdps(60):
        assert abs(value.item() - mp.log1p(mp.exp(-20))) < mpf(10) ** -39
        assert abs(gradient[0, 0] + 1 / (1 + mp.exp(20))) < mpf(10) ** -39
        assert abs(gradient.sum()) < mpf(10) ** -39


def test_truth_does_not_guess():
    with pytest.raises(ArithmeticError, match="no agreement at 800 digits"):
        truth.solve(lambda x: x * mp.dps, {"x": np.array(1.0)})


def test_a_peer_that_answers_is_said_to_be_right():
    row = run(PEERS[0], [EASY]).rows[0]
    assert row.their_verdict.failure is None
    assert report.summary([Chapter(PEERS[0], "1", "", [row])]) == "right 1"


def test_a_peer_that_is_not_installed_is_not_guessed():
    chapter = run(ABSENT, [EASY])
    assert chapter.missing == "not installed (no module no_such_module)"
    assert chapter.rows[0].theirs is None
    assert " | not installed | `4` | " in page.line(chapter.rows[0])
    assert report.as_data([chapter])["peers"][0]["cases"][0]["peer"] is None


def test_a_peer_that_raises_has_failed():
    row = run(PEERS[0], [replace(EASY, theirs="torch.nn.MSELoss()(p, nothing)")]).rows[0]
    assert row.their_verdict.failure is Failure.ERROR
    assert report.answered(row.theirs) == "NameError: name 'nothing' is not defined"


def test_the_command_prints_tables_and_writes_the_page(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "CASES", [EASY, replace(EASY, inputs="p=[3.0], y=[[1.0]]", truth=None)])
    monkeypatch.setattr(command, "PEERS", PEERS[:1])
    assert command.main(["--markdown", str(tmp_path / "page.md")]) == 0
    printed = capsys.readouterr().out
    assert "torch.nn.MSELoss()(p, y)" in printed
    assert "losskit: right 2, wrong 0" in printed
    assert (tmp_path / "page.md").read_text(encoding="utf-8").count("\n| `torch.nn.MSELoss") == 2


def test_the_command_says_when_losskit_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(command, "CASES", [replace(EASY, ours="lk.MeanAbsoluteError().compute(y, p)")])
    assert command.main(["--only", "torch", "--json"]) == 1
    case = json.loads(capsys.readouterr().out)["peers"][0]["cases"][0]
    assert case["losskit"] == {"answer": "2", "failure": "a wrong number", "relative_error": 0.5}
    assert case["peer"]["failure"] is None


def test_the_command_refuses_an_unknown_peer(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--only", "keraz"])
    assert stop.value.code == 2
    assert 'there is no peer "keraz". Did you mean "keras"?' in capsys.readouterr().err


def test_the_command_writes_no_page_of_some_peers(capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        command.main(["--only", "torch", "--markdown", str(tmp_path / "page.md")])
    assert stop.value.code == 2
    assert "leave --only out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", [report, truth])
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
