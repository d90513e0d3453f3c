"""docs/files.md says what the code reads: corpora, names of files, columns, endings, tools, weights."""

import re
from pathlib import Path

import pytest

from aukit.cli import main
from aukit.cli.detect import TOOLS
from aukit.datasets import images, sidecars
from aukit.datasets.registry import corpus_entry, corpus_names
from aukit.datasets.table_columns import KNOWN

PAGE = (Path(__file__).parents[1] / "docs" / "files.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
RELEASES = [name for name in corpus_names(released=True) if name != "table"]


@pytest.mark.parametrize("name", corpus_names())
def test_every_corpus_has_a_row(name):
    entry = corpus_entry(name)
    assert entry.title in ROWS[name]
    assert not entry.released or f"`{entry.root_variable}`" in ROWS[name]


@pytest.mark.parametrize("name", RELEASES)
def test_readers_know_the_names_of_files(name, tmp_path):
    _, frames, labels = (re.findall(r"`([^`]+\.\w+)`", cell) for cell in ROWS[name].split(" | "))
    for example in frames:
        root = tmp_path / example.replace("/", "-")
        for file in (example, *labels):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).touch()
        for file, content in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
            (root / file).write_text(content)
        release = corpus_entry(name).load("reader")(root)
        assert len(release.videos) == 1
        assert not release.unrecognised
        (root / "another 1.mp4").touch()
        others = corpus_entry(name).load("reader")(root).unrecognised
        assert others == ([] if name == "multipie" else ["another 1.mp4"])  # Multi-PIE counts folders' names


def test_columns_endings_and_tools():
    named = {*images.ENDINGS, *sidecars.ENDINGS, *KNOWN, *TOOLS}
    assert {word for word in named if f"`{word}`" not in PAGE} == set()


def test_kinds_of_weights(capsys):
    with pytest.raises(SystemExit):
        main(["weights", "import", "--help"])
    (kinds,) = re.findall(r"\{([\w,]+)\} FILE", " ".join(capsys.readouterr().out.split()))
    assert {kind for kind in kinds.split(",") if f"`{kind}`" not in PAGE} == set()
