"""Check a loss of somebody's code in a process of its own, so that nothing it does can harm this one.

The other process runs this module; it gets a request as JSON and leaves its answer in a folder that the
two share for as long as it runs.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import losskit
from losskit.errors import InputError, nearest
from losskit.loss import LossFunction
from losskit.pictures.drawing import check_output, write_whole

ANSWER, LOADED, PICTURE, OUTPUT = "answer.json", "loaded", "picture", "output.txt"


@dataclass(frozen=True)
class Examination:
    """What came of checking somebody's loss."""

    ok: bool
    text: str
    """For people: the report, or why there is none."""
    data: dict[str, Any]
    """For programs: the report's ``to_dict``, or the loss, ``ok`` and what failed."""


def examine(path: str, output: str | os.PathLike[str] | None = None, timeout: float = 60.0) -> Examination:
    """Check the loss that ``module:Class`` names, in another process with a time limit in seconds.

    The working directory counts as a place for modules. What the code prints is dropped. ``output`` is a
    picture to write: value, slope and curvature, with what the laws found marked.

    Raises InputError where the code cannot be loaded. A check that is not done in time, or that the code
    itself ends, has failed.
    """
    suffix = check_output(output).suffix if output is not None else ""
    if not timeout > 0.0:
        raise InputError(f"the time limit must be above 0 seconds, got {timeout:g}.")
    split(path)
    with tempfile.TemporaryDirectory(prefix="losskit-check-") as name:
        folder = Path(name)
        status = _run({"path": path, "folder": name, "suffix": suffix}, folder, timeout)
        answer = folder / ANSWER
        if status == 0 and answer.exists():
            return _finished(json.loads(answer.read_text("utf-8")), folder, output)
        loaded = (folder / LOADED).exists()
        why = f"was not done within {timeout:g} s" if status is None else f"was ended {_how(status)}"
        if status is not None and not loaded:
            raise InputError(f"{path}: importing it ends Python {_how(status)}.{_last_line(folder)}")
        text = f"{path}: the check {why}.{_last_line(folder)}"
        return Examination(False, text, {"loss": path, "ok": False, "failed": text})


def _finished(answer: dict[str, Any], folder: Path, output: str | os.PathLike[str] | None) -> Examination:
    if "refused" in answer:
        raise InputError(answer["refused"])
    if output is not None:
        write_whole(output, (folder / PICTURE).with_suffix(Path(output).suffix).read_bytes())
    return Examination(answer["report"]["ok"], answer["text"], answer["report"])


def _run(request: dict[str, Any], folder: Path, timeout: float) -> int | None:
    """The exit status of the other process; None where its time was up."""
    places = [os.environ.get("PYTHONPATH", ""), str(Path(losskit.__file__).parent.parent)]
    # -P: a file of the user's that is named like a module of ours must not be taken for it
    command = [sys.executable, "-P", "-m", "losskit.examining", json.dumps(request)]
    with (folder / OUTPUT).open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))},
        )
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, and with it those it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all have ended
        process.kill()
    process.wait()


def _how(status: int) -> str:
    if status < 0:
        return f"by the signal {signal.Signals(-status).name}"
    return f"by the code itself, with status {status}"


def _last_line(folder: Path) -> str:
    """The last thing that was printed, such as the error of a traceback."""
    lines = (folder / OUTPUT).read_text("utf-8", errors="replace").strip().splitlines()
    return f" It last printed: {lines[-1][:300]}" if lines else ""


# ---- in the other process ---------------------------------------------------------------------------------


def split(path: str) -> tuple[str, str]:
    """Module and class of ``module:Class``."""
    module, _, name = path.partition(":")
    if not module or not name:
        raise InputError(f'"{path}" is not of the form module:Class, such as my_losses:MyLoss.')
    return module, name


def load(path: str) -> LossFunction:
    """The loss that ``module:Class`` names, or an object of that name."""
    module_name, class_name = split(path)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f'{path}: there is no module "{error.name}" here or among what is installed.'
        ) from None
    except Exception as error:
        raise InputError(f"{path}: importing it fails with {type(error).__name__}: {error}") from None
    if not hasattr(module, class_name):
        raise InputError(f'{path}: the module has no "{class_name}".{nearest(class_name, vars(module))}')
    found = getattr(module, class_name)
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:
        raise InputError(
            f"{path}: making one without arguments fails with {type(error).__name__}: {error}"
        ) from None
    if not isinstance(made, LossFunction):
        raise InputError(f"{path}: {class_name} is no loss; a loss subclasses losskit.LossFunction.")
    return made


def _answer(request: dict[str, str], folder: Path) -> dict[str, Any]:
    # before the user's folder becomes a place for modules: a file there may be named like one that these need
    from losskit.checking import check
    from losskit.pictures.marking import plot_report

    sys.path.insert(0, "")
    try:
        loss = load(request["path"])
    except InputError as error:
        return {"refused": str(error)}
    (folder / LOADED).touch()
    report = check(loss)
    if request["suffix"]:
        plot_report(report, loss, output=(folder / PICTURE).with_suffix(request["suffix"]))
    return {"report": report.to_dict(), "text": str(report)}


def main() -> None:
    """Answer the request on the command line."""
    request = json.loads(sys.argv[1])
    folder = Path(request["folder"])
    answer = _answer(request, folder)
    temporary = folder / f"{ANSWER}.part"
    temporary.write_text(json.dumps(answer, allow_nan=False), encoding="utf-8")
    temporary.replace(folder / ANSWER)
    sys.stdout.flush()
    os._exit(0)  # whatever threads the code has started


if __name__ == "__main__":
    main()
