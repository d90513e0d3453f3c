"""Detectors saved to folders and loaded again say the same; no hub is asked unless that is said."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch

from aukit.cli import main
from aukit.detect import (
    BaselineDetector,
    Detector,
    FGNetDetector,
    IntensityDetector,
    PM2Detector,
    TrainedDetector,
    from_pretrained,
    read_detections,
)
from aukit.errors import ConfigError, WeightsError
from aukit.models.baselines import MultilabelModule
from aukit.models.fgnet import FGNetModule
from aukit.models.niinuma2021 import IntensityModule
from aukit.models.pm2 import PM2Module
from tests.models.fgnet.networks import SMALL

AUS = [4, 12]
TINY: dict[str, Any] = {"channels": [8, 8, 16, 16], "stem_width": 8}
MODULES: dict[type[TrainedDetector], Any] = {
    FGNetDetector: lambda: FGNetModule(**{**SMALL, "aus": AUS}),
    IntensityDetector: lambda: IntensityModule(aus=AUS, network="trunk", decoding="expectation"),
    BaselineDetector: lambda: MultilabelModule(aus=AUS, backbone="resnet10t", options=TINY),
    PM2Detector: lambda: PM2Module(aus=AUS, backbone="resnet10t", backbone_options=TINY, head_width=8),
}
each_kind = pytest.mark.parametrize("kind", MODULES, ids=lambda kind: kind.name)


def checkpoint(kind: type[TrainedDetector], folder: Path) -> Path:
    """What a training would leave of random weights."""
    torch.manual_seed(1)
    module = MODULES[kind]()
    with torch.no_grad():
        for value in module.parameters():  # heads and last norms begin at 0
            value.add_(0.1 * torch.randn_like(value))
    crops = {"registration": "similarity", "registration_settings": {}, "size": 32}
    state = {"trained_on": {"schema": 1, "corpus": "disfa", "aus": AUS, **crops}}
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams), "Data": state}
    torch.save(content, folder / "last.ckpt")
    return folder / "last.ckpt"


@each_kind
def test_what_is_saved_says_the_same_of_a_face(kind: type[TrainedDetector], tmp_path: Path) -> None:
    detector = kind(checkpoint(kind, tmp_path), "cpu")
    folder = detector.save_pretrained(tmp_path / "saved")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    image = skimage.data.astronaut()
    (face,) = detector.photograph(image)
    assert face.levels.shape == (2,)
    for again in (
        kind.from_pretrained(folder, "cpu"),
        from_pretrained(folder, "cpu"),
        kind.from_pretrained(kind(folder).save_pretrained(tmp_path / "again")),
    ):
        assert type(again) is kind
        assert (again.aus, again.size) == ((4, 12), 32)
        np.testing.assert_array_equal(again.photograph(image)[0].levels, face.levels)


@each_kind
def test_levels_are_what_the_module_scores(kind: type[TrainedDetector], tmp_path: Path) -> None:
    """Logits through a sigmoid, probabilities and intensities as they are, heat maps' scores from 0 to 1."""
    detector = kind(checkpoint(kind, tmp_path), "cpu")
    crops = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        levels = detector.levels(crops)
        if kind is BaselineDetector:
            expected = 1 / (1 + torch.exp(-detector.network(crops)))
        elif kind is PM2Detector:
            expected = detector.network(crops)
        elif kind is FGNetDetector:
            expected = 0.5 + detector.network.scores({"image": crops}) / 2
        else:
            mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
            chances = detector.network((crops - mean) / std).softmax(-1)
            expected = (chances * torch.arange(6)).sum(-1)
    torch.testing.assert_close(levels, expected, atol=1e-5, rtol=1e-5)
    assert levels.std(0).min() > 0


def test_a_saved_folder_is_a_model_of_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"baselines:{checkpoint(BaselineDetector, tmp_path)}"
    saved = tmp_path / "saved"
    assert main(["weights", "export", model, "--out", str(saved)]) == 0
    shutil.copyfile(skimage.data.data_dir + "/astronaut.png", tmp_path / "portrait.png")
    tables = []
    for number, name in enumerate((model, f"baselines:{saved}")):
        words = ["detect", str(tmp_path / "portrait.png"), "--out", str(tmp_path / str(number))]
        assert main([*words, "--model", name]) == 0
        tables.append(read_detections(tmp_path / str(number) / "photographs.csv"))
    assert tables[0]["AU12_p"].tolist() == tables[1]["AU12_p"].tolist()
    capsys.readouterr()
    assert main(["weights", "export", model, "--out", str(tmp_path)]) == 2
    assert "holds something else already" in capsys.readouterr().err
    assert main(["weights", "export", model, "--out", str(saved)]) == 0  # one of its own is written anew


def test_the_detector_that_comes_along(tmp_path: Path) -> None:
    image = skimage.data.astronaut()
    folder = Detector().save_pretrained(tmp_path / "saved")
    again = from_pretrained(folder)
    assert isinstance(again, Detector)
    np.testing.assert_array_equal(again.photograph(image)[0].levels, Detector().photograph(image)[0].levels)
    assert "MIT" in json.loads((folder / "config.json").read_text())["licence"]
    (folder / "reader.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"does not hold reader\.safetensors"):
        Detector.from_pretrained(folder)


def test_nothing_of_the_user_s_is_lost_in_a_folder_that_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is a clone of the repository that it is to be pushed to."""
    saved = Detector().save_pretrained(tmp_path / "saved")
    (saved / ".git").mkdir()
    with pytest.raises(ConfigError, match=r"saved: holds something else already, such as \.git"):
        Detector().save_pretrained(saved)
    (saved / ".git").rmdir()
    (tmp_path / "link").symlink_to(saved)
    Detector().save_pretrained(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(saved)
    with pytest.raises(ConfigError, match="is the current folder"):
        Detector().save_pretrained(".")
    assert from_pretrained(saved).aus == Detector.aus


def test_a_released_network_keeps_its_licence(tmp_path: Path) -> None:
    from tests.detect.test_trained import released_fgnet

    detector = FGNetDetector(released_fgnet(tmp_path), "cpu")
    folder = detector.save_pretrained(tmp_path / "saved")
    assert "NVIDIA" in json.loads((folder / "config.json").read_text())["licence"]
    assert "NVIDIA" in (folder / "README.md").read_text()
    crops = torch.rand(1, 3, detector.size, detector.size)
    again = FGNetDetector.from_pretrained(folder, "cpu")
    torch.testing.assert_close(again.levels(crops), detector.levels(crops))
    assert str(tmp_path) not in (folder / "config.json").read_text()


def test_wrong_and_damaged_folders_are_named(tmp_path: Path) -> None:
    folder = PM2Detector(checkpoint(PM2Detector, tmp_path), "cpu").save_pretrained(tmp_path / "saved")
    with pytest.raises(WeightsError, match="holds a detector pm2, not baselines"):
        BaselineDetector.from_pretrained(folder)
    with pytest.raises(WeightsError, match=r"config\.json: no such file"):
        PM2Detector.from_pretrained(tmp_path)
    weights, description = folder / "model.safetensors", folder / "config.json"
    content, about = weights.read_bytes(), json.loads(description.read_text())
    changed = bytearray(content)
    changed[-9] ^= 1
    for broken, message in [
        (bytes(changed), "not what was written"),
        (content[:2000], "truncated"),
        (b"", "is empty"),
    ]:
        weights.write_bytes(broken)
        with pytest.raises(WeightsError, match=message):
            PM2Detector.from_pretrained(folder)
    weights.write_bytes(content)
    arguments = about["arguments"]
    for entry, message in [
        ({"kind": "others"}, "holds a detector others; known are"),
        ({"format": "2"}, "is not the description of a detector"),
        ({"arguments": {**arguments, "head_width": 9}}, "is no checkpoint of PM2Module"),
        ({"arguments": {**arguments, "backbone_options": {"class_path": "os.system"}}}, "somebody's own"),
        ({"arguments": None}, "is no checkpoint of a training"),
        ({"trained_on": {"schema": 9}}, "does not say what it was trained on"),
    ]:
        description.write_text(json.dumps({**about, **entry}))
        with pytest.raises(WeightsError, match=message):
            from_pretrained(folder)
    loading = {**arguments, "backbone_options": {**TINY, "pretrained": True}}
    description.write_text(json.dumps({**about, "arguments": loading}))
    with pytest.raises(ConfigError, match="lets timm load weights"):
        from_pretrained(folder)
    description.write_text("[" * 100_000)
    with pytest.raises(WeightsError, match="is not the description"):
        from_pretrained(folder)


def test_the_hub_is_asked_when_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own client, of which only the download is replaced."""
    import huggingface_hub

    folder = PM2Detector(checkpoint(PM2Detector, tmp_path), "cpu").save_pretrained(tmp_path / "saved")
    asked: list[tuple[str, dict[str, Any]]] = []

    def download(name: str, **options: Any) -> str:
        asked.append((name, options))
        return str(folder)

    with pytest.raises(ConfigError, match="me/pm2: not to be had from the hub"):  # tests are offline
        from_pretrained("me/pm2", hub=True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ConfigError, match="me/pm2: no such folder; hub=True looks for a repository"):
        PM2Detector.from_pretrained("me/pm2")
    assert not asked
    assert PM2Detector.from_pretrained("me/pm2", hub=True, revision="v1").aus == (4, 12)
    assert from_pretrained("me/pm2", hub=True).aus == (4, 12)
    assert [(name, options["revision"]) for name, options in asked] == [("me/pm2", "v1"), ("me/pm2", None)]
    assert all("*.py" not in options["allow_patterns"] for _, options in asked)
