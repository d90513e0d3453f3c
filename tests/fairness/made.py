"""Tables of predictions of made people."""

from pathlib import Path

import numpy as np
import pandas as pd

AUS = (1, 12)


def table(people: int = 8, frames: int = 40, seed: int = 0) -> pd.DataFrame:
    """Probabilities and labels with gaps: people p0 …, every other one female."""
    rng = np.random.default_rng(seed)
    n = people * frames
    labels = (rng.random((n, len(AUS))) < 0.4).astype(float)
    scores = np.clip(0.35 * labels + 0.65 * rng.random((n, len(AUS))), 0, 1).round(3)
    labels[rng.random(labels.shape) < 0.05] = np.nan
    scores[rng.random(n) < 0.05] = np.nan
    person = np.repeat([f"p{i}" for i in range(people)], frames)
    columns = {
        "person": person,
        "gender": np.where(np.repeat(np.arange(people), frames) % 2, "male", "female"),
    }
    for i, au in enumerate(AUS):
        columns |= {f"AU{au}_label": labels[:, i], f"AU{au}_score": scores[:, i]}
    return pd.DataFrame(columns)


def written(path: Path, frame: pd.DataFrame) -> Path:
    """The table as CSV, or Parquet as runs write it."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path
