"""Commands of published weights: import them, check those of libraries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from aukit.cli.grammar import Commands, Parser, add_command
from aukit.errors import WeightsError


def add_weights(weights: Commands[Parser]) -> None:
    """Add the commands."""
    text = "turn a published checkpoint into safetensors, checked"
    command = add_command(weights, "import", _import_weights, text)
    kinds = ("fgnet", "stylegan2", "psp", "prnet", "inversion", "backbone", "reader", "finder")
    command.add_argument("kind", choices=kinds, help="what the file is; the last four: trained here")
    command.add_argument(
        "file", type=Path, metavar="FILE", help="e.g. model.pth, psp_ffhq_encode.pt, last.ckpt"
    )
    command.add_argument("--out", type=Path, required=True, metavar="SAFETENSORS")
    command.add_argument("--corpus", choices=("bp4d", "disfa"), help="fgnet: what the model was trained on")
    command.add_argument(
        "--latent-avg", type=Path, metavar="FILE", help="fgnet: the pSp checkpoint, for its mean code"
    )
    command.add_argument(
        "--uv-data", type=Path, metavar="DIR", help="prnet: the folder Data/uv-data of its repository"
    )
    command.add_argument("--sha256", metavar="HEX", help="refuse a file with another hash")

    text = "save a detector to a folder that can be passed on"
    command = add_command(weights, "export", _export_weights, text)
    command.add_argument(
        "model", metavar="MODEL", help="as of aukit detect --model: aukit, fgnet:FILE, baselines:RUN …"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    command.add_argument("--onnx", action="store_true", help="its networks as ONNX too, checked: DIR/onnx")

    text = "are the files there that a library needs, and undamaged? exit status 2 if not"
    command = add_command(weights, "check", _check_weights, text)
    command.add_argument("library", choices=("face-alignment",), help="whose files")
    command.add_argument(
        "--dir", type=Path, metavar="DIR", help="where to look, besides torch hub's checkpoints"
    )


def _check_weights(given: argparse.Namespace) -> None:
    from aukit.registration.landmark_weights import check_face_alignment

    for line in check_face_alignment(given.dir):
        print(line)


def _export_weights(given: argparse.Namespace) -> None:
    from aukit.cli.detect import named_model

    detector = named_model(given.model, "cpu")
    print(f"{detector.save_pretrained(given.out)} written")
    if given.onnx:
        from aukit.detect import export_onnx

        for name, apart in export_onnx(detector.graphs(), given.out / "onnx", detector.licence).items():
            print(f"{given.out / 'onnx' / name}.onnx written: ONNX Runtime and PyTorch differ by {apart:.1g}")


def _import_weights(given: argparse.Namespace) -> None:
    if given.kind == "backbone":
        from aukit.models.components.backbones import pack_backbone

        print(f"{given.out} written: {pack_backbone(given.file, given.out):,} values")
        return
    if given.kind in ("reader", "finder"):
        from aukit.models.landmarks.weights import pack_network
        from aukit.registration.landmarks.networks import FaceFinder, FaceReader

        network = FaceReader if given.kind == "reader" else FaceFinder
        _say_written(given, pack_network(given.file, given.out, network))
        return
    if given.kind == "prnet":
        from aukit.models.weights.prnet import import_prnet

        if given.uv_data is None:
            raise WeightsError(f"{given.file}: name PRNet's folder of UV data too: --uv-data Data/uv-data")
        _say_written(given, import_prnet(given.file, given.uv_data, given.out, given.sha256))
        return
    from aukit.models.fgnet.weights import import_weights

    metadata = import_weights(
        given.kind,
        given.file,
        given.out,
        corpus=given.corpus,
        latent_avg=given.latent_avg,
        sha256=given.sha256,
    )
    _say_written(given, metadata)


def _say_written(given: argparse.Namespace, metadata: Mapping[str, str]) -> None:
    print(f"{given.out} written from {metadata['source']} (SHA-256 {metadata['source_sha256']})")
    print(f"Licence: {metadata['licence']}")
