"""Every code block of the documentation is executed, and what is generated is fresh."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import losskit as lk

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LOSSES = sorted((ROOT / "docs" / "losses").glob("*.md"))
"""The pages that are written by docs/generate.py."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, *languages):
    return [
        text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_what_it_is(page):
    assert not blocks(page, ""), "a code block without a language is not executed"
    assert {language for language, _ in BLOCK.findall(page.read_text())} <= {"python", "console"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(page, tmp_path)


def run(page, folder):
    """Execute a page as a program; from a real file, since kernels are compiled from the text of the rules."""
    script = folder / f"{page.stem.lower()}_page.py"
    script.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(script.stem, script)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_pages_of_losses_run(tmp_path, capsys):
    with lk.use_engine("numpy"):  # the kernels' answers are those of the docstrings, which are tested too
        for page in LOSSES:
            run(page, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_run(page, tmp_path, monkeypatch):
    from losskit.commands import app

    monkeypatch.chdir(tmp_path)
    for line in "\n".join(blocks(page, "console")).splitlines():
        if line.startswith("$ "):
            program, *arguments = shlex.split(line[2:])
            assert program == "losskit"
            result = CliRunner().invoke(app, arguments)
            assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.fixture(scope="module")
def generate():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield importlib.import_module("generate")


def test_what_is_generated_is_fresh(generate):
    stale = [
        path.name for path, text in generate.pages() if not path.exists() or path.read_text("utf-8") != text
    ]
    assert not stale, "run make docs"


def test_every_loss_has_a_page_and_a_picture(generate):
    files = {path.name for path in (ROOT / "docs" / "losses").iterdir()}
    names = {cls.name for cls in generate.built_in()}
    assert files == {f"{name}.{suffix}" for name in names for suffix in ("md", "svg")} | {"README.md"}


def test_links_lead_somewhere():
    for page in (*PAGES, *LOSSES):
        for link in re.findall(r"\]\(([^):#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_loss_is_documented():
    from losskit.catalogue import all_losses

    for cls in all_losses():
        if cls.__module__.startswith("losskit.losses."):
            about = cls.about
            for fact in ("formula", "tasks", "estimates", "strengths", "weaknesses", "uses", "references"):
                assert getattr(about, fact), f"{cls.__name__}.about has no {fact}"
            assert all(": " in line for line in about.elsewhere), "a library's name, a colon, what differs"
            assert ">>>" in (cls.__doc__ or ""), f"{cls.__name__} has no example"
            assert cls.__name__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
