"""What is killed: commands that work for a while, each in a folder of its own with what earlier ones made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aukit.simulation import STANDIN_VERSION
from tests.tables import write_table

CORPORA = ("bp4d", "disfa", "fera2017", "gft")


def _people(folder: Path) -> None:
    """Pictures, a table and landmarks of a user's own corpus."""
    write_table(folder / "mine", frames=6)


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        name: Its name, and that of its folder.
        words: What stands behind ``aukit``.
        inputs: Folders that are there before: the name, the case whose reference has it, and its name there.
        setup: What else is put into the folder before.
    """

    name: str
    words: str
    inputs: tuple[tuple[str, str, str], ...] = ()
    setup: Callable[[Path], None] | None = None

    @property
    def group(self) -> str:
        """The command, and of trainings and tables which."""
        command = self.words.split()[0]
        return self.name if command in ("fit", "reproduce") else command


def _made(*corpora: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((corpus, f"standin {corpus}", corpus) for corpus in corpora)


def _made_for_tables(*corpora: str) -> tuple[tuple[str, str, str], ...]:
    """The stand-ins where tables look for them, with their sealed truth."""
    names = {corpus: f"{corpus}-smoke-v{STANDIN_VERSION}-seed0" for corpus in corpora}
    return tuple(
        (f"lightning_logs/standins/{names[corpus]}{kind}", f"standin {corpus}", f"{corpus}{kind}")
        for corpus in corpora
        for kind in ("", "-truth")
    )


CASES = [
    *(Case(f"standin {corpus}", f"standin {corpus} --root {corpus} --profile smoke") for corpus in CORPORA),
    Case(
        "avatars pairs",
        "avatars pairs --driving-corpus bp4d --driving-root bp4d --out pairs --size 64",
        _made("bp4d"),
    ),
    Case("prepare", "prepare bp4d --root bp4d --out stores --registration ffhq --size 64", _made("bp4d")),
    Case(
        "fit fgnet",
        "fit -c fgnet --profile smoke corpus=bp4d data.root=bp4d trainer.max_epochs=10",
        _made("bp4d"),
    ),
    Case(
        "fit baselines",
        "fit -c baselines --profile smoke corpus=disfa data.root=disfa trainer.max_epochs=20 "
        "logging.wandb=true",
        _made("disfa"),
    ),
    Case(
        "fit pm2",
        "fit -c pm2 --profile smoke target=disfa data.source.root=bp4d data.target.root=disfa "
        "data.avatars.root=pairs trainer.max_epochs=12",
        (*_made("bp4d", "disfa"), ("pairs", "avatars pairs", "pairs")),
    ),
    Case(
        "fit synthesis",
        "fit -c synthesis --profile smoke corpus=fera2017 data.corpus.root=fera2017 trainer.max_epochs=6 "
        "run.save_minutes=0",
        _made("fera2017"),
    ),
    Case(
        "fit intensity",
        "fit -c intensity --profile smoke corpus=table aus=[12] data.corpus.root=mine "
        "data.corpus.table=mine/frames.csv data.corpus.landmarks=mine/landmarks.csv data.corpus.folds=3 "
        "data.corpus.registration=similarity "
        "trainer.max_epochs=20",
        setup=_people,
    ),
    Case("fit pretrain_gan", "fit -c pretrain_gan --profile smoke trainer.max_epochs=20"),
    Case("reproduce table3", "reproduce table3 --profile smoke"),
    # Their stand-ins are there: writing them is killed above, and in the table before.
    Case("reproduce fgnet", "reproduce fgnet --profile smoke", _made_for_tables("bp4d", "disfa")),
    Case("reproduce pm2", "reproduce pm2 --profile smoke", _made_for_tables("bp4d", "disfa")),
]
