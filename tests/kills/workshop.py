"""Run a case undisturbed, then again with kills until it ends, and compare the folders."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.kills.cases import CASES, Case
from tests.kills.commands import Command
from tests.kills.tree import contents, differences, leftovers

OUTCOMES = ("equal", "differs", "fails", "rude")
"""It goes on and ends with the same bytes; with others; not at all; it leaves something or ends badly."""

_LONGEST = 1800.0  # seconds of an attempt


@dataclass(frozen=True)
class Reference:
    """A case that nothing disturbed.

    Attributes:
        folder: Where it ran.
        seconds: How long.
        contents: What its folder then held.
    """

    folder: Path
    seconds: float
    contents: Counter[tuple[str, str]]


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes:
        outcome: One of `OUTCOMES`.
        stops: How and after how many seconds it was stopped, one for each stop that found it at work.
        temporary: Files left in the system's folder of temporary files.
        detail: What went wrong.
    """

    outcome: str
    stops: tuple[tuple[str, float], ...]
    temporary: int
    detail: str


class Workshop:
    """Folders and references of all cases.

    Args:
        folder: Where everything is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._references: dict[str, Reference] = {}

    def reference(self, case: Case) -> Reference:
        """Run a case to its end, once."""
        if case.name not in self._references:
            folder = self._lay_out(case, "reference")
            began = time.monotonic()
            with Command(case.words, folder) as command:
                status = command.wait(_LONGEST)
                seconds = time.monotonic() - began
                survivors = command.survivors()
            assert status == 0, f"{case.name} fails undisturbed: {command.output()[-3000:]}"
            assert not survivors, f"{case.name}: {survivors}"
            self._references[case.name] = Reference(folder, seconds, contents(folder))
        return self._references[case.name]

    def judge(self, case: Case, ways: tuple[str, ...], rng: np.random.Generator, number: int) -> Verdict:
        """Stop a case in these ways, one after the other, each at a random moment; then let it end."""
        reference = self.reference(case)
        folder = self._lay_out(case, f"killed-{number}")
        stops: list[tuple[str, float]] = []
        rude: list[str] = []
        left = reference.seconds
        for way in ways:
            delay = float(rng.uniform(1.0, max(0.8 * left, 3.0)))
            with Command(case.words, folder) as command:
                if (status := command.wait(delay)) is None:
                    way = "group" if way == "worker" and not command.workers() else way
                    stops.append((way, round(delay, 1)))
                    rude.append(command.stop(way))
                    left -= delay / 2  # what was half done is done again
                rude += command.survivors()
            if status not in (None, 0):
                return Verdict("fails", tuple(stops), 0, command.output()[-3000:])
        with Command(case.words, folder) as command:
            status = command.wait(_LONGEST)
            rude += command.survivors()
        temporary = sum(path.is_file() for path in (folder / "tmp").rglob("*"))
        shutil.rmtree(folder / "tmp")
        if status != 0:
            return Verdict("fails", tuple(stops), temporary, command.output()[-3000:])
        if unlike := differences(reference.contents, contents(folder)):
            return Verdict("differs", tuple(stops), temporary, "\n".join(unlike))
        rude += [f"left behind: {name}" for name in leftovers(folder)]
        detail = "\n".join(filter(None, rude))
        if not detail:
            shutil.rmtree(folder)
        return Verdict("rude" if detail else "equal", tuple(stops), temporary, detail)

    def _lay_out(self, case: Case, kind: str) -> Path:
        """A folder with the inputs of a case."""
        inputs = {
            name: self.reference(_case(made_by)).folder / source for name, made_by, source in case.inputs
        }
        folder = self.folder / f"{kind}-{case.name.replace(' ', '-')}"
        folder.mkdir(parents=True)
        for name, source in inputs.items():
            shutil.copytree(source, folder / name)  # with the times of the files
        if case.setup is not None:
            case.setup(folder)
        return folder


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)
