"""A table of predictions: one row per frame with ids, labels, scores. Metrics are functions of this table."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from aukit.datamodules.dataset import label_columns
from aukit.errors import ConfigError, StoreError
from aukit.models.components.detection_module import PROBABILITY_THRESHOLD
from aukit.utils.files import atomic_path

#: Columns that are copied from the store's table, beside its attributes.
IDS = ("person", "subject", "gender", "partition", "task", "view", "frame")


class PredictionWriter(Callback):
    """Write what `test_step` (or `predict_step`) returns to a Parquet file, every frame once.

    Of the stage "predict" also a CSV file of the same name, for whoever reads no Parquet.

    A step returns a mapping with `rows` int [B] (rows of the datamodule's store) and any number of [B,A]
    tensors over the module's action units, of which those of the datamodule are taken by number: `scores`
    becomes the columns `AUxx_score`, another name such as `expectation` becomes `AUxx_expectation`; [B]
    tensors become columns of their own name. `AUxx_label` comes from the store: the occurrence where the
    module has a `decision_threshold` (scores above it are present) or the datamodule says
    `label = "occurrence"`, else the intensity; NaN where it is not coded. The file remembers which of them
    and the threshold (`pandas.DataFrame.attrs`). Steps that return anything else are ignored.

    Under several processes each writes its own frames and rank 0 puts them together (on a file system that
    all of them see).

    Args:
        path: the file.
        stage: "test" or "predict".
        aus: action units of the module's outputs, in their order; None for its hyperparameter `aus`, or else
            those of the datamodule.

    Example:
        >>> writer = PredictionWriter("predictions.parquet")
        >>> trainer = Trainer(callbacks=[writer])  # doctest: +SKIP
        >>> trainer.test(model, datamodule=data)  # doctest: +SKIP
        >>> pd.read_parquet(writer.path)[["person", "AU12_label", "AU12_score"]]  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        stage: Literal["test", "predict"] = "test",
        aus: Sequence[int] | None = None,
    ) -> None:
        self.path = Path(path)
        self.stage = stage
        self.aus = aus
        self.keeps_predictions = stage == "test"  # modules then leave the test's scores to us
        self.written = False
        self.frames_per_second: float | None = None
        """Frames of the whole stage over its time, loading and writing included; None before its end."""
        self._began = 0.0
        self._batches: list[dict[str, np.ndarray[Any, Any]]] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Keep a batch's predictions."""
        self._keep(outputs, "test")

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Keep a batch's predictions."""
        self._keep(outputs, "predict")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the table."""
        self._write(trainer, pl_module, "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the table."""
        self._write(trainer, pl_module, "predict")

    def _keep(self, outputs: Any, stage: str) -> None:
        if stage != self.stage or not isinstance(outputs, Mapping) or "rows" not in outputs:
            return
        self._batches.append(
            {k: _to_numpy(v) for k, v in outputs.items() if isinstance(v, Tensor) and v.ndim in (1, 2)}
        )

    def _write(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != self.stage:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        if self._batches:
            aus = self.aus or getattr(pl_module, "aus", None) or pl_module.hparams.get("aus") or data.aus
            threshold = getattr(pl_module, "decision_threshold", None)
            table = prediction_table(self._batches, data, threshold, aus)
            with atomic_path(self._rank_path(trainer.global_rank)) as temporary:
                table.to_parquet(temporary, index=False)
        self._batches = []
        trainer.strategy.barrier("predictions")
        found: list[Path] = []
        if trainer.is_global_zero:
            files = [self._rank_path(rank) for rank in range(trainer.world_size)]
            found = [file for file in files if file.is_file()]
            if found:
                frames = _combine(found, self.path, csv=stage == "predict")
                self.frames_per_second = round(frames / max(time.monotonic() - self._began, 1e-9), 1)
        # Not of the file, which may be an earlier one.
        self.written = trainer.strategy.broadcast(bool(found))

    def _rank_path(self, rank: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.rank{rank}.parquet")


def count_rows(path: Path) -> int:
    """Number of frames in a table of predictions, from the file's end alone."""
    return int(pq.read_metadata(path).num_rows)


def prediction_table(
    batches: list[dict[str, np.ndarray[Any, Any]]],
    data: Any,
    threshold: float | None = None,
    model_aus: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Join predictions with ids and labels.

    Args:
        batches: per batch, name → array; `rows` [B], others [B,A] or [B].
        data: a datamodule with `store` and `aus`.
        threshold: scores above it are decided present; None for a model that decides nothing by itself.
        model_aus: action units of the columns [A]; None for those of the datamodule.

    Returns:
        The table, with `attrs` that say what `AUxx_label` is (`label`) and the threshold of occurrences.

    Raises:
        ConfigError: the model decides nothing by itself, and the data have occurrences alone.
        StoreError: the predictions have another number of columns, or lack an action unit of the datamodule.
    """
    merged = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    rows = merged.pop("rows").astype(np.int64)
    aus = tuple(data.aus)
    predicted = list(model_aus or aus)
    if unknown := [au for au in aus if au not in predicted]:
        raise StoreError(
            f"the model predicts AUs {predicted}, the data have {list(aus)}: no predictions of AU"
            f" {' '.join(map(str, unknown))}; set data.aus"
        )
    table = data.store.table
    columns: dict[str, Any] = {"row": rows}
    columns |= {name: table.frame[name].to_numpy()[rows] for name in (*IDS, *table.attributes)}
    occurrence = threshold is not None or getattr(data, "label", "intensity") == "occurrence"
    both = set(aus) & set(table.occurrence_aus), set(aus) & set(table.intensity_aus)
    if not occurrence and both[0] and not both[1]:
        raise ConfigError(
            "the data have occurrences of these action units and no intensities, and the model does not say"
            " which scores mean present: give its class decision_threshold = 0.0 (logits) or 0.5"
            " (probabilities), and repeat the command"
        )
    labels = label_columns(table, aus, "occurrence" if occurrence else "intensity")
    columns |= {f"AU{au:02d}_label": labels[rows, index] for index, au in enumerate(aus)}
    for name, values in merged.items():
        suffix = "score" if name == "scores" else name
        if values.ndim == 1:
            columns[name] = values
        elif values.shape[1] != len(predicted):
            raise StoreError(
                f"predictions {name!r} have {values.shape[1]} columns for the {len(predicted)} action units"
                f" {predicted}"
            )
        else:
            columns |= {f"AU{au:02d}_{suffix}": values[:, predicted.index(au)] for au in aus}
    predictions = pd.DataFrame(columns)
    predictions.attrs = {"label": "intensity"}
    if occurrence:
        above = PROBABILITY_THRESHOLD if threshold is None else threshold
        predictions.attrs = {"label": "occurrence", "threshold": above}
    return predictions


def _combine(files: list[Path], path: Path, csv: bool) -> int:
    """Put the processes' tables together; the number of frames."""
    table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True).sort_values("row")
    if table["row"].duplicated().any():
        raise StoreError(
            f"{path}: {int(table['row'].duplicated().sum())} frames were predicted more than once"
        )
    scores = table.filter(regex=r"^AU\d\d_score$")
    if undefined := int(scores.isna().any(axis=1).sum()):
        warnings.warn(
            f"{path}: {undefined:,} of {len(table):,} frames have scores that are no numbers (NaN), which"
            " count in no result; see whether the training has diverged",
            stacklevel=2,
        )
    with atomic_path(path) as temporary:
        table.reset_index(drop=True).to_parquet(temporary, index=False)
    if csv:
        with atomic_path(path.with_suffix(".csv")) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    for file in files:
        file.unlink()
    return len(table)


def _to_numpy(values: Tensor) -> np.ndarray[Any, Any]:
    values = values.detach().cpu()
    return (
        values.float() if values.is_floating_point() and values.dtype != torch.float64 else values
    ).numpy()
