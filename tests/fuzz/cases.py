"""Cases: corruptions applied to releases and weights, each with its own chance."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from tests.fuzz import (
    checkpoints,
    frame_labels,
    healthy,
    image_rows,
    images,
    labels,
    names,
    places,
    sidecars,
    videos,
    weights,
)
from tests.fuzz.catalogue import CATALOGUE, Corruption, Release, copy
from tests.fuzz.judge import Verdict, check_and_prepare, in_process, judge_release

__all__ = ["Case", "Workshop", "cases"]

_GROUPS = (
    labels,
    frame_labels,
    image_rows,
    names,
    videos,
    images,
    places,
    sidecars,
    weights,
)  # imported: they fill the catalogue


@dataclass(frozen=True)
class Case:
    """One corruption, once.

    Attributes:
        corruption: Which.
        corpus: Name of the corpus, or kind of weights.
        repetition: 0, 1, …: the same corruption with other chance.
        seed: Of the run.
    """

    corruption: Corruption
    corpus: str
    repetition: int
    seed: int

    @property
    def name(self) -> str:
        """Unique name, such as ``labels.semicolons-bp4d-0``."""
        return f"{self.corruption.group}.{self.corruption.name}-{self.corpus}-{self.repetition}"

    @property
    def rng(self) -> np.random.Generator:
        """The chance of the case, the same in every run."""
        return np.random.default_rng([self.seed, *self.name.encode()])


def cases(seed: int, corpora: int, weights: int) -> list[Case]:
    """The first `corpora` cases of releases and `weights` of weights: every kind before any comes again."""
    found = []
    for count, of_weights in ((corpora, False), (weights, True)):
        pairs = [(c, on) for c in CATALOGUE if (c.group == "weights") == of_weights for on in c.corpora]
        order = np.random.default_rng(seed).permutation(len(pairs))
        for index, place in enumerate(islice(cycle(order), count)):
            found.append(Case(*pairs[int(place)], index // len(pairs), seed))
    return found


class Workshop:
    """Judges cases in a folder in which the healthy releases are made once.

    Args:
        folder: Where.
        keep: Whether damaged releases stay.
    """

    def __init__(self, folder: Path, keep: bool = False) -> None:
        self.folder, self.keep = folder, keep

    @cached_property
    def releases(self) -> dict[str, Path]:
        """The healthy releases."""
        return {corpus: healthy.write(corpus, self.folder / "healthy" / corpus) for corpus in healthy.CORPORA}

    @cached_property
    def usual(self) -> dict[str, frozenset[str]]:
        """Lines that the commands print of the healthy releases."""
        out = self.folder / "stores"
        printed = {c: check_and_prepare(c, root, out / c) for c, root in self.releases.items()}
        assert not any(status for status, _ in printed.values()), printed
        return {corpus: frozenset(text.splitlines()) for corpus, (_, text) in printed.items()}

    @cached_property
    def weights(self) -> Path:
        """The healthy files of weights."""
        return checkpoints.write(self.folder / "healthy" / "weights")

    def judge(self, case: Case) -> Verdict:
        """Damage a copy and judge it."""
        root = self.folder / case.name
        of_weights = case.corruption.group == "weights"
        copy(self.weights if of_weights else self.releases[case.corpus], root)
        try:
            if of_weights:
                case.corruption.change(checkpoints.Weights(root, case.corpus, case.rng))
                return in_process(lambda: checkpoints.judge_weights(case.corpus, root), memory=1 << 30)
            usual = self.usual[case.corpus]
            case.corruption.change(Release(root, case.corpus, case.rng))
            return in_process(lambda: judge_release(case.corpus, root, usual))
        finally:
            if not self.keep:
                for folder in (root, *root.parent.glob(f"{root.name}-*")):
                    shutil.rmtree(folder, ignore_errors=True)
