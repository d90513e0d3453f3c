"""Rendered stand-ins for tests, and what several tests ask of them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aukit.datasets import Release
from aukit.simulation import FERA2017SimulationConfig, FERA2017Standin, SimulationConfig, Standin

_written: dict[str, FERA2017Standin] = {}


def smoke_fera2017(tmp_path_factory: pytest.TempPathFactory) -> FERA2017Standin:
    """FERA 2017 with 9 people, 18 videos of 12 frames; written once per process: copy it before a change."""
    if "fera2017" not in _written:
        _written["fera2017"] = written(tmp_path_factory, FERA2017Standin, FERA2017SimulationConfig.smoke())
    return _written["fera2017"]


def written(tmp_path_factory: pytest.TempPathFactory, kind: Any, config: SimulationConfig) -> Any:
    """A stand-in in a folder of its own, its sealed truth beside it."""
    folder = tmp_path_factory.mktemp(config.corpus)
    standin = kind(folder / config.corpus, folder / f"{config.corpus}-truth", config)
    standin.write(workers=0, progress=False)
    return standin


def file_contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


_opened: list[list[str]] = []  # lists that are being filled


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        for names in _opened:
            names.append(str(arguments[0]))


sys.addaudithook(_note)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Names of all files that this process opens meanwhile."""
    names: list[str] = []
    _opened.append(names)
    try:
        yield names
    finally:
        _opened[:] = [other for other in _opened if other is not names]


def opened_while_reading(reader: type[Release], standin: Standin) -> list[str]:
    """Names of all files that are opened when a reader reads everything of a stand-in."""
    with opened_files() as names:
        corpus = reader(standin.root)
        _ = corpus.table, corpus.fingerprint(), corpus.standin
        corpus.sidecar_landmarks(corpus.videos[0])
        list(corpus.decode(corpus.videos[0]))
    assert any("STANDIN.json" in name for name in names)  # the trace works
    return names
