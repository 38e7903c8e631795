"""A comparison that is stopped, and one that goes on from there."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import losskit as lk
from losskit.advisor import compare
from losskit.advisor.comparison import journal
from losskit.advisor.comparison.bench import Bench
from losskit.advisor.comparison.journal import Interrupted
from losskit.cli import main
from losskit.errors import InputError
from losskit.loss import LossFunction

OPTIONS: dict[str, Any] = {"losses": ["mae"], "folds": 2, "repeats": 1, "keep": True}
"""Three losses on two folds: six fits."""


@pytest.fixture(autouse=True)
def engine() -> Any:
    with lk.use_engine("numpy"):
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journal, "folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that are fitted and scored, as it happens."""
    seen: list[str] = []
    original = Bench.record

    def record(self: Bench, candidate: Any, model: str, rows: Any) -> Any:
        seen.append(candidate.name)
        return original(self, candidate, model, rows)

    monkeypatch.setattr(Bench, "record", record)
    return seen


def data(change: float = 0.0) -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=40)
    return {"x": x, "y": 3 * x + np.random.default_rng(1).normal(size=40) + change * (x > 1)}


def stop_after(count: int) -> Any:
    def progress(done: int, total: int, name: str) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def test_finished_fits_are_not_repeated(fits: list[str], cache: Path) -> None:
    whole = compare(data(), "y", **OPTIONS)
    assert list(cache.iterdir()) == [], "what is done needs no journal"
    fits.clear()
    with pytest.raises(Interrupted, match="4 of 6 fits kept"):
        compare(data(), "y", **OPTIONS, progress=stop_after(4))
    assert len(fits) == 4
    fits.clear()
    resumed = compare(data(), "y", **OPTIONS, resume=True)
    assert len(fits) == 2
    assert "resumed with 4 fits of an interrupted run" in resumed.notes
    assert [s.label for s in resumed.scores] == [s.label for s in whole.scores]
    for ours, theirs in zip(resumed.scores, whole.scores, strict=True):
        np.testing.assert_allclose(ours.metrics["rmse"], theirs.metrics["rmse"], rtol=1e-9)
    assert list(cache.iterdir()) == []


def test_without_resume_a_run_begins_anew(fits: list[str]) -> None:
    with pytest.raises(Interrupted):
        compare(data(), "y", **OPTIONS, progress=stop_after(4))
    fits.clear()
    compare(data(), "y", **OPTIONS)
    assert len(fits) == 6


def test_changed_data_are_noticed(fits: list[str]) -> None:
    with pytest.raises(Interrupted):
        compare(data(), "y", **OPTIONS, progress=stop_after(4))
    fits.clear()
    result = compare(data(change=1.0), "y", **OPTIONS, resume=True)
    assert len(fits) == 6
    assert "the data have changed since the interrupted run: every fit is new" in result.notes


def test_other_options_are_another_run(fits: list[str]) -> None:
    with pytest.raises(Interrupted):
        compare(data(), "y", **OPTIONS, progress=stop_after(4))
    fits.clear()
    result = compare(data(), "y", **OPTIONS, seed=1, resume=True)
    assert len(fits) == 6
    assert "no interrupted run to resume: every fit is new" in result.notes


def test_a_line_cut_short_is_left_out(fits: list[str], cache: Path) -> None:
    with pytest.raises(Interrupted):
        compare(data(), "y", **OPTIONS, progress=stop_after(4))
    (path,) = cache.iterdir()
    path.write_text(path.read_text()[:-20])
    fits.clear()
    compare(data(), "y", **OPTIONS, resume=True)
    assert len(fits) == 3


def test_the_code_of_a_loss_of_ones_own_may_have_changed(fits: list[str]) -> None:
    class Mine(LossFunction):
        def compute(self, y_true: Any, y_pred: Any) -> Any:
            return np.mean((y_pred - y_true) ** 2)

        def derivative(self, y_true: Any, y_pred: Any) -> Any:
            return 2 * (y_pred - y_true) / y_true.size

    options = OPTIONS | {"losses": [Mine(), "mae"]}
    with pytest.raises(Interrupted, match="2 of 6 fits kept"):
        compare(data(), "y", **options, progress=stop_after(3))
    fits.clear()
    compare(data(), "y", **options, resume=True)
    assert len(fits) == 4


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.write_text("a file")
    assert compare(data(), "y", **OPTIONS).rows == 40
    with pytest.raises(InputError, match="fits cannot be kept there"):
        compare(data(), "y", **OPTIONS, resume=True)


def test_interrupting_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    columns = data()
    rows = [f"{x},{y}" for x, y in zip(columns["x"], columns["y"], strict=True)]
    (tmp_path / "d.csv").write_text("\n".join(["x,y", *rows]))
    monkeypatch.chdir(tmp_path)
    command = [
        "losskit",
        "compare",
        "d.csv",
        "--target",
        "y",
        "--loss",
        "mae",
        "--folds",
        "2",
        "--repeats",
        "1",
    ]
    original, calls = Bench.record, []

    def record(self: Bench, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(Bench, "record", record)
    monkeypatch.setattr(sys, "argv", [*command, "--report", "r.html", "-o", "p.png"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130
    assert "3 of 6 fits kept" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"d.csv", cache.name}
    monkeypatch.setattr(sys, "argv", [*command, "--resume"])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert "resumed with 3 fits" in capsys.readouterr().out
