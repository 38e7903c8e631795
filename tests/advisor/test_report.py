"""The report of a comparison: one file, nothing from elsewhere, nothing that a column's name could smuggle in."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import losskit as lk
from losskit.advisor import Comparison, compare
from losskit.advisor.comparison import report as reporting
from losskit.advisor.comparison.report import report, write_report
from losskit.errors import InputError

HOSTILE = '<script>alert("1")</script>&'


@pytest.fixture(scope="module")
def result() -> Comparison:
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    labels = np.where(x + 0.5 * rng.normal(size=60) > 0, "yes", '"><img src=x onerror=1>')
    options: dict[str, Any] = {"model": "linear,network", "seeds": 2, "folds": 2, "repeats": 1}
    with lk.use_engine("numpy"):
        found = compare({"x": x, HOSTILE: labels}, HOSTILE, ["focal", "squared_hinge"], **options)
    best, *others = found.scores
    return replace(found, scores=(replace(best, tuned=(1.0, 2.5)), *others))


@pytest.fixture(scope="module")
def page(result: Comparison) -> str:
    return report(result)


class Reader(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_says_what_was_found(page: str, result: Comparison) -> None:
    text = " ".join(Reader(page).text.split())
    for words in (
        " ".join(result.verdict.text.split()),
        *(score.label for score in result.scores),
        *(" ".join(reason.split()) for score in result.scores for reason in score.reasons),
        HOSTILE,
        "2 starts of each network",
        "Tuned value on each fold: 1, 2.5.",
        "area under the ROC curve",
    ):
        assert words in text


def test_nothing_runs_and_nothing_is_fetched(page: str) -> None:
    tags = Reader(page).tags
    assert not {"script", "link", "iframe", "object", "form", "a", "base"} & {tag for tag, _ in tags}
    assert not [
        name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"
    ]
    sources = [attributes["src"] or "" for tag, attributes in tags if tag == "img"]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,")
    assert base64.b64decode(sources[0].partition(",")[2]).startswith(b"\x89PNG")
    assert not re.search(r"https?:|url\(|@import", page)


def test_the_policy_names_the_style(page: str) -> None:
    policy = next(
        a["content"] for tag, a in Reader(page).tags if a.get("http-equiv") == "Content-Security-Policy"
    )
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{digest}'" in policy


def test_the_file_is_whole_or_as_it_was(
    result: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")

    def stop(comparison: Comparison) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reporting, "report", stop)
        with pytest.raises(KeyboardInterrupt):
            write_report(result, path)
    assert path.read_text() == "before"
    monkeypatch.setattr(reporting, "report", lambda comparison: f"<p>{comparison.rows} rows ±</p>")
    write_report(result, path)
    assert path.read_text(encoding="utf-8") == "<p>60 rows ±</p>"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "words"), [("report", "ends in .html"), (".", "ends in .html"), ("no/where.html", "no folder")]
)
def test_where_no_report_can_go(result: Comparison, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        write_report(result, tmp_path / name)
