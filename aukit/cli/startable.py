"""Whether an experiment could start: what it needs that is not here, without beginning anything."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aukit.errors import AukitError, explained, shown


class Check(NamedTuple):
    """One line of a report.

    Attributes:
        name: What was looked at.
        found: What was found.
        remedy: What mends it; None where nothing is wrong.
    """

    name: str
    found: str
    remedy: str | None = None


def start_checks(name: str, profile: str | None, overrides: list[str], gpus: int) -> Iterator[Check]:
    """What an experiment needs: values, files to start from, releases, a GPU.

    It is read as `aukit fit` reads it, so torch and Lightning are imported.

    Args:
        name: File, or name of an experiment.
        profile: Its size.
        overrides: `key=value`.
        gpus: How many there are.
    """
    from aukit.training.experiment import read_experiment

    try:
        experiment = read_experiment(name, profile, overrides)
        from aukit.training.config import check_experiment, missing_values
        from aukit.training.start_files import start_files

        config = check_experiment(experiment)
        files = start_files(config)
    except (
        AukitError,
        OSError,
        ImportError,
        RuntimeError,
    ) as error:  # the last of a torchvision that does not fit
        first, _, remedy = (explained(error) or f"{type(error).__name__}: {shown(error)}").partition("\n")
        yield Check("experiment", first, remedy or "correct it")
        return
    label = f"{experiment.name}, profile {profile or 'none'}"
    if missing := missing_values(config):
        yield Check("experiment", f"{label}: values are missing", " ".join(f"{key}=..." for key in missing))
    else:
        yield Check("experiment", label)
    for file, content in files.items():
        if content is None:
            remedy = "correct model.weights, or say model.weights=random"
            yield Check("start", f"{file}: no such file; the training starts from it", remedy)
        else:
            yield Check("start", f"{file} is there")
    yield from _releases(config["data"], "data")
    accelerator = config["trainer"].get("accelerator")
    if accelerator in ("gpu", "cuda") and not gpus:
        yield Check(
            "device", f"trainer.accelerator={accelerator}, and no GPU is seen", "trainer.accelerator=cpu"
        )


def _releases(data: Mapping[str, Any], key: str) -> Iterator[Check]:
    """The folder of each corpus that a datamodule reads, wherever it lies in the configuration."""
    from aukit.training.classes import import_class
    from aukit.training.layers import MISSING

    arguments = data["init_args"]
    variable = getattr(import_class(data["class_path"]), "root_variable", None)
    if "root" in arguments and arguments["root"] != MISSING:
        root = arguments["root"] or os.environ.get(variable or "")
        how = f"{key}.root=FOLDER" + (f", or {variable}" if variable else "")
        if not root:
            yield Check("corpus", f"{key}: no release is named", how)
        elif not Path(root).is_dir():
            yield Check("corpus", f"{root}: no such folder", f"correct {how}")
        else:
            yield Check("corpus", f"{key} reads {root}")
    for name, inner in arguments.items():
        if isinstance(inner, Mapping) and "class_path" in inner:
            yield from _releases(inner, f"{key}.{name}")
