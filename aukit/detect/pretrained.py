"""Detectors as folders to pass on: what they are in plain JSON, weights in safetensors, a card; no code.

`save_pretrained` and `from_pretrained` are those of huggingface_hub's ``ModelHubMixin``, whose hub takes such
folders as they are, but for one thing: nothing is looked for on a hub unless that is said.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aukit import __version__
from aukit.errors import ConfigError, WeightsError, shown
from aukit.registration.landmarks.detector import FINDER, READER
from aukit.utils.files import atomic_folder

if TYPE_CHECKING:
    from torch import nn

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
FORMAT = "aukit-detector-1"
"""Entry ``format`` of the description."""

_LARGEST = 1 << 20  # bytes of a description
_PARTS = ["*.json", "*.safetensors", "*.md"]
_OWN = (CONFIG, WEIGHTS, CARD, READER, FINDER, "onnx")


class Graph(NamedTuple):
    """A network of a detector, as other programs take it.

    Attributes:
        name: Of its file.
        network: On the detector's device.
        shape: Of the one image that it takes, ``[1,3,H,W]`` in [0,1].
        takes: Name of the image.
        gives: Names of its outputs.
    """

    name: str
    network: nn.Module
    shape: tuple[int, int, int, int]
    takes: str
    gives: tuple[str, ...]


class Pretrained(ABC):
    """A detector that is written to a folder and made of one.

    Attributes:
        name: Kind of the detector.
        aus: Action units that it reads.
    """

    name: str
    aus: tuple[int, ...]

    @property
    @abstractmethod
    def licence(self) -> str:
        """Terms of the weights."""

    @abstractmethod
    def graphs(self) -> list[Graph]:
        """Its networks, for `aukit.detect.onnx_files.export_onnx`."""

    @abstractmethod
    def _write(self, folder: Path) -> dict[str, Any]:
        """Write weights into an empty folder; return what else is needed, as plain values."""

    @classmethod
    @abstractmethod
    def _read(cls, folder: Path, device: str | None) -> Self:
        """The detector of a folder whose description is of this kind."""

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the detector to a folder, in one step.

        Args:
            folder: A new or empty one, or one that this wrote before.

        Returns:
            The folder.

        Raises:
            ConfigError: Something else is in the folder, or it is the current one.
        """
        folder = Path(folder)
        place = replaceable(folder, _OWN)
        if place.is_dir() and any(place.iterdir()) and not is_pretrained(place):
            raise ConfigError(f"{folder}: holds something else already; name another folder")
        with atomic_folder(place) as building:
            about = {"format": FORMAT, "aukit": __version__, "kind": self.name, "aus": list(self.aus)}
            about |= {"licence": self.licence, **self._write(building)}
            (building / CONFIG).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            (building / CARD).write_text(_card(about), encoding="utf-8")
        return folder

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str | None = None,
        *,
        hub: bool = False,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        token: str | bool | None = None,
    ) -> Self:
        """Make the detector of a folder that `save_pretrained` wrote.

        Args:
            name: The folder; with `hub` also a repository of the Hugging Face hub.
            device: Where to compute; None for the default of the class.
            hub: Whether a name that is no folder is looked for on the hub, and downloaded.
            revision: Of a repository: branch, tag or commit.
            cache_dir: Where downloads are kept; None for the hub's own cache.
            token: Of the hub, for private repositories; None for the one that is logged in.

        Raises:
            ConfigError: There is no such folder, or on the hub no such repository.
            WeightsError: The folder is of another kind of detector, incomplete or damaged.
        """
        folder = pretrained_folder(name, hub=hub, revision=revision, cache_dir=cache_dir, token=token)
        kind = read_description(folder)["kind"]
        if kind != cls.name:
            raise WeightsError(
                f"{folder}: holds a detector {shown(kind)}, not {cls.name}; name another folder"
            )
        return cls._read(folder, device)


def pretrained_folder(
    name: str | Path,
    *,
    hub: bool = False,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
) -> Path:
    """The folder of a name, as of `Pretrained.from_pretrained`; its files are not looked at."""
    if Path(name).is_dir():
        return Path(name)
    if not hub:
        raise ConfigError(
            f"{name}: no such folder; hub=True looks for a repository of that name on the Hugging Face hub"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            str(name), revision=revision, cache_dir=cache_dir, token=token, allow_patterns=_PARTS
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(f"{name}: not to be had from the hub ({shown(error, 300)})") from error
    return Path(folder)


def replaceable(folder: str | Path, own: Collection[str]) -> Path:
    """Where a folder is, if nothing is lost when another takes its place.

    Args:
        folder: The folder, or a link to it.
        own: Names and patterns of what may be in it.

    Raises:
        ConfigError: It is a file or the current folder, or something else is in it.
    """
    place = Path(folder).resolve()
    if place.exists() and not place.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder")
    if place == Path.cwd():
        raise ConfigError(f"{folder}: is the current folder, which would be replaced; name another one")
    there = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    if others := [name for name in there if not any(fnmatch(name, each) for each in own)]:
        raise ConfigError(
            f"{folder}: holds something else already, such as {shown(others[0])}; name another folder"
        )
    return place


def is_pretrained(folder: Path) -> bool:
    """Whether `save_pretrained` wrote a folder."""
    try:
        read_description(folder)
    except WeightsError:
        return False
    return True


def read_description(folder: Path) -> dict[str, Any]:
    """What a folder says that it holds.

    Raises:
        WeightsError: It says nothing, or not as `save_pretrained` does.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise WeightsError(f"{file}: no such file; name a folder that save_pretrained wrote")
    try:
        if file.stat().st_size > _LARGEST:
            raise ValueError(f"{file.stat().st_size:,} bytes")
        about = json.loads(file.read_text(encoding="utf-8"))
        if about["format"] != FORMAT or not isinstance(about["kind"], str):
            raise ValueError(f"of format {shown(about['format'])}")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise WeightsError(
            f"{file}: is not the description of a detector ({shown(error)}); write it again with"
            " save_pretrained"
        ) from error
    return dict(about)


def _card(about: Mapping[str, Any]) -> str:
    units = ", ".join(map(str, about["aus"]))
    return (
        "---\nlibrary_name: aukit\ntags: [facial-action-units]\n---\n\n"
        f"# A detector `{about['kind']}` of aukit\n\n"
        f"Reads the action units {units}. Written by aukit {about['aukit']}; `config.json` says what it was"
        f" trained on and how faces are cut out for it.\n\n**Licence.** {about['licence']}\n\n"
        "In Python:\n\n"
        "    from aukit.detect import from_pretrained\n"
        '    detector = from_pretrained("THIS-FOLDER")\n'
        "    faces = detector.photograph(image)  # uint8 [H, W, 3], RGB\n"
    )
