import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from PIL import Image

from aukit.datamodules import CrossCorpusDataModule
from aukit.errors import ConfigError, WeightsError
from aukit.metrics import multilabel_f1
from aukit.models.fgnet import FGNetModule
from aukit.models.fgnet.losses import heatmap_loss
from aukit.models.fgnet.overlay import heatmap_overlay
from aukit.models.fgnet.weights import import_weights
from aukit.training import evaluate, execute, score_groups
from aukit.training.callbacks import StepSeed
from aukit.training.predictions import PredictionWriter
from tests.fake_training import FakeDataModule
from tests.fakes import AUS
from tests.models.fgnet.networks import SMALL, small_network
from tests.trainers import configuration, quiet_trainer


def model(**changes):
    torch.manual_seed(0)
    return FGNetModule(**{"aus": AUS, **SMALL, "sigma": 2.5, "dropout": 0.0, **changes})


QUICK = {"lr": 3e-3, "clip": 1.0, "schedule": "cosine", "warmup_steps": 5}


def test_the_published_recipe_is_the_default():
    module = model()
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.AdamW)
    assert {(g["lr"], g["weight_decay"], g["betas"], g["eps"]) for g in optimizer.param_groups} == {
        (5e-5, 5e-4, (0.9, 0.999), 1e-8)
    }
    trained = sum(len(g["params"]) for g in optimizer.param_groups)
    assert trained == len([n for n, _ in module.network.named_parameters() if "to_rgb" not in n])
    assert module.hparams["clip"] == 0.1


def test_it_learns_and_its_predictions_say_how_they_are_read(tmp_path, data):
    data.steps_per_epoch = 40
    writer = PredictionWriter(tmp_path / "predictions.parquet")
    run, module = quiet_trainer(tmp_path, [writer]), model(**QUICK)
    run.fit(module, data)
    fitted = run.callback_metrics
    assert float(fitted["train/loss"]) < 0.12
    assert float(fitted["val/f1"]) > 0.9  # the colour of a fake frame tells its labels
    assert "val/f1_gap" in fitted
    picture = np.asarray(Image.open(next((tmp_path / "run" / "overlays").glob("*.png"))))
    assert picture.shape == (4 * 32, (len(AUS) + 1) * 32, 3)

    run.test(module, data, verbose=False)
    logged = score_groups(tmp_path / "predictions.parquet").scalars()
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert len(table) == len(data.test_rows)
    scores = table[[f"AU{au:02d}_score" for au in AUS]].to_numpy()
    labels = table[[f"AU{au:02d}_label" for au in AUS]].to_numpy()
    assert np.abs(scores).max() <= 1
    f1 = multilabel_f1(scores, labels, threshold=0.0)
    for au, value in zip(AUS, f1, strict=True):
        assert logged[f"test/f1_AU{au}"] == pytest.approx(value, abs=1e-6)
    assert logged["test/f1"] == pytest.approx(np.nanmean(f1), abs=1e-6)
    groups = {}
    for gender in ("female", "male"):
        rows = (table["gender"] == gender).to_numpy()
        groups[gender] = multilabel_f1(scores[rows], labels[rows], threshold=0.0)
        assert logged[f"test/f1_{gender}"] == pytest.approx(np.nanmean(groups[gender]), abs=1e-6)
    gap = np.nanmean(np.abs(groups["female"] - groups["male"]))
    assert logged["test/f1_gap"] == pytest.approx(gap, abs=1e-6)


def test_a_run_from_a_configuration(tmp_path):
    model = {**SMALL, "aus": list(AUS), "sigma": 2.5, "lr": 1e-3}
    config = configuration(
        {"class_path": "aukit.models.fgnet.FGNetModule", "init_args": model},
        {
            "class_path": "tests.models.fgnet.faces.Faces",
            "init_args": {"cache": str(tmp_path / "stores"), "steps_per_epoch": 3},
        },
        epochs=2,
        monitor="val/f1",
        selection="best",
    )
    record = execute(config, tmp_path / "runs")
    assert {"train/loss", "val/f1", "test/f1", "test/f1_gap", "test/f1_AU1"} <= set(record.metrics)
    assert list((record.folder / "overlays").glob("*.png"))
    labels = pd.read_parquet(record.predictions)[[f"AU{au:02d}_label" for au in AUS]]
    assert set(np.unique(labels)) <= {0, 1}
    assert execute(config, tmp_path / "runs") == record


def test_frozen_parts_do_not_move(tmp_path, data):
    data.steps_per_epoch = 2
    module = model(**QUICK, frozen=("pspencoder.body", "g_all.style"))
    before = {k: v.clone() for k, v in module.network.state_dict().items()}
    quiet_trainer(tmp_path).fit(module, data)
    for name, value in module.network.state_dict().items():
        still = name.startswith(("pspencoder.body", "g_all.style", "g_all.to_rgb", "g_all.noises", "latent"))
        if still or name.endswith("kernel"):
            assert torch.equal(value, before[name]), name
        elif "styles.7" not in name and name.endswith("weight"):  # the last style draws the image only
            assert not torch.equal(value, before[name]), name


def test_rates_of_the_backbone(tmp_path, data):
    data.steps_per_epoch = 1
    module = model(lr=0.1, encoder_lr=0.0, generator_lr=0.01, weight_decay=0.0)
    before = {k: v.clone() for k, v in module.network.named_parameters()}
    quiet_trainer(tmp_path).fit(module, data)
    moved = {
        part: max(
            float((p - before[n]).abs().max().detach())
            for n, p in module.network.named_parameters()
            if n.startswith(part)
        )
        for part in ("pspencoder", "g_all", "interpreter")
    }
    assert moved["pspencoder"] == 0
    assert moved["g_all"] == pytest.approx(0.01, rel=0.02)  # Adam's first step
    assert moved["interpreter"] == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(("clip", "norm"), [(0.1, 0.1), (None, None)])
def test_all_gradients_are_clipped_together(tmp_path, data, clip, norm):
    data.steps_per_epoch = 1
    seen = []

    class Spy(StepSeed):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            grads = [p.grad for p in pl_module.parameters() if p.grad is not None]
            seen.append(float(torch.cat([g.flatten() for g in grads]).norm()))

    # Lightning calls the hook before it clips, so that the gradients after the step are looked at too.
    module = model(clip=clip)
    module.zero_grad = lambda set_to_none=True: None
    module.on_train_batch_end = lambda *a: seen.append(
        float(torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None]).norm())
    )
    quiet_trainer(tmp_path, [Spy(0)]).fit(module, data)
    assert seen[0] > 0.1
    assert seen[1] == pytest.approx(norm if norm else seen[0], rel=1e-3)


def test_a_frame_that_is_not_coded_teaches_nothing():
    predicted = torch.randn(2, 2, 4, 4, requires_grad=True)
    target = torch.ones(2, 2, 4, 4)
    target[0, 0] = torch.nan
    target[:, 1] = torch.nan
    loss = heatmap_loss(predicted, target)
    assert loss[1].isnan()
    loss[0].backward()
    assert (predicted.grad[0, 0] == 0).all()
    assert (predicted.grad[:, 1] == 0).all()
    assert float(loss[0].detach()) == pytest.approx(float((predicted[1, 0] - 1).square().mean().detach()))


def test_balanced_batches(tmp_path, data):
    data.steps_per_epoch, data.sampling = 20, "balanced"
    shown = []
    module = model()
    module.on_train_batch_start = lambda batch, index: shown.append(batch["occurrences"])
    quiet_trainer(tmp_path, limit_val_batches=0).fit(module, data)
    drawn = torch.cat(shown).mean(dim=0)
    rate = np.nanmean(data.store.table.occurrences(AUS)[data.train_rows], axis=0)
    assert (np.abs(drawn.numpy() - 0.5) < np.abs(rate - 0.5) + 0.1).all()
    assert len(torch.cat(shown)) == 20 * 8


def test_class_weights_follow_the_training_frames(tmp_path, data):
    data.steps_per_epoch = 1
    module = model(class_weights="f1")
    quiet_trainer(tmp_path).fit(module, data)
    rate = np.nanmean(data.store.table.occurrences(AUS)[data.train_rows], axis=0)
    labels = torch.stack([torch.zeros(len(AUS)), torch.ones(len(AUS))])
    absent, present = module.frame_weights(labels).numpy()
    np.testing.assert_allclose(present, 1 / np.sqrt(rate), rtol=1e-5)
    np.testing.assert_allclose(absent * present, 1, rtol=1e-5)


def test_what_is_trained_on_counts_where_another_corpus_is_tested(tmp_path):
    """Landmarks, around which maps are drawn, and AU rates are of the frames that train."""
    for part in ("test", "train"):
        corpora = [
            FakeDataModule(cache=str(tmp_path / part), side=32, frames=n, aus=AUS[:2]) for n in (10, 12)
        ]
        both = CrossCorpusDataModule(*corpora)
        both.prepare_data()
        both.setup()
        getattr(both, part).store.landmarks[:] = np.nan
        module = model(aus=AUS[:2], class_weights="f1")
        if part == "train":
            with pytest.raises(ConfigError, match="has crops without landmarks"):
                quiet_trainer(tmp_path).fit(module, both)
            return
        quiet_trainer(tmp_path).fit(module, both)
        rate = np.nanmean(both.train.store.table.occurrences(AUS[:2])[both.train.train_rows], axis=0)
        present = module.frame_weights(torch.ones(1, 2)).numpy()[0]
        np.testing.assert_allclose(present, 1 / np.sqrt(rate), rtol=1e-5)


def test_it_starts_from_imported_weights(tmp_path):
    published = small_network(seed=3)
    torch.save({"g_ema": published.g_all.state_dict()}, tmp_path / "g.pt")
    out = tmp_path / "g.safetensors"
    import_weights("stylegan2", tmp_path / "g.pt", out, network=published)
    module = model(weights=(str(out),))
    for name, value in published.g_all.state_dict().items():
        assert torch.equal(module.network.g_all.state_dict()[name], value)
    assert "weights" not in module.hparams


def test_moving_averages_and_half_precision_are_the_trainer_s(tmp_path, data):
    data.steps_per_epoch = 4
    average = EMAWeightAveraging(decay=0.9)
    run = quiet_trainer(tmp_path, [average], precision="bf16-mixed")
    run.fit(model(**QUICK, recompute=True), data)
    assert np.isfinite(float(run.callback_metrics["train/loss"]))
    assert "val/f1" in run.callback_metrics


def test_data_and_model_must_mean_the_same(tmp_path, data):
    with pytest.raises(ConfigError, match=r"crops of 32 px, the model's 64"):
        quiet_trainer(tmp_path).fit(model(image_size=64), data)
    with pytest.raises(ConfigError, match=r"set trainer\.max_epochs"):
        quiet_trainer(tmp_path, max_epochs=-1).fit(model(schedule="cosine"), data)
    with pytest.raises(ConfigError, match="begins with 'decoder'"):
        model(frozen=("decoder",))
    with pytest.raises(ConfigError, match=r"model\.points is 2"):
        model(points=2)


def test_an_overlay_is_red_where_present_and_blue_where_absent():
    images = torch.full((1, 3, 8, 8), 0.5)
    maps = torch.stack([torch.full((4, 4), 1.0), torch.full((4, 4), -1.0), torch.zeros(4, 4)])[None]
    picture = heatmap_overlay(images, maps)
    assert picture.shape == (8, 32, 3)
    face, present, absent, neither = (picture[:, i * 8 : i * 8 + 8].reshape(-1, 3)[0] for i in range(4))
    assert present[0] > face[0] > present[2]
    assert absent[2] > face[2] > absent[0]
    assert (neither == face).all()


def own(name, **options):
    return {"class_path": f"tests.own_modules.{name}", "init_args": options}


def test_head_and_encoder_of_ones_own_train_and_are_tested_again(tmp_path):
    arguments = {
        **SMALL,
        "aus": list(AUS),
        "sigma": 2.5,
        "head": own("Head", level=2),
        "encoder": own("Encoder"),
    }
    data = {"class_path": "tests.models.fgnet.faces.Faces", "init_args": {"cache": str(tmp_path / "stores")}}
    config = configuration({"class_path": "aukit.models.fgnet.FGNetModule", "init_args": arguments}, data)
    record = execute(config, tmp_path / "runs")
    assert {"test/f1", "test/f1_female"} <= set(record.metrics)
    again = pd.read_parquet(evaluate(config, tmp_path / "again", checkpoint=record.checkpoint))
    pd.testing.assert_frame_equal(again, pd.read_parquet(record.predictions))
    module = FGNetModule.load_from_checkpoint(record.checkpoint, weights_only=True)
    assert type(module.network.interpreter).__name__ == "Head"
    assert module.network.interpreter.level == 2


def test_parts_that_do_not_fit_are_refused_with_both_shapes():
    images = torch.zeros(2, 3, 32, 32)
    with pytest.raises(
        ConfigError, match=r"model.encoder: Encoder gives \[2, 9, 16\], needed is \[2, 8, 16\]"
    ):
        model(encoder=own("Encoder", more=1))(images)
    wrong = {"class_path": "torch.nn.Identity"}  # gives the maps back
    with pytest.raises(ConfigError, match=r"model\.head: Identity gives a list, needed is"):
        model(head=wrong)(images)
    for part, words in (
        ({"class_path": "tests.own_modules.Nose"}, "no attribute 'Nose'"),
        ({"class_path": "tests.own_modules.Head", "init_args": {"depth": 3}}, "unexpected keyword argument"),
        ({"class_path": "tests.own_modules.AUS"}, "cannot be made"),
        ({"level": 1}, "takes class_path and init_args"),
    ):
        with pytest.raises(ConfigError, match=f"model.head.*{words}"):
            model(head=part)


def test_published_parts_are_loaded_beside_ones_own(tmp_path):
    network = small_network(points=12)
    mean = {"state_dict": {f"encoder.{k}": v for k, v in network.pspencoder.state_dict().items()}}
    torch.save({**mean, "latent_avg": network.latent_avg}, tmp_path / "psp.pt")
    import_weights("psp", tmp_path / "psp.pt", tmp_path / "psp.safetensors", network=network)
    module = model(head=own("Head"), weights=[str(tmp_path / "psp.safetensors")])
    assert torch.equal(module.network.latent_avg, network.latent_avg)
    with pytest.raises(WeightsError, match="belongs to a network of another size or kind"):
        model(encoder=own("Encoder"), weights=[str(tmp_path / "psp.safetensors")])
