"""The finished fits of a comparison, on disk: what an interrupted run leaves, and the next one goes on from.

One JSON line a fit, in the user's cache. The file is named by everything that decides the fits but the data; its
first line has the data's fingerprint, so that a file which has changed since is noticed.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from losskit.advisor.data.table import Table
from losskit.errors import InputError


class Interrupted(KeyboardInterrupt):
    """A comparison was stopped; ``kept`` of its ``total`` fits are on disk."""

    def __init__(self, kept: int, total: int) -> None:
        super().__init__(f"stopped with {kept} of {total} fits kept")
        self.kept, self.total = kept, total


class Journal:
    """Records by key, each written as it comes; without a folder, in memory only."""

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self.path: Path | None = None
        self.note = ""
        """What to tell of an earlier run's fits."""

    @classmethod
    def on_disk(cls, plan: dict[str, Any], table: Table, resume: bool) -> "Journal":
        """The journal of a plan; with ``resume`` it begins with what an interrupted run has left."""
        journal = cls()
        text = json.dumps({**plan, "source": table.source, "target": table.target}, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        path = folder() / f"{name}.jsonl"
        head = {"data": fingerprint(table)}
        if resume:
            journal._read(path, head)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lines = [head, *({"key": k, "record": r} for k, r in journal.records.items())]
            begun = path.with_suffix(".new")
            begun.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
            begun.replace(path)
        except OSError as error:
            if resume:
                raise InputError(f"{path}: fits cannot be kept there: {error.strerror or error}.") from None
            return journal
        journal.path = path
        return journal

    def put(self, key: str, record: Any) -> None:
        """Keep the record of a fit."""
        self.records[key] = record
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "record": record}) + "\n")

    def close(self) -> None:
        """Forget the fits: the comparison is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _read(self, path: Path, head: dict[str, Any]) -> None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError:
            self.note = "no interrupted run to resume: every fit is new"
            return
        parsed = [line for line in map(_parsed, lines) if line is not None]
        if not parsed or parsed[0] != head:
            self.note = "the data have changed since the interrupted run: every fit is new"
            return
        self.records = {line["key"]: line["record"] for line in parsed[1:]}
        self.note = f"resumed with {len(self.records)} fits of an interrupted run"


def _parsed(line: str) -> Any:
    """A line, or None for one that a sudden end has cut short."""
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def folder() -> Path:
    """Where journals live: a folder beside the compiled kernels."""
    return Path(os.environ.get("LOSSKIT_CACHE_DIR") or platformdirs.user_cache_dir("losskit")) / "comparisons"


def fingerprint(table: Table) -> str:
    """A hash of everything in a table that a fit depends on."""
    digest = hashlib.sha256()
    for part in (table.names, table.categories, table.labels.tolist()):
        digest.update(json.dumps(part).encode())
    digest.update(np.ascontiguousarray(table.features).tobytes())
    return digest.hexdigest()
