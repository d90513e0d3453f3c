"""One step of the published recipe at full size: loss, gradients, clipping, AdamW, batch-norm statistics."""

from pathlib import Path

import numpy as np
import pytest
import torch

from aukit.models.fgnet import FGNetModule, au_heatmaps
from aukit.models.fgnet.losses import heatmap_loss
from tests.parity import loader

FREE = 10  # GB; the step takes 6.8


def free_memory() -> float:
    """GB that a process can take without swapping."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / 1e6


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="free memory is unknown on this system")
def test_one_training_step():
    if (free := free_memory()) < FREE:
        pytest.skip(f"a full-size training step wants {FREE} GB free; there are {free:.1f}")
    want, faces = loader.load_json("fgnet_train_step"), loader.load_npz("au_heatmaps")
    module = FGNetModule(dropout=0.0)
    for part, name in (
        ("g_all", "generator_1024"),
        ("pspencoder", "psp_encoder"),
        ("interpreter", "interpreter"),
    ):
        loader.load_weights(module.network.get_submodule(part), loader.manifest(name))
    recipe = loader.manifest("latent_avg")
    mean_code = module.network.latent_avg
    mean_code.copy_(loader.draw_weights({"latent_avg": mean_code}, recipe)["latent_avg"])
    parameters = dict(module.network.named_parameters())
    assert module.network.training

    images = torch.from_numpy(loader.picture(want["meta"]["image_seed"], 2, 256))
    landmarks = loader.tensor(faces, "landmarks").array()[[0, 2]]
    labels = loader.tensor(faces, "BP4D.labels").array()[[0, 2]]
    heatmaps = module(images)
    np.testing.assert_allclose(
        heatmaps.detach().mean(dim=(2, 3)), want["heatmap_train_mode_channel_mean"], atol=1e-4
    )
    per_au = heatmap_loss(heatmaps, au_heatmaps(landmarks, labels, module.hparams["aus"]))
    np.testing.assert_allclose(per_au.detach(), want["per_au_loss"], rtol=1e-5)
    assert float(per_au.mean().detach()) == pytest.approx(want["loss"], rel=1e-5)
    per_au.mean().backward()
    del heatmaps, per_au

    assert {n for n, p in parameters.items() if p.grad is None} == set(want["params_without_grad"])
    gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    for name, norm in want["grad_norm_before_clip"].items():
        tolerance = 1e-2 if name.endswith("noise.weight") else 1e-3
        assert float(gradients[name].norm()) == pytest.approx(norm, rel=tolerance), name
    for part, norm in want["module_grad_norm_before_clip"].items():
        mine = sum(float(g.double().square().sum()) for n, g in gradients.items() if n.startswith(part))
        assert mine**0.5 == pytest.approx(norm, rel=1e-3), part
    total = torch.nn.utils.clip_grad_norm_(parameters.values(), module.hparams["clip"])
    assert float(total) == pytest.approx(want["total_grad_norm_before_clip"], rel=1e-3)

    module.configure_optimizers().step()
    for name, step in want["one_adamw_step"].items():
        index = step["idx"]
        np.testing.assert_allclose(gradients[name].flatten()[index], step["clipped_grad"], rtol=1e-2)
        after = parameters[name].detach().flatten()[index]
        np.testing.assert_allclose(after, step["after"], atol=1e-6)
    state = module.network.state_dict()
    for name, values in want["bn_running_after"].items():
        np.testing.assert_allclose(state[name][:8], values, atol=1e-5)
