"""Weights that come with the project; the card beside each says what made it and what it can do."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aukit.errors import WeightsError

__all__ = ["MINI_NETWORK", "RANDOM", "shipped_files", "weights_path"]

HOME = Path(__file__).parent

RANDOM = "random"
"""What an argument `weights` says in place of a file where a training starts from random ones on purpose."""

MINI_NETWORK: Mapping[str, Any] = {
    "image_size": 64,
    "size": 32,
    "style_dim": 64,
    "n_mlp": 2,
    "channel_multiplier": 0.0625,
    "max_channels": 64,
    "encoder_widths": (8, 16, 32, 64, 96),
    "encoder_units": (1, 1, 1, 1),
}
"""Sizes of encoder and generator that the shipped FG-Net weights `mini` belong to."""


def weights_path(kind: str, name: str | Path) -> Path:
    """The file that `name` means: one that is shipped under that name, or else the path itself.

    Args:
        kind: Network that it is for: ``fgnet`` or ``backbone``.
        name: Name of shipped weights, such as ``mini``, or a path with a suffix.

    Raises:
        WeightsError: A name without suffix that is neither shipped nor a file.
    """
    shipped = HOME / f"{kind}-{name}.safetensors"
    if Path(name).suffix or Path(name).exists():
        return Path(name)
    if not shipped.is_file():
        known = sorted(path.stem.removeprefix(f"{kind}-") for path in HOME.glob(f"{kind}-*.safetensors"))
        raise WeightsError(
            f"{name}: no weights of that name come with the project for {kind} (there are:"
            f" {', '.join(known) or 'none'}), and it is no file"
        )
    return shipped


def shipped_files(name: str) -> list[Path]:
    """What comes with the project under a name, whatever the kind of network; empty if there is nothing."""
    return sorted(HOME.glob(f"*-{glob.escape(name)}.safetensors"))
