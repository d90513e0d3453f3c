"""A trained model's scores on another corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aukit.training import Record, evaluate


def transfer_file(record: Record, target: str) -> Path:
    """Where `predict_on` leaves its predictions."""
    return record.folder / f"predictions-on-{target}.parquet"


def predict_on(record: Record, data: dict[str, Any], target: str, runs: Path) -> Path:
    """Score the test people of another corpus with the checkpoint that the run tested; nothing is done twice.

    The scores are of the action units that the model was trained on; those that the other corpus does not
    code have NaN labels.

    Args:
        record: The trained run.
        data: Section `data` of an experiment on the other corpus.
        target: Name of the other corpus and its state, part of the file's name.
        runs: Folder of all run folders.

    Returns:
        Parquet file of predictions in the run's folder.
    """
    path = transfer_file(record, target)
    if path.exists():
        return path
    aus = record.config["data"]["init_args"]["aus"]
    arguments = {**data["init_args"], "aus": aus}
    config = {**record.config, "data": {**data, "init_args": arguments}}
    return evaluate(config, runs, "test", record.checkpoint, out=path)
