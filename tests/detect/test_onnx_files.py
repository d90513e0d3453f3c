"""Detectors as ONNX: another runtime gives their levels; a network that comes out differently is refused."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from torch import nn

from aukit.cli import main
from aukit.detect import (
    BaselineDetector,
    Detector,
    FGNetDetector,
    IntensityDetector,
    PM2Detector,
    TrainedDetector,
    export_onnx,
)
from aukit.detect.onnx_files import TOLERANCE
from aukit.detect.pretrained import Graph
from aukit.errors import ConfigError, TrainingError
from tests.detect.test_pretrained import checkpoint

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")


def ran(file: Path, image: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (takes,) = session.get_inputs()
    return list(session.run(None, {takes.name: image}))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "kind", [BaselineDetector, PM2Detector, IntensityDetector, FGNetDetector], ids=lambda kind: kind.name
)
def test_the_command_writes_what_another_runtime_reads(
    kind: type[TrainedDetector], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the crop of a face to its levels."""
    file = checkpoint(kind, tmp_path)
    out = tmp_path / "saved"
    assert main(["weights", "export", f"{kind.name}:{file}", "--out", str(out), "--onnx"]) == 0
    assert "ONNX Runtime and PyTorch differ by" in capsys.readouterr().out
    image = skimage.data.astronaut()
    detector = kind(out, "cpu")
    faces = detector.photograph(image)
    crops = detector._register(image, faces).crops
    (levels,) = ran(out / "onnx" / "model.onnx", crops.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    np.testing.assert_allclose(levels, faces[0].levels[None], atol=5 * TOLERANCE)
    about = onnxruntime.InferenceSession(out / "onnx" / "model.onnx").get_modelmeta()
    assert "whose terms decide" in about.custom_metadata_map["licence"]


@pytest.mark.heavy
def test_the_networks_that_come_along(tmp_path: Path) -> None:
    detector = Detector()
    differences = export_onnx(detector.graphs(), tmp_path / "onnx", detector.licence)
    assert list(differences) == ["reader", "finder"]
    assert max(differences.values()) <= TOLERANCE
    crop = np.random.default_rng(0).uniform(0, 1, (1, 3, 112, 112)).astype(np.float32)
    points = ran(tmp_path / "onnx" / "reader.onnx", crop)[0]
    assert points.shape == (1, 324, 3)


class Off(nn.Module):
    """Says something else when it is written."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.mean((2, 3)) + (self.by if torch.compiler.is_compiling() else 0.0)


def test_a_network_that_comes_out_differently_is_refused(tmp_path: Path) -> None:
    def graph(by: float) -> Graph:
        return Graph("off", Off(by), (1, 3, 8, 8), "image", ("mean",))

    assert export_onnx([graph(0.0)], tmp_path / "right")["off"] <= 1e-6
    assert (tmp_path / "right" / "off.onnx").is_file()
    (tmp_path / "right" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"right: holds something else already, such as notes\.txt"):
        export_onnx([graph(0.0)], tmp_path / "right")
    (tmp_path / "right" / "notes.txt").unlink()
    assert export_onnx([graph(0.0)], tmp_path / "right")["off"] <= 1e-6
    for by in (10 * TOLERANCE, float("nan")):
        with pytest.raises(TrainingError, match=r"off\.onnx: ONNX Runtime .*nothing is written"):
            export_onnx([graph(by)], tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_missing_packages_are_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "aukit.detect.onnx_files.find_spec", lambda name: None if name == "onnxruntime" else real(name)
    )
    with pytest.raises(ConfigError, match=r"needs onnxruntime, .*pip install 'aukit-facs\[export\]'"):
        export_onnx([], tmp_path / "onnx")
