"""The files that face-alignment's networks load: names, sizes, hashes, addresses, and are they there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from aukit.errors import WeightsError
from aukit.utils.files import file_sha256

__all__ = [
    "FACE_ALIGNMENT_FILES",
    "WeightFile",
    "check_face_alignment",
    "face_alignment_folders",
    "find_files",
]


class WeightFile(NamedTuple):
    """A file of weights as its authors publish it.

    Attributes:
        name: Its file name.
        sha256: The digits of its SHA-256 that are known: all 64, or the first ten, which its name carries.
        size: Bytes; None where only the owner of a copy can tell.
    """

    name: str
    sha256: str
    size: int | None = None

    def __str__(self) -> str:
        size = f", {self.size:,} bytes" if self.size else ""
        digits = self.sha256 if len(self.sha256) == 64 else f"{self.sha256}… (the digits in its name)"
        return f"{self.name}{size}, SHA-256 {digits}"

    def fault(self, path: Path) -> str:
        """What is wrong with a copy; empty if nothing is."""
        if self.size and (size := path.stat().st_size) != self.size:
            return f"has {size:,} bytes instead of {self.size:,}"
        digest = file_sha256(path)
        return "" if digest.startswith(self.sha256) else f"has SHA-256 {digest}"


FACE_ALIGNMENT_FILES = (
    WeightFile(
        "s3fd-619a316812.pth", "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543", 89_843_225
    ),
    WeightFile("3DFAN4-7835d9f11d.pth.tar", "7835d9f11d"),
    WeightFile("depth-2a464da4ea.pth.tar", "2a464da4ea"),
)
"""What face-alignment 1.5 loads for 3D landmarks: its detector of faces, of points, and their depth."""


def face_alignment_folders(folder: str | Path | None = None) -> list[Path]:
    """Where the files are looked for: a folder that the user names, then torch hub's ``checkpoints``."""
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    return [hub] if folder is None else [Path(folder), hub]


def find_files(folders: Sequence[Path]) -> dict[str, Path]:
    """The path of each file of `FACE_ALIGNMENT_FILES`, each compared with its SHA-256.

    Raises:
        WeightsError: Files are missing or damaged; the message names each with its size, SHA-256 and address,
            and where to put it.
    """
    states = list(_states(folders))
    if all(path is not None and not fault for _, path, fault in states):
        return {file.name: path for file, path, _ in states if path is not None}
    addresses = _addresses()
    lines = [
        f"  {file}\n    {f'damaged: {path} {fault}' if path else 'missing'};"
        f" {addresses.get(file.name, 'its address is in the face-alignment package, which is not installed')}"
        for file, path, fault in states
        if path is None or fault
    ]
    places = " or ".join(map(str, folders))
    raise WeightsError(
        "face-alignment's weights are missing or damaged:\n"
        + "\n".join(lines)
        + f"\nPut them into {places}, as"
        " the authors of the package distribute them and under their terms; then"
        " aukit weights check face-alignment [--dir DIR] compares them. Nothing is downloaded by aukit"
    )


def check_face_alignment(folder: Path | None = None) -> Iterator[str]:
    """A line per file: found, missing or damaged.

    Raises:
        WeightsError: After the last line, unless all are right.
    """
    folders = face_alignment_folders(folder)
    for file, path, fault in _states(folders):
        state = "missing" if path is None else f"damaged ({fault})" if fault else "found"
        yield f"{file.name}: {state}{'' if path is None else f', {path}'}"
    find_files(folders)


def _states(folders: Sequence[Path]) -> Iterator[tuple[WeightFile, Path | None, str]]:
    for file in FACE_ALIGNMENT_FILES:
        path = next((each / file.name for each in folders if (each / file.name).is_file()), None)
        yield file, path, "" if path is None else file.fault(path)


def _addresses() -> dict[str, str]:
    """File name → address, from the tables of the installed package."""
    try:
        from face_alignment import api
        from face_alignment.detection.sfd import sfd_detector
    except ImportError:
        return {}
    addresses = {**api.models_urls, **sfd_detector.models_urls}.values()
    return {address.rsplit("/", 1)[-1]: address for address in addresses}
