"""How often 95 % intervals of AUROC, average precision, Brier score and calibration error hold the truth.

People are made from random numbers: how often each shows an action unit varies between them as in
`benchmarks/interval_coverage.py`, and so do the reach and the offset of their scores. The truth is that of
4,000 people. Printed per number of people: coverage of single action units (present in 10, 20 and 40 % of the
frames) and of their mean; and how often the test of a gap says p ≤ 0.05 of two groups that are alike.

    python benchmarks/ranking_coverage.py [--replicates 400] [--people 9 14 27]
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from aukit.metrics import (
    auroc,
    average_precision,
    brier_score,
    calibration_intervals,
    confusion_counts,
    expected_calibration_error,
    f1_from_counts,
    group_permutation_test,
    grouped_calibration_sums,
    ranking_intervals,
)

Floats = npt.NDArray[np.float64]

PREVALENCE = np.array([0.1, 0.2, 0.4])
FRAMES = 100
FUNCTIONS = {
    "auroc": auroc,
    "average_precision": average_precision,
    "brier": brier_score,
    "ece": expected_calibration_error,
}


def frames_of(rng: np.random.Generator, people: int) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Probabilities and labels [n, A], person [n]."""
    shape = (people, 1, len(PREVALENCE))
    rate = expit(logit(PREVALENCE) + rng.normal(0, 0.6, (people, 1, 1)) + rng.normal(0, 0.9, shape))
    labels = (rng.random((people, FRAMES, len(PREVALENCE))) < rate).astype(np.float64)
    reach, offset = 1.5 * np.exp(rng.normal(0, 0.3, shape)), rng.normal(0, 0.6, shape)
    evidence = reach * (2 * labels - 1) + offset + rng.normal(0, 1.3, labels.shape)
    person = np.repeat(np.arange(people), FRAMES)
    return expit(evidence).reshape(-1, len(PREVALENCE)), labels.reshape(-1, len(PREVALENCE)), person


def gap(sums: Floats) -> Floats:
    f1 = f1_from_counts(sums)
    return np.asarray(f1.max(1) - f1.min(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--people", type=int, nargs="+", default=[9, 14, 27])
    given = parser.parse_args()
    scores, labels, _ = frames_of(np.random.default_rng(0), 4000)
    truth = {name: function(scores, labels) for name, function in FUNCTIONS.items()}
    truth = {name: np.append(value, value.mean()) for name, value in truth.items()}
    for people in given.people:
        rng = np.random.default_rng(people)
        held: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in truth}
        for _ in range(given.replicates):
            scores, labels, person = frames_of(rng, people)
            groups, names = ["all"] * len(person), ("all",)
            found = ranking_intervals(scores, labels, person, groups, names)
            found |= calibration_intervals(grouped_calibration_sums(scores, labels, person, groups, names))
            for name, value in truth.items():
                interval = found[f"overall_{name}"]
                held[name].append((interval.low <= value) & (value <= interval.high))
        for name, each in held.items():
            *single, mean = np.mean(each, axis=0)
            print(f"{people:3} people  {name:18} single {np.round(single, 3)}  mean {mean:.3f}")
        rng, small = np.random.default_rng(people + 100), []
        for _ in range(5 * given.replicates):  # it is quick
            counts = confusion_counts(*frames_of(rng, people))
            small.append(group_permutation_test(counts, np.arange(people) % 2, 2, gap, 499) <= 0.05)
        print(f"{people:3} people  p <= 0.05 of groups that are alike {np.mean(small, axis=0).round(3)}")


if __name__ == "__main__":
    main()
