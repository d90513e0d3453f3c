"""In what the runs of FG-Net's tables differ from the published system, as their configurations say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aukit.models.weights import RANDOM
from aukit.reproduce.captions import crops_with_loss, landmarks_in_words, other_values, training_length
from aukit.utils.text import listing

_CROPS = {
    "similarity": "close 2D crops (FFHQ's squares)",
    "frontal3d": "faces turned to the front (FFHQ's squares)",
}
_PUBLISHED_SIDE = 4096
_LEFT_OUT = "an action unit without a positive frame is left out of a mean (F1 0)"

_MODEL: dict[str, tuple[Any, str]] = {
    "image_size": (256, "images of {0} px ({1})"),
    "size": (1024, "a generator of {0} px ({1})"),
    "heatmap_size": (128, "heat maps of {0} px ({1})"),
    "points": (32, "{0} heat maps come out ({1})"),
    "sigma": (20.0, "σ of the targets {0:g} px ({1:g})"),
    "lr": (5e-5, "learning rate {0:g} ({1:g})"),
    "weight_decay": (5e-4, "weight decay {0:g} ({1:g})"),
    "clip": (0.1, "gradients clipped to {0} ({1})"),
    "schedule": ("constant", "{0} schedule ({1})"),
    "warmup_steps": (0, "{0} steps of warm-up (none)"),
    "class_weights": ("none", "class weights (none)"),
}
_WIDTHS: dict[str, Any] = {"channel_multiplier": 2.0, "style_dim": 512, "n_mlp": 8, "kernel_size": 5}
_DATA: dict[str, tuple[Any, str]] = {
    "batch_size": (16, "batches of {0} ({1})"),
    "augmentation": ("none", "{0} augmentation ({1})"),
}


def crop_deviations(data: Mapping[str, Any], landmarks: Sequence[str]) -> list[str]:
    """What differs in the crops.

    Args:
        data: Arguments of a datamodule.
        landmarks: Where the stores' landmarks come from, as stores name them.
    """
    sources = listing([landmarks_in_words(name) for name in landmarks])
    found = [f"landmarks of {sources}, on the frame alone (dlib's, on the frame and again on its crop)"]
    if data["registration"] in _CROPS:
        found.append(_CROPS[data["registration"]])
    else:
        found += _square_deviations(data)
    if with_loss := crops_with_loss(data):
        return [*found, f"{with_loss} (JPEG, its quality not stated)"]
    return [*found, "crops kept without loss (JPEG)"]


def _square_deviations(data: Mapping[str, Any]) -> list[str]:
    found, side = [], data["transform_size"] or 4 * data["size"]
    if side != _PUBLISHED_SIDE:
        # benchmarks/ffhq_crop.py
        measured = (
            ", 0.11 of 255 grey levels apart on rendered frames"
            if (data["size"], side) == (256, 1024)
            else ""
        )
        found.append(f"crops resampled at {side} px first ({_PUBLISHED_SIDE}{measured})")
    if not data["padding"] or data["pad_mode"] != "constant":
        fill = "its mirrored border" if data["padding"] else "black"
        found.append(f"beyond the frame {fill} (zeros, blurred and faded)")
    return found


def selection_deviations(config: Mapping[str, Any]) -> list[str]:
    """What differs in the choice of the checkpoint that is tested, and of those who train."""
    data, rule = config["data"]["init_args"], config["run"]["selection"]
    held_out = data["selection"] == "people" and data["holdout_fraction"] > 0
    if rule == "best":
        return ["checkpoint chosen on people held out of training (on the test fold)"] if held_out else []
    but = ", though people are held out of training" if held_out else ""
    return [f"the last checkpoint{but} (the best on the test fold)"]


def training_deviations(configs: Sequence[tuple[int | None, Mapping[str, Any]]]) -> list[str]:
    """What differs in trainings of FG-Net.

    Args:
        configs: Of each training the number of frames, None for all, and the configuration.
    """
    _, first = configs[0]
    model, data, trainer = first["model"]["init_args"], first["data"]["init_args"], first["trainer"]
    found = [*_start_deviations([config["model"]["init_args"]["weights"] for _, config in configs])]
    if any(model[name] != value for name, value in _WIDTHS.items()):
        found.append("fewer and narrower layers (StyleGAN2's and pSp's)")
    found += other_values(model, _MODEL)
    rates = sorted(
        {model[name] for name in ("encoder_lr", "generator_lr") if model[name] is not None} - {model["lr"]}
    )
    found += [
        f"other rates for encoder and generator, {'/'.join(f'{rate:g}' for rate in rates)} (one for all)"
    ] * bool(rates)
    found += other_values(data, _DATA)
    if str(trainer.get("precision") or "32-true") not in ("32", "32-true"):
        found.append(f"precision {trainer['precision']} (32 bits)")
    if data["steps_per_epoch"] is not None:
        ours = f"{training_length(first)}, a new order after each pass over the frames"
        found.append(f"{ours} (15 epochs of at most 500 batches, each in a new order)")
    few = {
        f"{training_length(config, frames)} on {frames:,} frames ({15 * min(500, -(-frames // 16))})"
        for frames, config in configs
        if frames is not None and config["data"]["init_args"]["steps_per_epoch"] is not None
    }
    return [*found, *sorted(few), _LEFT_OUT]


def _start_deviations(starts: Sequence[str | Sequence[str]]) -> list[str]:
    random = any(start == RANDOM or not start for start in starts)
    names = {name.partition("#")[0] for start in starts if not isinstance(start, str) for name in start}
    shipped = any("." not in name for name in names)
    ours = ["random weights"] * random + ["weights trained on rendered faces"] * shipped
    return [f"starts from {' or '.join(ours)} (StyleGAN2's and pSp's of FFHQ)"] if ours else []
