"""docs/tutorials, each page run as it stands in an empty folder: its files, its commands, what they print.

A block of text behind a command is what that command prints, whatever the numbers; … stands for more of it.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from aukit.cli import main

PAGES = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
#: Pages that take seconds; the others take up to a minute each.
QUICK = ("detect", "fairness")
BLOCK = re.compile(r"^```(\w+)\n(?:# (\S+\.\w+)\n)?(.*?)^```|^((?: {4}[^\n]+\n)+)", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """A command, and what the page shows of its output, if anything."""

    command: str
    shown: str


def read(page: Path) -> tuple[dict[str, str], list[Step]]:
    """Files that a page writes, and its steps."""
    files: dict[str, str] = {}
    steps: list[Step] = []
    for language, name, content, commands in BLOCK.findall(page.read_text(encoding="utf-8")):
        if name:
            files[name] = content
        elif language == "text":
            steps[-1] = steps[-1]._replace(shown=content)
        else:
            steps += [Step(line.strip(), "") for line in commands.replace("\\\n", " ").splitlines()]
    return files, steps


def shape(text: str) -> str:
    """A text without what was measured, and without the widths that follow from it."""
    lines = [re.sub(r"-{2,}", "-", " ".join(line.split())) for line in text.splitlines()]
    return re.sub(
        r"–|(?:(?<!\w)[−+-])?\d+(?:,\d{3})*(?:\.\d+)?", "#", "\n".join(line for line in lines if line)
    )


def said(step: Step) -> tuple[int, str]:
    """Status of a command, and what it prints."""
    program, *words = shlex.split(step.command)
    if program == "cat":
        return 0, "".join(file.read_text() for word in words for file in sorted(Path().glob(word)))
    if program == "python":
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout
    assert program == "aukit"
    with redirect_stdout(StringIO()) as text, redirect_stderr(StringIO()) as refusal:
        status = main(words)
    return status, text.getvalue() or refusal.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty folder; no SLURM is in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "path", list(sys.path))  # commands add the folder
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


@pytest.mark.parametrize(
    "page",
    [page if page.stem in QUICK else pytest.param(page, marks=pytest.mark.slow) for page in PAGES],
    ids=lambda page: page.stem,
)
def test_a_page_runs_as_it_stands(page, folder):
    files, steps = read(page)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    assert any(step.shown for step in steps)
    for step in steps:
        status, text = said(step)
        assert status == (2 if step.shown.startswith("aukit: ") else 0), f"{step.command}\n{text}"
        expected = re.escape(shape(step.shown)).replace("…", ".*?")
        assert re.search(expected, shape(text), re.DOTALL), (
            f"{step.command}\n{shape(text)}\n{shape(step.shown)}"
        )
