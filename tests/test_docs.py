"""Every code block of the documentation is executed, and what is generated is fresh."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
    # A real file, since kernels are compiled from the text of the rules.
    script = tmp_path / f"{page.stem.lower()}_page.py"
    script.write_text("\n".join(blocks(page, "python")), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(script.stem, script)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


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


def test_table_of_losses_is_fresh():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == generate.with_table(text), "run python docs/generate.py"


def test_every_loss_is_documented():
    from losskit.catalogue import all_losses

    for cls in all_losses():
        if cls.__module__.startswith("losskit.losses."):
            about = cls.about
            for fact in ("formula", "tasks", "estimates", "strengths", "weaknesses", "uses", "references"):
                assert getattr(about, fact), f"{cls.__name__}.about has no {fact}"
            assert ">>>" in (cls.__doc__ or ""), f"{cls.__name__} has no example"
            assert cls.__name__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
