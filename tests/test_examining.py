"""``losskit check``: somebody's code is checked in a process of its own and can do no harm to this one."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from losskit.commands.check import check as command
from losskit.errors import InputError
from losskit.examining import examine, load

CODE = """
import os, sys, time
import numpy as np
import losskit as lk

print("noise on standard output")


class Good(lk.LossFunction):
    def compute(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2)

    def derivative(self, y_true, y_pred):
        print("noise")
        return 2 * (y_pred - y_true) / y_true.size


class Wrong(lk.LossFunction):
    def compute(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2)

    def derivative(self, y_true, y_pred):
        return 2 * (y_true - y_pred) / y_true.size


class Endless(lk.LossFunction):
    def compute(self, y_true, y_pred):
        time.sleep(60)


class Leaving(lk.LossFunction):
    def compute(self, y_true, y_pred):
        sys.exit(0)


class Crashing(lk.LossFunction):
    def compute(self, y_true, y_pred):
        os.abort()


class Needy(lk.LossFunction):
    def __init__(self, scale):
        self.scale = scale
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a module of losses."""
    (tmp_path / "my_losses.py").write_text(CODE)
    (tmp_path / "leaving.py").write_text("import os\nos._exit(3)\n")
    (tmp_path / "random.py").write_text("raise RuntimeError('a file of ours, taken for one of Python')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def run() -> Any:
    """The command alone, as a program of its own."""
    app = typer.Typer()
    app.command()(command)
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_good_loss(folder: Path, run: Any) -> None:
    answer = run("my_losses:Good", "-o", "good.png", "--json")
    assert answer.exit_code == 0
    data = json.loads(answer.stdout)
    assert (data["ok"], data["findings"]) == (True, [])
    assert (folder / "good.png").read_bytes().startswith(b"\x89PNG")


def test_a_wrong_loss(folder: Path, run: Any) -> None:
    answer = run("my_losses:Wrong")
    assert answer.exit_code == 1
    assert "opposite in sign" in answer.stdout
    assert "noise" not in answer.stdout


@pytest.mark.parametrize(
    ("name", "timeout", "words"),
    [
        ("Endless", 1.0, "the check was not done within 1 s"),
        ("Leaving", 60.0, "the check was ended by the code itself, with status 0"),
        ("Crashing", 60.0, "the check was ended by the signal SIGABRT"),
    ],
)
def test_code_that_does_not_let_itself_be_checked(
    folder: Path, name: str, timeout: float, words: str
) -> None:
    before = sorted(folder.iterdir())
    result = examine(f"my_losses:{name}", folder / "never.png", timeout=timeout)
    assert not result.ok
    assert words in result.text
    assert result.data == {"loss": f"my_losses:{name}", "ok": False, "failed": result.text}
    assert sorted(folder.iterdir()) == before


def test_code_that_ends_python_when_it_is_imported(folder: Path) -> None:
    with pytest.raises(InputError, match="importing it ends Python by the code itself, with status 3"):
        examine("leaving:Loss")


def test_code_that_cannot_be_loaded(folder: Path) -> None:
    with pytest.raises(InputError, match="making one without arguments fails with TypeError"):
        examine("my_losses:Needy")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("json", "not of the form module:Class"),
        ("no_such_module:Loss", 'there is no module "no_such_module"'),
        ("json:JSONDecoder", "JSONDecoder is no loss"),
        ("json:JSONDecodr", 'Did you mean "JSONDecoder"'),
    ],
)
def test_what_is_no_loss(path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(path)


def test_options_are_checked_first(tmp_path: Path) -> None:
    for options, words in (
        ({"timeout": 0.0}, "above 0 seconds"),
        ({"timeout": float("nan")}, "above 0 seconds"),
        ({"output": tmp_path / "x.txt"}, "no picture can be written"),
        ({"output": tmp_path / "none" / "x.png"}, "there is no folder"),
    ):
        with pytest.raises(InputError, match=words):
            examine("my_losses:Good", **options)  # type: ignore[arg-type]
