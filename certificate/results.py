"""Results that were measured before, kept by loss and engine until a text that they depend on changes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path

import platformdirs

from certificate.measuring.ledger import Ledger
from certificate.plan import Effort, LossClass
from losskit.pictures.drawing import write_whole

ROOT = Path(__file__).parents[1]
SHARED = (
    *(f"src/losskit/{name}.py" for name in ("scalar", "rules", "loss", "domain", "reduction")),
    *(f"src/losskit/{name}/*.py" for name in ("structures", "engines", "engines/formulas")),
    *("tests/truth/*.py", "tests/laws/cases.py", "certificate/plan.py", "certificate/measuring/*.py"),
)
"""What every answer and every judgement depends on."""


def folder() -> Path:
    """Where results are kept: beside the kernels."""
    chosen = os.environ.get("LOSSKIT_CACHE_DIR") or platformdirs.user_cache_dir("losskit")
    return Path(chosen) / "certificate"


def load(cls: LossClass, engine: str, effort: Effort) -> Ledger | None:
    """What was measured before, if it still holds."""
    try:
        kept = json.loads(_path(cls, engine, effort).read_text(encoding="utf-8"))
        return Ledger.from_data(kept)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def store(cls: LossClass, engine: str, effort: Effort, ledger: Ledger) -> None:
    """Keep what was measured."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(_path(cls, engine, effort), json.dumps(ledger.as_data()).encode())


def _path(cls: LossClass, engine: str, effort: Effort) -> Path:
    text = "\n".join((_text(inspect.getfile(cls)), texts_of(engine), json.dumps(asdict(effort))))
    return folder() / f"{cls.name}-{engine}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


@cache
def _text(file: str) -> str:
    """The text of a file, such as that of a loss's rules."""
    return Path(file).read_text(encoding="utf-8")


@cache
def texts_of(engine: str) -> str:
    """The texts and versions that all answers of an engine depend on, as of the first time this is asked."""
    patterns = (*SHARED, f"src/losskit/engines/{engine}/*.py")
    texts = [path.read_text(encoding="utf-8") for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return "\n".join([*texts, *versions(engine)])


def versions(*engines: str) -> list[str]:
    """What computed the answers, and what the truth."""
    names = dict.fromkeys(("numpy", *engines, "mpmath"))
    return [f"{name} {importlib.metadata.version(name)}" for name in names]
