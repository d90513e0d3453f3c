"""The balanced training sets of a table: synthetic images, the same plan without synthesis, frames, mixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from aukit.errors import ConfigError
from aukit.reproduce.niinuma2021.cells import NiinumaCells, TrainingSet
from aukit.reproduce.options import has_gpu

if TYPE_CHECKING:
    from aukit.datamodules import CorpusDataModule
    from aukit.store.balanced_set import BalancedSet
    from aukit.training import Record


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
            made[id] = BalancedSet.concatenate(cells.set_folder(each), [made[part] for part in each.of])
        elif each.generator is None:
            made[id] = BalancedSet.write(cells.set_folder(each), _plan(cells, each, corpora), store)
        else:
            made[id] = _synthesize(cells, each, corpora, generators[each.generator])
    return made


def _plan(cells: NiinumaCells, wanted: TrainingSet, corpora: Mapping[str, CorpusDataModule]) -> pd.DataFrame:
    """Which frame is given which labels."""
    from aukit.models.niinuma2021 import Pool, real_resampling, semantic_resampling

    corpus, per_level, seed = corpora[wanted.registration], cells.size["per_level"], cells.options.seed
    pool = Pool.of(corpus.store, cells.aus, corpus.train_rows)
    if wanted.kind == "real":
        return real_resampling(pool, per_level, seed)
    return semantic_resampling(pool, pool, per_level, seed)


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
