"""In what Table 3's runs differ from the paper or the code that it builds on, as their configurations say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aukit.models.weights import RANDOM
from aukit.reproduce.captions import crops_with_loss, landmarks_in_words, other_values, training_length

_PER_LEVEL = 5000
_EPOCHS = 30

_GENERATOR: dict[str, tuple[Any, str]] = {
    "image_size": (224, "images of {0} px ({1})"),
    "generator_width": (64, "generator of width {0} ({1})"),
    "generator_blocks": (6, "{0} residual blocks ({1})"),
    "modulate": (False, "the target also scales and shifts its features (an input alone)"),
    "attention_bias": (0.0, "a bias of {0:g} on the attention ({1:g})"),
    "attention_limit": (None, "an attention of at most {0:g} (1)"),
    "upsample": (None, "{0} up-sampling (transposed convolutions)"),
    "critic_width": (64, "critic of width {0} ({1})"),
    "critic_max_width": (2048, "at most {0} channels in it ({1})"),
    "critic_layers": (6, "{0} strided convolutions in it ({1})"),
    "critic_init": ("normal", "He's initialisation of the critic (N(0, 0.02))"),
    "generator_lr": (1e-4, "learning rates: generator {0:g} ({1:g})"),
    "critic_lr": (1e-4, "critic {0:g} ({1:g})"),
    "lambda_adv": (1.0, "λ_adv {0:g} ({1:g})"),
    "lambda_exp": (160.0, "λ_exp {0:g} ({1:g})"),
    "lambda_idt": (10.0, "λ_idt {0:g} ({1:g})"),
    "lambda_ids": (0.0, "λ_ids {0:g} ({1:g})"),
    "lambda_gp": (10.0, "λ_gp {0:g} ({1:g})"),
    "n_critic": (5, "n_critic {0} ({1})"),
    "critic_every": (1, "critic updated every {0} batches ({1})"),
    "cycle_every": (1, "cycle every {0} generator steps ({1})"),
    "head_start_share": (0.0, "AU head of the critic alone for the first {0:.0%} (none)"),
    "warmup_share": (0.0, "then the idiosyncratic loss alone up to {0:.0%} (none)"),
    "ramp_share": (0.0, "other losses ramped in over {0:.0%} (none)"),
    "decay_share": (None, "rates fall over the last {0:.0%} (over the last third of the epochs)"),
}
_WITHIN_PEOPLE = "targets of the input's own person without noise and flipped with it (as any other)"
_PAIRS: dict[str, tuple[Any, str]] = {
    "batch_size": (25, "batches of {0} pairs ({1})"),
    "same_recording": (False, "same-person pairs within one recording (of any)"),
    "candidates": (1, "with the most different of {0} targets (any)"),
    "target_weight": (0.0, "targets drawn with weight 1 + {0:g}·Σy/5 (alike)"),
    "target_noise": (0.1, "noise of ±{0:g} on targets (±{1:g})"),
}
_ESTIMATOR: dict[str, tuple[Any, str]] = {
    "network": ("vgg16", "estimators: {0} ({1} for each action unit)"),
    "lr": (5e-5, "their learning rate {0:g} ({1:g})"),
    "dropout": (0.5, "dropout {0:g} ({1:g})"),
    "weight_decay": (0.0, "weight decay {0:g} (not stated)"),
    "schedule": ("constant", "{0} schedule (not stated)"),
    "decoding": ("argmax", "decoded as the {0} of the levels (not stated)"),
    "other_heads": (0.0, "an image also trains the heads of its other action units (one alone)"),
}
_FROZEN = 2


def deviations(
    generator: Mapping[str, Any],
    estimator: Mapping[str, Any],
    registrations: Sequence[tuple[Mapping[str, Any], str]],
    per_level: int,
) -> list[str]:
    """What differs, and in brackets how it is in the paper.

    Args:
        generator: Configuration of the generator's run.
        estimator: Configuration of an estimator's run.
        registrations: Of each store ``name`` and ``settings`` of the registration, and where its landmarks
            come from, as stores name them.
        per_level: Images per intensity level and action unit.
    """
    return [
        *dict.fromkeys(
            found
            for registration, landmarks in registrations
            for found in _registration(registration, landmarks)
        ),
        *_generator(generator),
        *(
            [f"{per_level:,} images per level and action unit ({_PER_LEVEL:,})"]
            if per_level != _PER_LEVEL
            else []
        ),
        *_estimator(estimator),
    ]


def _registration(registration: Mapping[str, Any], landmarks: str) -> list[str]:
    source = landmarks_in_words(landmarks)
    if registration["name"] == "similarity":
        return [f"2D alignment by 68 landmarks of {source} (dlib's)"]
    found = [f"a mesh fitted to 68 landmarks of {source} (PRNet's dense one of 43,867 points)"]
    if registration["name"] == "prnet":
        found = [f"PRNet's squares about 68 landmarks of {source} (not stated)"]
    if inset := registration["settings"]["inset"]:
        found.append(f"faces end {inset:g} eye distances inside of one fixed outline (each at its own)")
    return found


def _generator(config: Mapping[str, Any]) -> list[str]:
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    found = [*other_values(model, _GENERATOR), *other_values(data, _PAIRS), _WITHIN_PEOPLE]
    if with_loss := crops_with_loss(data["corpus"]["init_args"]):
        found.append(f"{with_loss} (not stated)")
    share = data["same_person_share"]
    if share or (share is None and model["lambda_ids"]):
        which = f"{share:.0%} of each batch" if share else "one pair of each batch"
        found.append(f"{which} of the same person (by chance)")
    if config["trainer"]["max_epochs"] != _EPOCHS or data["steps_per_epoch"] is not None:
        found.append(f"{training_length(config)} ({_EPOCHS} epochs)")
    return found


def _estimator(config: Mapping[str, Any]) -> list[str]:
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    found = other_values(model, _ESTIMATOR)
    if model["weights"] in (None, RANDOM):
        found.append("from random weights (ImageNet's)")
    elif model["frozen_convs"] != _FROZEN:
        found.append(f"{model['frozen_convs']} convolutions frozen ({_FROZEN})")
    if data["flip"] or data["jitter"]:
        found.append("flips, small changes of light and place (none)" if data["jitter"] else "flips (none)")
    return found
