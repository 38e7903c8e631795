"""``recommend`` on files, and the command: columns by name, what is counted, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import losskit as lk
from losskit.advisor import recommend, recommend_file
from losskit.commands.recommend import recommend as command
from losskit.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 2))
MEAN = 10 + X @ [3.0, -2.0]
HEAVY = MEAN + RNG.standard_t(1.5, 400)
FRAME = pd.DataFrame(
    {
        "size": X[:, 0],
        "colour": np.where(X[:, 1] > 0, "red", "blue"),
        "price": HEAVY,
        "forecast": MEAN,
        "weight": RNG.uniform(0.5, 2, 400),
        "bought": np.where(RNG.random(400) < 0.05, "yes", "no"),
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400), "D"),
    }
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv"


def test_json(data: Path) -> None:
    answer = recommend_file(data, "price", "forecast").to_dict()
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert (answer["task"], answer["target"], answer["rows"], answer["dropped"]) == (
        "regression",
        "price",
        400,
        0,
    )
    first = answer["losses"][0]
    assert lk.get(first["loss"], **first["parameters"]) == recommend(HEAVY, MEAN).best.loss
    assert all(
        {"loss", "parameters", "reasons", "estimates", "cost", "weaknesses", "code"} <= loss.keys()
        for loss in answer["losses"]
    )
    points = [loss["points"] for loss in answer["losses"]]
    assert points == sorted(points, reverse=True)
    assert points[0] == pytest.approx(sum(first["checks"].values()), abs=0.01)


def test_files_and_arrays_agree(data: Path, tmp_path: Path) -> None:
    expected = recommend(HEAVY, MEAN, sample_weight=FRAME["weight"]).best
    FRAME.to_parquet(tmp_path / "data.parquet") if _has_pyarrow() else None
    FRAME.drop(columns="day").to_json(
        tmp_path / "data.jsonl", orient="records", lines=True, double_precision=15
    )
    for path in tmp_path.glob("data.*"):
        found = recommend_file(path, "price", "forecast", "weight").best
        assert found.loss == expected.loss
    np.savez(tmp_path / "arrays.npz", price=HEAVY, forecast=MEAN)
    assert (
        recommend_file(tmp_path / "arrays.npz", "price", "forecast").best.loss
        == recommend(HEAVY, MEAN).best.loss
    )


def _has_pyarrow() -> bool:
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def test_features_of_a_file_and_of_a_frame_agree(data: Path) -> None:
    of_file = recommend_file(data, "price")
    others = FRAME.drop(columns="price").assign(day=np.arange(400))
    of_frame = recommend(HEAVY, features=others)
    assert of_file.profile.basis == of_frame.profile.basis == "residuals"
    assert of_file.best.loss.name == of_frame.best.loss.name
    assert of_file.best.loss.scale == pytest.approx(of_frame.best.loss.scale, rel=0.02)
    assert any("Huber regression on 6 features" in note for note in of_file.notes)


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    lines = [
        "y,p,w",
        *(f"{v},{v + 0.3 * (-1) ** i},1" for i, v in enumerate(range(40))),
        ",1,1",
        "2,,1",
        "3,3,0",
    ]
    (tmp_path / "gaps.csv").write_text("\n".join(lines))
    answer = recommend_file(tmp_path / "gaps.csv", "y", "p", "w")
    assert (answer.profile.rows, answer.profile.dropped) == (40, 3)
    assert "40 rows, 3 left out" in str(answer)
    assert any(check.code == "R003" for check, _ in answer.findings)


def test_the_pilot_sees_the_rows_that_are_kept(tmp_path: Path) -> None:
    """Features of other rows than the targets would leave residuals as wide as the targets."""
    y = 3 * X[:, 0] + 0.01 * RNG.normal(size=400)
    text = [
        f"{a!r},{'' if i % 3 == 0 else repr(b)}"
        for i, (a, b) in enumerate(zip(X[:, 0].tolist(), y.tolist(), strict=True))
    ]
    (tmp_path / "gaps.csv").write_text("\n".join(["x,y", *text]))
    assert recommend_file(tmp_path / "gaps.csv", "y").profile.noise.scale < 0.03


def test_masks_from_a_file(tmp_path: Path) -> None:
    mask = np.zeros((3, 32, 32), np.uint8)
    mask[:, 3:7, 3:7] = 1
    np.save(tmp_path / "masks.npy", mask)
    assert recommend_file(tmp_path / "masks.npy").profile.task == "segmentation"


@pytest.fixture
def run() -> Any:
    app = typer.Typer()
    app.command()(command)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_command(run: Any, data: Path) -> None:
    said = run(data, "--target", "price", "--prediction", "forecast")
    assert said.exit_code == 0
    assert "lk.CauchyLoss(scale=" in said.stdout
    assert len(said.stdout.splitlines()) <= 25
    found = run(data, "--target", "bought", "--json")
    assert json.loads(found.stdout)["losses"][0]["loss"] == "weighted_cross_entropy"
    assert "Example" in run("--help").stdout
    assert json.loads(run("--example", "wine", "--json").stdout)["rows"] == 178
    for arguments in ((), ("--example", "wine", data)):
        assert isinstance(run(*arguments).exception, InputError)


def test_bad_files(data: Path, tmp_path: Path) -> None:
    for target, options, message in (
        ("prise", {}, 'Did you mean "price"'),
        ("day", {}, "is dates"),
        (None, {}, "--target"),
        ("price", {"prediction": "colour"}, 'is text such as "(red|blue)"; it must be numbers'),
        ("price", {"prediction": "price"}, "cannot be its own prediction"),
        ("price", {"weight": "wieght"}, 'Did you mean "weight"'),
    ):
        with pytest.raises(InputError, match=message):
            recommend_file(data, target, **options)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", labels=[1, 2], vectors=[1.0, 2.0])
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 nothing")
    for name, target, message in (
        ("objects.npy", None, "may run code"),
        ("broken.npz", "y", "damaged"),
        ("two.npz", None, 'it has "labels"'),
        ("two.npz", "label", 'Did you mean "labels"'),
        ("tow.npz", None, 'Did you mean "two.npz"'),
        ("nothing.csv", "y", "there is no such file"),
    ):
        with pytest.raises(InputError, match=message):
            recommend_file(tmp_path / name, target)


def test_a_late_row_of_another_kind_is_read_anew(tmp_path: Path) -> None:
    """Types are told by the first rows at first; the answer is that of all rows."""
    from losskit.advisor.recommendation.reading import SNIFFED

    rows = [f"{i % 7 * 0.5},{i % 2}" for i in range(SNIFFED + 10)]
    path = tmp_path / "late.csv"
    path.write_text("\n".join(["x,y", *rows, "oops,1"]))
    assert recommend_file(path, "y").profile.rows == SNIFFED + 11
