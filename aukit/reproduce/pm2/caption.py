"""The sentences below PM2's tables: what was done, on whom, what the size can show and what not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aukit.models.weights import RANDOM
from aukit.reproduce.captions import (
    INTERVALS,
    DataFacts,
    crops_with_loss,
    data_sentence,
    landmarks_in_words,
    not_run_sentences,
    span_text,
    training_length,
)
from aukit.reproduce.pm2.weights import Choice
from aukit.reproduce.render.statistics_table import is_significant
from aukit.reproduce.scores import Span
from aukit.training.options import ORACLE
from aukit.utils.text import listing

COMPARED = ("F1", "F1 gap", "worst group's F1", "equal opportunity")
"""Statistics whose differences the caption names where they are significant."""

FAIRNESS = (
    "Gaps are the best minus the worst gender per AU, then the mean over AUs; a gap is never negative, so its"
    " interval leaves out 0 even where there is none: read the signed line. Demographic parity: of the share"
    " decided present, and no smaller than the base-rate gap even for a perfect detector; equal opportunity:"
    " of the true positive rate; equalized odds: the greater of the gaps of true and false positive rate."
)

LEAST_SEEDS = 5
"""Fewest trainings of each method after which a difference may be called significant or not."""


@dataclass(frozen=True)
class Facts:
    """What the sentences below all tables state.

    Attributes:
        data: Data origin and size.
        landmarks: Sources of landmarks of both corpora, as the stores name them.
        source_people: Number of people of the source who train, select and are held out.
        triplets: Number of frames with both avatars.
        triplets_by_gender: The same by gender.
        target_frames: Number of unlabelled frames adapted to.
        adapted_people: Number of people in them.
        adapted_to: Who these people are.
        tested_people: Number of people of the target who are tested.
        start: Configuration of a source-trained start.
        method: Configuration of a method's run.
        seeds: Seeds of the trainings.
        selections: Rules by which a checkpoint was chosen.
        above_all_positive: Source only minus the all-positive baseline, F1 on held-out people of the source.
        differences: ``"A - B"`` → statistic of `COMPARED` → method A minus method B; of every method minus
            source only, and of PM2 minus every rival.
        shares: Candidates of an alignment's share of the source loss's gradient.
        weighed_batches: Number of batches of each seed that gradients were measured on.
        weights: Method → weight of its alignment.
        other_weights: The same of ablations and of what is beyond the paper.
        beyond: What is beyond the paper → what its data are, as a `PairedDataModule` notes it.
        upper_bounds: What is trained on labels of the target.
        bound_selected_on: Number of people of the target by whose labels its checkpoint is selected.
        not_run: Methods and ablations that this size leaves out.
    """

    data: DataFacts
    landmarks: Sequence[str]
    source_people: Sequence[int]
    triplets: int
    triplets_by_gender: Mapping[str, int]
    target_frames: int
    adapted_people: int
    adapted_to: str
    tested_people: int
    start: Mapping[str, Any]
    method: Mapping[str, Any]
    seeds: Sequence[int]
    selections: set[str]
    above_all_positive: Span
    differences: Mapping[str, Mapping[str, Span]]
    shares: Sequence[float]
    weighed_batches: int
    weights: Mapping[str, Choice]
    other_weights: Mapping[str, Choice]
    beyond: Mapping[str, Mapping[str, Any]]
    upper_bounds: Sequence[str]
    bound_selected_on: int
    not_run: Sequence[str]


def caption(facts: Facts) -> list[str]:
    """Sentences below all tables."""
    return [
        data_sentence(
            facts.data,
            " The recipes of the data were fixed before any method ran.",
            " The avatars are rendered.",
        ),
        _people(facts),
        _trainings(facts),
        *([_weights(facts)] if facts.weights else []),
        selection_sentence(facts.selections),
        *([_upper_bound(facts)] if facts.upper_bounds else []),
        *(_beyond(name, notes) for name, notes in facts.beyond.items()),
        _scores(facts),
        baseline_sentence(facts.above_all_positive),
        *([_significant(facts.differences)] if len(facts.seeds) >= LEAST_SEEDS else []),
        _limits(facts),
        *not_run_sentences(facts.data.profile, facts.not_run, "; "),
        "Published: the tables of the paper were not at hand, so none of its numbers stands here.",
    ]


def differences_sentence(what: str, seeds: int) -> str:
    """What the differences are, and what may be said of them after so many seeds."""
    text = f"{what}, on the same people and seeds."
    if seeds < LEAST_SEEDS:
        return f"{text} {seeds} seeds are too few to call a difference significant or not."
    return (
        f"{text} n.s. = not significant: the 95 % interval holds 0. Nothing is corrected for the number of"
        " comparisons, so one in twenty would leave it out by chance."
    )


def people_sentence(frames: int, people: Mapping[str, int]) -> str:
    """Whom the scores of one table are of: frames, and people by gender."""
    unknown = f", {people['unknown']} of unknown gender" if people["unknown"] else ""
    return f"{frames:,} frames of {people['female']} women and {people['male']} men{unknown}."


def selection_sentence(selections: set[str]) -> str:
    """How checkpoints were chosen, and whose labels took part in that."""
    rules = f"Selection: {'; '.join(sorted(selections))}."
    if any(rule.endswith(ORACLE) for rule in selections):
        return f"{rules} An oracle sees the labels that it is tested by: its score is no result of a method."
    return (
        f"{rules} Validation people are of the source: no label of the target selects anything of a method."
    )


def _people(facts: Facts) -> str:
    train, select, held_out = facts.source_people
    women, men = facts.triplets_by_gender["female"], facts.triplets_by_gender["male"]
    frames = "real frames" if facts.data.standins is None else "stand-in frames"
    return (
        f"People of the source who train, select and are held out: {train}, {select} and {held_out}."
        f" {facts.triplets:,} {frames} ({women:,} of women, {men:,} of men), each with a female and a male"
        f" avatar. Adapted to {facts.target_frames:,} unlabelled frames of {facts.adapted_people}"
        f" {facts.adapted_to}; tested on {facts.tested_people} others."
    )


def _trainings(facts: Facts) -> str:
    model, data = facts.method["model"]["init_args"], facts.method["data"]["init_args"]
    size = data["source"]["init_args"]["size"]
    target = data.get("target_batch_size") or data["batch_size"]
    weights = facts.start["model"]["init_args"].get("weights")
    begun = "from random weights" if weights in (None, RANDOM) else f"from the weights {Path(weights).name}"
    landmarks = listing([landmarks_in_words(name) for name in facts.landmarks])
    kept = {part: crops_with_loss(data[part]["init_args"]) for part in ("source", "target", "avatars")}
    with_loss = "".join(f", {how} ({part})" for part, how in kept.items() if how)
    return (
        f"One source-trained start per seed (without avatars, {training_length(facts.start)} {begun}), shared"
        f" by all methods; then {training_length(facts.method)} of every method, source only included, with"
        f" {data['batch_size']} frames per labelled stream and {target} of the target, crops of {size} px"
        f" registered by landmarks of {landmarks}{with_loss}, {model['backbone']}, Adam {model['lr']:g}."
        f" Seeds: {', '.join(map(str, facts.seeds))}."
    )


def _weights(facts: Facts) -> str:
    """The rule for the weights of alignments, and what it gave."""
    shares, given = ", ".join(f"{share:g}" for share in facts.shares), _listed(facts.weights)
    chosen = f"ρ is {shares}: {given}"
    if len(facts.shares) > 1:
        chosen = (
            f"ρ is of {shares} the one with the best F1 on the people of the source who select, mean of the"
            f" seeds, of equals the smaller: {given}"
        )
    others = ""
    if facts.other_weights:
        others = (
            " An ablation, or what is beyond the paper, has PM2's ρ with its own gradients:"
            f" {_listed(facts.other_weights)}."
        )
    return (
        "Weight of an alignment, for every method alike: ρ times the norm of the source loss's gradient over"
        " that of the alignment's, with respect to the backbone, at the starts, means over the seeds and"
        f" {facts.weighed_batches} training batches of each at most, two digits. {chosen}.{others} The"
        " discrepancy of heads weighs 1 everywhere. Intervals do not hold what the choice adds."
    )


def _listed(weights: Mapping[str, Choice]) -> str:
    return "; ".join(f"{name} ρ {each.share:g}, weight {each.weight:g}" for name, each in weights.items())


def _upper_bound(facts: Facts) -> str:
    """What the upper bound has that no method has."""
    return (
        f"Upper bound ({', '.join(facts.upper_bounds)}), no method of adaptation and not ranked among them:"
        " trained from the same start, with the same network and number of steps, on frames of the people"
        " whom adaptation sees without labels, with their labels; its checkpoint is selected by F1 on"
        f" {facts.bound_selected_on} other people of the target. With few people and steps a method may"
        " pass it."
    )


def _beyond(name: str, notes: Mapping[str, Any]) -> str:
    """Which avatars PM2 has where no corpus drives them."""
    left_out = notes["real_training_frames_without_both_renders"]
    frames = notes["triplets"] + left_out
    return (
        f"Beyond the paper ({name}), and not ranked among the methods: PM2 with the avatars of `aukit avatars"
        f" dataset`, {notes['renders']:,} renders that no corpus drives, labelled with what moves their"
        " meshes. A frame goes with a woman and a man who show the same of these action units, and not its"
        f" expression; {left_out:,} of {frames:,} frames show what no pair does and are left out."
    )


def _scores(facts: Facts) -> str:
    return (
        "Scores: a mean probability of the heads above 0.5 is present; F1 per AU over all frames of the"
        f" people, mean over AUs; mean over the seeds. Brackets and the lines 95 %: {INTERVALS}. They also"
        f" hold what the {len(facts.seeds)} seeds differ by (Satterthwaite's degrees of freedom)."
    )


def baseline_sentence(above: Span) -> str:
    """Whether source-only has learned anything, where it should."""
    verdict = "beats" if above[1] > 0 else "does not beat" if above[1] <= 0 else "cannot be judged against"
    return (
        f"On held-out people of the source, source only {verdict} the all-positive baseline: F1"
        f" {span_text(above)}."
    )


def _significant(differences: Mapping[str, Mapping[str, Span]]) -> str:
    found = [
        f"{methods} {row} {span_text(each)}"
        for methods, rows in differences.items()
        for row, each in rows.items()
        if is_significant(each[1:])
    ]
    which = f"differences to source only and of PM2 to its rivals, of {', '.join(COMPARED)}"
    if found:
        return f"Significant {which}: {'; '.join(found)}."
    return f"None is significant of the {which}."


def _limits(facts: Facts) -> str:
    """How small an effect could have been."""
    halves = [
        [(rows[row][2] - rows[row][1]) / 2 for rows in facts.differences.values()] for row in COMPARED[:2]
    ]
    # `max` of numbers and nan depends on their order; a difference without an interval shows nothing.
    f1, gap = (max(each, key=lambda half: (half != half, half)) for each in halves)
    nothing = "; nan: none at all" if f1 + gap != f1 + gap else ""
    return (
        f"What {facts.data.profile} can show: that every step of the methods runs, and differences to source"
        f" only or of PM2 to a rival of more than about {f1:.3f} in F1 and {gap:.3f} in its gap (half the"
        f" widest interval{nothing}). It cannot show smaller ones, which method is best, or anything about"
        " real faces."
    )
