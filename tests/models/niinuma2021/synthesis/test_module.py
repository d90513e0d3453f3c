import numpy as np
import pytest
import torch

from aukit.errors import ConfigError
from aukit.metrics.features import FixedFeatures
from aukit.models.niinuma2021.synthesis import SynthesisDataModule, SynthesizerModule, losses
from aukit.models.niinuma2021.synthesis.evaluation import expression_grid
from aukit.models.niinuma2021.synthesis.schedule import Schedule
from tests.fake_training import FakeDataModule
from tests.fakes import AUS
from tests.trainers import quiet_trainer

TINY = {
    "aus": AUS,
    "image_size": 16,
    "generator_width": 4,
    "generator_blocks": 1,
    "critic_width": 4,
    "critic_layers": 4,
    "reader_steps": 3,
    "grid_faces": 2,
}
MINI = {
    "lambda_ids": 100.0,
    "n_critic": 1,
    "critic_every": 2,
    "cycle_every": 2,
    "head_start_share": 0.2,
    "warmup_share": 0.5,
    "ramp_share": 0.2,
    "decay_share": 0.4,
}


def data(tmp_path, **options):
    corpus = FakeDataModule(cache=str(tmp_path / "stores"))
    return SynthesisDataModule(corpus, **{"batch_size": 4, "steps_per_epoch": 10, "val_pairs": 8, **options})


def sampler_of(module, tmp_path, **options):
    """Of the pairs that a module would be trained on."""
    trainer, pairs = quiet_trainer(tmp_path), data(tmp_path, **options)
    trainer.strategy.connect(module)
    pairs.trainer = trainer
    pairs.prepare_data()
    pairs.setup("fit")
    return pairs.train_batches()[1]


@pytest.mark.parametrize(
    ("lambda_ids", "share", "least"),
    [(0.0, None, 0), (1.0, None, 1), (1.0, 0.0, 0), (0.0, 0.5, 2), (1.0, 1.0, 4)],
)
def test_an_idiosyncratic_term_meets_a_pair_of_one_person_in_every_batch(tmp_path, lambda_ids, share, least):
    sampler = sampler_of(SynthesizerModule(**TINY, lambda_ids=lambda_ids), tmp_path, same_person_share=share)
    found = [
        int(sampler.batch(epoch, step).extra["same_person"].sum())
        for epoch in range(20)
        for step in range(10)
    ]
    assert min(found) == least


def test_a_batch_that_the_frames_do_not_fill_has_its_pair_of_one_person(tmp_path):
    sampler = sampler_of(SynthesizerModule(**TINY, lambda_ids=1.0), tmp_path, batch_size=100)
    pairs = len(sampler.batch(0, 0).rows)
    assert pairs < 50
    assert sampler.sampling.same_person_share == 1 / pairs


def test_phases_change_at_their_steps():
    schedule = Schedule(100, 50, head_start_share=0.1, warmup_share=0.65, ramp_share=0.2, decay_share=0.4)
    phases = [schedule.phase(step) for step in range(100)]
    assert [phases.count(p) for p in ("head_start", "warmup", "full")] == [10, 55, 35]
    assert phases == sorted(phases, key=["head_start", "warmup", "full"].index)
    ramp = [schedule.ramp(step) for step in range(65, 100)]
    assert ramp[0] == pytest.approx(0.05)
    assert ramp[19:] == [1.0] * 16
    # Without a warm-up the generator begins, and its ramp, when the head start is over.
    short = Schedule(100, 50, head_start_share=0.2, ramp_share=0.1)
    assert [short.phase(step) for step in (19, 20)] == ["head_start", "full"]
    assert [short.ramp(step) for step in (20, 24, 29, 30)] == pytest.approx([0.1, 0.5, 1, 1])
    rates = [schedule.learning_rate_factor(step) for step in (0, 59, 60, 80, 99)]
    assert rates == pytest.approx([1, 1, 1, 0.5, 0.025])


def test_paper_s_rates_fall_by_epochs():
    schedule = Schedule(300, 10)
    rates = [schedule.learning_rate_factor(epoch * 10 + 3) for epoch in range(30)]
    assert rates[:19] == [1.0] * 19
    assert rates[19] == pytest.approx(10 / 11)
    assert rates[29] == pytest.approx(0, abs=1e-12)
    assert {schedule.phase(step) for step in range(300)} == {"full"}
    assert schedule.ramp(0) == 1


class Watched(SynthesizerModule):
    """Notes which networks change in each step."""

    changed: list

    def on_train_batch_start(self, batch, batch_idx):
        self.before = [self._sum(n) for n in (self.generator, self.discriminator)]

    def on_train_batch_end(self, outputs, batch, batch_idx):
        after = [self._sum(n) for n in (self.generator, self.discriminator)]
        self.changed.append("".join(n for n, a, b in zip("GD", self.before, after, strict=True) if a != b))

    @staticmethod
    def _sum(network):
        return sum(float(p.detach().double().abs().sum()) for p in network.parameters())


def test_paper_s_updates_five_to_one(tmp_path):
    model = Watched(**TINY)
    model.changed = []
    quiet_trainer(tmp_path).fit(model, data(tmp_path))
    assert model.changed == ["GD", "D", "D", "D", "D", "GD", "D", "D", "D", "D"]


def test_mini_s_phases_update_what_they_should(tmp_path):
    model = Watched(**TINY, **MINI)
    model.changed = []
    quiet_trainer(tmp_path).fit(model, data(tmp_path, warmup_share=0.5, same_person_share=0.5))
    assert model.changed == ["D", "D", "G", "G", "G", "G", "GD", "G", "GD", "G"]


def test_without_a_reader_the_other_figures_are_logged(tmp_path):
    run = quiet_trainer(tmp_path)
    run.fit(SynthesizerModule(**TINY | {"reader_steps": 0}), data(tmp_path))
    assert "val/mask_mean" in run.callback_metrics
    assert not [name for name in run.callback_metrics if "reader" in name]


def test_stargan_s_images_keep_nothing_of_their_input(tmp_path):
    run = quiet_trainer(tmp_path)
    run.fit(SynthesizerModule(**TINY, variant="stargan"), data(tmp_path))
    assert float(run.callback_metrics["val/mask_mean"]) == 0


def test_ganimation_s_regularisers_of_the_mask():
    plain = SynthesizerModule(**TINY)
    regularised = SynthesizerModule(**TINY, lambda_attention=0.5, lambda_smooth=2.0)
    regularised.load_state_dict(plain.state_dict())
    image, aus = torch.rand(2, 3, 16, 16), torch.rand(2, len(AUS))
    pair = {"input_frame": image, "target": image, "input_aus": aus, "target_aus": aus}
    pair["same_person"] = torch.tensor([True, False])
    mask = torch.rand(2, 1, 16, 16)
    without, total = (m.generator_objective(pair, image, mask, 1.0, False, {}) for m in (plain, regularised))
    wanted = 0.5 * losses.attention_loss(mask) + 2 * losses.smoothness_loss(mask)
    torch.testing.assert_close(total - without, wanted)


def test_validation_logs_the_figures_and_draws_the_grid(tmp_path):
    model, pairs = SynthesizerModule(**TINY), data(tmp_path)
    run = quiet_trainer(tmp_path)
    run.fit(model, pairs)
    logged = {name: float(value) for name, value in run.callback_metrics.items()}
    for name in (
        "train/mask_mean",
        "train/au_error_fake",
        "val/mask_mean",
        "val/au_error_fake",
        "val/same_person_l1",
        "val/frechet_randomconv1",
        "val/kernel_randomconv1",
        "val/reader_icc_fake",
        "val/reader_error_fake",
    ):
        assert np.isfinite(logged[name]), name
    (grid,) = (tmp_path / "run" / "grids").iterdir()
    assert grid.name == "step0000010.png"
    assert not any(key.startswith("_reader") for key in model.state_dict())


def test_test_step_reads_real_frames(tmp_path):
    model, pairs = SynthesizerModule(**TINY), data(tmp_path)
    pairs.prepare_data()
    pairs.setup()
    dataset, sampler = pairs.test_batches()
    outputs = []
    for spec in sampler:
        batch = pairs.on_after_batch_transfer(dataset[spec], 0)
        with torch.no_grad():
            outputs.append(model.test_step(batch, 0))
    rows = torch.cat([o["rows"] for o in outputs])
    scores = torch.cat([o["scores"] for o in outputs])
    assert sorted(rows.tolist()) == pairs.corpus.test_rows.tolist()
    assert scores.shape == (20, 3)
    assert scores.min() >= 0


def test_prediction_reads_every_real_frame(tmp_path):
    pairs = data(tmp_path)
    batches = quiet_trainer(tmp_path).predict(SynthesizerModule(**TINY), pairs)
    assert torch.cat([batch["rows"] for batch in batches]).tolist() == list(range(len(pairs.store)))
    assert torch.cat([batch["scores"] for batch in batches]).isfinite().all()


def test_mismatches_are_told(tmp_path):
    with pytest.raises(ConfigError, match="warmup_share"):
        quiet_trainer(tmp_path).fit(SynthesizerModule(**TINY, **MINI), data(tmp_path))
    with pytest.raises(ConfigError, match="AUs"):
        quiet_trainer(tmp_path).fit(SynthesizerModule(**{**TINY, "aus": (1, 4, 6)}), data(tmp_path))
    without = SynthesizerModule(**{**TINY, **MINI, "lambda_ids": 0.0})
    with pytest.raises(ConfigError, match=r"lambda_ids is 0; set model\.warmup_share=0 data\.warmup_share=0"):
        quiet_trainer(tmp_path).fit(without, data(tmp_path, warmup_share=0.5))


def test_idiosyncratic_training_moves_fakes_to_their_targets(tmp_path):
    torch.manual_seed(0)
    options = {
        "lambda_ids": 1.0,
        "warmup_share": 1.0,
        "n_critic": 1,
        "decay_share": 0.0,
        "generator_lr": 3e-3,
    }
    model = SynthesizerModule(**TINY, **options, attention_bias=-0.5)
    # At 60 steps processors differ by more than the bar leaves: 0.78 to 0.86 of copying.
    pairs = data(tmp_path, warmup_share=1.0, steps_per_epoch=120, batch_size=12)
    run = quiet_trainer(tmp_path)
    run.fit(model, pairs)
    copying = float(run.callback_metrics["val/same_person_l1_of_copying"])
    assert float(run.callback_metrics["val/same_person_l1"]) < 0.8 * copying


def test_features_and_grid_are_fixed():
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first = FixedFeatures()(images)
    torch.manual_seed(99)
    assert torch.equal(first, FixedFeatures()(images))
    assert first.shape == (4, 256)
    model = SynthesizerModule(**TINY)
    grid = expression_grid(model.generator, images[:2], 3)
    assert grid.shape == (2 * 2 * 16, 4 * 16, 3)
    assert np.array_equal(grid[:16, :16], ((images[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())


def test_epochs_that_end_before_the_data_s_are_refused(tmp_path):
    """Steps are numbered by the data: those of the second epoch would lie behind the schedule's end."""
    trainer = quiet_trainer(tmp_path, max_epochs=2, limit_train_batches=4)
    with pytest.raises(ConfigError, match=r"set data\.steps_per_epoch=4 in place of trainer\.limit_train"):
        trainer.fit(SynthesizerModule(**TINY), data(tmp_path))
