"""The command line: what it prints, what it writes, its exit status, and every bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import losskit as lk
from losskit import catalogue
from losskit.cli import main
from losskit.commands import app


class Run:
    """One run of ``losskit``, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["losskit", *map(str, arguments)])
        status: Any = 0
        try:
            main()
        except SystemExit as leaving:
            status = leaving.code or 0
        out, err = self.capsys.readouterr()
        return int(status), out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(capsys, monkeypatch)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file in an empty working directory."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=60), rng.standard_t(2, size=60)
    colours = np.array(["red", "blue"])[(x > 0).astype(int)]
    lines = [f"{a:.4f},{3 * a + e:.4f},{c}" for a, e, c in zip(x, noise, colours, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["x,price,colour", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data.csv"


QUICK = ("--folds", "2", "--repeats", "1")


def test_list(run: Run) -> None:
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert out.splitlines() == lk.list_losses()
    assert run("list", "--task", "regression")[1].splitlines() == lk.list_losses(task="regression")
    assert "huber" in run("list", "--trait", "convex")[1]


def test_lists_and_pages_as_json(run: Run) -> None:
    listed = json.loads(run("list", "--trait", "convex", "--json")[1])
    assert listed == {"losses": lk.list_losses(trait="convex")}
    page = json.loads(run("show", "huber", "--json")[1])
    assert page["loss"] == "huber"
    assert page["parameters"][0]["name"] == "delta"
    assert page["tasks"] == ["regression"]
    assert page["also_called"] == []


@pytest.mark.parametrize("command", sorted(c.name or c.callback.__name__ for c in app.registered_commands))
def test_help_of_every_command_has_an_example(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"Example: losskit {command}" in out
    assert "--json" in out


@pytest.mark.parametrize("name", lk.list_losses())
def test_show(run: Run, name: str) -> None:
    status, out, err = run("show", name)
    assert (status, err) == (0, "")
    about = lk.catalogue.find(name).about
    flat = " ".join(out.split())
    assert name in out
    for fact in (*about.strengths, *about.weaknesses, *about.references):
        assert " ".join(fact.split()) in flat
    assert about.formula.split()[0] in out


def test_show_by_another_name(run: Run) -> None:
    assert run("show", "mse")[1] == run("show", "mean_squared_error")[1]
    assert "residual at which the parabola becomes a line" in run("show", "huber")[1]


def test_plot(run: Run, data: Path) -> None:
    status, out, err = run(
        "plot", "huber(delta=2),mae", "mse", "-o", "curves.png", "--low", "-3", "--high", "3"
    )
    assert (status, out) == (0, "")
    assert "curves.png" in err
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert run("plot", "0.5*mse + 0.5*mae", "-o", "sum.svg")[0] == 0
    assert "<svg" in Path("sum.svg").read_text()
    drawn = json.loads(run("plot", "mse", "-o", "curves.png", "--json")[1])
    assert drawn["picture"] == "curves.png"
    assert [loss["loss"] for loss in drawn["losses"]] == ["mean_squared_error"]


def test_explain_takes_numbers_of_any_size(run: Run) -> None:
    status, out, _ = run("explain", "mae", "--y", "1", "--p", "9" * 30, "--json")
    assert status == 0
    assert "1e+30" in out


def test_compare_prints_a_table(run: Run, data: Path) -> None:
    status, out, err = run("compare", data, "--target", "price", *QUICK)
    assert (status, err) == (0, "")
    for word in (
        "60 rows",
        "target price",
        "mean_squared_error",
        "baseline",
        "huber(delta=",
        "±",
        "corrected",
    ):
        assert word in out


def test_compare_json_is_one_object_and_nothing_else(run: Run, data: Path) -> None:
    status, out, err = run("compare", data, "--target", "price", "--json", *QUICK, "-o", "picture.png")
    assert (status, err) == (0, "")
    answer = json.loads(out)
    assert (answer["task"], answer["target"], answer["rows"]) == ("regression", "price", 60)
    assert out.count("\n") == 1
    assert len(answer["losses"]) >= 3
    assert Path("picture.png").stat().st_size > 10_000


def test_compare_with_losses_of_ones_own(run: Run, data: Path) -> None:
    options = ("--loss", "huber(delta=2),0.5*mse + 0.5*mae", "--loss", "barron(alpha=1, scale=2)")
    _, out, _ = run("compare", data, "--target", "price", "--json", *options, *QUICK)
    labels = {loss["label"] for loss in json.loads(out)["losses"]}
    assert {
        "huber(delta=2)",
        "0.5*mean_squared_error + 0.5*mean_absolute_error",
        "mean_squared_error",
    } <= labels
    assert len(labels) == 4
    _, out, _ = run("compare", data, "--target", "colour", "--json", *QUICK)
    assert json.loads(out)["task"] == "binary"


BAD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no command": (("recomend",), ("recomend",)),
    "no data": (("compare",), ("no data", "--target")),
    "no target": (("compare", "data.csv"), ("data.csv", "--target")),
    "missing file": (("compare", "dat.csv", "--target", "y"), ("dat.csv", 'Did you mean "data.csv"?')),
    "folder": (("compare", ".", "--target", "y"), ("folder",)),
    "missing column": (
        ("compare", "data.csv", "--target", "prize"),
        ('"prize"', 'Did you mean "price"?', '"x", "price", "colour"'),
    ),
    "empty": (("compare", "empty.csv", "--target", "y"), ("empty.csv", "empty")),
    "garbage": (("compare", "garbage.csv", "--target", "y"), ("garbage.csv", "binary")),
    "broken Parquet": (("compare", "broken.parquet", "--target", "y"), ("broken.parquet", "cannot be read")),
    "all missing": (("compare", "blank.csv", "--target", "y"), ('"y"', "no value")),
    "constant": (("compare", "constant.csv", "--target", "y"), ('"y"', "is 7 in every row")),
    "infinite": (("compare", "infinite.csv", "--target", "y"), ('"y"', "infinite", "row 3")),
    "unknown loss": (
        ("compare", "data.csv", "--target", "price", "--loss", "mse,hubber"),
        ("hubber", "huber"),
    ),
    "unreadable loss": (("compare", "data.csv", "--target", "price", "--loss", "mse +"), ("mse +",)),
    "a wrong parameter": (
        ("compare", "data.csv", "--target", "price", "--loss", "huber(delta=-1)"),
        ("delta",),
    ),
    "an unknown parameter": (("plot", "huber(detla=1)", "-o", "x.png"), ("detla", "delta")),
    "regression loss for text": (
        ("compare", "data.csv", "--target", "colour", "--loss", "huber"),
        ("huber", '"colour"', "text"),
    ),
    "folds": (("compare", "data.csv", "--target", "price", "--folds", "1"), ("folds",)),
    "folds in words": (("compare", "data.csv", "--target", "price", "--folds", "five"), ("--folds",)),
    "example": (("compare", "--example", "diabetis"), ('"diabetis"', 'Did you mean "diabetes"?')),
    "picture format": (("compare", "data.csv", "--target", "price", "-o", "x.doc"), ("x.doc", ".png")),
    "picture folder": (("plot", "mse", "-o", "nowhere/x.png"), ("nowhere",)),
    "picture without a name": (("plot", "mse"), ("--output",)),
    "show": (("show", "hubr"), ("hubr", "huber")),
    "plot": (("plot", "hubr", "-o", "x.png"), ("hubr", "huber")),
    "plot range": (("plot", "mse", "-o", "x.png", "--low", "3", "--high", "1"), ("3 to 1",)),
    "plot over a folder": (("plot", "mse", "-o", "."), ("is a folder",)),
    "explain without a prediction": (
        ("explain", "huber", "--y", "1"),
        ("losskit: HuberLoss(delta=1.0) takes", "y_pred"),
    ),
    "explain no numbers": (("explain", "huber", "--y", "", "--p", "1"), ("--y: no numbers",)),
    "explain a word": (("explain", "huber", "--y", "one", "--p", "1"), ('--y: "one" is no number',)),
    "a loss of whole arrays": (
        ("compare", "data.csv", "--target", "price", "--loss", "dice"),
        ("DiceLoss takes (y_true, y_pred) as whole arrays",),
    ),
    "list": (("list", "--task", "regresion"), ("regresion", "regression")),
    "check without a class": (("check", "json"), ("module:Class",)),
    "check without a module": (("check", "no_such_module:Loss"), ("no_such_module",)),
    "check of no loss": (("check", "json:JSONDecoder"), ("JSONDecoder", "no loss")),
    "check of a misspelt class": (("check", "json:JSONDecodr"), ("JSONDecodr", "JSONDecoder")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(run: Run, data: Path, name: str) -> None:
    folder = data.parent
    (folder / "empty.csv").write_bytes(b"")
    (folder / "garbage.csv").write_bytes(bytes(range(256)) * 40)
    (folder / "broken.parquet").write_bytes(b"PAR1" + bytes(100))
    (folder / "blank.csv").write_text("x,y\n1,\n2,\n")
    (folder / "constant.csv").write_text("x,y\n1,7\n2,7\n")
    (folder / "infinite.csv").write_text("x,y\n1,7\n2,8\n3,-inf\n")
    before = sorted(folder.iterdir())
    arguments, words = BAD[name]
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert all(word in err for word in words), err
    assert len(err.splitlines()) <= 12
    assert "Traceback" not in err
    assert sorted(folder.iterdir()) == before


def test_check_of_a_loss_of_ones_own(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data.parent / "my_losses.py").write_text(
        "import numpy as np\nimport losskit as lk\n\n"
        "class Good(lk.LossFunction):\n"
        "    def compute(self, y_true, y_pred):\n        return np.mean((y_pred - y_true) ** 2)\n"
        "    def derivative(self, y_true, y_pred):\n        return 2 * (y_pred - y_true) / y_true.size\n\n"
        "class Wrong(lk.LossFunction):\n"
        "    def compute(self, y_true, y_pred):\n        return np.mean((y_pred - y_true) ** 2)\n"
        "    def derivative(self, y_true, y_pred):\n        return 2 * (y_true - y_pred) / y_true.size\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run("check", "my_losses:Good")[0] == 0
    status, out, err = run("check", "my_losses:Wrong")
    assert (status, err) == (1, "")
    assert "derivative" in out


def losskit(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "losskit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_as_a_module() -> None:
    done = losskit("list")
    assert (done.returncode, done.stderr) == (0, "")
    built_in = [c.name for c in catalogue.all_losses() if c.__module__.startswith("losskit.")]
    assert done.stdout.splitlines() == built_in
    assert losskit("show", "hubr").returncode == 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("list",), ("show", "huber")])
def test_a_reader_that_has_gone_is_no_failure(arguments: tuple[str, ...], unbuffered: str) -> None:
    """As in ``losskit show huber | head``."""
    command = [sys.executable, "-m", "losskit", *arguments]
    settings = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, env=settings)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_is_light() -> None:
    program = (
        "import sys\nfrom losskit.cli import main\nsys.argv = ['losskit', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sklearn', 'scipy', 'duckdb', 'matplotlib', 'torch', 'jax', 'sympy', 'pandas'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("typer", ("list",), "cli"),
        ("sklearn", ("compare", "--example", "wine"), "compare"),
        ("duckdb", ("compare", "data.csv", "--target", "price"), "compare"),
        ("matplotlib", ("plot", "mse", "-o", "x.png"), "plot"),
    ],
)
def test_a_missing_dependency_names_the_extra(
    data: Path, module: str, arguments: tuple[str, ...], extra: str
) -> None:
    program = (
        f"import sys\nsys.modules[{module!r}] = None\nfrom losskit.cli import main\n"
        f"sys.argv = ['losskit', *{arguments!r}]\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f'losskit: this needs {module}: pip install "losskit[{extra}]"\n'
