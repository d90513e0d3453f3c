"""Small healthy files of weights, and what must come of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aukit.errors import AukitError
from aukit.models.fgnet.weights import import_weights, load_weights
from tests.fuzz.judge import Verdict
from tests.models.fgnet.networks import small_network

FILES = {
    "fgnet": "model.pth",
    "stylegan2": "stylegan2.pt",
    "psp": "psp.pt",
    "inversion": "last.ckpt",
    "imported": "imported.safetensors",
}
PICKLED = ("fgnet", "stylegan2", "psp", "inversion")
_GROUPS = ("interpreter", "g_all", "pspencoder")


def write(folder: Path) -> Path:
    """Write the published containers with the weights of a small network."""
    folder.mkdir(parents=True)
    network = small_network(seed=1)
    groups = {name: network.get_submodule(name).state_dict() for name in _GROUPS}
    encoder = {f"encoder.{key}": value for key, value in groups["pspencoder"].items()}
    decoder = {f"decoder.encoder.{key}": value for key, value in groups["g_all"].items()}
    opts = {"output_size": 32, "encoder_type": "GradualStyleEncoder", "lr": 1e-4}
    own = {f"network.{key}": value for key, value in network.state_dict().items() if "interpreter" not in key}
    contents = {
        "fgnet": groups,
        "stylegan2": {"g_ema": groups["g_all"], "latent_avg": torch.zeros(16)},
        "psp": {"state_dict": encoder | decoder, "latent_avg": network.latent_avg, "opts": opts},
        "inversion": {"state_dict": own, "epoch": 3},
    }
    for kind, content in contents.items():
        torch.save(content, folder / FILES[kind])
    import_weights("psp", folder / FILES["psp"], folder / FILES["imported"], network=network)
    return folder


@dataclass
class Weights:
    """A copy of a healthy file of weights, to be damaged in one place.

    Attributes:
        root: Folder with a file of each kind.
        kind: The kind to damage.
        rng: All chance of the case.
    """

    root: Path
    kind: str
    rng: np.random.Generator

    @property
    def path(self) -> Path:
        """The file."""
        return self.root / FILES[self.kind]

    @cached_property
    def content(self) -> dict[str, Any]:
        """What is in it, to be changed and saved."""
        return torch.load(self.path, weights_only=True)

    @property
    def state(self) -> dict[str, Any]:
        """The state dict of the first group that is read."""
        return self.content[{"fgnet": "g_all", "stylegan2": "g_ema"}.get(self.kind, "state_dict")]

    def key(self) -> str:
        """An entry that is read: a float tensor with more than one axis."""
        read = [
            key
            for key, value in self.state.items()
            if value.ndim > 1 and value.numel() > 8 and not key.startswith("decoder")
        ]
        return read[self.rng.integers(len(read))]

    def save(self, **options: Any) -> None:
        """Write the changed content."""
        content = self.content
        self.path.unlink()
        torch.save(content, self.path, **options)

    def write(self, content: bytes) -> None:
        """Replace the file."""
        self.path.unlink()
        self.path.write_bytes(content)

    def replace(self, change: Callable[[Tensor], Any]) -> None:
        """Change one tensor."""
        key = self.key()
        self.state[key] = change(self.state[key])
        self.save()


def judge_weights(kind: str, root: Path) -> Verdict:
    """Import a file, load it and compare every value with the truth."""
    truth, network = small_network(seed=1), small_network(seed=2)
    path, out = root / FILES[kind], root / "out.safetensors"
    imported = False
    try:
        if kind == "imported":
            out = path
        else:
            more = {"corpus": "bp4d", "latent_avg": root / FILES["psp"]} if kind == "fgnet" else {}
            import_weights(kind, path, out, network=truth, **more)  # type: ignore[arg-type]
        imported = True
        load_weights(
            network, out
        )  # what was trained here has any size: only a network can say whether it fits
    except AukitError as error:
        text = str(error)
        named = any(name.name in text for name in (path, out))
        if "\x1b" in text or "Weights only load failed" in text or not named:
            return Verdict("traceback", f"not in our own words, or of no file: {text[:600]}")
        if not imported and out.exists():
            return Verdict("silent", f"a file is left in spite of the error: {text}")
        return Verdict("error", text)
    prefixes = {
        "fgnet": (*_GROUPS, "latent_avg"),
        "stylegan2": ("g_all",),
        "inversion": ("pspencoder", "g_all", "latent_avg"),
    }.get(kind, ("pspencoder", "latent_avg"))
    own = network.state_dict()
    wrong = [key for key, value in truth.state_dict().items() if not torch.equal(value, own[key])]
    if wrong := [key for key in wrong if key.startswith(prefixes)]:
        return Verdict("silent", f"imported, but {len(wrong)} entries are not the file's, such as {wrong[0]}")
    return Verdict("right", "")
