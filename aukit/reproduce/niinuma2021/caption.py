"""The sentences below Table 3: what was done, on what, and how it differs from the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aukit.models.weights import RANDOM
from aukit.reproduce.captions import (
    INTERVALS,
    DataFacts,
    data_sentence,
    difference_sentences,
    training_length,
)
from aukit.reproduce.niinuma2021.deviations import deviations


@dataclass(frozen=True)
class Facts:
    """What the caption states.

    Attributes:
        data: Data origin and size.
        scored_partition: ``test`` or ``valid``.
        scored_people: Number of people in it.
        scored_frames: Number of their frames.
        coded_frames: Per action unit, number of frames with a code, ascending.
        training_people: Number of people trained on.
        selection_people: Number of people who choose the checkpoint.
        generator: Configuration of the generator's run.
        estimator: Configuration of an estimator's run.
        registration: ``name`` and ``settings`` of the store's registration.
        landmarks: Where its landmarks come from.
        per_level: Images per intensity level and action unit.
        images: Images in the synthetic training set.
        every_image: What it would be if the training frames had every level.
        references: Number of people with a reference image for AU0 normalization.
        references_not_neutral: How many of these references show an action unit.
        cross_entropies: Heading of an estimator → its final training cross-entropy.
    """

    data: DataFacts
    scored_partition: str
    scored_people: int
    scored_frames: int
    coded_frames: Sequence[int]
    training_people: int
    selection_people: int
    generator: Mapping[str, Any]
    estimator: Mapping[str, Any]
    registration: Mapping[str, Any]
    landmarks: str
    per_level: int
    images: int
    every_image: int
    references: int
    references_not_neutral: int
    cross_entropies: Mapping[str, float]


def caption(facts: Facts) -> list[str]:
    """Sentences of the caption, from the records of the runs."""
    return [
        data_sentence(
            facts.data,
            " Our columns show that the machinery works; they rank no method for real faces and do not"
            " compare with the published ones. Raters: the ICC of two simulated annotators on the scored"
            " frames.",
        ),
        _scores(facts),
        _generator(facts.generator),
        _sets(facts),
        _estimators(facts.estimator),
        _references(facts),
        _fit(facts),
        *difference_sentences(
            "the paper or the code that it builds on",
            deviations(
                facts.generator, facts.estimator, facts.registration, facts.landmarks, facts.per_level
            ),
        ),
        "Published columns: as printed in the paper, on FERA 2017 Test; its tuned loss weights are published"
        " only as a figure (in brackets above: its baseline's), and its column without normalization is the"
        " one with λ_ids 0.",
    ]


def _scores(facts: Facts) -> str:
    least, most = facts.coded_frames[0], facts.coded_frames[-1]
    where = {"test": "Test", "valid": "Valid (the labels of Test are not public)"}[facts.scored_partition]
    selected = "Valid" if facts.scored_partition == "test" else "held-out training"
    return (
        f"Scores: ICC(3,1) over {facts.scored_frames:,} frontal frames of {facts.scored_people} people of"
        f" {where} ({least:,} to {most:,} coded frames per AU). Brackets: {INTERVALS}; one"
        f" training seed ({facts.data.seed}). Trained on {facts.training_people}"
        f" people; checkpoint of the best ICC on {facts.selection_people} {selected} people; the scored"
        " people select nothing."
    )


def _generator(config: Mapping[str, Any]) -> str:
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    return (
        f"Generator: GANimation at {model['image_size']} px after 3D registration, width"
        f" {model['generator_width']}, {model['generator_blocks']} residual blocks, {training_length(config)}"
        f" of {data['batch_size']} pairs; λ_adv {model['lambda_adv']:g}, λ_exp {model['lambda_exp']:g}, λ_idt"
        f" {model['lambda_idt']:g}, λ_ids {model['lambda_ids']:g}, λ_gp {model['lambda_gp']:g}."
    )


def _sets(facts: Facts) -> str:
    absent = "" if facts.images == facts.every_image else " (levels that no training frame has are absent)"
    return (
        f"Training sets: semantic resampling, {facts.per_level:,} images per level and AU,"
        f" {facts.images:,} in all{absent}; frames that are not synthesised are down- or up-sampled to the"
        " same counts."
    )


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


def _references(facts: Facts) -> str:
    return (
        f"AU0 normalization: {facts.references_not_neutral} of {facts.references} people have no frame with"
        " every AU at 0; their least expressive frame is subtracted instead. The labels of all people, scored"
        " ones too, choose these frames."
    )


def _fit(facts: Facts) -> str:
    entropies = ", ".join(f"{name} {value:.2f}" for name, value in facts.cross_entropies.items())
    return (
        "Final training cross-entropy (chance 1.79; from 1.70 on an estimator counts as not fitted):"
        f" {entropies}."
    )
