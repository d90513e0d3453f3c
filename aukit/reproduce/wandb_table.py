"""The Weights & Biases run of a table: its values and figures, beside the runs of its trainings."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from aukit.reproduce.options import TableOptions
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.table import Table
from aukit.utils.experiments import experiments_folder


def log_table(
    table: Table | Report, folder: Path, name: str, group: str, experiment: str, options: TableOptions
) -> None:
    """Log a table that has just been written; nothing where W&B is off.

    The run's notes are the table with its caption, its configuration is the provenance, its summary has the
    mean of each column with its interval. Figures are those beside the table, which show no frames.

    Args:
        table: Complete, with its provenance.
        folder: Where it is written.
        name: The table's name.
        group: That of the runs of its trainings.
        experiment: One of the table's experiments, whose section `logging` counts.
        options: Data origin and size.
    """
    import pandas as pd

    from aukit.training import LoggingOptions, read_experiment
    from aukit.training.wandb_run import begin_wandb, ending_wandb

    path = experiments_folder() / f"{experiment}.yaml"
    logging = LoggingOptions(**read_experiment(path, options.profile).config["logging"])
    run = begin_wandb(
        folder,
        replace(logging, group=group),
        id=f"{group}-{table.provenance['signature']}",
        name=group,
        group=group,
        job_type="table",
        tags=[name, options.profile, options.data_origin],
        config={"table": name, "title": table.title, **table.provenance},
        notes=table.to_markdown(),
    )
    if run is None:
        return
    import wandb

    values = pd.read_csv(io.StringIO(table.to_csv()))
    rows = values.astype(object).where(values.notna(), None).to_numpy().tolist()
    figures = {f"pictures/{path.stem}": wandb.Image(str(path)) for path in sorted(folder.glob("*.png"))}
    with ending_wandb(run):
        run.log({"table": wandb.Table(columns=list(values.columns), data=rows), **figures}, step=0)
        run.summary.update(_means(table))


def _means(table: Table | Report) -> dict[str, Any]:
    """``<column>/mean``, ``/low`` and ``/high``; of several tables below the name of each."""
    if isinstance(table, Report):
        parts = {name: _means(part) for name, part in table.tables.items()}
        return {f"{name}/{key}": value for name, part in parts.items() for key, value in part.items()}
    found: dict[str, Any] = {}
    for column in table.columns:
        if column.mean is not None:
            found[f"{column.id}/mean"] = column.mean
            found |= dict(zip((f"{column.id}/low", f"{column.id}/high"), column.interval or (), strict=False))
    return found
