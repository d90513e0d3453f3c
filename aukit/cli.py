"""The `aukit` command: words in, one call out. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aukit import __version__
from aukit.errors import AukitError

PROFILES = ("smoke", "mini", "standin", "paper")
BASES = ("procedural", "ict")
CORPORA = ("fera2017", "bp4d", "disfa", "gft")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: words after `aukit`; None for those of the command line.

    Returns:
        Exit status: 0, or 2 after an error that the user can act on.
    """
    words = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], object] = words.run
    try:
        return int(run(words) or 0)  # type: ignore[call-overload,no-any-return]
    except AukitError as error:
        print(f"aukit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("aukit: interrupted; repeat the command to go on", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command's grammar."""
    root = argparse.ArgumentParser(
        prog="aukit", description="Facial action unit research, from corpus to table."
    )
    root.add_argument("--version", action="version", version=f"aukit {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    for name, run, text in (
        ("fit", _fit, "train, select, test; go on where it was, or reuse a finished run"),
        ("test", _test, "score the test frames again with a trained model"),
        ("predict", _predict, "predict every frame of the corpus with a trained model"),
    ):
        command = _add(commands, name, run, text)
        command.add_argument(
            "-c", "--config", type=Path, required=True, metavar="FILE", help="experiment file"
        )
        command.add_argument("--profile", help=f"size: {', '.join(PROFILES)} or the experiment's own")
        command.add_argument(
            "--runs", type=Path, default="lightning_logs/runs", help="folder of all run folders"
        )
        command.add_argument("overrides", nargs="*", metavar="key=value", help="e.g. model.lr=1e-4")
        if name != "fit":
            command.add_argument("--checkpoint", type=Path, help="other than the one the run has tested")

    corpora = _group(commands, "corpora", "look at corpora")
    command = _add(corpora, "check", _check, "is a release read rightly? counts, codes, variants; no frame")
    command.add_argument("corpus", choices=CORPORA)
    command.add_argument("--root", type=Path, required=True)
    command.add_argument("--json", action="store_true", help="machine-readable")
    _add_reading(command)

    command = _add(commands, "standin", _standin, "render a stand-in in a corpus' official layout")
    command.add_argument("corpus", choices=CORPORA)
    command.add_argument("--root", type=Path, required=True)
    command.add_argument("--truth", type=Path, help="folder of the sealed truth (default: ROOT-truth)")
    command.add_argument("--profile", choices=("smoke", "mini", "standin"), default="mini")
    command.add_argument(
        "--views", type=int, nargs="+", choices=range(1, 10), metavar="1..9", help="FERA 2017's (default: 6)"
    )
    command.add_argument("--workers", type=int, help="processes (default: one per core)")
    command.add_argument("--seed", type=int, default=0)

    command = _add(commands, "prepare", _prepare, "decode and register a corpus into a prepared store")
    command.add_argument("corpus", choices=(*CORPORA, "avatar_pairs"))
    command.add_argument("--root", type=Path, required=True)
    command.add_argument("--registration", choices=("ffhq", "similarity", "frontal3d"), default="frontal3d")
    command.add_argument("--size", type=int, default=224, help="side of the crops in pixels")
    command.add_argument(
        "--views", type=int, nargs="+", choices=range(1, 10), default=[6], metavar="1..9", help="FERA 2017's"
    )
    command.add_argument("--partitions", nargs="+", choices=("train", "valid", "test"), help="FERA 2017's")
    _add_reading(command)
    command.add_argument("--weights", type=Path, help="folder of face-alignment's weights")
    command.add_argument("--workers", type=int, default=2)
    command.add_argument("--out", type=Path, default="lightning_logs/stores", help="folder of all stores")

    avatars = _group(commands, "avatars", "rendered faces")
    command = _add(avatars, "sheet", _sheet, "draw people and action units on one picture")
    command.add_argument("--out", type=Path, required=True, metavar="PNG")
    command.add_argument("--basis", choices=BASES, nargs="+", default=BASES[:1], help="one after the other")

    command = _add(avatars, "import-ict", _import_ict, "turn a clone of ICT-FaceKit into a face basis file")
    command.add_argument("clone", type=Path, help="folder with LICENSE and FaceXModel")
    command.add_argument("--out", type=Path, required=True, metavar="NPZ")
    command.add_argument("--modes", type=int, default=100, help="identity modes to take, 1 to 100")
    command.add_argument(
        "--gender-direction", type=Path, metavar="FILE", help="coefficients that lead from male to female"
    )

    command = _add(avatars, "render", _render, "random faces with landmarks and action units")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--maker", choices=("people", "avatars"), default="avatars")
    command.add_argument("--basis", choices=BASES, default=BASES[0], help="where the geometry comes from")
    command.add_argument("--count", type=int, required=True, help="number of samples, each a new face")
    command.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    command.add_argument("--look", metavar="NAME", help="of the people: bp4d, disfa, ...; any if left out")
    command.add_argument("--max-yaw", type=float, default=40.0, help="degrees; yaw is uniform up to it")
    _add_sharing(command)

    command = _add(avatars, "faces", _faces, "unlabelled face crops to pre-train on")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--identities", type=int, default=600, help="number of avatars")
    command.add_argument("--frames", type=int, default=16, help="images of each")
    command.add_argument("--size", type=int, default=64, help="side of the crops in pixels")
    command.add_argument("--basis", choices=BASES, default=BASES[0], help="where the geometry comes from")
    command.add_argument(
        "--registration", choices=("ffhq", "similarity"), default="ffhq", help="how faces are cropped"
    )
    _add_sharing(command)

    command = _add(avatars, "pairs", _pairs, "a female and a male avatar for each frame of a corpus")
    command.add_argument("--drive", choices=("bp4d", "fera2017"), required=True, help="the driving corpus")
    command.add_argument("--drive-root", type=Path, required=True, metavar="DIR")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument(
        "--tracker", type=Path, metavar="DIR", help="OpenFace or ARKit CSVs, VIDEO.csv or F001_T1.csv"
    )
    command.add_argument("--basis", choices=BASES, default=BASES[0], help="where the geometry comes from")
    command.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    command.add_argument(
        "--views", type=int, nargs="+", choices=range(1, 10), metavar="1..9", help="FERA 2017's (default: 6)"
    )
    command.add_argument(
        "--partitions",
        nargs="+",
        choices=("train", "valid", "test", "P1", "P2", "P3"),
        help="default: FERA 2017's train, all of BP4D",
    )
    _add_sharing(command)

    weights = _group(commands, "weights", "published weights")
    command = _add(
        weights, "import", _import_weights, "turn a published checkpoint into safetensors, checked"
    )
    kinds = ("fgnet", "stylegan2", "psp", "inversion", "backbone")
    command.add_argument("kind", choices=kinds, help="what the file is; the last two: pre-trained here")
    command.add_argument(
        "source", type=Path, metavar="FILE", help="e.g. model.pth, psp_ffhq_encode.pt, last.ckpt"
    )
    command.add_argument("--out", type=Path, required=True, metavar="SAFETENSORS")
    command.add_argument("--corpus", choices=("bp4d", "disfa"), help="fgnet: what the model was trained on")
    command.add_argument(
        "--latent-avg", type=Path, metavar="FILE", help="fgnet: the pSp checkpoint, for its mean code"
    )
    command.add_argument("--sha256", metavar="HEX", help="refuse a file with another hash")

    command = _add(
        commands, "reproduce", _reproduce, "make a published table: train what is missing, print it"
    )
    command.add_argument("table", metavar="TABLE", help="e.g. table3")
    command.add_argument(
        "--profile", choices=PROFILES, help="default: mini, or paper with a licensed root and a GPU"
    )
    command.add_argument("--target", metavar="CORPUS", help="pm2: the unlabelled corpus, disfa or gft")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--plan", action="store_true", help="list cells, hours and disk; run nothing")
    command.add_argument("--yes", action="store_true", help="paper size without a GPU, really")
    command.add_argument("--jobs", type=int, help="trainings side by side")
    return root


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], object],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    return command


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("--camera", choices=("left", "right"), default="left", help="DISFA's")
    levels = range(1, 6)
    command.add_argument(
        "--threshold", type=int, choices=levels, default=2, help="DISFA: least intensity that is present"
    )
    command.add_argument("--columns", type=Path, metavar="YAML", help="GFT's (default: in its root)")


def _add_sharing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, help="processes (default: one per core)")
    command.add_argument(
        "--shard", metavar="i/n", help="do share i of n, from 0/n on; for cluster arrays (default: all)"
    )


def _group(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return commands.add_parser(name, help=text).add_subparsers(required=True, metavar="COMMAND")


def _fit(words: argparse.Namespace) -> None:
    from aukit.training import execute, is_rank_zero, load_config

    record = execute(load_config(words.config, words.profile, words.overrides), words.runs)
    if is_rank_zero():
        print(record.summary())


def _test(words: argparse.Namespace) -> None:
    from aukit.training import evaluate, load_config

    config = load_config(words.config, words.profile, words.overrides)
    print(evaluate(config, words.runs, "test", words.checkpoint))


def _predict(words: argparse.Namespace) -> None:
    from aukit.training import evaluate, load_config

    config = load_config(words.config, words.profile, words.overrides)
    print(evaluate(config, words.runs, "predict", words.checkpoint))


def _check(words: argparse.Namespace) -> int:
    from aukit.datasets import corpus_entry, verify

    options = {
        "disfa": {"camera": words.camera, "threshold": words.threshold},
        "gft": {"columns": words.columns},
    }
    entry = corpus_entry(words.corpus)
    release = entry.load("reader")(words.root, **options.get(words.corpus, {}))
    report = verify(release, entry.load("published"))
    print(report.to_json() if words.json else report.text())
    return 0 if report.ok else 2


def _standin(words: argparse.Namespace) -> None:
    from dataclasses import replace

    from aukit import simulation as corpora

    truth = words.truth or words.root.with_name(f"{words.root.name}-truth")
    if words.corpus == "bp4d":
        bp4d: corpora.BP4DSimulationConfig = getattr(corpora.BP4DSimulationConfig, words.profile)(
            seed=words.seed
        )
        corpora.write_bp4d_standin(words.root, bp4d, truth, workers=words.workers)
    elif words.corpus == "disfa":
        disfa: corpora.DISFASimulationConfig = getattr(corpora.DISFASimulationConfig, words.profile)(
            seed=words.seed
        )
        corpora.write_disfa_standin(words.root, disfa, truth, workers=words.workers)
    elif words.corpus == "gft":
        gft: corpora.GFTSimulationConfig = getattr(corpora.GFTSimulationConfig, words.profile)(
            seed=words.seed
        )
        corpora.write_gft_standin(words.root, gft, truth, workers=words.workers)
    else:
        recipe = getattr(corpora.FERA2017SimulationConfig, words.profile)(seed=words.seed)
        if words.views:
            recipe = replace(recipe, views=tuple(sorted(set(words.views))))
        corpora.write_fera2017_standin(words.root, recipe, truth, workers=words.workers)


def _prepare(words: argparse.Namespace) -> None:
    from aukit.datasets import BP4D, DISFA, FERA2017, GFT, AvatarPairs
    from aukit.store import prepare_release

    corpus: BP4D | DISFA | FERA2017 | GFT | AvatarPairs
    if words.corpus == "fera2017":
        corpus = FERA2017(words.root, words.partitions or ("train", "valid", "test"), words.views)
    elif words.corpus == "bp4d":
        corpus = BP4D(words.root)
    elif words.corpus == "gft":
        corpus = GFT(words.root, words.columns)
    elif words.corpus == "avatar_pairs":
        corpus = AvatarPairs(words.root)
    else:
        corpus = DISFA(words.root, words.camera, words.threshold)
    store = prepare_release(corpus, words.out, words.registration, words.size, words.weights, words.workers)
    print("\n".join([store.summary(), *corpus.settings]))


def _sheet(words: argparse.Namespace) -> None:
    from aukit.simulation.images.contact_sheet import contact_sheet

    contact_sheet(words.out, words.basis)


def _import_ict(words: argparse.Namespace) -> None:
    from aukit.simulation import ICT_VARIABLE
    from aukit.simulation.ict.convert import import_ict

    import_ict(words.clone, words.out, words.modes, words.gender_direction)
    print(f"{words.out} written; {ICT_VARIABLE}={words.out} makes it the face basis 'ict'")


def _render(words: argparse.Namespace) -> None:
    from aukit.simulation.images.random_renders import RandomRendersConfig, write_random_renders
    from aukit.utils.jobs import Shard

    recipe = RandomRendersConfig(
        words.maker, words.count, words.size, words.max_yaw, words.seed, words.basis, words.look
    )
    print(write_random_renders(words.out, recipe, Shard.parse(words.shard), words.workers))


def _faces(words: argparse.Namespace) -> None:
    from aukit.simulation.images.pretraining_faces import PretrainingFacesConfig, write_avatar_faces
    from aukit.utils.jobs import Shard

    recipe = PretrainingFacesConfig(
        words.identities,
        words.frames,
        words.size,
        seed=words.seed,
        basis=words.basis,
        registration=words.registration,
    )
    print(write_avatar_faces(words.out, recipe, Shard.parse(words.shard), words.workers))


def _pairs(words: argparse.Namespace) -> None:
    from aukit.simulation.pairs.writer import write_avatar_pairs
    from aukit.utils.jobs import Shard

    summary = write_avatar_pairs(
        words.out,
        words.drive,
        words.drive_root,
        size=words.size,
        seed=words.seed,
        partitions=words.partitions,
        views=words.views,
        tracker=words.tracker,
        basis=words.basis,
        shard=Shard.parse(words.shard),
        workers=words.workers,
    )
    print(summary)


def _import_weights(words: argparse.Namespace) -> None:
    if words.kind == "backbone":
        from aukit.models.components.backbones import pack_backbone

        print(f"{words.out} written: {pack_backbone(words.source, words.out):,} values")
        return
    from aukit.models.fgnet.weights import import_weights

    metadata = import_weights(
        words.kind,
        words.source,
        words.out,
        corpus=words.corpus,
        latent_avg=words.latent_avg,
        sha256=words.sha256,
    )
    print(f"{words.out} written from {metadata['source']} (SHA-256 {metadata['source_sha256']})")
    print(f"Licence: {metadata['licence']}")


def _reproduce(words: argparse.Namespace) -> None:
    from aukit.reproduce import main as reproduce

    reproduce(words)


if __name__ == "__main__":
    sys.exit(main())
