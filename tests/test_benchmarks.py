"""The benchmarks' own rules: who may be timed, what may be claimed, what is written. No test depends on a time."""

import importlib.util
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import losskit as lk

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benchmarks are no part of the installed package

from benchmarks import elementwise, peers, report, rows, startup
from benchmarks.__main__ import main
from benchmarks.harness import (
    QUICK,
    Answer,
    Case,
    Contestant,
    Entry,
    Interval,
    Kind,
    Outcome,
    Plan,
    Runner,
    compete,
    disagreement,
    interval,
    seconds_a_call,
)

FACTS = {
    "cpu": "A CPU",
    "cores": 2,
    "threads": [2],
    "versions": {"numpy": "2.0"},
    "date": "2026-01-01",
    "load": 0.1,
}
GRADIENT = np.array([1.0, -2.0, 0.5], np.float32)


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before, lines = lk.get_num_threads(), dict(peers.left_out.lines)
    yield
    lk.set_num_threads(before)
    peers.left_out.lines = lines


def entry(name: str, kind: Kind, times: list[float], ours: list[float]) -> Entry:
    """A timed contestant, as the harness would fill it in."""
    ratio = interval([t / u for t, u in zip(times, ours, strict=True)])
    return Entry(name, kind, times, ratio=ratio, best_ratio=min(times) / min(ours))


def outcome(*entries: Entry, structure: str = "elementwise", size: str = "1e5", threads: int = 2) -> Outcome:
    return Outcome(structure, "mse", size, "float32", threads, 1e-5, list(entries))


def contestant(
    name: str, answer: Answer, kind: Kind = "peer", run: Callable[[], Any] = lambda: None
) -> Contestant:
    return Contestant(name, kind, lambda: Runner(run, lambda _: answer))


def rendered(table: Any) -> str:
    text = io.StringIO()
    Console(width=160, file=text).print(table)
    return text.getvalue()


# ---- the interval ---------------------------------------------------------------------------------------------------


def test_interval_of_equal_ratios_is_a_point() -> None:
    assert interval([2.0] * 9) == Interval(2.0, 2.0, 2.0)


def test_interval_holds_the_true_median_about_19_times_in_20() -> None:
    rng = np.random.default_rng(1)
    held = sum(
        i.low <= 1.0 <= i.high for i in (interval(np.exp(rng.normal(0.0, 0.3, 25)), 500) for _ in range(200))
    )
    assert 180 <= held <= 200


def test_interval_shrinks_with_the_number_of_rounds_and_is_the_same_every_time() -> None:
    rng = np.random.default_rng(2)
    few, many = interval(rng.normal(3.0, 0.5, 10)), interval(rng.normal(3.0, 0.5, 1000))
    assert many.high - many.low < few.high - few.low
    assert interval([1.0, 2.0, 4.0]) == interval([1.0, 2.0, 4.0])


def test_interval_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one ratio"):
        interval([])


# ---- who may be timed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "gradient", "words"),
    [
        (1.0, GRADIENT, ""),
        (1.000001, GRADIENT * np.float32(1.000001), ""),
        (1.1, GRADIENT, "value 1.1 instead of 1"),
        (math.nan, GRADIENT, "value nan"),
        (1.0, GRADIENT[:2], r"gradient of shape \(2,\) instead of \(3,\)"),
        (1.0, GRADIENT + np.float32(0.01), "gradient off by 0.01"),
        (1.0, GRADIENT * np.float32(np.nan), "gradient off by inf"),
    ],
)
def test_disagreement_is_put_into_words(value: float, gradient: Any, words: str) -> None:
    found = disagreement((1.0, GRADIENT), (value, gradient), 1e-5)
    assert bool(found) == bool(words)
    assert re.search(words, found)


def test_disagreement_is_found_far_into_a_large_gradient() -> None:
    large = np.ones(3_000_000, np.float32)
    other = large.copy()
    other[-1] = 1.5
    assert disagreement((1.0, large), (1.0, other), 1e-5) == "gradient off by 0.5 where the largest is 1"


def test_a_peer_with_another_answer_or_none_is_reported_and_not_timed() -> None:
    def break_down() -> None:
        raise RuntimeError("out of order\nsecond line")

    good = (1.0, GRADIENT)
    case = Case(
        "elementwise", "mse", "3",
        lambda: [
            contestant("losskit", good, "losskit"), contestant("right", good), contestant("left at home", good),
            contestant("wrong", (1.0, -GRADIENT)), contestant("broken", good, run=break_down),
            Contestant("floor", "floor", lambda: Runner(lambda: None)),
        ],
    )  # fmt: skip
    found = compete(case, 1, Plan(0.0, 2, 3), without=["left at home"])
    assert [e.name for e in found.entries if e.times] == ["losskit", "right", "floor"]
    assert all(len(e.times) == 2 for e in found.entries if e.times)
    trouble = {e.name: e.trouble for e in found.entries if e.trouble}
    assert trouble == {
        "wrong": "gradient off by 4 where the largest is 2",
        "broken": "RuntimeError: out of order",
    }
    assert rendered(report.case_table(found)).count("not timed") == 2
    assert "broken: RuntimeError: out of order" in report.verdict(found)


def test_without_losskit_nothing_is_timed() -> None:
    def break_down() -> None:
        raise ModuleNotFoundError("no rows yet")

    answer = (1.0, GRADIENT)
    case = Case(
        "rows",
        "ce",
        "1x3",
        lambda: [contestant("losskit", answer, "losskit", break_down), contestant("a", answer)],
    )
    found = compete(case, 1, QUICK)
    assert not any(e.times for e in found.entries)
    assert report.verdict(found).splitlines() == [
        "no peer to compare with",
        "losskit: ModuleNotFoundError: no rows yet",
    ]


def test_a_sample_repeats_the_call_and_then_releases() -> None:
    seen: list[str] = []
    runner = Runner(lambda: seen.append("run"), release=lambda: seen.append("release"))
    assert seconds_a_call(runner, 3) >= 0.0
    assert seen == ["run", "run", "run", "release"]


# ---- what may be claimed --------------------------------------------------------------------------------------------

OURS = [1.0, 1.1, 1.0, 1.2, 1.0, 1.1, 1.0]


@pytest.mark.parametrize(
    ("peer", "ahead", "words"),
    [
        ([3.0 * t for t in OURS], True, "ahead: 3.00 times faster than peer"),
        ([0.5 * t for t in OURS], False, "behind: 2.00 times slower than peer"),
        ([0.8, 1.5, 0.9, 1.4, 1.1, 0.9, 1.3], False, "no difference that stands out"),
        (
            [9.0, 9.0, 9.0, 0.9, 9.0, 9.0, 9.0],
            False,
            "no difference that stands out",
        ),  # slow only when disturbed
    ],
)
def test_ahead_is_claimed_only_beyond_noise(peer: list[float], ahead: bool, words: str) -> None:
    found = outcome(entry("losskit", "losskit", OURS, OURS), entry("peer", "peer", peer, OURS))
    assert found.ahead is ahead
    assert words in report.verdict(found)


def test_the_best_peer_decides_and_the_floor_is_none() -> None:
    found = outcome(
        entry("losskit", "losskit", OURS, OURS),
        entry("slow", "peer", [9.0 * t for t in OURS], OURS),
        entry("fast", "peer", [0.7 * t for t in OURS], OURS),
        entry("floor: add", "floor", [0.1 * t for t in OURS], OURS),
    )
    assert found.best_peer is found.find("fast")
    assert not found.ahead
    assert found.floor is found.find("floor: add")


# ---- what is written ------------------------------------------------------------------------------------------------


def some_outcomes() -> list[Outcome]:
    ours = [0.002 * t for t in OURS]
    entries = (
        entry("losskit", "losskit", ours, ours),
        entry("losskit out=", "losskit", [0.001] * 7, ours),
        entry("torch eager", "peer", [0.02] * 7, ours),
        entry("floor: add", "floor", [0.0005] * 7, ours),
    )
    return [
        outcome(*entries), outcome(*entries, size="1e7"), outcome(*entries, size="1e7", threads=1),
        outcome(*entries, structure="rows", size="4096x10"),
    ]  # fmt: skip


def test_case_table_shows_median_best_ratio_and_floor() -> None:
    text = rendered(report.case_table(some_outcomes()[0]))
    assert "mse, 1e5 float32, 2 threads" in text
    line = next(line for line in text.splitlines() if "torch eager" in line)
    assert [cell.strip() for cell in line.strip("│ ").split("│")] == [
        "torch eager", "20.0 ms", "20.0 ms", "10.00 (9.09–10.00)", "10.00", "40.00",
    ]  # fmt: skip


def test_markdown_is_the_short_table_at_the_largest_size_and_most_threads() -> None:
    lines = report.markdown(FACTS, some_outcomes()).splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2] == "| mse | 1e7 | 2.00 ms | 1.00 ms | 500 µs | 4.00 | 2.00 | 10.0 | – |"
    assert lines[3].startswith("| mse | 4096 × 10 |")
    assert lines[5].endswith("A CPU, 2 cores, threads: 2; numpy 2.0; 2026-01-01.")


def test_data_holds_every_sample_and_is_json() -> None:
    costs = [startup.Cost("import", "ms", [3.0, 1.0, 2.0])]
    data = json.loads(json.dumps(report.as_data(FACTS, some_outcomes(), costs, {"torch": "not installed"})))
    assert data["startup"][0]["median"] == 2.0
    assert data["left_out"] == {"torch": "not installed"}
    eager = data["cases"][0]["contestants"][2]
    assert eager["times"] == [0.02] * 7
    assert eager["over_losskit"]["low"] > 1.0
    assert "import" in rendered(report.startup_table(costs))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.2e-6, "1.20 µs"), (1e-5, "10.0 µs"), (2.5e-4, "250 µs"), (0.0123, "12.3 ms"), (1.63, "1630 ms")],
)
def test_durations_have_three_digits(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text


# ---- the command ----------------------------------------------------------------------------------------------------


def test_a_quick_run_checks_and_times_every_contestant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "--quick", "--only", "mse", "--sizes", "64,1000", "--threads", "1",
            "--seconds", "0", "--without", "torch.compile", "--date", "2026-01-01",
            "--json", str(tmp_path / "b.json"), "--markdown", str(tmp_path / "b.md"),
        ]
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert code == 0, shown
    data = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert [(c["loss"], c["size"]) for c in data["cases"]] == [
        ("mse", "64"), ("mse", "1000"),
    ]  # fmt: skip
    assert data["startup"] == []
    expected = {"losskit", "losskit out=", "floor: add"}
    if importlib.util.find_spec("torch") is not None:
        expected |= {"torch eager"}
    else:
        assert "left out: torch" in shown
    if importlib.util.find_spec("sklearn") is not None:
        expected |= {"scikit-learn"}
    for case in data["cases"]:
        assert {c["name"] for c in case["contestants"] if "times" in c} == expected, case
    assert "| mse | 1000 |" in (tmp_path / "b.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", elementwise.SUBJECTS)
def test_all_peers_agree_with_losskit(name: str) -> None:
    case = next(c for c in elementwise.cases(("500",), 1) if c.loss == name)
    found = compete(case, 1, Plan(0.0, 1, 1), without=["torch.compile"])
    assert [e.trouble for e in found.entries if e.trouble] == []


def test_sizes_of_the_other_structure_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "rows", "--sizes", "1e3", "--threads", "1"]) == 0
    assert "softmax_ce" not in capsys.readouterr().out
    assert [c.size for c in rows.cases(("8x3",), 1)] == ["8x3"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "mze"], "must be one of elementwise, rows, columns"),
        (["--sizes", "many"], "numbers with x between them"),
        (["--threads", "0"], "invalid"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert words in capsys.readouterr().err


def test_import_cost_is_measured_in_a_process_of_its_own() -> None:
    cost = startup._import(1)
    assert len(cost.samples) == 1
    assert cost.note == "loads no framework"


def test_a_measured_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        startup._python("1 / 0", str(tmp_path))
