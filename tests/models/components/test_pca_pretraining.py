import numpy as np
import pytest
import torch
from torch import nn

from aukit.errors import ConfigError, WeightsError
from aukit.models.components.backbones import Backbone
from aukit.models.components.pca_pretraining import PCAModule, PCATargets
from aukit.training import execute
from tests.models.fgnet.unlabelled import Unlabelled, configuration, run_in_pieces

SMALL = {"channels": [8, 8, 8, 8], "stem_width": 4}
BACKBONE = {
    "network": {
        "class_path": "aukit.models.components.backbones.Backbone",
        "init_args": {"name": "resnet10t", "options": SMALL},
    },
    "components": 3,
}


def faces(count=400):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 32 * np.pi
    shapes = np.stack([np.sin(x), np.sin(y), np.sin(2 * x), np.sin(2 * y), np.sin(3 * x)])
    waves = rng.normal(0, [0.2, 0.1, 0.05, 0.05, 0.02], (count, 5))
    return (
        torch.from_numpy(0.5 + np.einsum("nk,khw->nhw", waves, shapes))[:, None].expand(-1, 3, -1, -1).float()
    )


def test_components_are_white_over_the_faces_they_were_fitted_to():
    targets = PCATargets(4)
    targets.fit(faces().split(50))
    components = targets(faces())
    torch.testing.assert_close(components.mean(0), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(components.T.cov(), torch.eye(4), atol=2e-2, rtol=0)


def test_light_and_contrast_do_not_change_them():
    targets = PCATargets(4)
    targets.fit([faces()])
    some = faces()[:20]
    torch.testing.assert_close(targets(some), targets(0.8 * some + 0.15), atol=0.25, rtol=0)
    moved = some.roll(4, dims=-1)  # a change of the face itself does
    assert float((targets(some) - targets(moved)).abs().mean()) > 0.3


def test_mixed_precision_changes_no_component():
    targets = PCATargets(4)
    targets.fit([faces()])
    plain = targets(faces()[:20])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(targets(faces()[:20]), plain)


def test_more_components_than_faces_are_refused():
    with pytest.raises(ConfigError, match="3 faces have fewer than 4"):
        PCATargets(4).fit([faces(3)])


class Known(nn.Module):
    """A network that knows the components."""

    features = 4

    def __init__(self):
        super().__init__()
        self.targets = PCATargets(4)
        self.targets.fit([faces()])

    def forward(self, images):
        return self.targets(images)


def test_explained_is_the_share_of_the_variance():
    network = Known()
    module = PCAModule(network, components=4)
    module.targets.load_state_dict(network.targets.state_dict())
    images = faces()[:64]
    target = module.targets(images)
    with torch.no_grad():  # a head that passes on two of the four
        module.head.weight.copy_(torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0])))
        module.head.bias.zero_()
    logged = {}
    module.log = lambda name, value, **_: logged.update({name: float(value)})
    module.all_gather = lambda value: value
    module.validation_step({"image": images, "target": images}, 0)
    module.on_validation_epoch_end()
    left = float(target[:, 2:].square().sum() / target.square().sum())
    assert logged["val/explained"] == pytest.approx(1 - left, abs=1e-3)


def test_it_learns_and_its_backbone_can_be_packed(tmp_path):
    from aukit.models.components.backbones import pack_backbone

    config = configuration(
        "aukit.models.components.pca_pretraining.PCAModule", {**BACKBONE, "lr": 1e-2, "warmup_steps": 2}
    )
    config["data"]["init_args"] |= {"steps_per_epoch": 80, "batch_size": 16}
    record = execute(config, tmp_path)
    assert record.metrics["val/explained"] > 0.3
    out = tmp_path / "backbone.safetensors"
    pack_backbone(record.folder / "checkpoints" / "last.ckpt", out)
    packed = Backbone("resnet10t", str(out), SMALL).state_dict()
    trained = torch.load(record.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for key, value in packed.items():
        rounded = trained[f"network.{key}"].half().float() if value.is_floating_point() else value
        assert torch.equal(value, rounded), key
    with pytest.raises(WeightsError, match="no checkpoint of a pre-trained backbone"):
        pack_backbone(out, tmp_path / "again.safetensors")


def test_interrupted_runs_end_bit_equal(tmp_path):
    states = run_in_pieces(tmp_path, "aukit.models.components.pca_pretraining.PCAModule", BACKBONE)
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_pictures_are_changed_as_a_function_of_the_step_alone():
    data = Unlabelled()
    data.setup()
    dataset, sampler = data.train_batches()
    first, again, other = (dataset[sampler.batch(0, step)] for step in (0, 0, 1))
    assert torch.equal(first["image"], again["image"])
    assert torch.equal(first["target"], again["target"])
    assert not torch.equal(first["image"], other["image"])
    assert not torch.equal(first["image"], first["target"])  # blur and noise are for the network alone
    dataset, sampler = data.val_batches()
    seen = [dataset[spec] for spec in sampler]
    assert all(torch.equal(batch["image"], batch["target"]) for batch in seen)
    assert sum(len(batch["image"]) for batch in seen) == 8
