"""Commands of rendered faces: pictures, random renders, crops to pre-train on, pairs, a data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from aukit.cli.grammar import Commands, Parser, add_command, seed
from aukit.cli.launch import add_shard, also_as_job, shard_of
from aukit.datasets.registry import corpus_names

BASES = ("procedural", "ict")


def add_avatars(avatars: Commands[Parser]) -> None:
    """Add the commands."""
    _add_faces(avatars)
    _add_pairs(avatars)
    _add_dataset(avatars)


def _add_faces(avatars: Commands[Parser]) -> None:
    command = add_command(avatars, "sheet", _sheet, "draw people and action units on one picture")
    command.add_argument("--out", type=Path, required=True, metavar="PNG")
    command.add_argument("--basis", choices=BASES, nargs="+", default=BASES[:1], help="one after the other")

    command = add_command(
        avatars, "import-ict", _import_ict, "turn a clone of ICT-FaceKit into a face basis file"
    )
    command.add_argument("clone", type=Path, help="folder with LICENSE and FaceXModel")
    command.add_argument("--out", type=Path, required=True, metavar="NPZ")
    command.add_argument("--modes", type=int, default=100, help="identity modes to take, 1 to 100")
    command.add_argument(
        "--gender-direction", type=Path, metavar="FILE", help="coefficients that lead from male to female"
    )

    command = add_command(avatars, "render", _render, "random faces with landmarks and action units")
    command.add_argument("--maker", choices=("people", "avatars"), default="avatars")
    command.add_argument("--count", type=int, required=True, help="number of samples, each a new face")
    command.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    command.add_argument(
        "--acquisition", metavar="NAME", help="how people are filmed: bp4d, disfa, ...; any if left out"
    )
    command.add_argument("--max-yaw", type=float, default=40.0, help="degrees; yaw is uniform up to it")
    _add_writing(command)

    command = add_command(avatars, "faces", _faces, "unlabelled face crops to pre-train on")
    command.add_argument("--identities", type=int, default=600, help="number of avatars")
    command.add_argument("--frames", type=int, default=16, help="images of each")
    command.add_argument("--size", type=int, default=64, help="side of the crops in pixels")
    command.add_argument(
        "--registration", choices=("ffhq", "similarity"), default="ffhq", help="how faces are cropped"
    )
    _add_writing(command)

    text = "faces with points and action units, to train networks that find and read faces"
    command = add_command(avatars, "labelled", _labelled, text)
    command.add_argument("--identities", type=int, default=8000, help="number of people and avatars")
    command.add_argument("--frames", type=int, default=6, help="images of each")
    command.add_argument("--size", type=int, default=144, help="side of the images in pixels")
    command.add_argument(
        "--first", type=int, default=0, help="number of the first; one number is one identity"
    )
    _add_writing(command, several_bases=True)


def _sheet(given: argparse.Namespace) -> None:
    from aukit.simulation import contact_sheet

    contact_sheet(given.out, given.basis)


def _import_ict(given: argparse.Namespace) -> None:
    from aukit.simulation import ICT_VARIABLE, import_ict

    import_ict(given.clone, given.out, given.modes, given.gender_direction)
    print(f"{given.out} written; {ICT_VARIABLE}={given.out} makes it the face basis 'ict'")


def _render(given: argparse.Namespace) -> None:
    from aukit.simulation import RandomRendersConfig, write_random_renders

    config = RandomRendersConfig(
        given.maker, given.count, given.size, given.max_yaw, given.seed, given.basis, given.acquisition
    )
    print(write_random_renders(given.out, config, shard_of(given), given.workers))


def _faces(given: argparse.Namespace) -> None:
    from aukit.simulation import PretrainingFacesConfig, write_avatar_faces

    config = PretrainingFacesConfig(
        given.identities,
        given.frames,
        given.size,
        seed=given.seed,
        basis=given.basis,
        registration=given.registration,
    )
    print(write_avatar_faces(given.out, config, shard_of(given), given.workers))


def _labelled(given: argparse.Namespace) -> None:
    from aukit.simulation import LabelledFacesConfig, write_labelled_faces

    config = LabelledFacesConfig(
        given.identities,
        given.frames,
        given.size,
        given.first,
        bases=tuple(given.basis),
        seed=given.seed,
    )
    print(write_labelled_faces(given.out, config, shard_of(given), given.workers))


def _add_pairs(avatars: Commands[Parser]) -> None:
    command = add_command(avatars, "pairs", _pairs, "a female and a male avatar for each frame of a corpus")
    command.add_argument(
        "--driving-corpus",
        choices=corpus_names(released=True),
        required=True,
        help="whose frames give expressions",
    )
    command.add_argument("--driving-root", type=Path, required=True, metavar="DIR", help="its folder")
    command.add_argument(
        "--tracker",
        type=Path,
        metavar="DIR",
        help="CSVs of OpenFace, ARKit, MediaPipe or py-feat, named VIDEO.csv or F001_T1.csv",
    )
    command.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    command.add_argument("--views", type=int, nargs="+", metavar="N", help="FERA 2017's (default: 6)")
    command.add_argument(
        "--partitions", nargs="+", metavar="NAME", help="default: FERA 2017's train, all of other corpora"
    )
    _add_writing(command)


def _pairs(given: argparse.Namespace) -> None:
    from aukit.simulation import AvatarPairsConfig, write_avatar_pairs

    config = AvatarPairsConfig(
        given.driving_corpus,
        None if given.partitions is None else tuple(given.partitions),
        None if given.views is None else tuple(given.views),
        given.size,
        given.seed,
        basis=given.basis,
    )
    print(
        write_avatar_pairs(
            given.out, given.driving_root, config, given.tracker, shard_of(given), given.workers
        )
    )


def _add_dataset(avatars: Commands[Parser]) -> None:
    text = "a data set of balanced avatars with exact action units, which needs no corpus"
    command = add_command(avatars, "dataset", _dataset, text)
    command.add_argument("--sample", action="store_true", help="600 images in place of 214,146")
    command.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    _add_writing(command)


def _dataset(given: argparse.Namespace) -> None:
    from aukit.simulation import AvatarDatasetConfig, write_avatar_dataset

    kind = AvatarDatasetConfig.sample if given.sample else AvatarDatasetConfig
    config = kind(size=given.size, seed=given.seed, basis=given.basis)
    print(write_avatar_dataset(given.out, config, shard_of(given), given.workers))


def _add_writing(command: Parser, several_bases: bool = False) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    several: dict[str, Any] = {"nargs": "+", "default": BASES[:1]} if several_bases else {"default": BASES[0]}
    command.add_argument("--basis", choices=BASES, help="where the geometry comes from", **several)
    command.add_argument("--seed", type=seed, default=0)
    command.add_argument("--workers", type=int, help="processes (default: one per core)")
    add_shard(command)
    also_as_job(command)
