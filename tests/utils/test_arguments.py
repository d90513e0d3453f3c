import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from aukit.utils.arguments import add_options


class Reader:
    """Reads.

    Args:
        root: Folder.
        camera: Which camera, 100 % of the frames.
            And more of it.
        views: Views to read.
        threshold: Least intensity.
        columns: A file.
        strict: Whether to be strict.
    """

    def __init__(
        self,
        root: str | Path,
        camera: Literal["left", "right"] = "left",
        views: Sequence[int] = (6,),
        threshold: Literal[1, 2, 3] = 2,
        columns: str | Path | None = None,
        strict: bool = False,
    ) -> None: ...


def parsed(*words: str, **options):
    parser = argparse.ArgumentParser()
    names = add_options(parser, Reader, **options)
    return {name: getattr(parser.parse_args(words), name) for name in names}


def test_arguments_with_a_default_become_options_of_their_type():
    assert parsed() == {"camera": "left", "views": (6,), "threshold": 2, "columns": None, "strict": False}
    given = parsed(
        "--camera", "right", "--views", "5", "6", "--threshold", "3", "--columns", "x.yaml", "--strict"
    )
    assert given == {
        "camera": "right", "views": [5, 6], "threshold": 3, "columns": Path("x.yaml"), "strict": True,
    }  # fmt: skip


def test_some_of_them_with_another_default():
    assert parsed(names=("views", "strict"), default=None) == {"views": None, "strict": None}
    assert parsed("--root", "r", names=("root",), default=None) == {
        "root": Path("r")
    }  # needs none of its own
    assert set(parsed(skip=("views", "strict"))) == {"camera", "threshold", "columns"}


@pytest.mark.parametrize("words", [["--camera", "up"], ["--threshold", "9"], ["--views", "six"]])
def test_other_values_are_refused(words):
    with pytest.raises(SystemExit):
        parsed(*words)


def test_the_help_is_the_docstring(capsys):
    with pytest.raises(SystemExit):
        parsed("--help")
    printed = " ".join(capsys.readouterr().out.split())
    assert "Which camera, 100 % of the frames. And more of it (default: left)" in printed


def test_a_type_that_no_option_can_give():
    class Odd:
        def __init__(self, mapping: dict[str, int] = {}) -> None: ...  # noqa: B006

    with pytest.raises(TypeError, match="Odd: no command line option can give mapping"):
        add_options(argparse.ArgumentParser(), Odd)
