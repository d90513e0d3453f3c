"""The sentences below FG-Net's tables: what was done, on what, what was not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aukit.reproduce.captions import (
    INTERVALS,
    DataFacts,
    data_sentence,
    difference_sentences,
    not_run_sentences,
    span_text,
    training_length,
)
from aukit.reproduce.fgnet.deviations import crop_deviations, selection_deviations, training_deviations
from aukit.reproduce.scores import Scores, Span


class Training(NamedTuple):
    """One training.

    Attributes:
        experiment: Folder of its experiment file: ``fgnet`` or ``baselines``.
        subset: Number of training frames; None for all.
        config: Its resolved configuration.
    """

    experiment: str
    subset: int | None
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the sentences below all tables state.

    Attributes:
        data: Data origin and size.
        folds: Folds that are tested.
        trainings: All trainings.
        landmarks: Sources of landmarks, as the stores name them.
        selections: Rules by which a checkpoint was chosen, as the records note them.
        people: Corpus → number of people to train, validate and test on in the first fold.
        remarks: Sentences about single methods.
        not_run: What the published protocol has and this size has not.
    """

    data: DataFacts
    folds: Sequence[int]
    trainings: Sequence[Training]
    landmarks: Sequence[str]
    selections: set[str]
    people: Mapping[str, Sequence[int]]
    remarks: Sequence[str]
    not_run: Sequence[str]


@dataclass(frozen=True)
class SectionFacts:
    """What the sentences below one table state.

    Attributes:
        scores: Scores of any method: they tell people and frames.
        folds: Folds that are tested.
        differences: Headings of two methods, and the mean F1 of the first minus that of the second.
        licensed: Name of the corpus that the published scores are of.
        published: Method → published mean F1, where others publish this comparison; else empty.
        all_positive: Mean F1 of the all-positive baseline on FG-Net's frame lists, per fold; else empty.
    """

    scores: Scores
    folds: Sequence[int]
    differences: Sequence[tuple[str, str, Span]]
    licensed: str
    published: Mapping[str, float]
    all_positive: Sequence[float]


def caption(facts: Facts) -> list[str]:
    """Sentences below all tables."""
    return [
        data_sentence(
            facts.data,
            f" Our columns show that the machinery works; {facts.data.profile} does not rank methods, least"
            " of all for real faces, and nothing here compares with published scores. Raters: the F1 of one"
            " simulated annotator judged by another on the same frames.",
        ),
        _scores(facts),
        *_trainings(facts.trainings),
        _selection(facts),
        *difference_sentences("the published FG-Net", _deviations(facts)),
        *facts.remarks,
        *not_run_sentences(facts.data.profile, facts.not_run),
        "Published: FG-Net's code and README print no score, so none of its scores stands here.",
    ]


def section_caption(facts: SectionFacts) -> list[str]:
    """Sentences below one table: who was tested, differences of methods on the same people."""
    scores = facts.scores
    least, most = min(scores.support.values()), max(scores.support.values())
    coded = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    folds = ", ".join(map(str, facts.folds))
    sentences = [
        f"{scores.frames:,} frames of {scores.people} test people (fold {folds});"
        f" {coded} coded frames per AU."
    ]
    if facts.differences:
        differences = "; ".join(f"{a} − {b} {span_text(span)}" for a, b, span in facts.differences)
        sentences.append(f"Differences on the same people: {differences}.")
    if facts.published:
        others = ", ".join(f"{name} {value:.3f}" for name, value in facts.published.items())
        baseline = ", ".join(f"{value:.3f}" for value in facts.all_positive)
        sentences.append(
            f"For context, on the licensed {facts.licensed}: mean F1 over three folds as printed in the"
            f" result figures of forever208/FMAE-IAT: {others}; all-positive baseline on FG-Net's frame"
            f" lists, folds 0, 1, 2: {baseline}."
        )
    return sentences


def _scores(facts: Facts) -> str:
    return (
        "Scores: F1 per AU over the frames of the fold's test people"
        + (", mean over the folds" if len(facts.folds) > 1 else "")
        + "; a score above 0 is present (FG-Net: mean of the clamped heat map; image networks: logit)."
        f" Brackets and the lines 95 %: {INTERVALS}. Over all pos.: mean F1 minus that of calling every frame"
        f" positive, on the same people. One training seed ({facts.data.seed})."
    )


def _trainings(trainings: Sequence[Training]) -> list[str]:
    """One sentence per experiment, naming each number of frames and steps once."""
    found: dict[str, list[str]] = {}
    for experiment, subset, config in trainings:
        data, model = config["data"]["init_args"], config["model"]["init_args"]
        frames = f"{subset:,} frames" if subset else "all frames"
        rates = [model["lr"]]
        rates += [model[k] for k in ("encoder_lr", "generator_lr", "backbone_lr") if model.get(k) is not None]
        length = training_length(config, subset)
        which = (
            f"{frames} ({length} of {data['batch_size']} crops of {data['size']} px, AdamW "
            + "/".join(f"{rate:g}" for rate in rates)
            + ")"
        )
        if which not in found.setdefault(experiment, []):
            found[experiment].append(which)
    names = {"fgnet": "FG-Net", "baselines": "Image networks"}
    return [
        f"{names.get(kind, kind)}: trained on {'; on '.join(lengths)}." for kind, lengths in found.items()
    ]


def _deviations(facts: Facts) -> list[str]:
    some = facts.trainings[0].config
    networks = [(each.subset, each.config) for each in facts.trainings if each.experiment == "fgnet"]
    return [
        *crop_deviations(some["data"]["init_args"], facts.landmarks),
        *selection_deviations(some),
        *(training_deviations(networks) if networks else []),
    ]


def _selection(facts: Facts) -> str:
    counts = "; ".join(f"{corpus} {a}, {b} and {c}" for corpus, (a, b, c) in facts.people.items())
    best = "checkpoint of the best mean F1 on held-out training people"
    rules = {"best val/f1 (max) on validation people": best}
    rule = " or ".join(f"the {rules.get(each, each)}" for each in sorted(facts.selections))
    nothing = "" if any("oracle" in each for each in facts.selections) else "; test people select nothing"
    fold = f" in fold {facts.folds[0]}" if len(facts.folds) > 1 else ""
    return f"Selection: {rule}{nothing}. People to train, validate and test on{fold}: {counts}."
