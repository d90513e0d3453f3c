"""The balanced training sets of a table: synthetic images, the same plan without synthesis, frames, mixes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.errors import ConfigError
from aukit.reproduce.niinuma2021.cells import NiinumaCells, TrainingSet
from aukit.reproduce.options import has_gpu
from aukit.utils.files import write_atomic
from aukit.utils.outside import read_json

if TYPE_CHECKING:
    from aukit.datamodules import CorpusDataModule
    from aukit.store.balanced_set import BalancedSet
    from aukit.training import Record

_BLOCK = 1024  # images of a mix at a time
_MOST_BYTES = 100_000


def make_sets(
    cells: NiinumaCells, corpora: Mapping[str, CorpusDataModule], generators: Mapping[str, Record]
) -> dict[str, BalancedSet]:
    """Make the sets of a table that are not there.

    Args:
        cells: What is run.
        corpora: Registration → the corpus.
        generators: Id → run.

    Raises:
        ConfigError: A generator makes other action units than the table has.
    """
    from aukit.store.balanced_set import BalancedSet

    made: dict[str, BalancedSet] = {}
    for id, each in cells.sets.items():
        store = corpora[each.registration].store
        if each.kind == "mix":
            made[id] = _mix(cells.set_folder(each), [made[part] for part in each.of])
        elif each.generator is None:
            made[id] = BalancedSet.write(cells.set_folder(each), _plan(cells, each, corpora), store)
        else:
            made[id] = _synthesize(cells, each, corpora, generators[each.generator])
    return made


def _plan(cells: NiinumaCells, wanted: TrainingSet, corpora: Mapping[str, CorpusDataModule]) -> pd.DataFrame:
    """Which frame is given which labels."""
    from aukit.models.niinuma2021 import real_resampling, semantic_resampling

    corpus, aus = corpora[wanted.registration], cells.aus
    rows = corpus.train_rows
    levels = corpus.store.table.intensities(tuple(aus))[rows]
    resampling = real_resampling if wanted.kind == "real" else semantic_resampling
    return resampling(levels, aus, cells.size["per_level"], cells.options.seed, rows)


def _synthesize(
    cells: NiinumaCells, wanted: TrainingSet, corpora: Mapping[str, CorpusDataModule], generator: Record
) -> BalancedSet:
    from aukit.models.niinuma2021 import SynthesizerModule, synthesize

    module = SynthesizerModule.load_from_checkpoint(
        str(generator.checkpoint), map_location="cpu", weights_only=True
    )
    if list(module.hparams["aus"]) != cells.aus:
        raise ConfigError(
            f"{generator.checkpoint}: generates AUs {list(module.hparams['aus'])}, the table has {cells.aus};"
            " make model.aus of the synthesis and aus of the table equal"
        )
    device, batch = ("cuda", 128) if has_gpu() else ("cpu", 16)
    store, folder = corpora[wanted.registration].store, cells.set_folder(wanted)
    return synthesize(
        module.generator, store, _plan(cells, wanted, corpora), folder, cells.aus, batch, device
    )


def _mix(folder: Path, parts: list[BalancedSet]) -> BalancedSet:
    """All images of several sets of one store, copied unless that was done before."""
    from aukit.store.balanced_set import BalancedSet

    note, origin = folder / "mix.json", {"of": [part.fingerprint for part in parts]}
    try:
        if read_json(note, _MOST_BYTES) == origin:
            return BalancedSet.open(folder, parts[0].store)
    except (OSError, ValueError):
        pass  # not there yet, or not whole

    def images() -> Iterator[npt.NDArray[np.uint8]]:
        for part in parts:
            for start in range(0, len(part), _BLOCK):
                yield part.images_at(np.arange(start, min(start + _BLOCK, len(part))))

    plan = pd.concat([part.plan for part in parts], ignore_index=True)
    made = BalancedSet.write(folder, plan, parts[0].store, images())
    write_atomic(note, json.dumps(origin).encode())
    return made
