"""Damaged releases and weights: no traceback, no hang, nothing lost or shifted in silence."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aukit.store import PreparedStore
from tests.fuzz import healthy, judge
from tests.fuzz.cases import Case, Workshop, cases
from tests.fuzz.catalogue import CATALOGUE
from tests.fuzz.judge import FAULTS, Verdict, in_process

SEED = 0
SHARE = {
    "labels": 16,
    "frame_labels": 6,
    "image_rows": 6,
    "names": 6,
    "videos": 14,
    "images": 6,
    "places": 8,
    "sidecars": 6,
    "weights": 10,
}  # 78 in all


def _sample() -> list[Case]:
    """Some cases of each group, one of a kind."""
    every = cases(SEED, 1000, 300)
    of_kind = {case.corruption.name: case for case in reversed(every)}
    groups = {group: [c for c in of_kind.values() if c.corruption.group == group] for group in SHARE}
    return [c for g, count in SHARE.items() for c in groups[g][:: len(groups[g]) // count][:count]]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("fuzz"))


def _assert_no_fault(workshop: Workshop, case: Case) -> None:
    verdict = workshop.judge(case)
    if not (case.corruption.undetectable and verdict.outcome == "silent"):
        assert verdict.outcome not in FAULTS, f"{case.corruption.text}\n{verdict.detail}"


@pytest.mark.slow
@pytest.mark.parametrize("case", _sample(), ids=lambda case: case.name)
def test_some_of_each_kind(workshop: Workshop, case: Case) -> None:
    _assert_no_fault(workshop, case)


@pytest.mark.heavy
@pytest.mark.parametrize("case", cases(SEED, 840, 90), ids=lambda case: case.name)
def test_all(workshop: Workshop, case: Case) -> None:
    _assert_no_fault(workshop, case)


def test_the_catalogue_says_what_is_right() -> None:
    assert len({corruption.name for corruption in CATALOGUE}) == len(CATALOGUE)
    blind = [corruption.name for corruption in CATALOGUE if corruption.undetectable]
    assert len(blind) <= len(CATALOGUE) // 20, f"few things cannot be seen: {blind}"


def test_hangs_memory_and_deaths_are_caught() -> None:
    def wait() -> Verdict:
        time.sleep(60)
        return Verdict("right", "")

    def fill() -> Verdict:
        return Verdict("right", str(len(bytearray(3 << 30))))

    assert in_process(wait, seconds=0.5).outcome == "hang"
    assert in_process(fill, memory=1 << 30).outcome == "traceback"
    assert in_process(lambda: os._exit(3)).outcome == "hang"
    assert in_process(lambda: Verdict("right", "x")) == Verdict("right", "x")


@pytest.mark.parametrize("corpus", healthy.CORPORA)
def test_the_judge_is_not_blind(
    workshop: Workshop, corpus: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    judge.check_and_prepare(corpus, workshop.releases[corpus], tmp_path)
    store = PreparedStore(next(path for path in tmp_path.iterdir() if path.is_dir()))
    assert judge.compare(corpus, store, []) == Verdict("right", "")
    places, crops = judge.truth(corpus)

    def verdict(places: list[tuple[healthy.Recording, int]], crops: np.ndarray) -> Verdict:
        monkeypatch.setattr(judge, "truth", lambda _: (places, crops))
        return judge.compare(corpus, store, [])

    moved = [
        replace(
            r,
            labels={name: np.roll(codes, 1) for name, codes in r.labels.items()},
            attributes={name: f"not {said}" for name, said in r.attributes.items()},
        )
        for r, _ in places
    ]
    shifted = verdict([(r, place) for r, (_, place) in zip(moved, places, strict=True)], crops)
    assert shifted.outcome == "silent"
    assert "shows" in shifted.detail
    garbage = verdict(places, np.where(np.arange(judge.healthy.CROP)[:, None] > 27, 255 - crops.T, crops.T).T)
    assert garbage.outcome == "silent"
    assert "garbage" in garbage.detail
    other = replace(places[0][0], subject="X")
    lost = verdict([*places, (other, 0)], np.concatenate([crops, np.zeros((1, *crops.shape[1:]))]))
    assert lost.outcome == "silent"
    assert "lost, 0 excluded" in lost.detail
