"""The balanced training sets of a table: synthetic images, the same plan without synthesis, frames, mixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.errors import ConfigError
from aukit.reproduce.niinuma2021.cells import TARGETS_PER_FACE, NiinumaCells, TrainingSet
from aukit.reproduce.options import has_gpu

if TYPE_CHECKING:
    from aukit.datamodules import CorpusDataModule
    from aukit.store.balanced_set import BalancedSet
    from aukit.store.store import PreparedStore
    from aukit.training import Record


def make_sets(
    cells: NiinumaCells,
    corpora: Mapping[str, CorpusDataModule],
    others: Mapping[str, CorpusDataModule],
    generators: Mapping[str, Record],
) -> dict[str, BalancedSet]:
    """Make the sets of a table that are not there.

    Args:
        cells: What is run.
        corpora: Registration → the first corpus.
        others: Name → another corpus, which may give faces.
        generators: Id → run.

    Raises:
        ConfigError: A generator makes other action units than the table has.
    """
    from aukit.models.niinuma2021 import rotate
    from aukit.store.balanced_set import BalancedSet

    made: dict[str, BalancedSet] = {}
    for id, each in cells.sets.items():
        store = corpora[each.registration].store
        if each.sources is not None:
            store = others[each.sources].store
        if each.kind == "mix":
            made[id] = BalancedSet.concatenate(cells.set_folder(each), [made[part] for part in each.of])
        elif each.kind == "rotated":
            (of,) = each.of
            faces = corpora[cells.sets[of].registration].store
            count, folder = int(cells.size["per_view"]), cells.set_folder(each)
            made[id] = rotate(made[of], faces, store, each.poses, count, folder, cells.options.seed)
        elif each.generator is None:
            made[id] = BalancedSet.write(cells.set_folder(each), _plan(cells, each, corpora, store), store)
        else:
            made[id] = _synthesize(
                cells, each, _plan(cells, each, corpora, store), store, generators[each.generator]
            )
    return made


def _plan(
    cells: NiinumaCells, wanted: TrainingSet, corpora: Mapping[str, CorpusDataModule], faces: PreparedStore
) -> pd.DataFrame:
    """Which frame is given which labels."""
    from aukit.models.niinuma2021 import Pool, real_resampling, semantic_resampling

    corpus, seed = corpora[wanted.registration], cells.options.seed
    per_level = cells.images_per_level(wanted)
    pool = Pool.of(corpus.store, cells.aus, corpus.train_rows)
    if wanted.kind == "real":
        return real_resampling(pool, per_level, seed)
    if wanted.sources is None:
        return semantic_resampling(pool, pool, per_level, seed)
    chosen = choose_faces(faces.table.frame, int(cells.size["faces"]), seed)
    sources = Pool.neutral(faces, cells.aus, chosen)
    return semantic_resampling(sources, pool, TARGETS_PER_FACE * len(chosen), seed, in_turn=True)


def choose_faces(frame: pd.DataFrame, count: int, seed: int) -> npt.NDArray[np.int64]:
    """One neutral photograph of each person and session, at most so many.

    Args:
        frame: Of a store, with the attributes ``expression`` and ``session``.
        count: How many.
        seed: Seed of the choice where there are more.

    Returns:
        Rows, ascending.
    """
    neutral = frame[(frame["expression"] == "neutral").fillna(False).to_numpy(dtype=bool)]
    rows = neutral.drop_duplicates(["person", "session"]).index.to_numpy(dtype=np.int64)
    if len(rows) <= count:
        return rows
    return np.sort(np.random.default_rng([seed, 17]).choice(rows, count, replace=False))


def _synthesize(
    cells: NiinumaCells, wanted: TrainingSet, plan: pd.DataFrame, store: PreparedStore, generator: Record
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
    return synthesize(module.generator, store, plan, cells.set_folder(wanted), cells.aus, batch, device)
