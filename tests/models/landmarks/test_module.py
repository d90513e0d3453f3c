import numpy as np
import pytest
import torch
from lightning import Trainer

from aukit.errors import WeightsError
from aukit.models.landmarks import FaceFinderModule, FaceReaderModule
from aukit.models.landmarks.module import concordant_gains
from aukit.models.landmarks.weights import pack_network
from aukit.registration.landmarks.detector import load_network
from aukit.registration.landmarks.networks import FaceFinder, FaceReader
from tests.labelled_faces import MadeFaces
from tests.models.fgnet.unlabelled import RunInterrupted, execute, trainers

READER = {"widths": [4, 4, 8, 8, 8], "blocks": 1, "squeezed": 4}
FINDER = {"widths": [4, 4, 8, 8, 8], "blocks": 1}
NETWORKS = "aukit.registration.landmarks.networks"


def trainer(epochs, folder):
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


def test_a_reader_learns_where_landmarks_are(tmp_path):
    module = FaceReaderModule(FaceReader(**READER), lr=5e-3, warmup_steps=1, averaging=0.5)
    data = MadeFaces(batch_size=10, steps_per_epoch=30, augment=False)
    fit = trainer(1, tmp_path)
    fit.fit(module, data)
    assert float(fit.callback_metrics["val/nme"]) < 6.0
    assert -1 <= float(fit.callback_metrics["val/icc"]) <= 1


def test_gains_give_readings_the_scale_of_what_they_read(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.random((400, 4)).astype(np.float32) ** 3
    read = truth * (1, 0.5, 0.2, 0) + (0, 0.01, 0, 0.2)
    blurred = 0.3 * (0.2 * truth[:, :1] + 0.8 * rng.permutation(truth[:, :1]))
    read, truth = np.hstack([read, blurred]), np.hstack([truth, truth[:, :1]])
    gains = concordant_gains(torch.from_numpy(read).float(), torch.from_numpy(truth))
    # Nothing is done to what is right, or tells too little; nothing is enlarged more than three times.
    torch.testing.assert_close(gains, torch.tensor([1.0, 1.95, 3.0, 1.0, 1.0]), atol=0.051, rtol=0)
    module = FaceReaderModule(FaceReader(**READER), warmup_steps=1)
    trainer(1, tmp_path).fit(module, MadeFaces(batch_size=10, steps_per_epoch=2))
    assert torch.equal(module.network.gain, module.average.module.gain)
    network = module.average.module.eval()
    with torch.no_grad():
        reading = network(torch.rand(2, 3, 112, 112))
    wanted = (network.gain * reading.logits.sigmoid()).clamp(max=1)
    torch.testing.assert_close(reading.movements, wanted)


def test_a_finder_logs_what_it_finds(tmp_path):
    module = FaceFinderModule(FaceFinder(**FINDER), warmup_steps=1)
    fit = trainer(1, tmp_path)
    fit.fit(module, MadeFaces("find", 96, batch_size=4, steps_per_epoch=2))
    assert 0 <= float(fit.callback_metrics["val/found"]) <= 1
    assert float(fit.callback_metrics["val/false"]) >= 0


def configuration(module, network, options, task, size, **run):
    model = {
        "class_path": f"aukit.models.landmarks.{module}",
        "init_args": {
            "network": {"class_path": f"{NETWORKS}.{network}", "init_args": options},
            "warmup_steps": 2,
        },
    }
    data = {
        "class_path": "tests.labelled_faces.MadeFaces",
        "init_args": {"task": task, "size": size, "batch_size": 4, "steps_per_epoch": 3},
    }
    return trainers.configuration(model, data, 1, **run)


@pytest.mark.parametrize(
    ("module", "network", "options", "task", "size"),
    [
        ("FaceReaderModule", "FaceReader", READER, "read", 112),
        ("FaceFinderModule", "FaceFinder", FINDER, "find", 96),
    ],
)
def test_a_training_goes_on_bit_equal_and_its_average_is_packed(
    tmp_path, module, network, options, task, size
):
    whole = execute(configuration(module, network, options, task, size), tmp_path / "whole")
    pieces = None
    for _ in range(8):
        try:
            run = configuration(module, network, options, task, size, time_limit=0.0)
            pieces = execute(run, tmp_path / "pieces")
            break
        except RunInterrupted:
            continue
    assert pieces is not None
    ends = [run.folder / "checkpoints" / "last.ckpt" for run in (whole, pieces)]
    first, second = (torch.load(end, weights_only=True)["state_dict"] for end in ends)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())

    out = tmp_path / "network.safetensors"
    kind, another = (FaceReader, FaceFinder) if task == "read" else (FaceFinder, FaceReader)
    with pytest.raises(WeightsError, match=f"another network than a {another.__name__}"):
        pack_network(ends[0], out, another)
    metadata = pack_network(ends[0], out, kind)
    assert "ICT-FaceKit" in metadata["licence"]
    loaded = load_network(kind, out)
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, size, size), dtype=np.float32))
    exact = kind(**options).eval()
    prefix = "average.module."
    exact.load_state_dict({k.removeprefix(prefix): v for k, v in first.items() if k.startswith(prefix)})
    further = {"FaceReaderModule": FaceReaderModule, "FaceFinderModule": FaceFinderModule}[module](
        kind(**options), start=str(out)
    ).eval()
    with torch.no_grad():
        ours, theirs = loaded(images), exact(images)
        begun = further.network(images), further.average(images)
    for each in (ours, *begun):
        for a, b in zip(each, theirs, strict=True):
            torch.testing.assert_close(a, b, atol=2e-3, rtol=2e-2)
    with pytest.raises(WeightsError, match="another size"):
        type(further)(kind(**{**options, "widths": [4, 4, 8, 8, 16]}), start=str(out))


def test_other_checkpoints_are_no_network(tmp_path):
    other = tmp_path / "other.ckpt"
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, other)
    with pytest.raises(WeightsError, match="no checkpoint of a network that finds or reads faces"):
        pack_network(other, tmp_path / "out.safetensors", FaceReader)
