"""The sentences below a table: what was done, on what, and how it differs from the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from aukit.models.weights import RANDOM
from aukit.reproduce.captions import (
    INTERVALS,
    DataFacts,
    data_sentence,
    difference_sentences,
    other_values,
    training_length,
)
from aukit.reproduce.niinuma2021.cells import TARGETS_PER_FACE
from aukit.reproduce.niinuma2021.deviations import deviations
from aukit.utils.text import listing


class Scored(NamedTuple):
    """Whom columns are scored on.

    Attributes:
        title: Corpus of which everybody is scored; None for the scored people of FERA 2017.
        people: Number of people.
        frames: Number of their frames.
        coded: Frames with a code per action unit that has any, ascending.
    """

    title: str | None
    people: int
    frames: int
    coded: Sequence[int]


@dataclass(frozen=True)
class Facts:
    """What the caption states.

    Attributes:
        data: Data origin and size.
        scored_partition: ``test`` or ``valid``.
        scored: Whom the columns are scored on.
        training_people: Number of people trained on.
        selection_people: Number of people who choose the checkpoint.
        selections: Heading of a column → rule by which its checkpoint was chosen, as the record notes it.
        generators: How a generator differs from the first of the file, in words (empty for that one) →
            configuration of its run.
        estimator: Configuration of an estimator's run.
        registrations: Of each store ``name`` and ``settings``, and where its landmarks come from.
        per_level: Images per intensity level and action unit.
        images: Set → images in it.
        every_image: Set → what it would have if the training frames had every level.
        faces: Corpus that gives neutral faces → how many of them were taken.
        per_view: Images per view, level and action unit of a set that is turned; None without one.
        views: Views in which people are scored; 0 for the frontal one alone.
        is_published: Whether there are published columns.
        references: Number of people with a reference image for AU0 normalization, and how many of these
            references show an action unit; None without such an estimator.
        cross_entropies: Heading of an estimator → its final training cross-entropy.
        left_out: Labels of columns that are not made.
        absent: Corpora that these need.
    """

    data: DataFacts
    scored_partition: str
    scored: Sequence[Scored]
    training_people: int
    selection_people: int
    selections: Mapping[str, str]
    generators: Mapping[str, Mapping[str, Any]]
    estimator: Mapping[str, Any]
    registrations: Sequence[tuple[Mapping[str, Any], str]]
    per_level: int
    images: Mapping[str, int]
    every_image: Mapping[str, int]
    faces: Mapping[str, int]
    per_view: int | None
    views: int
    is_published: bool
    references: tuple[int, int] | None
    cross_entropies: Mapping[str, float]
    left_out: Sequence[str]
    absent: Sequence[str]


def caption(facts: Facts) -> list[str]:
    """Sentences of the caption, from the records of the runs."""
    return [
        data_sentence(
            facts.data,
            " Our columns show that the machinery works; they rank no method for real faces and do not"
            f" compare with the published ones.{_raters(facts)}",
        ),
        _scores(facts),
        *generator_sentences(facts.generators),
        _sets(facts),
        _estimators(facts.estimator),
        *([_references(*facts.references)] if facts.references else []),
        _fit(facts),
        *difference_sentences(
            "the paper or the code that it builds on",
            deviations(
                next(iter(facts.generators.values())), facts.estimator, facts.registrations, facts.per_level
            ),
        ),
        _published(facts),
        *([left_out(facts.left_out, facts.absent)] if facts.left_out else []),
    ]


def left_out(labels: Sequence[str], corpora: Sequence[str]) -> str:
    """Which columns are not made, and for want of which corpora."""
    return f"Left out without {listing(corpora)}: {'; '.join(labels)}."


def _published(facts: Facts) -> str:
    tuned = "tuned loss weights are published only as a figure (in brackets above: its baseline's)"
    if not facts.is_published:
        return f"The paper prints this as curves without values; its {tuned}."
    return (
        f"Published columns: as printed in the paper, on {_published_on(facts)}; its {tuned}, and its column"
        " without normalization is the one with λ_ids 0."
    )


def _published_on(facts: Facts) -> str:
    return listing(["FERA 2017 Test" if each.title is None else each.title for each in facts.scored])


def _raters(facts: Facts) -> str:
    if facts.views or any(each.title is not None for each in facts.scored):
        return ""
    return " Raters: the ICC of two simulated annotators on the scored frames."


def _scores(facts: Facts) -> str:
    where = {"test": "Test", "valid": "Valid (the labels of Test are not public)"}[facts.scored_partition]
    parts = []
    for each in facts.scored:
        of = f"of {each.people} people of {where}" if each.title is None else f"of all {each.people} people"
        least, most = each.coded[0], each.coded[-1]
        frontal = "frontal frames" if each.title is None else f"frames of {each.title}"
        frontal = f"frames in each of {facts.views} views" if facts.views else frontal
        parts.append(f"{each.frames:,} {frontal} {of} ({least:,} to {most:,} coded frames per AU)")
    return (
        f"Scores: ICC(3,1) over {' and over '.join(parts)}. Brackets: {INTERVALS}; one"
        f" training seed ({facts.data.seed}). Trained on {facts.training_people}"
        f" people; {_selection(facts)}; the scored people select nothing."
    )


def _selection(facts: Facts) -> str:
    """Which checkpoints are scored: one rule, or each with the columns that it is of."""
    partition = "Valid" if facts.scored_partition == "test" else "held-out training"
    best = f"checkpoint of the best ICC on {facts.selection_people} {partition} people"
    rules = {"best val/icc (max) on validation people": best}
    columns: dict[str, list[str]] = {}
    for short, rule in facts.selections.items():
        columns.setdefault(rules.get(rule, rule), []).append(short)
    if len(columns) == 1:
        return next(iter(columns))
    return ", ".join(f"{rule} ({', '.join(shorts)})" for rule, shorts in columns.items())


def generator_sentences(configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The first generator, and in what each other one differs from it."""
    (label, first), *others = configs.items()
    model, data = first["model"]["init_args"], first["data"]["init_args"]
    which = f" {label}" if label else ""
    found = [
        f"Generator{which}: {_kind(model)} at {model['image_size']} px after {_alignment(data)}, width"
        f" {model['generator_width']}, {model['generator_blocks']} residual blocks, {training_length(first)}"
        f" of {data['batch_size']} pairs; λ_adv {model['lambda_adv']:g}, λ_exp {model['lambda_exp']:g}, λ_idt"
        f" {model['lambda_idt']:g}, λ_ids {model['lambda_ids']:g}, λ_gp {model['lambda_gp']:g}."
    ]
    for label, config in others:
        found.append(f"Generator {label}: {'; '.join(_changes(first, config)) or 'the same'}.")
    return found


def _kind(model: Mapping[str, Any]) -> str:
    return {"ganimation": "GANimation", "stargan": "StarGAN"}[model["variant"]]


def _alignment(data: Mapping[str, Any]) -> str:
    return {
        "frontal3d": "3D registration",
        "prnet": "3D registration by PRNet's mesh",
        "similarity": "2D registration",
    }[data["corpus"]["init_args"]["registration"]]


def _changes(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What another generator is trained with, and in brackets the first one."""
    kinds = [_kind(each["model"]["init_args"]) for each in (first, other)]
    found = [kinds[1]] if kinds[0] != kinds[1] else []
    one, two = (_alignment(each["data"]["init_args"]) for each in (first, other))
    if one != two:
        found.append(f"{two} ({one})")
    model = first["model"]["init_args"]
    values = {
        name: (model[name], name.replace("lambda", "λ") + " {0:g} ({1:g})")
        for name in ("lambda_adv", "lambda_exp", "lambda_idt", "lambda_ids")
    }
    values["warmup_share"] = (model["warmup_share"], "the idiosyncratic loss alone up to {0:.0%} ({1:.0%})")
    values["ramp_share"] = (model["ramp_share"], "other losses ramped in over {0:.0%} ({1:.0%})")
    return found + other_values(other["model"]["init_args"], values)


def _sets(facts: Facts) -> str:
    counts = sorted(set(facts.images.values()))
    absent = " (levels that no training frame has are absent)" if _lacks_levels(facts) else ""
    given = "".join(
        f" Faces of {title}: {count:,} neutral photographs, one of each person and session, each given"
        f" {TARGETS_PER_FACE} targets per level and AU."
        for title, count in facts.faces.items()
    )
    turned = (
        ""
        if facts.per_view is None
        else f" Turned ones: {facts.per_view:,} synthetic images per view, level and AU, as texture of our"
        " mesh, fitted to 68 landmarks of the input frame, before black."
    )
    return (
        f"Training sets: semantic resampling, {facts.per_level:,} images per level and AU,"
        f" {' or '.join(f'{count:,}' for count in counts)} in all{absent}; frames that are not synthesised"
        f" are down- or up-sampled to the same counts.{given}{turned}"
    )


def _lacks_levels(facts: Facts) -> bool:
    return any(facts.images[id] < facts.every_image[id] for id in facts.images)


def _estimators(config: Mapping[str, Any]) -> str:
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    networks = {
        "trunk": "one small convolutional trunk with batch norm, a head per AU",
        "vgg16": "VGG16, one per AU",
        "vgg16_bn": "VGG16 with batch norm, one per AU",
    }
    start = "random initialisation" if model["weights"] in (None, RANDOM) else "ImageNet weights"
    decoding = {"argmax": "likeliest level", "expectation": "expected level"}[model["decoding"]]
    if model["other_heads"]:
        decoding += "; each image also trains the heads of its other AUs"
    if data["jitter"]:
        decoding += "; flips, small changes of light and place"
    return (
        f"Estimators: {networks[model['network']]}, {start}, {training_length(config)} of"
        f" {data['batch_size']} images, learning rate {model['lr']:g}; decoded as the {decoding}."
    )


def _references(people: int, not_neutral: int) -> str:
    return (
        f"AU0 normalization: {not_neutral} of {people} people have no frame with every AU at 0; their least"
        " expressive frame is subtracted instead. The labels of all people, scored ones too, choose these"
        " frames."
    )


def _fit(facts: Facts) -> str:
    entropies = ", ".join(f"{name} {value:.2f}" for name, value in facts.cross_entropies.items())
    less = ", less where levels are absent" if _lacks_levels(facts) else ""
    return (
        f"Final training cross-entropy (chance 1.79{less}; from 1.70 on an estimator counts as not fitted):"
        f" {entropies}."
    )
