import numpy as np
import pytest
import torch

from aukit.datamodules import FERA2017DataModule, held_out_people
from aukit.errors import ConfigError
from tests.fake_training import FakeDataModule
from tests.fakes import AUS


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
