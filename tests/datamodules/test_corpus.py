from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aukit.datamodules import FERA2017DataModule, held_out_people
from aukit.errors import ConfigError
from tests.fake_training import FakeDataModule, TinyModule
from tests.fakes import AUS
from tests.trainers import quiet_trainer


@pytest.fixture
def data(tmp_path):
    module = FakeDataModule(cache=str(tmp_path), batch_size=4)
    module.prepare_data()
    module.setup("fit")
    return module


def test_people_are_split_whole_and_test_people_only_tested(data):
    persons = data.store.table.frame["person"].to_numpy(dtype=str)
    train, val, test = (set(persons[rows]) for rows in (data.train_rows, data.val_rows, data.test_rows))
    assert test == {"Fake/P04", "Fake/P05"}
    assert len(val) == 1
    assert len(train | val | test) == len(train) + len(val) + len(test)
    assert len(data.train_rows) + len(data.val_rows) + len(data.test_rows) == 60


def test_batches_hold_what_the_store_holds(data):
    batch = next(iter(data.test_dataloader()))
    rows = batch["rows"].numpy()
    assert batch["image"].dtype == torch.uint8
    assert (batch["image"].numpy().transpose(0, 2, 3, 1) == data.store.images[rows]).all()
    assert (batch["intensities"].numpy() == data.store.table.intensities(AUS)[rows]).all()
    assert (batch["occurrences"].numpy() == data.store.table.occurrences(AUS)[rows]).all()
    moved = data.on_after_batch_transfer(batch, 0)
    assert moved["image"].dtype == torch.float32
    assert torch.equal((moved["image"] * 255).round().to(torch.uint8), batch["image"])
    assert torch.equal(moved["rows"], batch["rows"])


def test_a_corpus_without_intensities_of_an_au_gives_nan(tmp_path):
    module = FakeDataModule(cache=str(tmp_path))
    module.aus = (1, 26)
    module.prepare_data()
    module.setup()
    batch = next(iter(module.val_dataloader()))
    assert torch.isnan(batch["intensities"][:, 1]).all()
    assert not torch.isnan(batch["intensities"][:, 0]).any()


def test_loader_workers_change_nothing(tmp_path):
    def batches(workers):
        module = FakeDataModule(cache=str(tmp_path), augmentation="flip", num_workers=workers)
        module.prepare_data()
        module.setup()
        return list(module.train_dataloader())

    for alone, worked in zip(batches(0), batches(1), strict=True):
        assert all(torch.equal(alone[key], worked[key]) for key in alone)


class Seen(TinyModule):
    """Notes the rows of each step; stops after so many."""

    def __init__(self, stop=None):
        super().__init__()
        self.steps, self.stop = [], stop

    def training_step(self, batch, batch_idx):
        self.steps.append((self.trainer.current_epoch, batch["rows"].tolist()))
        if len(self.steps) == self.stop:
            self.trainer.save_checkpoint(Path(self.trainer.default_root_dir) / "stopped.ckpt")
        return super().training_step(batch, batch_idx)


def test_epochs_of_at_most_so_many_batches_are_fresh_orders_cut_off_and_can_be_resumed(tmp_path):
    def train(stop=None, **options):
        module = Seen(stop)
        data = FakeDataModule(cache=str(tmp_path / "stores"), holdout_fraction=0.0, drop_last=False)
        trainer = quiet_trainer(tmp_path, max_epochs=3, limit_train_batches=7, limit_val_batches=0)
        trainer.fit(module, data, **options)
        return module.steps, data

    steps, data = train(stop=10)
    assert len(data.train_rows) == 40  # ten batches of 4, of which 7 are taken
    assert [epoch for epoch, _ in steps] == [0] * 7 + [1] * 7 + [2] * 7
    epochs = [[row for epoch, rows in steps if epoch == number for row in rows] for number in range(3)]
    assert all(len(set(rows)) == 28 for rows in epochs)
    assert len(set(map(tuple, epochs))) == 3
    assert set(epochs[0]) & set(epochs[1])  # a new order, not the rest of the one before
    again, _ = train(ckpt_path=tmp_path / "run" / "stopped.ckpt")
    assert again == steps[-len(again) :]
    assert len(again) == 12  # saved within the tenth step, which is not done


def test_more_steps_than_the_limit_are_said(tmp_path):
    data = FakeDataModule(cache=str(tmp_path), steps_per_epoch=3)
    with pytest.warns(UserWarning, match="epochs end after 2 of data.steps_per_epoch=3"):
        quiet_trainer(tmp_path, limit_train_batches=2).fit(TinyModule(), data)


def test_prediction_covers_the_whole_store(data):
    rows = torch.cat([batch["rows"] for batch in data.predict_dataloader()])
    assert sorted(rows.tolist()) == list(range(60))


def test_held_out_people_do_not_depend_on_order_and_barely_on_company():
    people = [f"X/P{i}" for i in range(20)]
    held = held_out_people(people, 0.2)
    assert len(held) == 4
    assert held == held_out_people(people[::-1] * 2, 0.2)
    assert len(set(held) & set(held_out_people([*people, "X/new"], 0.2))) >= 3
    assert held_out_people(people, 0) == []
    with pytest.raises(ConfigError, match="leaves none"):
        held_out_people(["X/P1"], 0.5)


def test_shared_test_people_are_refused(tmp_path, monkeypatch):
    module = FakeDataModule(cache=str(tmp_path))
    module.prepare_data()
    monkeypatch.setattr(module, "_split", lambda: (np.arange(55), np.arange(0), np.arange(55, 60)))
    with pytest.raises(ConfigError, match="Fake/P05"):
        module.setup()


def test_selection_on_the_people_that_are_scored_is_refused():
    with pytest.raises(ConfigError, match="validation=people"):
        FERA2017DataModule("root", test_partition="valid", validation="valid")


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("32-true", torch.float32),
        ("bf16-mixed", torch.float32),
        ("bf16-true", torch.bfloat16),
        ("64-true", torch.float64),
    ],
)
def test_images_have_the_type_of_the_weights(precision, dtype):
    data = FakeDataModule()
    data.trainer = SimpleNamespace(precision=precision)
    batch = {"image": torch.full((1, 3, 2, 2), 255, dtype=torch.uint8), "rows": torch.tensor([7])}
    images = data.on_after_batch_transfer(batch, 0)["image"]
    assert images.dtype == dtype
    assert images.unique().tolist() == [1.0]
