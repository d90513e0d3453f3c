import pytest
import torch
from timm.models.vgg import VGG

from aukit.errors import WeightsError
from aukit.models.niinuma2021.intensity import EstimatorBank, IntensityEstimator, IntensityTrunk, decode


def test_decoding_a_certain_and_an_undecided_head():
    logits = torch.tensor([[0.0, 0, 0, 50, 0, 0], [0.0, 0, 0, 0, 0, 0]])
    level, expectation = decode(logits)
    assert level[0] == 3
    assert expectation.tolist() == pytest.approx([3, 2.5])


def test_trunk_reads_every_unit_in_every_image():
    trunk = IntensityTrunk((1, 4, 12), (4, 4, 4, 8)).eval()
    logits = trunk(torch.randn(5, 3, 64, 64))
    assert logits.shape == (5, 3, 6)
    logits[:, 0].sum().backward()
    by_head = trunk.heads.weight.grad.reshape(3, 6, -1).abs().sum((1, 2))
    assert by_head[0] > 0
    assert by_head[1:].sum() == 0


def small_vgg(monkeypatch):
    """timm's VGG16 with the first block's width everywhere: the same keys, a hundredth of the parameters."""

    def narrow(name, **options):
        norm = {"vgg16": None, "vgg16_bn": torch.nn.BatchNorm2d}[name]
        stages = [8, 8, "M", 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M"]
        return VGG(stages, mlp_ratio=0.002, norm_layer=norm, **options)

    monkeypatch.setattr("timm.create_model", narrow)


def test_a_bank_has_one_network_per_unit(monkeypatch):
    small_vgg(monkeypatch)
    bank = EstimatorBank((1, 4, 12)).eval()
    images, head = torch.randn(4, 3, 32, 32), torch.tensor([2, 0, 2, 0])
    logits = bank(images)
    assert logits.shape == (4, 3, 6)
    torch.testing.assert_close(bank.head_logits(images, head), logits[torch.arange(4), head])
    bank.head_logits(images, head).sum().backward()
    assert all(p.grad is None for p in bank.estimators[1].parameters())
    assert all(p.grad is not None for p in bank.estimators[2].parameters())


@pytest.mark.parametrize("convention", ["timm", "torchvision"])
def test_weights_files_of_both_conventions_load(monkeypatch, tmp_path, convention):
    small_vgg(monkeypatch)
    source = IntensityEstimator()
    state = {k.removeprefix("network."): v for k, v in source.state_dict().items()}
    if convention == "torchvision":
        names = {
            "pre_logits.fc1": "classifier.0",
            "pre_logits.fc2": "classifier.3",
            "head.fc": "classifier.6",
        }
        for new, old in names.items():
            for part in ("weight", "bias"):
                value = state.pop(f"{new}.{part}")
                state[f"{old}.{part}"] = value.flatten(1) if part == "weight" else value
    torch.save(state, tmp_path / "vgg.pth")
    loaded = IntensityEstimator(weights=str(tmp_path / "vgg.pth"), frozen_convs=2)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]) != name.startswith("network.head.fc.weight"), (
            name
        )
    convolutions = [m for m in loaded.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.weight.requires_grad for c in convolutions[:4]] == [False, False, True, True]


def test_batch_norms_of_frozen_convolutions_keep_what_they_have(monkeypatch):
    small_vgg(monkeypatch)
    estimator = IntensityEstimator("vgg16_bn", frozen_convs=2).train()
    before = {name: value.clone() for name, value in estimator.state_dict().items()}
    estimator(torch.randn(4, 3, 32, 32)).sum().backward()
    moved = {name for name, value in estimator.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert not [name for name in moved if name.startswith(("network.features.1.", "network.features.4."))]
    trained = [name for name, p in estimator.named_parameters() if p.grad is not None]
    assert min(int(name.split(".")[2]) for name in trained if ".features." in name) == 7  # the third one
    assert estimator.eval().train().network.features[8].training


def test_bad_weights_are_told(monkeypatch, tmp_path):
    small_vgg(monkeypatch)
    with pytest.raises(WeightsError, match="no such file; put one there"):
        IntensityEstimator(weights=str(tmp_path / "none.pth"))
    (tmp_path / "broken.pth").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="is text"):
        IntensityEstimator(weights=str(tmp_path / "broken.pth"))
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="lacks"):
        IntensityEstimator(weights=str(tmp_path / "other.pth"))


def test_the_papers_network_has_its_size():
    with torch.device("meta"):
        estimator = IntensityEstimator()
    # VGG16 without its thousand-way layer, plus six outputs.
    assert sum(p.numel() for p in estimator.parameters()) == 134_285_126
    assert [m.p for m in estimator.modules() if isinstance(m, torch.nn.Dropout)] == [0.5, 0.5]
