import numpy as np
import pytest
import torch

from aukit.errors import TrainingError, WeightsError
from aukit.models.fgnet import FGNet, InversionModule, Inverter
from aukit.models.fgnet.inversion import effective_dimensions, gradient_distance
from aukit.models.fgnet.weights import import_weights, load_weights
from aukit.models.weights import HOME, MINI_NETWORK
from aukit.training import execute
from tests.models.fgnet.unlabelled import configuration, run_in_pieces

SIZES = {**MINI_NETWORK, "image_size": 32, "size": 16, "style_dim": 8, "n_mlp": 1, "max_channels": 8}
SIZES |= {"encoder_widths": [4, 4, 8, 8, 8], "encoder_units": [1, 1, 1, 1]}


def model(**changes):
    network = {"class_path": "aukit.models.fgnet.Inverter", "init_args": SIZES}
    return {"network": network, "components": 3, "least_dimensions": 1.0, "warmup_steps": 2, **changes}


def test_gradients_do_not_see_a_tone_and_see_contours():
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(gradient_distance(x, x + 0.3), torch.zeros(2), atol=1e-6, rtol=0)
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1.0
    # One column in seven at the first scale, one in three at the second, the only one at the third.
    expected = (1 / 7 + 1 / 3 + 1) / 6
    torch.testing.assert_close(gradient_distance(step, torch.zeros_like(step)), torch.tensor([expected]))


def test_effective_dimensions():
    torch.manual_seed(0)
    line = torch.randn(500, 1) @ torch.randn(1, 20)
    assert float(effective_dimensions(line)) == pytest.approx(1.0, abs=1e-3)
    assert float(effective_dimensions(torch.randn(20_000, 5))) == pytest.approx(5.0, abs=0.05)
    assert float(effective_dimensions(line[:10])) == pytest.approx(1.0, abs=1e-3)  # fewer codes than values


def test_standardised_codes_have_mean_0_and_variance_1():
    torch.manual_seed(0)
    network, images = Inverter(**SIZES).eval(), torch.rand(64, 3, 32, 32)
    network.standardise(images)
    codes = network.codes(images)
    torch.testing.assert_close(codes.mean(0), torch.zeros(6, 8), atol=1e-3, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.ones(6, 8), atol=1e-2, rtol=0)


def test_it_is_fgnet_without_its_interpreter():
    torch.manual_seed(0)
    network = FGNet(**SIZES, points=2, heatmap_size=16, kernel_size=3).eval()
    part = Inverter(**SIZES).eval()
    part.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("interpreter")})
    images = torch.rand(2, 3, 32, 32)
    drawn = part.draw(part.codes(images))
    torch.testing.assert_close(drawn, (network.g_all(network.styles(2 * images - 1)) + 1) / 2)


def test_it_learns_to_draw_and_its_weights_begin_an_fgnet(tmp_path):
    config = configuration("aukit.models.fgnet.InversionModule", model(encoder_lr=0.01, generator_lr=0.03))
    config["data"]["init_args"] |= {"steps_per_epoch": 60, "batch_size": 16}
    record = execute(config, tmp_path)
    assert record.metrics["val/l1"] < 0.9  # of the mean picture's error
    assert record.metrics["val/code_dimensions"] > 2
    assert len(list((record.folder / "reconstructions").glob("*.png"))) == 1
    out = tmp_path / "inversion.safetensors"
    metadata = import_weights("inversion", record.folder / "checkpoints" / "last.ckpt", out)
    assert metadata["kind"] == "inversion"
    network = FGNet(**SIZES, points=2, heatmap_size=16, kernel_size=3)
    load_weights(network, out)
    again = Inverter(**SIZES, weights=[str(out)])
    for key, value in again.state_dict().items():
        assert torch.equal(value, network.state_dict()[key]), key
    with pytest.raises(WeightsError, match="another size"):
        load_weights(FGNet(**{**SIZES, "style_dim": 16}, points=2, heatmap_size=16, kernel_size=3), out)


def test_a_generator_that_stands_still_does(tmp_path):
    torch.manual_seed(0)
    module = InversionModule(Inverter(**SIZES), generator_lr=0.0)
    trained = {id(p) for group in module.configure_optimizers().param_groups for p in group["params"]}
    assert not trained & {id(p) for p in module.network.g_all.parameters()}
    assert all(not p.requires_grad for p in module.network.g_all.parameters())
    assert {id(p) for p in module.network.pspencoder.parameters()} <= trained


def test_a_collapse_stops_the_training(tmp_path):
    with pytest.raises(TrainingError, match=r"collapsed to .* effective dimensions"):
        execute(configuration("aukit.models.fgnet.InversionModule", model(least_dimensions=40.0)), tmp_path)


def test_interrupted_runs_end_bit_equal(tmp_path):
    states = run_in_pieces(tmp_path, "aukit.models.fgnet.InversionModule", model())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_the_shipped_weights_draw_avatars_that_they_never_saw():
    from aukit.simulation.images.pretraining_faces import PretrainingFacesConfig, render_faces
    from benchmarks.inversion_report import PROBED, inversion_report

    assert (HOME / "fgnet-mini.md").is_file()
    assert (HOME / "fgnet-mini.safetensors").stat().st_size < 8 << 20
    network = Inverter(**MINI_NETWORK, weights=["mini"]).eval()
    recipe = PretrainingFacesConfig(1, 4, registration="similarity")
    made = [render_faces(recipe, identity) for identity in range(9000, 9006)]  # not in the pool
    images = [faces for faces, _ in made]
    acts = [rows[[f"AU{au:02d}" for au in PROBED]].to_numpy(np.float32) for _, rows in made]
    report = inversion_report(
        network,
        np.concatenate(images[:3]),
        np.concatenate(acts[:3]),
        np.concatenate(images[3:]),
        np.concatenate(acts[3:]),
    )
    assert report["l1"] < 0.65
    assert report["gradient"] < 0.95
    assert report["code_dimensions"] > 2  # of twelve faces


def test_a_probe_reads_what_is_there_and_nothing_else():
    from benchmarks.inversion_report import probe

    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(0, 1, (600, 5))).float()
    activations = np.stack([features[:, 0].numpy(), rng.normal(0, 1, 600)], axis=1).astype(np.float32)
    told, noise = probe(features[:400], activations[:400], features[400:], activations[400:])
    assert told > 0.99
    assert abs(noise - 0.5) < 0.1
