import json

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from aukit.errors import ConfigError
from aukit.models.components.lr_schedule import rise_and_cosine
from aukit.models.niinuma2021 import Pool, real_resampling
from aukit.models.niinuma2021.intensity import IntensityDataModule, IntensityModule
from aukit.store import BalancedSet
from tests.fake_training import FakeDataModule
from tests.fakes import AUS
from tests.models.niinuma2021.intensity.test_networks import small_vgg
from tests.trainers import quiet_trainer


@pytest.fixture
def corpus(tmp_path):
    corpus = FakeDataModule(cache=str(tmp_path / "stores"), people=8, frames=20)
    corpus.prepare_data()
    corpus.setup()
    return corpus


def balanced(corpus, folder, rows=None, per_level=12):
    """Real frames of training people, `per_level` for each level of each action unit."""
    pool = Pool.of(corpus.store, AUS, corpus.train_rows if rows is None else rows)
    return BalancedSet.write(folder, real_resampling(pool, per_level, 0), corpus.store)


TRUNK = {"aus": AUS, "network": "trunk", "trunk_widths": (8, 16, 16, 16), "lr": 0.01, "dropout": 0.0}


def test_a_trunk_learns_the_levels_and_says_so(tmp_path, corpus):
    torch.manual_seed(0)
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), batch_size=36, steps_per_epoch=120)
    model, run = IntensityModule(**TRUNK, decoding="expectation"), quiet_trainer(tmp_path)
    assert not model.fitted
    run.fit(model, data)
    assert model.fitted
    assert float(run.callback_metrics["val/icc"]) > 0.5
    (result,) = run.test(model, data, verbose=False)
    assert result["fitted"] == 1
    assert result["final_cross_entropy"] < 1.7


def test_shuffled_labels_are_not_learned(tmp_path, corpus):
    torch.manual_seed(0)
    balanced(corpus, tmp_path / "set", per_level=40)
    data = IntensityDataModule(
        corpus, str(tmp_path / "set"), batch_size=36, steps_per_epoch=60, shuffle_labels=True
    )
    data.setup()
    dataset, _ = data.train_batches()
    plan = data.balanced.plan
    worn = corpus.store.table.intensities(AUS)[plan["target"]]
    for index, au in enumerate(AUS):
        mine = (plan["au"] == au).to_numpy()
        assert sorted(dataset.levels[mine].tolist()) == sorted(worn[mine].tolist())
        assert (dataset.levels[mine, index] == plan["level"][mine]).mean() < 0.4
    model, run = IntensityModule(**{**TRUNK, "lr": 1e-3}), quiet_trainer(tmp_path)
    run.fit(model, data)
    assert not model.fitted
    (result,) = run.test(model, data, verbose=False)
    assert result["fitted"] == 0


def test_other_heads_learn_from_images_that_were_drawn_for_another_unit(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), by_head=True, batch_size=12, jitter=0.5)
    data.setup()
    dataset, sampler = data.train_batches()
    batch = dataset[sampler.batch(0, 0)]  # all of the first unit
    assert torch.equal(batch["levels"][:, 0].long(), batch["level"])
    moved = {}
    for weight in (0.0, 2.0):
        model, run = IntensityModule(**TRUNK, other_heads=weight), quiet_trainer(tmp_path)
        model._trainer = run
        run.optimizers = [model.configure_optimizers()]
        model.log_dict = lambda *_: None
        model.training_step(batch, 0).backward()
        gradient = model.network.heads.weight.grad
        moved[weight] = gradient.reshape(len(AUS), 6, -1).abs().sum((1, 2)) > 0
    assert moved[0.0].tolist() == [True, False, False]
    assert moved[2.0].all()


def test_predictions_cover_the_test_people_once(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"))
    data.setup()
    dataset, sampler = data.test_batches()
    model = IntensityModule(**TRUNK).eval()
    with torch.no_grad():
        outputs = [model.test_step(dataset[spec], 0) for spec in sampler]
    rows = torch.cat([o["rows"] for o in outputs])
    assert sorted(rows.tolist()) == corpus.test_rows.tolist()
    scores, expectation = (torch.cat([o[name] for o in outputs]) for name in ("scores", "expectation"))
    assert scores.shape == expectation.shape == (len(rows), 3)
    assert torch.equal(scores, scores.round())
    assert expectation.min() >= 0
    assert expectation.max() <= 5


def test_without_a_set_the_training_frames_are_balanced(tmp_path, corpus):
    data = IntensityDataModule(corpus, per_level=10)
    data.setup()
    plan = data.balanced.plan
    assert set(plan["input_frame"]) <= set(corpus.train_rows.tolist())
    assert (plan["input_frame"] == plan["target"]).all()
    assert (plan.groupby(["au", "level"]).size() == 10).all()
    again = IntensityDataModule(corpus, per_level=10)
    again.setup()
    assert again.balanced.path == data.balanced.path
    assert again.fingerprint == data.fingerprint
    other = IntensityDataModule(corpus, per_level=11)
    other.setup()
    assert other.fingerprint != data.fingerprint


def test_levels_without_an_image_are_noted(corpus):
    """A corpus of one's own seldom has every level, and chance is lower where one lacks."""
    first, second, *_ = corpus.aus
    levels = corpus.store.table.intensities(corpus.aus)
    kept = (levels[:, 0] < 2) & (levels[:, 1] != 3)
    corpus.train_rows = corpus.train_rows[kept[corpus.train_rows]]
    data = IntensityDataModule(corpus, per_level=10)
    data.setup()
    noted = data.notes["levels_without_images"]
    assert noted[f"AU{first}"] == [2, 3, 4, 5]
    assert 3 in noted[f"AU{second}"]
    json.dumps(data.notes)  # as the run's record keeps them


def test_prediction_covers_every_real_frame(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), normalization="mean")
    batches = quiet_trainer(tmp_path).predict(IntensityModule(**TRUNK), data)
    assert torch.cat([batch["rows"] for batch in batches]).tolist() == list(range(8 * 20))
    assert torch.cat([batch["expectation"] for batch in batches]).isfinite().all()


@pytest.mark.parametrize("normalization", ["au0", "mean"])
def test_normalised_batches_subtract_the_input_s_person(tmp_path, corpus, normalization):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), normalization=normalization)
    data.setup()
    if normalization == "au0":
        people = corpus.store.table.frame["person"]
        neutral = people[(corpus.store.table.intensities(AUS) == 0).all(1)]
        lacking = people.nunique() - neutral.nunique()
        assert data.notes == {"references": people.nunique(), "references_not_neutral": lacking}
    else:
        assert data.notes == {}
    dataset, sampler = data.train_batches()
    spec = sampler.batch(0, 0)
    batch = dataset[spec]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    persons = corpus.store.table.frame["person"].to_numpy()
    for i, row in enumerate(spec.rows):
        frame = int(data.balanced.plan["input_frame"][row])
        image = torch.from_numpy(corpus.store.images[frame].astype(np.float32))
        reference = torch.from_numpy(data.normalizers[0].references[persons[frame]])
        want = ((image - reference) / 255).permute(2, 0, 1) / std
        seen = (image.sum(-1) > 0) & (reference.sum(-1) > 0)
        assert torch.allclose(batch["image"][i][:, seen], want[:, seen], atol=1e-5)
        assert AUS[int(batch["head"][i])] == data.balanced.plan["au"][row]
        assert int(batch["level"][i]) == data.balanced.plan["level"][row]


def test_batches_by_head_take_turns(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), by_head=True, batch_size=10)
    data.setup()
    dataset, sampler = data.train_batches()
    specs = list(sampler)
    heads = [dataset[spec]["head"].unique().tolist() for spec in specs]
    assert heads == [[step % 3] for step in range(21)]
    assert len({row for spec in specs for row in spec.rows}) == 210


def test_flips_mirror_whole_images(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    plain, flipped = (
        IntensityDataModule(corpus, str(tmp_path / "set"), flip=flip, batch_size=32) for flip in (False, True)
    )
    for data in (plain, flipped):
        data.setup()
    spec = plain.train_batches()[1].batch(0, 0)
    before, after = plain.train_batches()[0][spec]["image"], flipped.train_batches()[0][spec]["image"]
    mirrored = [bool(torch.equal(a, b.flip(-1))) for a, b in zip(after, before, strict=True)]
    same = [bool(torch.equal(a, b)) for a, b in zip(after, before, strict=True)]
    assert all(m or s for m, s in zip(mirrored, same, strict=True))
    assert 5 < sum(mirrored) < 27


def test_sets_made_of_test_people_are_refused(tmp_path, corpus):
    rows = np.concatenate([corpus.train_rows, corpus.test_rows])
    balanced(corpus, tmp_path / "set", rows=rows, per_level=30)
    with pytest.raises(ConfigError, match="test people"):
        IntensityDataModule(corpus, str(tmp_path / "set")).setup()


def test_random_filters_are_not_frozen_silently(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    model = IntensityModule(**TRUNK, frozen_convs=2)
    with pytest.raises(ConfigError, match="random filters"):
        quiet_trainer(tmp_path).fit(model, IntensityDataModule(corpus, str(tmp_path / "set")))


def test_vgg16_starts_from_random_weights_only_where_that_is_said(tmp_path, monkeypatch):
    corpus = FakeDataModule(cache=str(tmp_path / "stores"), people=8, frames=20, side=32)
    corpus.prepare_data()
    corpus.setup()
    balanced(corpus, tmp_path / "set")
    small_vgg(monkeypatch)

    def train(**options):
        data = IntensityDataModule(corpus, str(tmp_path / "set"), steps_per_epoch=1)
        model = IntensityModule(AUS, "vgg16", **options)
        quiet_trainer(tmp_path, num_sanity_val_steps=0).fit(model, data)

    with pytest.raises(ConfigError, match=r"model\.weights=FILE, or say model\.weights=random"):
        train()
    with pytest.raises(ConfigError, match="random filters"):
        train(weights="random", frozen_convs=2)
    train(weights="random")
    source = IntensityModule(AUS, "vgg16").network.estimators[0].network
    torch.save(source.state_dict(), tmp_path / "vgg.pth")
    train(weights=str(tmp_path / "vgg.pth"), frozen_convs=2)
    with pytest.raises(ConfigError, match=r"vgg\.pth: there are none of the trunk"):
        IntensityModule(**TRUNK, weights=str(tmp_path / "vgg.pth"))


def test_checkpoints_load_with_weights_only(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), batch_size=36, steps_per_epoch=3)
    model, run = IntensityModule(**TRUNK), quiet_trainer(tmp_path)
    run.fit(model, data)
    run.save_checkpoint(tmp_path / "model.ckpt")
    again = IntensityModule.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


class Rates(Callback):
    """Keeps the learning rate of each step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, *_):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("steps", "length"),
    [
        (4, {"max_epochs": 2}),
        (4, {"max_epochs": -1, "max_steps": 8}),
        (10, {"max_epochs": 2, "max_steps": 8}),
        (None, {"max_epochs": 2, "limit_train_batches": 4}),
    ],
)
def test_the_cosine_goes_over_the_run_however_its_length_is_said(tmp_path, corpus, steps, length):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), batch_size=12, steps_per_epoch=steps)
    rates = Rates()
    model = IntensityModule(**TRUNK, schedule="cosine")
    quiet_trainer(tmp_path, [rates], limit_val_batches=0, **length).fit(model, data)
    assert rates.seen == [0.01 * rise_and_cosine(step, 8) for step in range(8)]


def test_a_cosine_without_an_end_is_refused(tmp_path, corpus):
    balanced(corpus, tmp_path / "set")
    data = IntensityDataModule(corpus, str(tmp_path / "set"), batch_size=12, steps_per_epoch=2)
    with pytest.raises(ConfigError, match=r"set trainer\.max_epochs or trainer\.max_steps"):
        quiet_trainer(tmp_path, max_epochs=-1).fit(IntensityModule(**TRUNK, schedule="cosine"), data)
