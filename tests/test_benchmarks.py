"""The benchmarks' own rules: who may be timed, what may be claimed, what is written. No test depends on a time."""

import gc
import importlib.util
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import losskit as lk

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benchmarks are no part of the installed package

from benchmarks import (
    choosing,
    elementwise,
    growth,
    harness,
    memory,
    page,
    peers,
    pictures,
    records,
    report,
    rows,
    startup,
    subjects,
)
from benchmarks.__main__ import main
from benchmarks.agreement import Answer, disagreement
from benchmarks.harness import QUICK, Case, Contestant, Plan, Runner, compete, seconds_a_call
from benchmarks.outcomes import Entry, Interval, Kind, Outcome, interval
from benchmarks.peer_table import ELEMENTWISE, ROWS

from losskit.catalogue import all_losses, find
from losskit.errors import InputError

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
    lk.set_num_threads(peers.cores())  # XLA's own default: another would throw away the arrays of other tests
    yield
    lk.set_num_threads(before)
    peers.left_out.lines = lines


@pytest.fixture(autouse=True)
def _without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here depends on a time: no rests before samples, and no collection of garbage after a case."""
    monkeypatch.setattr(harness, "REST", 0.0)
    monkeypatch.setattr(harness, "SAMPLE", 0.0)
    monkeypatch.setattr(gc, "collect", lambda: 0)


def entry(name: str, kind: Kind, times: list[float], ours: list[float]) -> Entry:
    """A timed contestant, as the harness would fill it in."""
    ratio = interval([t / u for t, u in zip(times, ours, strict=True)])
    return Entry(name, kind, times=times, ratio=ratio, best_ratio=min(times) / min(ours))


HUBER, SOFTMAX = "huber", "sparse_categorical_cross_entropy(from_logits=True)"


def outcome(
    *entries: Entry, structure: str = "elementwise", loss: str = HUBER, size: str = "1e5", threads: int = 2
) -> Outcome:
    return Outcome(structure, loss, size, "float32", threads, 1e-5, list(entries))


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
        outcome(*entries, structure="rows", loss=SOFTMAX, size="4096x10"),
    ]  # fmt: skip


def test_case_table_shows_median_best_ratio_and_floor() -> None:
    text = rendered(report.case_table(some_outcomes()[0]))
    assert "huber, 1e5 float32, 2 threads" in text
    line = next(line for line in text.splitlines() if "torch eager" in line)
    assert [cell.strip() for cell in line.strip("│ ").split("│")] == [
        "torch eager", "20.0 ms", "20.0 ms", "10.00 (9.09–10.00)", "10.00", "40.00",
    ]  # fmt: skip


def test_markdown_is_the_short_table_at_the_largest_size_and_most_threads() -> None:
    lines = page.headlines(FACTS, some_outcomes()).splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2] == "| huber | 1e7 | 2.00 ms | 1.00 ms | 500 µs | 4.00 | 2.00 | 10.0 | – |"
    assert lines[3].startswith("| sparse categorical cross entropy | 4096 × 10 |")
    assert lines[5].endswith("A CPU, 2 cores, threads: 2; numpy 2.0; 2026-01-01.")


def test_data_holds_every_sample_and_is_json() -> None:
    costs = [startup.Cost("import", "ms", [3.0, 1.0, 2.0])]
    data = json.loads(json.dumps(records.as_data(FACTS, some_outcomes(), costs, {"torch": "not installed"})))
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


# ---- a run of the command -------------------------------------------------------------------------------------------


def test_a_quick_run_checks_and_times_every_contestant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(
        [
            "--quick", "--only", "huber", "--sizes", "64,1000", "--threads", "1",
            "--seconds", "0", "--without", "torch.compile", "--without", "JAX jit", "--without", "Keras", "--date", "2026-01-01",
            "--json", str(tmp_path / "b.json"), "--markdown", str(tmp_path / "b.md"),
        ]
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert code == 0, shown
    data = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert [(c["loss"], c["size"]) for c in data["cases"]] == [
        ("huber", "64"), ("huber", "1000"),
    ]  # fmt: skip
    assert data["startup"] == []
    expected = {"losskit", "losskit out=", "floor: add, 1 thread"}
    if importlib.util.find_spec("torch") is not None:
        expected |= {"losskit torch", "torch eager", "floor: add"}
    else:
        assert "left out: torch" in shown
    if importlib.util.find_spec("sklearn") is not None:
        expected |= {"scikit-learn"}
    for case in data["cases"]:
        assert {c["name"] for c in case["contestants"] if "times" in c} == expected, case
    assert "| huber | 1000 |" in (tmp_path / "b.md").read_text(encoding="utf-8")


# ---- which losses, and beside whom ----------------------------------------------------------------------------------


def test_every_loss_of_the_catalogue_is_timed() -> None:
    timed = {
        find(c.loss.partition("(")[0]) for c in choosing.chosen(None, None, False, "float32") if known(c.loss)
    }
    assert {cls for cls in all_losses() if cls.__module__.startswith("losskit.losses.")} <= timed
    assert not any("peer_table" in why for why in peers.left_out.lines.values())


def known(loss: str) -> bool:
    """Whether it is a loss's name, and not one of the tables' own."""
    return loss.partition("(")[0] in choosing.known_names() & (set(lk.list_losses()) | aliases())


def aliases() -> set[str]:
    return {alias for cls in all_losses() if cls.about for alias in cls.about.aliases}


def test_a_new_loss_is_picked_up_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fourth(lk.ResidualLoss):
        @lk.rule
        def value(r):
            return r**4

        @lk.rule
        def slope(r):
            return 4.0 * r**3

        @lk.rule
        def curvature(r):
            return 12.0 * r**2

    class Demanding(Fourth):
        scale: float = lk.parameter(above=0, doc="one that has to be chosen")

    monkeypatch.setattr(subjects, "built_in", lambda structure: [lk.HuberLoss, Fourth, Demanding])
    assert subjects.texts("elementwise", ["huber", "huber(delta=2)"]) == ["huber", "huber(delta=2)", "fourth"]
    assert "scale must be chosen" in peers.left_out.lines["demanding"]


COMPILERS = ["torch.compile"] if os.environ.get("LOSSKIT_THOROUGH") == "1" else ["torch.compile", "JAX jit"]
"""Left out of the tests: they take seconds a loss."""


@pytest.mark.parametrize("text", ELEMENTWISE)
def test_peers_of_elementwise_losses_agree(text: str) -> None:
    with lk.use_engine("numpy"):
        case = next(c for c in elementwise.cases(("500",), "float32") if c.loss == text)
        found = compete(case, 1, Plan(0.0, 1, 1), COMPILERS)
    assert [(e.name, e.trouble) for e in found.entries if e.trouble] == []


@pytest.mark.parametrize("text", ROWS)
def test_peers_of_row_losses_agree(text: str) -> None:
    with lk.use_engine("numpy"):
        case = next(c for c in rows.cases(("40x7",), "float32") if c.loss == text)
        found = compete(case, 1, Plan(0.0, 1, 1), COMPILERS)
    assert [(e.name, e.trouble) for e in found.entries if e.trouble] == []


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_jitted_peers_agree_in_every_dtype(dtype: str) -> None:
    pytest.importorskip("optax")
    for module, text, size in ((elementwise, HUBER, "500"), (rows, SOFTMAX, "40x7")):
        case = next(c for c in module.cases((size,), dtype) if c.loss == text)
        found = compete(case, 1, Plan(0.0, 1, 1), ["torch.compile"])
        jitted = found.find("JAX jit")
        assert jitted is not None
        assert jitted.times
        assert [(e.name, e.trouble) for e in found.entries if e.trouble] == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_xla_runs_on_as_many_threads_as_the_others() -> None:
    pytest.importorskip("optax")
    program = """
from pathlib import Path
from benchmarks.peers import jax_on
jax_on(1).numpy.ones(1_000_000).sum().block_until_ready()
names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
print(names.count("tf_XLAEigen"))
"""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize(
    "structure", ["columns", "pairs", "lists", "overlap", "similarity", "linear", "lattice"]
)
def test_losses_of_arrays_run_beside_a_floor(structure: str) -> None:
    with lk.use_engine("numpy"):
        case = choosing.STRUCTURES[structure].cases(choosing.STRUCTURES[structure].QUICK, "float32")[0]
        found = compete(case, 1, Plan(0.0, 1, 1), COMPILERS)
    assert [(e.name, e.trouble) for e in found.entries if e.trouble] == []
    assert found.floor is not None


def test_the_least_of_the_floors_is_the_floor_and_alone_leaves_peers_out() -> None:
    case = next(c for c in elementwise.cases(("64",), "float32") if c.loss == HUBER)
    found = compete(case, 1, Plan(0.0, 1, 1), alone=True)
    assert {e.kind for e in found.entries} == {"losskit", "floor"}
    assert found.floor is min((e for e in found.entries if e.kind == "floor"), key=lambda e: e.best)


@pytest.mark.parametrize(
    "text", ["poisson", "hinge", "binary_cross_entropy", "gamma", "mean_absolute_percentage_error"]
)
def test_data_lie_in_the_domains_of_the_loss(text: str) -> None:
    loss = lk.parse(text)
    y, p = elementwise.data(loss, 1000, "float32")
    assert y.dtype == p.dtype == np.float32
    for rules in (term.rules for term in loss.terms):
        assert rules.targets is None or not rules.targets.outside(y).any()
        assert rules.predictions is None or not rules.predictions.outside(p).any()
    assert len(np.unique(p)) > 900


# ---- the command ----------------------------------------------------------------------------------------------------


def test_sizes_of_the_other_structure_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "rows", "--sizes", "1e3", "--threads", "1"]) == 0
    assert "cross_entropy" not in capsys.readouterr().out
    assert {c.size for c in rows.cases(("8x3",), "float32")} == {"8x3"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "hubr"], 'Did you mean "huber"?'),
        (["--dtype", "float8"], "is none of float32"),
        (["--json", "nowhere/run.json"], "there is no folder nowhere"),
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


# ---- what is drawn and written of a run -----------------------------------------------------------------------------


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(records.as_data(FACTS, some_outcomes(), [], {})), encoding="utf-8")
    return file


def test_a_run_is_read_back_as_it_was(run_file: Path) -> None:
    facts, outcomes = records.read(run_file)
    assert facts == FACTS
    assert outcomes == some_outcomes()


@pytest.mark.parametrize("text", ["", "[]", '{"machine": {}, "cases": [{}]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"other.json: is no file that"):
        records.read(tmp_path / "other.json")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        records.read(tmp_path / "none.json")


def test_a_structure_is_a_picture_with_each_loss_and_peer(run_file: Path, tmp_path: Path) -> None:
    assert pictures.main([str(run_file), str(tmp_path / "speed")]) == 0
    assert sorted(f.name for f in (tmp_path / "speed").iterdir()) == ["elementwise.svg", "rows.svg"]


def test_growth_is_drawn_of_the_runs_with_most_threads(run_file: Path, tmp_path: Path) -> None:
    found = growth.lines(some_outcomes())
    assert found[HUBER] == [(1e5, pytest.approx(10.0)), (1e7, pytest.approx(0.1))]
    assert found["floor: add"][0][0] == 1e5
    assert growth.main([str(run_file), str(tmp_path / "growth.png")]) == 0
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    with pytest.raises(InputError, match="two sizes or more"):
        growth.draw(some_outcomes()[:1], tmp_path / "growth.png")


def test_a_page_gets_its_tables_and_keeps_its_words(run_file: Path, tmp_path: Path) -> None:
    text = "Words.\n<!-- speed: rows -->\nold\n<!-- end of speed -->\n<!-- speed: lists -->\nkept\n<!-- end of speed -->\n"
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    pictures.main([str(run_file), str(tmp_path / "speed")])
    assert page.main([str(run_file), str(tmp_path / "page.md")]) == 0
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "old" not in written
    assert "kept" in written
    assert "![rows](speed/rows.svg)" in written
    assert f"| `{SOFTMAX}` | 4096 × 10 | float32 | 2.00 ms | 4.00 | 2.00 | torch eager |" in written
    assert page.filled(written, *records.read(run_file), ["rows"]) == written


def test_the_page_of_speed_has_a_place_for_each_structure() -> None:
    text = (Path(__file__).parents[1] / "docs" / "speed.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- speed: (\w+) -->", text)) == {*choosing.STRUCTURES, "growth"}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc")
def test_memory_of_a_call_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "memory.json"
    assert memory.main(["--only", HUBER, "--size", "2e6", "--threads", "1", "--json", str(file)]) == 0
    (found,) = json.loads(file.read_text(encoding="utf-8"))
    assert (found["inputs"], found["gradient"]) == (16_000_000, 8_000_000)
    assert found["scratch"] <= 1_000_000
    assert 7_000_000 < found["fresh"] < 11_000_000
    assert HUBER in capsys.readouterr().out


def test_a_run_of_memory_for_an_unknown_loss_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        memory.main(["--only", "hubr"])
    assert "no loss of this structure" in capsys.readouterr().err
