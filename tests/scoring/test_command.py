"""The command ``losskit score``: what it prints, and its exit status."""

import importlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import losskit as lk
from losskit.errors import InputError
from losskit.scoring import score

command = importlib.import_module("losskit.commands.score")  # the package has the function under that name

app = typer.Typer()
app.command()(command.score)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "preds.csv"
    path.write_text("y,p,g\n1,2,a\n2,5,b\n3,,b\n")
    return path


def run(*arguments: object) -> tuple[int, str, Exception | None]:
    with lk.use_engine("numpy"):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.exception


def test_table(csv: Path) -> None:
    status, out, _ = run(csv, "--true", "y", "--pred", "p", "--loss", "mae,huber(delta=2)", "--by", "g")
    assert status == 0
    *lines, note = out.splitlines()
    assert note == 'Note: 1 row left out: a cell of "y" or "p" is empty.'
    assert [line.split() for line in lines] == [
        ["rows", "mae", "huber(delta=2)"],
        ["all", "2", "2.00000", "2.25000"],
        ["g", "=", "a", "1", "1.00000", "0.500000"],
        ["g", "=", "b", "1", "3.00000", "4.00000"],
    ]


def test_json_is_one_object_and_nothing_else(csv: Path) -> None:
    status, out, _ = run(csv, csv, "--true", "y", "--pred", "p", "--loss", "mae", "--loss", "mse", "--json")
    assert status == 0
    assert json.loads(out) == score([csv, csv], true="y", pred="p", losses=["mae", "mse"]).to_dict()
    assert out.count("\n") == 1


def test_bad_input_is_an_input_error(csv: Path) -> None:
    for options, words in (
        (("--loss", "mae", "--by", "h"), 'no column "h"'),
        (("--loss", ","), "name at least one loss"),
        (("--loss", "mae", "--engine", "spark"), 'no engine "spark"'),
    ):
        _, out, error = run(csv, "--true", "y", "--pred", "p", *options)
        assert isinstance(error, InputError)
        assert words in str(error)
        assert not out


def test_progress_bar_only_on_a_terminal(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with command._progress() as report:
        assert report is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with command._progress() as report:
        report(50.0, 100.0, 1_000_000)


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_interrupt_ends_it_quietly(tmp_path: Path, seconds: float) -> None:
    large = tmp_path / "large.csv"
    large.write_text("y,p\n" + "1.25,2.5\n" * 2_000_000)
    program = (
        "import typer, losskit.scoring; from losskit.commands.score import score;"
        " app = typer.Typer(); app.command()(score); print('ready', flush=True); app()"
    )
    options = ("--true", "y", "--pred", "p", "--loss", "mae")
    command_line = [sys.executable, "-c", program, *[str(large)] * 200, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command_line, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.3 + seconds)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert not out
    assert "Traceback" not in err
