"""Tested on another corpus, registration or view than the one that trains."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.errors import ConfigError
from aukit.models.niinuma2021 import IntensityDataModule, Pool, real_resampling
from aukit.reproduce.scores import icc_scores
from aukit.store import BalancedSet
from aukit.training import execute
from tests.fake_training import AbroadDataModule, FakeDataModule
from tests.fakes import AUS
from tests.trainers import configuration


def prepared(kind, tmp_path, **options):
    corpus = kind(cache=str(tmp_path / "stores"), people=8, frames=20, **options)
    corpus.prepare_data()
    corpus.setup()
    return corpus


@pytest.fixture
def corpus(tmp_path):
    """The corpus that trains, with a set of its training frames."""
    corpus = prepared(FakeDataModule, tmp_path)
    pool = Pool.of(corpus.store, AUS, corpus.train_rows)
    BalancedSet.write(tmp_path / "set", real_resampling(pool, 8, 0), corpus.store)
    return corpus


def ready(corpus, tmp_path, **options):
    data = IntensityDataModule(corpus, str(tmp_path / "set"), **options)
    data.prepare_data()
    data.setup()
    return data


def people_tested(data):
    dataset, sampler = data.test_batches()
    rows = np.concatenate([spec.rows for spec in sampler])
    assert len(set(rows)) == len(rows)
    assert np.isfinite(dataset[next(iter(sampler))]["image"].numpy()).all()
    return set(data.store.table.frame["person"].to_numpy()[rows])


def test_everybody_of_another_corpus_is_tested(corpus, tmp_path):
    abroad = prepared(AbroadDataModule, tmp_path)
    few = ready(corpus, tmp_path, test=abroad)
    data = ready(corpus, tmp_path, test=abroad, test_people="all", normalization="mean")
    assert people_tested(data) == {f"Abroad/P{number:02d}" for number in range(8)}
    assert people_tested(few) == {"Abroad/P06", "Abroad/P07"}
    assert data.notes["aus_without_coded_test_frames"] == [AUS[-1]]
    assert data.corpus_name == "fakecorpus"
    assert data.fingerprint != ready(corpus, tmp_path).fingerprint
    validated, sampler = data.val_batches()
    people = set(validated.persons[np.concatenate([spec.rows for spec in sampler])])
    assert all(person.startswith("Fake/") for person in people)


def test_a_unit_that_the_other_corpus_does_not_code_has_no_score(corpus, tmp_path):
    arguments = {"cache": str(tmp_path / "stores"), "people": 8, "frames": 20}
    fakes = "tests.fake_training"
    data = {
        "corpus": {"class_path": f"{fakes}.FakeDataModule", "init_args": arguments},
        "test": {"class_path": f"{fakes}.AbroadDataModule", "init_args": arguments},
        "test_people": "all",
        "training_set": str(tmp_path / "set"),
        "batch_size": 12,
        "normalization": "au0",
    }
    model = {"aus": list(AUS), "network": "trunk", "trunk_widths": [4, 4, 4, 4]}
    where = "aukit.models.niinuma2021"
    record = execute(
        configuration(
            {"class_path": f"{where}.IntensityModule", "init_args": model},
            {"class_path": f"{where}.IntensityDataModule", "init_args": data},
        ),
        tmp_path / "runs",
    )
    assert record.predictions is not None
    predictions = pd.read_parquet(Path(record.predictions))
    assert len(predictions) == 8 * 20
    assert predictions["AU12_label"].isna().all()
    assert predictions["AU12_score"].notna().all()
    scores = icc_scores(Path(record.predictions), AUS)
    assert np.isnan(scores.values["AU12"])
    assert scores.support["AU12"] == 0
    assert scores.support["AU1"] == 8 * 20
    assert scores.mean == pytest.approx((scores.values["AU1"] + scores.values["AU4"]) / 2)
    assert record.notes["data"]["aus_without_coded_test_frames"] == [12]


def test_another_registration_is_tested_on_test_people(corpus, tmp_path):
    other = prepared(FakeDataModule, tmp_path, registered="other")
    data = ready(corpus, tmp_path, test=other)
    assert people_tested(data) == {"Fake/P06", "Fake/P07"}
    assert data.store.path == other.store.path
    assert data.input_kind["registration"] == "middle"  # that of what trains


def test_nobody_who_trains_or_selects_is_tested(corpus, tmp_path):
    with pytest.raises(ConfigError, match="was made of test people"):
        ready(corpus, tmp_path, test_people="all")
    frame = corpus.store.table.frame
    selects = frame["person"].to_numpy()[corpus.val_rows]
    other = prepared(FakeDataModule, tmp_path, registered="other")
    other.test_rows = np.flatnonzero(np.isin(frame["person"], selects))
    with pytest.raises(
        ConfigError, match=f"people who select the checkpoint are tested, such as .*{selects[0]}"
    ):
        ready(corpus, tmp_path, test=other)
    other.store.table.frame["person"] = frame["person"].str.lower()  # as another table may spell them
    for rows, message in ((other.test_rows, "people who select"), (corpus.train_rows, "made of test people")):
        other.test_rows = rows
        with pytest.raises(ConfigError, match=message):
            ready(corpus, tmp_path, test=other)


def test_what_cannot_be_tested_is_refused(corpus, tmp_path):
    large = prepared(AbroadDataModule, tmp_path, side=32)
    with pytest.raises(
        ConfigError, match=r"has crops of 32 px, the training set of 16; set data\.test\.size=16"
    ):
        ready(corpus, tmp_path, test=large)
    alone = prepared(FakeDataModule, tmp_path, aus=AUS[-1:])
    abroad = prepared(AbroadDataModule, tmp_path)
    with pytest.raises(ConfigError, match=r"has intensities of AU \[1, 4\], none of \[12\]"):
        ready(alone, tmp_path, test=abroad, test_people="all")
    rotated = prepared(FakeDataModule, tmp_path, registered="other")
    with pytest.raises(ConfigError, match=r"set: has crops of .*'middle'.*, the corpus .*'other'"):
        ready(rotated, tmp_path)
