"""The corpora by name: where the reader, datamodule, stand-in and published counts of each are defined.

An entry holds dotted names, not classes: the caller that needs a class loads it, so that this module imports
nothing from the rooms above it. Commands, tables and datamodules ask here and keep no list of corpora of
their own.

A package of yours adds a corpus with an entry point, and every command knows it::

    [project.entry-points."aukit.corpora"]
    mycorpus = "mypackage.mycorpus:ENTRY"
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from aukit.errors import ConfigError

ENTRY_POINTS = "aukit.corpora"
"""Group of entry points under which other packages name their `CorpusEntry`."""


@dataclass(frozen=True)
class CorpusEntry:
    """What belongs to one corpus.

    Attributes:
        name: Word of commands, folders and environment variables, e.g. ``bp4d``.
        title: Name in texts, e.g. ``BP4D``.
        reader: Dotted name of the `Release` subclass: its first argument is the root, the others are options.
        datamodule: Dotted name of the `CorpusDataModule` subclass; its first argument is the root.
        standin: Dotted name of the `Standin` subclass that renders the official layout; None for none.
        published: Dotted name of the `Published` counts that a release is checked against; None for none.
        released: Whether it is a release that others make; False for the avatar pairs, which we render.

    Example:
        >>> corpus_entry("bp4d").title
        'BP4D'
        >>> corpus_entry("bp4d").root_variable
        'AUKIT_BP4D_ROOT'
    """

    name: str
    title: str
    reader: str
    datamodule: str
    standin: str | None = None
    published: str | None = None
    released: bool = True

    @property
    def root_variable(self) -> str:
        """Environment variable that names the folder of the release."""
        return f"AUKIT_{self.name.upper()}_ROOT"

    def load(self, what: Literal["reader", "datamodule", "standin", "published"]) -> Any:
        """Import what one of the dotted names stands for.

        Raises:
            ConfigError: The corpus has no such thing, or it cannot be imported.
        """
        dotted: str | None = getattr(self, what)
        if dotted is None:
            raise ConfigError(f"{self.title} has no {what}")
        module, _, name = dotted.rpartition(".")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"corpus {self.name}: its {what} {dotted!r} cannot be imported: {error}"
            ) from error


_ENTRIES: dict[str, CorpusEntry] = {}


def register(entry: CorpusEntry) -> None:
    """Add a corpus for this process; packages use an entry point, which holds for every process.

    Raises:
        ConfigError: The name is taken by another entry.
    """
    if _ENTRIES.setdefault(entry.name, entry) != entry:
        raise ConfigError(f"there is a corpus {entry.name!r} already: {_ENTRIES[entry.name].reader}")


def corpus_names(*, released: bool = False, standin: bool = False) -> tuple[str, ...]:
    """Names of the corpora in the order of their registration.

    Args:
        released: Whether to leave out those that nobody releases.
        standin: Whether to leave out those without a stand-in.
    """
    _read_entry_points()
    return tuple(
        entry.name
        for entry in _ENTRIES.values()
        if (entry.released or not released) and (entry.standin is not None or not standin)
    )


def corpus_entry(name: str) -> CorpusEntry:
    """The entry of a corpus.

    Raises:
        ConfigError: There is no such corpus; the message suggests the nearest name.
    """
    known = corpus_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"corpus {name!r} is unknown"
            + (f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}")
        )
    return _ENTRIES[name]


@cache
def _read_entry_points() -> None:
    for point in entry_points(group=ENTRY_POINTS):
        try:
            entry = point.load()
        except Exception as error:  # whatever another package's module raises
            raise ConfigError(
                f"entry point {point.value} of {ENTRY_POINTS}: cannot be imported: {error}"
            ) from error
        if not isinstance(entry, CorpusEntry):
            raise ConfigError(f"entry point {point.value} of {ENTRY_POINTS}: is no CorpusEntry")
        register(entry)


for _entry in (
    CorpusEntry(
        "fera2017",
        "FERA 2017",
        "aukit.datasets.fera2017.FERA2017",
        "aukit.datamodules.FERA2017DataModule",
        "aukit.simulation.FERA2017Standin",
        "aukit.datasets.fera2017.PUBLISHED",
    ),
    CorpusEntry(
        "bp4d",
        "BP4D",
        "aukit.datasets.bp4d.BP4D",
        "aukit.datamodules.BP4DDataModule",
        "aukit.simulation.BP4DStandin",
        "aukit.datasets.bp4d.PUBLISHED",
    ),
    CorpusEntry(
        "disfa",
        "DISFA",
        "aukit.datasets.disfa.DISFA",
        "aukit.datamodules.DISFADataModule",
        "aukit.simulation.DISFAStandin",
        "aukit.datasets.disfa.PUBLISHED",
    ),
    CorpusEntry(
        "gft",
        "GFT",
        "aukit.datasets.gft.GFT",
        "aukit.datamodules.GFTDataModule",
        "aukit.simulation.GFTStandin",
        "aukit.datasets.gft.PUBLISHED",
    ),
    CorpusEntry(
        "unbc",
        "UNBC-McMaster",
        "aukit.datasets.unbc.UNBC",
        "aukit.datamodules.UNBCDataModule",
        "aukit.simulation.UNBCStandin",
        "aukit.datasets.unbc.PUBLISHED",
    ),
    CorpusEntry(
        "multipie",
        "Multi-PIE",
        "aukit.datasets.multipie.MultiPIE",
        "aukit.datamodules.MultiPIEDataModule",
        "aukit.simulation.MultiPIEStandin",
        "aukit.datasets.multipie.PUBLISHED",
    ),
    CorpusEntry(
        "bp4dplus",
        "BP4D+",
        "aukit.datasets.bp4dplus.BP4DPlus",
        "aukit.datamodules.BP4DPlusDataModule",
        "aukit.simulation.BP4DPlusStandin",
        "aukit.datasets.bp4dplus.PUBLISHED",
    ),
    CorpusEntry(
        "disfaplus",
        "DISFA+",
        "aukit.datasets.disfaplus.DISFAPlus",
        "aukit.datamodules.DISFAPlusDataModule",
        "aukit.simulation.DISFAPlusStandin",
        "aukit.datasets.disfaplus.PUBLISHED",
    ),
    CorpusEntry(
        "avatar_pairs",
        "avatar pairs",
        "aukit.datasets.avatar_pairs.AvatarPairs",
        "aukit.datamodules.AvatarPairsDataModule",
        released=False,
    ),
    CorpusEntry(
        "table", "a table of your own", "aukit.datasets.table.Table", "aukit.datamodules.TableDataModule"
    ),
    CorpusEntry(
        "folder",
        "a folder of images",
        "aukit.datasets.folder.Folder",
        "aukit.datamodules.FolderDataModule",
        released=False,
    ),
):
    register(_entry)
