"""Scores of a trained model on people that its own test does not score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aukit.store.store import PreparedStore
from aukit.training import Record, evaluate


def people_of(corpus: str, store: PreparedStore) -> str:
    """A corpus and the state of its store, for names of files."""
    return f"{corpus}-{store.fingerprint[:8]}"


def predictions_on(record: Record, tested: str) -> Path:
    """Where `predict_on` leaves its predictions."""
    return record.folder / f"predictions-on-{tested}.parquet"


def predict_on(record: Record, data: dict[str, Any], tested: str, runs: Path) -> Path:
    """Score other people with the checkpoint that the run tested; nothing is done twice.

    Args:
        record: The trained run.
        data: Section ``data`` of a configuration whose test people are scored.
        tested: Who they are, part of the file's name; of another corpus with its state.
        runs: Folder of all run folders.

    Returns:
        Parquet file of predictions in the run's folder.
    """
    path = predictions_on(record, tested)
    if path.exists():
        return path
    return evaluate({**record.config, "data": data}, runs, "test", record.checkpoint, out=path)


def predict_on_corpora(record: Record, others: Mapping[str, dict[str, Any]], runs: Path) -> None:
    """`predict_on` for the test people of other corpora.

    The scores are of the action units that the model was trained on; those that another corpus does not code
    have NaN labels.

    Args:
        record: The trained run.
        others: Who is tested → section ``data`` of a configuration on that corpus.
        runs: Folder of all run folders.
    """
    aus = record.config["data"]["init_args"]["aus"]
    for tested, data in others.items():
        predict_on(record, {**data, "init_args": {**data["init_args"], "aus": aus}}, tested, runs)
