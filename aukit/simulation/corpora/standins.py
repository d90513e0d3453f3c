"""Write the stand-in of a corpus by its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from aukit.datasets.registry import corpus_entry
from aukit.utils.jobs import WHOLE, Shard


def write_standin(
    corpus: str,
    root: str | Path,
    size: str = "mini",
    *,
    truth_root: str | Path | None = None,
    seed: int = 0,
    workers: int | None = 0,
    shard: Shard = WHOLE,
    **options: Any,
) -> str:
    """Render a stand-in of a corpus in its official layout, or complete one that was interrupted.

    Args:
        corpus: Name of the corpus: "bp4d", "disfa", "fera2017", "gft", "unbc", "multipie", "bp4dplus",
            "disfaplus", or one of another package.
        root: Folder of the stand-in; made if missing.
        size: "smoke" (seconds), "mini" (minutes) or "standin".
        truth_root: Folder of what only the renderer knows; None for one named ``<root>-truth`` beside it.
        seed: Seed of people and performances.
        workers: Processes; None for one per core, 0 to work in this one.
        shard: Whose people to render, of several processes that write the same stand-in.
        options: Other values than the size's, such as ``people``; see the corpus' ``SimulationConfig``.

    Returns:
        How many people are still missing, as a sentence; empty if the stand-in is complete.

    Raises:
        ConfigError: There is no such corpus.
        CorpusError: The root holds another recipe or a licensed release, or the disk is full.

    Example:
        >>> write_standin("bp4d", "bp4d", "smoke")  # doctest: +SKIP
        ''
    """
    root = Path(root)
    if root.name in ("", ".."):  # what lies beside it is called after it
        root = root.resolve()
    standin = corpus_entry(corpus).load("standin")
    config = replace(standin.config_type.of_size(size, seed), **options)
    truth = Path(truth_root or root.with_name(f"{root.name}-truth"))
    written: str = standin(root, truth, config).write(workers, shard=shard)
    return written
