"""A threshold per AU from people of the source, the same for all groups."""

from __future__ import annotations

import numpy as np

from aukit.datasets.person_ids import spelling
from aukit.errors import ConfigError
from aukit.fairness.predictions import Floats, Predictions


def validated_thresholds(validation: Predictions, tested: Predictions) -> tuple[Floats, list[str]]:
    """The thresholds with the best F1 on the frames of everybody in a validation set.

    They are chosen for all groups jointly: one per group would need to know the group of a face when it is
    read, and would hide a difference between groups instead of showing it.

    Args:
        validation: Predictions on people whom the training did not see.
        tested: What will be scored with them.

    Returns:
        A threshold per AU of `tested`, and notes. Of equally good ones the one nearest to the usual threshold
        counts, which also stays where an AU has no validation frame of both kinds.

    Raises:
        ConfigError: The two share people, or an AU or the meaning of the scores differs.
    """
    known = set(map(spelling, validation.people))
    if shared := sorted(person for person in tested.people if spelling(person) in known):
        raise ConfigError(
            f"{validation.source}: {len(shared)} people, {shared[0]} for instance, are in {tested.source}"
            " too; thresholds chosen on tested people say nothing of new ones: name predictions of others"
        )
    if missing := [au for au in tested.aus if au not in validation.aus]:
        raise ConfigError(f"{validation.source}: has no AU {missing[0]}, which {tested.source} has")
    if validation.rule != tested.rule:
        raise ConfigError(
            f"{validation.source}: {validation.rule}; {tested.source}: {tested.rule}: scores must be the same"
        )
    chosen = tested.thresholds.copy()
    notes = []
    for place, au in enumerate(tested.aus):
        column = validation.aus.index(au)
        best = _best(validation.scores[:, column], validation.present[:, column], chosen[place])
        if best is None:
            notes.append(f"AU{au}: no validation frames of both kinds; its threshold stays {chosen[place]:g}")
        else:
            chosen[place] = best
    return chosen, notes


def _best(scores: Floats, labels: Floats, usual: float) -> float | None:
    """The threshold with the greatest F1, in the middle between two scores; None without both kinds."""
    there = ~(np.isnan(scores) | np.isnan(labels))
    scores, labels = scores[there], labels[there]
    if not 0 < labels.sum() < len(labels):
        return None
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order]
    last = np.append(scores[1:] != scores[:-1], True)
    hits, decided = np.cumsum(labels)[last], np.flatnonzero(last) + 1
    f1 = 2 * hits / (decided + labels.sum())
    steps = scores[last]
    # A score above the threshold is present: between a step and the next lower one any threshold is the same.
    lower = np.append(steps[1:], -np.inf)
    good = np.flatnonzero(f1 >= f1.max() - 1e-12)
    within = [usual if lower[i] <= usual < steps[i] else _between(lower[i], steps[i]) for i in good]
    return float(min(within, key=lambda threshold: (abs(threshold - usual), threshold)))


def _between(low: float, high: float) -> float:
    return np.nextafter(high, -np.inf) if np.isinf(low) else (low + high) / 2
