"""The `aukit` command: arguments in, one call out. Each subcommand imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aukit import __version__
from aukit.datasets.registry import CorpusEntry, corpus_entry, corpus_names
from aukit.errors import AukitError
from aukit.utils.arguments import add_options

PROFILES = ("smoke", "mini", "standin", "paper")
BASES = ("procedural", "ict")
READER_ARGUMENTS = ("root", "persons")
"""Of every reader; all others are options of the commands that read a corpus."""

Commands = argparse._SubParsersAction
Run = Callable[[argparse.Namespace], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after `aukit`; None for those of the command line.

    Returns:
        Exit status: 0; 2 after an error that the user can act on; 1 if a check ends with findings.
    """
    try:
        parsed = parser().parse_args(arguments)
        run: Run = parsed.run
        return int(run(parsed) or 0)  # type: ignore[call-overload,no-any-return]
    except AukitError as error:
        # What a file says may hold control characters: a terminal would obey them.
        print("aukit:", "".join(c for c in str(error) if c.isprintable() or c == "\n"), file=sys.stderr)
        return 2
    except (OSError, MemoryError) as error:  # a full disk, rights: not foreseen where it happened
        print(f"aukit: {error or 'not enough memory'}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("aukit: interrupted; repeat the command to go on", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command's grammar; options of a corpus are those of its reader, added once its name is known."""
    root = argparse.ArgumentParser(
        prog="aukit", description="Facial action unit research, from corpus to table."
    )
    root.add_argument("--version", action="version", version=f"aukit {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _add_runs(commands)
    corpora = _group(commands, "corpora", "look at corpora")
    text = "is a release read rightly? counts, codes, variants; no frame"
    _add_for_corpus(corpora, "check", _check, text, corpus_names(released=True))
    text = "render a stand-in in a corpus' official layout"
    _add_for_corpus(commands, "standin", _standin, text, corpus_names(standin=True))
    _add_prepare(commands)
    avatars = _group(commands, "avatars", "rendered faces")
    _add_faces(avatars)
    _add_pairs(avatars)
    _add_weights(_group(commands, "weights", "published weights"))
    _add_reproduce(commands)
    return root


# --------------------------------------------------------------------------------------- trainings


def _add_runs(commands: Commands[argparse.ArgumentParser]) -> None:
    for name, run, text in (
        ("fit", _fit, "train, select, test; go on where it was, or reuse a finished run"),
        ("test", _evaluate, "score the test frames again with a trained model"),
        ("predict", _evaluate, "predict every frame of the corpus with a trained model"),
    ):
        command = _add(commands, name, run, text)
        command.set_defaults(stage=name)
        _add_experiment(command)
        command.add_argument(
            "--runs", type=Path, default="lightning_logs/runs", help="folder of all run folders"
        )
        command.add_argument("overrides", nargs="*", metavar="key=value", help="e.g. model.lr=1e-4")
        if name != "fit":
            model = command.add_mutually_exclusive_group()
            model.add_argument("--checkpoint", type=Path, help="other than the one the run has tested")
            model.add_argument(
                "--weights", type=Path, help="released weights of the whole network; no training is needed"
            )


def _add_experiment(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument(
        "-c", "--config", type=Path, required=required, metavar="FILE", help="experiment file"
    )
    command.add_argument("--profile", help=f"size: {', '.join(PROFILES)} or the experiment's own")


def _fit(given: argparse.Namespace) -> None:
    from aukit.training import execute, is_rank_zero, load_config

    record = execute(load_config(given.config, given.profile, given.overrides), given.runs)
    if is_rank_zero():
        print(record.summary())


def _evaluate(given: argparse.Namespace) -> None:
    from aukit.training import evaluate, load_config

    config = load_config(given.config, given.profile, given.overrides)
    print(evaluate(config, given.runs, given.stage, given.checkpoint, weights=given.weights))


# --------------------------------------------------------------------------------------- corpora


def _check(given: argparse.Namespace) -> int:
    from aukit.datasets import verify_release

    entry, command = _corpus_command(given)
    command.add_argument("--json", action="store_true", help="machine-readable")
    command.add_argument("--deep", action="store_true", help="decode every frame, to know which are usable")
    reader = entry.load("reader")
    names = add_options(command, reader, skip=READER_ARGUMENTS)
    options = command.parse_args(given.options)
    release = reader(options.root, **_chosen(options, names))
    published = entry.load("published") if entry.published else None
    report = verify_release(release, published, options.deep, progress=True)
    print(report.to_json() if options.json else report.text())
    return 2 if not report.ok else 1 if report.findings else 0


def _standin(given: argparse.Namespace) -> None:
    entry, command = _corpus_command(given)
    standin = entry.load("standin")
    command.add_argument(
        "--truth", type=Path, metavar="DIR", help="folder of the sealed truth (default: ROOT-truth)"
    )
    command.add_argument("--profile", choices=("smoke", "mini", "standin"), default="mini", help="size")
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    names = add_options(command, standin.config_type, standin.config_type.options, default=None)
    options = command.parse_args(given.options)
    truth = options.truth or options.root.with_name(f"{options.root.name}-truth")
    config = standin.config_type.of_size(options.profile, options.seed)
    chosen = {name: value for name, value in _chosen(options, names).items() if value is not None}
    standin(options.root, truth, replace(config, **chosen)).write(options.workers)


def _add_prepare(commands: Commands[argparse.ArgumentParser]) -> None:
    text = "decode and register the corpora of an experiment, or one corpus, into prepared stores"
    command = _add(commands, "prepare", _prepare, text)
    command.usage = (
        f"{command.prog} -c FILE [--profile PROFILE] [key=value ...]\n"
        f"       {command.prog} {{{','.join(corpus_names())}}} --root DIR ..."
    )
    _add_experiment(command, required=False)
    text = "values of the experiment; or a corpus, and then --help for what belongs to it"
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="key=value | CORPUS", help=text)
    command.set_defaults(prog=command.prog, refuse=command.error)


def _prepare(given: argparse.Namespace) -> None:
    corpus = given.words[0] if given.words and "=" not in given.words[0] else None
    if given.config is None and corpus in corpus_names():
        given.corpus, given.options = corpus, given.words[1:]
        print(_prepare_corpus(given))
        return
    rest = argparse.ArgumentParser(prog=given.prog)  # options may also stand behind the values
    _add_experiment(rest, required=False)
    rest.add_argument("overrides", nargs="*")
    rest.parse_args(given.words, given)
    if given.config is None:
        given.refuse(f"name an experiment (-c FILE) or a corpus ({', '.join(corpus_names())})")
    from aukit.training import load_config, prepare_data

    print(prepare_data(load_config(given.config, given.profile, given.overrides)))


def _prepare_corpus(given: argparse.Namespace) -> str:
    from aukit.registration import FFHQ
    from aukit.store import prepare_release

    entry, command = _corpus_command(given)
    kinds = ("ffhq", "similarity", "frontal3d")
    command.add_argument("--registration", choices=kinds, default="frontal3d", help="how faces are cropped")
    command.add_argument("--size", type=int, default=224, metavar="N", help="side of the crops in pixels")
    settings = add_options(command, FFHQ, skip=("size",), default=None)
    command.add_argument("--weights", type=Path, metavar="DIR", help="folder of face-alignment's weights")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="processes")
    command.add_argument(
        "--out", type=Path, default="lightning_logs/stores", metavar="DIR", help="folder of all stores"
    )
    reader = entry.load("reader")
    names = add_options(command, reader, skip=READER_ARGUMENTS)
    options = command.parse_args(given.options)
    release = reader(options.root, **_chosen(options, names))
    chosen = {name: value for name, value in _chosen(options, settings).items() if value is not None}
    store = prepare_release(
        release, options.out, options.registration, options.size, options.weights, options.workers, **chosen
    )
    return store.summary()


def _add_for_corpus(
    commands: Commands[argparse.ArgumentParser], name: str, run: Run, text: str, corpora: Sequence[str]
) -> None:
    """A command whose options depend on the corpus: what follows its name is read by `_corpus_command`."""
    command = _add(commands, name, run, text)
    command.set_defaults(prog=command.prog)
    command.add_argument("corpus", choices=corpora, help="and then --help, for what belongs to this corpus")
    command.add_argument("options", nargs=argparse.REMAINDER, metavar="--root DIR ...")


def _corpus_command(given: argparse.Namespace) -> tuple[CorpusEntry, argparse.ArgumentParser]:
    """The entry of the named corpus, and a parser of the options behind its name."""
    entry = corpus_entry(given.corpus)
    command = argparse.ArgumentParser(prog=f"{given.prog} {entry.name}", description=entry.title)
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the corpus")
    return entry, command


def _chosen(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names}


# --------------------------------------------------------------------------------------- avatars


def _add_faces(avatars: Commands[argparse.ArgumentParser]) -> None:
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
    command.add_argument("--maker", choices=("people", "avatars"), default="avatars")
    command.add_argument("--count", type=int, required=True, help="number of samples, each a new face")
    command.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    command.add_argument(
        "--acquisition", metavar="NAME", help="how people are filmed: bp4d, disfa, ...; any if left out"
    )
    command.add_argument("--max-yaw", type=float, default=40.0, help="degrees; yaw is uniform up to it")
    _add_writing(command)

    command = _add(avatars, "faces", _faces, "unlabelled face crops to pre-train on")
    command.add_argument("--identities", type=int, default=600, help="number of avatars")
    command.add_argument("--frames", type=int, default=16, help="images of each")
    command.add_argument("--size", type=int, default=64, help="side of the crops in pixels")
    command.add_argument(
        "--registration", choices=("ffhq", "similarity"), default="ffhq", help="how faces are cropped"
    )
    _add_writing(command)


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
    print(write_random_renders(given.out, config, _shard(given), given.workers))


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
    print(write_avatar_faces(given.out, config, _shard(given), given.workers))


def _add_pairs(avatars: Commands[argparse.ArgumentParser]) -> None:
    command = _add(avatars, "pairs", _pairs, "a female and a male avatar for each frame of a corpus")
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
        write_avatar_pairs(given.out, given.driving_root, config, given.tracker, _shard(given), given.workers)
    )


def _add_writing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--basis", choices=BASES, default=BASES[0], help="where the geometry comes from")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, help="processes (default: one per core)")
    command.add_argument(
        "--shard", metavar="i/n", help="do share i of n, from 0/n on; for cluster arrays (default: all)"
    )


def _shard(given: argparse.Namespace) -> Any:
    from aukit.utils.jobs import Shard

    return Shard.parse(given.shard)


# --------------------------------------------------------------------------------------- weights and tables


def _add_weights(weights: Commands[argparse.ArgumentParser]) -> None:
    text = "turn a published checkpoint into safetensors, checked"
    command = _add(weights, "import", _import_weights, text)
    kinds = ("fgnet", "stylegan2", "psp", "inversion", "backbone")
    command.add_argument("kind", choices=kinds, help="what the file is; the last two: pre-trained here")
    command.add_argument(
        "file", type=Path, metavar="FILE", help="e.g. model.pth, psp_ffhq_encode.pt, last.ckpt"
    )
    command.add_argument("--out", type=Path, required=True, metavar="SAFETENSORS")
    command.add_argument("--corpus", choices=("bp4d", "disfa"), help="fgnet: what the model was trained on")
    command.add_argument(
        "--latent-avg", type=Path, metavar="FILE", help="fgnet: the pSp checkpoint, for its mean code"
    )
    command.add_argument("--sha256", metavar="HEX", help="refuse a file with another hash")

    text = "are the files there that a library needs, and undamaged? exit status 2 if not"
    command = _add(weights, "check", _check_weights, text)
    command.add_argument("library", choices=("face-alignment",), help="whose files")
    command.add_argument(
        "--dir", type=Path, metavar="DIR", help="where to look, besides torch hub's checkpoints"
    )


def _check_weights(given: argparse.Namespace) -> None:
    from aukit.registration.landmark_weights import check_face_alignment

    for line in check_face_alignment(given.dir):
        print(line)


def _import_weights(given: argparse.Namespace) -> None:
    if given.kind == "backbone":
        from aukit.models.components.backbones import pack_backbone

        print(f"{given.out} written: {pack_backbone(given.file, given.out):,} values")
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
    print(f"{given.out} written from {metadata['source']} (SHA-256 {metadata['source_sha256']})")
    print(f"Licence: {metadata['licence']}")


def _add_reproduce(commands: Commands[argparse.ArgumentParser]) -> None:
    text = "make a published table: train what is missing, print it"
    command = _add(commands, "reproduce", _reproduce, text)
    command.add_argument("table", metavar="TABLE", help="e.g. table3")
    command.add_argument(
        "--profile", choices=PROFILES, help="default: mini, or paper with a licensed root and a GPU"
    )
    command.add_argument("--target", metavar="CORPUS", help="pm2: the unlabelled corpus, disfa or gft")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--plan", action="store_true", help="list cells, hours and disk; run nothing")
    command.add_argument("--yes", action="store_true", help="paper size without a GPU, really")
    command.add_argument("--jobs", type=int, help="trainings side by side")


def _reproduce(given: argparse.Namespace) -> None:
    from aukit.reproduce import main as reproduce

    reproduce(given)


# --------------------------------------------------------------------------------------- grammar


def _add(
    commands: Commands[argparse.ArgumentParser], name: str, run: Run, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    return command


def _group(
    commands: Commands[argparse.ArgumentParser], name: str, text: str
) -> Commands[argparse.ArgumentParser]:
    return commands.add_parser(name, help=text).add_subparsers(required=True, metavar="COMMAND")


if __name__ == "__main__":
    sys.exit(main())
