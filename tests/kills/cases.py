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


def _fit(
    name: str,
    epochs: int,
    words: str = "",
    inputs: tuple[tuple[str, str, str], ...] = (),
    setup: Callable[[Path], None] | None = None,
) -> Case:
    """A training that writes its state before every batch, so that it goes on in the middle."""
    start = f"fit -c {name} --profile smoke trainer.max_epochs={epochs} run.save_minutes=0"
    return Case(f"fit {name}", f"{start} {words}", inputs, setup)


CASES = [
    *(Case(f"standin {corpus}", f"standin {corpus} --root {corpus} --profile smoke") for corpus in CORPORA),
    Case(
        "avatars pairs",
        "avatars pairs --driving-corpus bp4d --driving-root bp4d --out pairs --size 64",
        _made("bp4d"),
    ),
    Case("prepare", "prepare bp4d --root bp4d --out stores --registration ffhq --size 64", _made("bp4d")),
    _fit("fgnet", 10, "corpus=bp4d data.root=bp4d", _made("bp4d")),
    _fit("baselines", 20, "corpus=disfa data.root=disfa logging.wandb=true", _made("disfa")),
    _fit(
        "pm2",
        12,
        "target=disfa data.source.root=bp4d data.target.root=disfa data.avatars.root=pairs",
        (*_made("bp4d", "disfa"), ("pairs", "avatars pairs", "pairs")),
    ),
    _fit("synthesis", 6, "corpus=fera2017 data.corpus.root=fera2017", _made("fera2017")),
    _fit(
        "intensity",
        20,
        "corpus=table aus=[12] data.corpus.root=mine data.corpus.table=mine/frames.csv "
        "data.corpus.landmarks=mine/landmarks.csv data.corpus.folds=3 data.corpus.registration=similarity",
        setup=_people,
    ),
    _fit("pretrain_gan", 20),
    Case("reproduce table3", "reproduce niinuma2021 --table 3 --profile smoke"),
    # Their stand-ins are there: writing them is killed above, and in the table before.
    Case("reproduce fgnet", "reproduce fgnet --profile smoke", _made_for_tables("bp4d", "disfa")),
    Case("reproduce pm2", "reproduce pm2 --profile smoke", _made_for_tables("bp4d", "disfa")),
]
