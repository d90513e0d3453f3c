"""docs/tutorials/own_model.md, run as it stands: files, commands, the table at the end of a run."""

import re
import shlex
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from aukit.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "tutorials" / "own_model.md").read_text(encoding="utf-8")
TABLE = re.compile(r"^ +F1 .*?^mean.*?$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each command of the page prints, in a folder with the page's files and nothing else."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name, content in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        (folder / name).write_text(content)
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))  # the commands add the folder
        for line in re.findall(r"^    (aukit .*)$", PAGE.replace("\\\n", " "), re.MULTILINE):
            words = shlex.split(line)[1:]
            if words[:2] == ["avatars", "render"]:
                words += ["--workers", "0"]  # starting processes takes longer than twenty faces
            with redirect_stdout(StringIO()) as text:
                assert main(words) == 0, line
            said[" ".join(words)] = text.getvalue()
    for name in ("my_model", "my_head"):
        sys.modules.pop(name, None)
    return said


def shape(table: str) -> list[str]:
    """A table without what it measured."""
    return [re.sub(r"\d\.\d{3}|–", "#", " ".join(line.split())) for line in table.splitlines()]


def test_a_run_ends_with_the_table_that_the_page_shows(printed):
    (shown,) = TABLE.findall(PAGE)
    (found,) = TABLE.findall(printed["fit -c mine.yaml"])
    assert shape(found) == shape(shown)
    assert "[" in found
    assert "female" in found


def test_scores_are_grouped_by_a_column_of_the_user_s(printed):
    (found,) = TABLE.findall(printed["test -c mine.yaml logging.group_by=place"])
    assert "indoors" in found
    assert "outdoors" in found


def test_other_commands_of_the_page(printed):
    assert "20 frames" in printed["predict -c mine.yaml"]
    (fgnet,) = (text for command, text in printed.items() if "my_head.LevelHead" in command)
    assert TABLE.search(fgnet)
