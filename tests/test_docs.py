"""What README, docs and cards name is there: files, make targets, commands; the README's example runs."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from aukit.cli import parser
from aukit.cli.grammar import Parser
from aukit.sweeps.file import read_sweep, sweep_names
from aukit.training import load_config
from docs.house import ROOMS

ROOT = Path(__file__).parents[1]
PROSE_WIDTH = 132
#: First parts of paths of the repository, as the pages write them.
FOLDERS = ("aukit", "benchmarks", "docs", "experiments", "tests")


def pages() -> list[Path]:
    """Every page of the repository, but none of an environment or a run folder inside it."""
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "lightning_logs/README.md")
    return [
        *(ROOT / name for name in names),
        *(
            path
            for folder in ("aukit", "benchmarks", "docs")
            for path in sorted((ROOT / folder).rglob("*.md"))
        ),
    ]


each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())


@each_page
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)`", text)
    linked = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    missing += [link for link in linked if not (page.parent / link.partition("#")[0]).exists()]
    assert not missing


@each_page
def test_make_targets_that_a_page_names_exist(page):
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?:^ {4}(?:\w+=\S+ )*|`)make ([a-z][a-z0-9-]*)", text, flags=re.MULTILINE)
    assert set(named) <= {*targets, "reproduce-"}


@each_page
def test_prose_has_lines_that_fit(page):
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fenced ^= line.startswith("```")
        prose = not (fenced or line.startswith(("|", "    ", "![")))
        assert not prose or len(line) <= PROSE_WIDTH, f"line {number} has {len(line)} characters"


def test_contributing_lists_the_rooms_in_their_order():
    (listed,) = re.findall(
        r"^ {4}errors → .*?\n\n", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert " ".join(listed.split()) == " → ".join(", ".join(row) for row in ROOMS)


@pytest.mark.slow
def test_the_readme_s_library_use_runs(tmp_path, monkeypatch, capsys):
    (program,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "'image': (3, 64, 64)" in printed
    assert all(f"test/f1{name}" in printed for name in ("", "_AU6", "_AU12", "_female", "_male", "_gap"))


# --------------------------------------------------------------------------------------- commands


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """What stands behind `aukit` in each command of a page, and whether it is a line of a block: in full."""
    for line in text.replace("\\\n", " ").splitlines():
        if block := re.match(r"(?: {4})?(?:[A-Z]\w*=\S+ )*aukit (.*)", line):
            yield block[1], "…" not in block[1]
        else:
            for span in re.findall(r"`aukit ([^`]+)`", line):
                for command in alternatives(span.replace("\\|", "|")):
                    yield command, False


def alternatives(command: str) -> Iterator[str]:
    """The commands that one with `fit|test` stands for."""
    if choice := re.search(r"[\w-]+(?:\|[\w-]+)+", command):
        for word in choice[0].split("|"):
            yield from alternatives(command.replace(choice[0], word, 1))
    else:
        yield command


def words(command: str) -> list[str]:
    """The command's words, those in brackets too, without what stands for further ones: `…` and `$ROOTS`."""
    plain = re.sub(r"\[(--[^]]*)\]", r"\1", command)
    return [word for word in shlex.split(plain, comments=True) if not re.search(r"…|^\$\w+$", word)]


@each_page
def test_commands_of_a_page_are_understood(page, monkeypatch, capsys):
    """Grammar, options, corpora, experiments and keys; `example` is a corpus of another package."""
    text = page.read_text(encoding="utf-8")
    for command, in_full in commands(text):
        if "example" in command:
            continue
        try:
            given = parser().parse_args(words(command))
            if hasattr(given, "options"):  # of a corpus, read when the command runs
                with monkeypatch.context() as patch:
                    patch.setattr(Parser, "parse_args", parse_and_stop)
                    given.run(given)
            elif hasattr(given, "sweep"):
                if given.sweep in sweep_names():
                    point = read_sweep(given.sweep, given.overrides).command({})
                    load_config(point[point.index("-c") + 1], given.profile, given.overrides)
            elif names_an_experiment(given, text):
                load_config(given.config, given.profile, given.overrides)
        except SystemExit:
            refusal = capsys.readouterr().err
            assert not refusal or (not in_full and "are required" in refusal), f"aukit {command}\n{refusal}"


def names_an_experiment(given: argparse.Namespace, text: str) -> bool:
    """Whether a command is about one that is here: not NAME or FILE, and nothing that the page writes."""
    name = getattr(given, "config", None)
    if not name or name.isupper():
        return False
    written = re.findall(r"^# (\w+)\.(?:py|yaml)$|(\w+)\.yaml <<", text, flags=re.MULTILINE)
    own = {"".join(names) for names in written}
    return Path(name).stem not in own and not any(
        f"={own_name}." in " ".join(given.overrides) for own_name in own
    )


def parse_and_stop(command: Parser, rest: list[str]) -> None:
    """Read the words of a command and do not begin its work."""
    command.parse_known_args(rest)
    raise SystemExit
