"""Models of our own trainings behind the door: what they say of a face is what their test said of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from PIL import Image

from aukit.cli import main
from aukit.datasets import FERA2017
from aukit.detect import FGNetDetector, IntensityDetector, detect_files, read_detections
from aukit.detect.face import Face
from aukit.errors import ConfigError, StoreError, WeightsError
from aukit.models.fgnet import heatmap_scores
from aukit.models.fgnet.weights import RELEASED_AUS, import_weights, load_weights
from aukit.simulation import Standin
from aukit.training import Record, build_datamodule, execute, load_config
from tests.detect.bright import BrightSquares
from tests.models.fgnet.networks import SMALL, small_network
from tests.trainers import configuration

AUS = (4, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="module")
def fgnet(folder: Path, standin: Standin) -> Record:
    model = {"class_path": "aukit.models.fgnet.FGNetModule", "init_args": {**SMALL, "aus": list(AUS)}}
    given = {"root": str(standin.root), "cache": str(folder), "registration": "ffhq", "size": 32}
    data = {"class_path": "aukit.datamodules.FERA2017DataModule", "init_args": given}
    data["init_args"] |= {"aus": list(AUS), "prepare_workers": 0, "steps_per_epoch": 3, "batch_size": 4}
    return execute(configuration(model, data), folder / "runs")


@pytest.fixture(scope="module")
def intensity(folder: Path, standin: Standin) -> Record:
    given = [f"data.corpus.root={standin.root}", f"data.corpus.cache={folder}", "data.per_level=20"]
    given += ["data.corpus.prepare_workers=0", "data.training_set=null", "logging.wandb=false"]
    return execute(load_config("intensity", "smoke", given), folder / "runs")


def frames_tested(
    record: Record, standin: Standin, count: int
) -> Iterator[tuple[pd.Series, np.ndarray, Face]]:
    """Some frames that a run has tested: its prediction, the frame, the face by the landmarks of the test."""
    rows = pd.read_parquet(str(record.predictions)).iloc[::7][:count]
    data = build_datamodule(record.config)
    data.prepare_data()
    data.setup()
    places = data.store.table.frame.iloc[rows["row"]]
    corpus = FERA2017(standin.root)
    for (_, row), video, position in zip(rows.iterrows(), places["video"], places["position"], strict=True):
        frames = dict(corpus.decode(str(video)))
        marks = corpus.sidecar_landmarks(str(video))[position]
        nothing = np.zeros(4, np.float32)
        yield row, frames[position], Face(nothing, 1.0, marks, np.ones(68), nothing[:3], nothing[:0])


def test_an_fg_net_says_what_its_test_said(fgnet: Record, standin: Standin) -> None:
    detector = FGNetDetector(fgnet.folder, "cpu")
    assert (detector.name, detector.aus) == ("fgnet", AUS)
    for row, frame, face in frames_tested(fgnet, standin, 5):
        ((read,),) = detector.read([frame], [[face]])
        said = [row[f"AU{au:02d}_score"] for au in AUS]
        np.testing.assert_allclose(read.levels, (np.array(said) + 1) / 2, atol=1e-5)


def test_an_intensity_estimator_says_what_its_test_said(intensity: Record, standin: Standin) -> None:
    detector = IntensityDetector(str(intensity.checkpoint))
    assert detector.aus == (1, 4, 6, 10, 12, 14, 17)
    for row, frame, face in frames_tested(intensity, standin, 5):
        ((read,),) = detector.read([frame], [[face]])
        said = [row[f"AU{au:02d}_score"] for au in detector.aus]
        np.testing.assert_allclose(read.levels, said, atol=1e-4)


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png"


def test_the_command_with_an_fg_net(fgnet: Record, portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["detect", str(portrait), "--out", str(out), "--model", f"fgnet:{fgnet.checkpoint}"]
    assert main([*words, "--heatmaps", "--overlay"]) == 0
    rows = read_detections(out / "photographs.csv")
    levels = [name for name in rows if name.startswith("AU")]
    assert levels == ["AU04_p", "AU12_p", "AU04_c", "AU12_c"]
    assert rows["success"].tolist() == [1]
    for au in ("AU04", "AU12"):
        assert rows[f"{au}_c"][0] == (rows[f"{au}_p"][0] >= 0.5)
    sheet = np.asarray(Image.open(out / "photographs.heatmaps/portrait.jpg"))
    assert sheet.shape == (24 + 160, 3 * 160, 3)
    red, blue = sheet[30:, 170:, 0].astype(int), sheet[30:, 170:, 2].astype(int)
    assert np.abs(red - blue).mean() > 10  # maps lie over the crop
    assert (out / "photographs.overlay/portrait.jpg").is_file()
    again = detect_files([portrait], out, FGNetDetector(str(fgnet.checkpoint)), heatmaps=True)
    assert again.reused == 1


def test_the_command_with_an_intensity_estimator(
    intensity: Record, portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["detect", str(portrait), "--out", str(out), "--model", f"intensity:{intensity.folder}"]
    assert main(words) == 0
    rows = read_detections(out / "photographs.csv")
    assert [name for name in rows if name.endswith("_r")] == [
        f"AU{au:02d}_r" for au in (1, 4, 6, 10, 12, 14, 17)
    ]
    assert rows["success"].tolist() == [1]
    capsys.readouterr()
    assert main([*words, "--heatmaps"]) == 2
    assert "intensity has no heat maps" in capsys.readouterr().err


def released_fgnet(folder: Path) -> Path:
    """A small network as its authors would publish it, imported."""
    network = small_network(points=12)
    parts = {name: getattr(network, name).state_dict() for name in ("pspencoder", "g_all", "interpreter")}
    torch.save(parts, folder / "model.pth")
    encoder = {f"encoder.{key}": value for key, value in network.pspencoder.state_dict().items()}
    torch.save({"state_dict": encoder, "latent_avg": network.latent_avg}, folder / "psp.pt")
    published: dict[str, Any] = {"corpus": "bp4d", "latent_avg": folder / "psp.pt", "network": network}
    import_weights("fgnet", folder / "model.pth", folder / "released.safetensors", **published)
    return folder / "released.safetensors"


def test_released_weights_bring_their_own_sizes(tmp_path: Path) -> None:
    detector = FGNetDetector(released_fgnet(tmp_path), "cpu")
    network = small_network(points=12)
    load_weights(network, tmp_path / "released.safetensors")
    assert detector.aus == RELEASED_AUS["bp4d"]
    faces = detector.photograph(skimage.data.astronaut())
    assert len(faces) == 1
    assert faces[0].levels.shape == (12,)
    # The crop that went in, put through the published network by hand.
    registered = detector._register(skimage.data.astronaut(), faces)
    crop = torch.from_numpy(registered.crops).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        scores = heatmap_scores(network(2 * crop - 1))[0, :12]
    np.testing.assert_allclose(faces[0].levels, (scores.numpy() + 1) / 2, atol=1e-5)


def test_frames_of_a_video_without_a_face(fgnet: Record) -> None:
    detector = FGNetDetector(fgnet.folder)
    image = skimage.data.astronaut()
    found = detector.video()([image, None, np.zeros_like(image), image])
    assert [len(faces) for faces in found] == [1, 0, 0, 1]
    assert found[0][0].levels.shape == (len(AUS),)
    assert detector.heat_maps(image, []).shape == detector.heat_maps(image, found[0]).shape


def test_a_face_that_cannot_be_registered_is_left_out(fgnet: Record) -> None:
    detector, squares = FGNetDetector(fgnet.folder), BrightSquares()
    image = np.zeros((60, 60, 3), np.uint8)
    image[10:16, 10:16] = 255
    tiny = squares.photograph(image)
    assert len(tiny) == 1
    assert detector.read([image], [tiny]) == [[]]


def test_what_cannot_be_used_is_said(fgnet: Record, intensity: Record, tmp_path: Path) -> None:
    content = torch.load(str(intensity.checkpoint), weights_only=True)
    content["IntensityDataModule"]["trained_on"]["normalization"] = "mean"
    torch.save(content, tmp_path / "mean.ckpt")
    with pytest.raises(ConfigError, match=r"data\.normalization=mean, which takes a reference"):
        IntensityDetector(tmp_path / "mean.ckpt")
    with pytest.raises(WeightsError, match="is no checkpoint of IntensityModule"):
        IntensityDetector(fgnet.folder)
    with pytest.raises(WeightsError, match="is no checkpoint of FGNetModule"):
        FGNetDetector(intensity.folder)
    with pytest.raises(WeightsError, match="no such file"):
        FGNetDetector(tmp_path / "nothing.ckpt")
    with pytest.raises(StoreError, match="no finished run here"):
        FGNetDetector(tmp_path)
    content = torch.load(str(fgnet.checkpoint), weights_only=True)
    state = content["FERA2017DataModule"]["trained_on"]
    for change, words in (
        ({"registration": "none", "registration_settings": {}}, "trained on crops as they came"),
        ({"registration": "middle"}, "'middle' is unknown"),
        ({"registration_settings": {"colour": 1}}, "ffhq has no setting colour"),
    ):
        state_before = dict(state)
        state.update(change)
        torch.save(content, tmp_path / "changed.ckpt")
        with pytest.raises(ConfigError, match=words):
            FGNetDetector(tmp_path / "changed.ckpt")
        state.clear()
        state.update(state_before)
    arguments = content["hyper_parameters"]
    arguments["head"] = {"class_path": "os.system"}
    torch.save(content, tmp_path / "changed.ckpt")
    with pytest.raises(WeightsError, match=r"model\.head"):
        FGNetDetector(tmp_path / "changed.ckpt")
    arguments["head"] = "pyramid"
    del content["FERA2017DataModule"]
    torch.save(content, tmp_path / "changed.ckpt")
    with (
        pytest.warns(UserWarning, match="does not say which images"),
        pytest.raises(WeightsError, match="does not say which crops"),
    ):
        FGNetDetector(tmp_path / "changed.ckpt")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("fgnet", "name aukit, fgnet:FILE, intensity:RUN, baselines:RUN or pm2:RUN"),
        ("openface:x", "'openface' is unknown"),
        ("aukit:x", "'aukit' is unknown"),
    ],
)
def test_models_that_are_not_there(
    model: str, words: str, portrait: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detect", str(portrait), "--out", str(tmp_path / "out"), "--model", model]) == 2
    assert words in capsys.readouterr().err
