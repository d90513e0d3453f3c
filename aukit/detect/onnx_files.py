"""Networks of detectors as ONNX, for programs without PyTorch; ONNX Runtime must say what PyTorch says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from aukit.detect.pretrained import Graph, replaceable
from aukit.errors import ConfigError, TrainingError, shown
from aukit.utils.files import atomic_folder

TOLERANCE = 1e-4
"""Largest difference between the two, over the largest value of an output or 1."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_TRIALS = 3  # random inputs that are compared


def export_onnx(graphs: Sequence[Graph], folder: str | Path, licence: str = "") -> dict[str, float]:
    """Write networks as ``NAME.onnx``, in one step, and compare each with PyTorch by ONNX Runtime.

    A file takes one image at a time; its size, and what goes in and out, are those of its `Graph`.

    Args:
        graphs: The networks, on the CPU.
        folder: The folder of the files: a new or empty one, or one that holds ONNX files alone, which are
            replaced.
        licence: Goes into each file's metadata.

    Returns:
        Largest difference of each, over the largest value of an output or 1.

    Raises:
        ConfigError: Packages of the extra ``export`` are missing, or something else is in the folder.
        TrainingError: A network cannot be run, or differs by more than `TOLERANCE`; nothing is written.

    Cost: seconds to a minute for each, and twice the memory of its weights.
    """
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise ConfigError(
            f"ONNX needs {' and '.join(missing)}, which are not installed: pip install 'aukit-facs[export]'"
        )
    differences = {}
    with atomic_folder(replaceable(folder, ("*.onnx", "*.onnx.data"))) as building:
        for graph in graphs:
            file = building / f"{graph.name}.onnx"
            _write(graph, file, licence)
            differences[graph.name] = difference = _difference(graph, file)
            if not difference <= TOLERANCE:
                raise TrainingError(
                    f"{graph.name}.onnx: ONNX Runtime differs from PyTorch by {difference:.1g}, more than"
                    f" {TOLERANCE:g}; nothing is written. Try other versions of onnxscript and onnxruntime"
                )
    return differences


def _write(graph: Graph, file: Path, licence: str) -> None:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # a line for each operation that could not be simplified
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                graph.network.eval(),
                (torch.zeros(graph.shape),),
                dynamo=True,
                verbose=False,
                input_names=[graph.takes],
                output_names=list(graph.gives),
            )
        assert program is not None
        program.model.metadata_props.update({"licence": licence})
        program.save(file)
    finally:
        logging.disable(before)


def _difference(graph: Graph, file: Path) -> float:
    from onnxruntime import InferenceSession

    try:
        session = InferenceSession(file, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own have no other base
        raise TrainingError(
            f"{file.name}: ONNX Runtime cannot read it ({shown(error)}); nothing is written. Try other"
            " versions of onnxscript and onnxruntime"
        ) from error
    largest = 0.0
    for seed in range(_TRIALS):
        given = torch.rand(graph.shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            expected = graph.network(given)
        found = session.run(list(graph.gives), {graph.takes: given.numpy()})
        for one, other in zip(
            [expected] if isinstance(expected, torch.Tensor) else expected, found, strict=True
        ):
            apart = np.abs(one.numpy() - other).max() / max(1.0, float(one.abs().max()))
            largest = float(np.fmax(largest, apart)) if np.isfinite(apart) else float("inf")
    return largest
