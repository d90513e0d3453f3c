import numpy as np
import pytest

from aukit.errors import ConfigError
from aukit.models.niinuma2021.synthesis import PairBatches, PairDataset, PairSampling, SynthesisDataModule
from aukit.training.trained_on import TrainedOn
from tests.fake_training import FakeDataModule
from tests.fakes import AUS, fake_store


def pairs(count=300, people=6, steps_per_epoch=None, **sampling):
    rng = np.random.default_rng(0)
    persons = rng.permutation(np.repeat([f"F/{p}" for p in range(people)], count // people)).astype(object)
    vectors = (rng.integers(0, 6, (count, 3)) / 5).astype(np.float32)
    rows = np.arange(count) * 3
    batches = PairBatches(
        rows, vectors, persons, 12, 1, steps_per_epoch=steps_per_epoch, sampling=PairSampling(**sampling)
    )
    return (
        batches,
        dict(zip(rows.tolist(), persons, strict=True)),
        dict(zip(rows.tolist(), vectors, strict=True)),
    )


def test_same_person_pairs_are_of_the_same_person():
    batches, person, _ = pairs(same_person_share=2 / 3)
    for step in range(20):
        spec = batches.batch(0, step)
        truth = [person[s] == person[t] for s, t in zip(spec.rows, spec.extra["target"], strict=True)]
        assert spec.extra["same_person"].tolist() == truth
        assert sum(truth) >= 8


def test_pairs_stay_within_one_recording_where_that_is_asked_for():
    person = np.repeat(["a", "b"], 40)
    recording = np.repeat(["a1", "b1", "b2", "a2"], 20)[np.r_[0:20, 60:80, 20:60]]
    rows = np.random.default_rng(0).permutation(80)
    of = {row: (p, r) for row, p, r in zip(rows, person, recording, strict=True)}
    vectors = np.zeros((80, 2), np.float32)
    batches = PairBatches(
        rows,
        vectors,
        person.astype(object),
        10,
        0,
        recording.astype(object),
        sampling=PairSampling(same_person_share=0.6),
    )
    for step in range(8):
        spec = batches.batch(0, step)
        pairs_of = [(of[s], of[t]) for s, t in zip(spec.rows, spec.extra["target"], strict=True)]
        assert all(s[1] == t[1] for s, t in pairs_of[:6])
        assert spec.extra["same_person"].tolist() == [s[0] == t[0] for s, t in pairs_of]


def test_the_candidate_that_differs_most_is_taken():
    def change(candidates):
        batches, _, vector = pairs(same_person_share=0.5, candidates=candidates, steps_per_epoch=50)
        changes = []
        for step in range(50):
            spec = batches.batch(0, step)
            differ = [
                np.abs(vector[s] - vector[t]).sum()
                for s, t in zip(spec.rows, spec.extra["target"], strict=True)
            ]
            changes.append(differ)
        changes = np.array(changes)
        return changes[:, :6].mean(), changes[:, 6:].mean()

    (same, other), (same_of_8, other_of_8) = change(1), change(8)
    assert same_of_8 > same + 0.5
    assert other_of_8 == pytest.approx(other, abs=0.15)


def test_uniform_pairing_meets_the_same_person_by_chance():
    batches, _, _ = pairs(steps_per_epoch=200)
    rate = np.mean([batches.batch(0, step).extra["same_person"].mean() for step in range(200)])
    assert rate == pytest.approx(1 / 6, abs=0.04)


def test_warm_up_pairs_only_within_people_until_its_last_step():
    batches, _, _ = pairs(steps_per_epoch=10, warmup_steps=13, same_person_share=0.5)
    whole = [batches.batch(*divmod(step, 10)).extra["same_person"].all() for step in range(30)]
    assert all(whole[:13])
    assert not any(whole[13:])


def test_labels_and_noise():
    batches, _, vector = pairs(same_person_share=0.5, target_noise=0.1)
    for step in range(10):
        spec = batches.batch(0, step)
        for i in range(12):
            noise = spec.extra["target_aus"][i] - vector[spec.extra["target"][i]]
            assert np.array_equal(spec.extra["input_aus"][i], vector[spec.rows[i]])
            assert abs(noise).max() <= 0.1 + 1e-6
            assert (abs(noise).max() == 0) == spec.extra["same_person"][i]


def test_flips_agree_within_a_person_and_not_otherwise():
    batches, _, _ = pairs(same_person_share=0.5, steps_per_epoch=100)
    specs = [batches.batch(0, step).extra for step in range(100)]
    same = np.concatenate([s["same_person"] for s in specs])
    agree = np.concatenate([s["input_flip"] == s["target_flip"] for s in specs])
    assert agree[same].all()
    assert 0.4 < agree[~same].mean() < 0.6


def test_expressive_targets_are_drawn_more_often():
    def mean(weight):
        batches, _, vector = pairs(target_weight=weight, same_person_share=0.5, steps_per_epoch=200)
        targets = np.concatenate([batches.batch(0, step).extra["target"] for step in range(200)])
        return np.mean([vector[t].sum() for t in targets])

    _, _, vector = pairs()
    sums = np.array([v.sum() for v in vector.values()])
    assert mean(0) == pytest.approx(sums.mean(), abs=0.06)
    assert mean(3) == pytest.approx((sums * (1 + 3 * sums)).sum() / (1 + 3 * sums).sum(), abs=0.06)


def test_batches_are_functions_of_seed_and_step():
    first, second = pairs()[0], pairs()[0]
    list(first)  # what was drawn before does not matter
    for name in ("target", "target_aus", "input_flip"):
        assert np.array_equal(first.batch(1, 4).extra[name], second.batch(1, 4).extra[name])
    assert not np.array_equal(first.batch(1, 4).extra["target"], first.batch(1, 5).extra["target"])


def test_images_are_read_and_flipped(tmp_path):
    store = fake_store(tmp_path)
    batches = PairBatches(
        np.arange(40), np.zeros((40, 3), np.float32), store.table.frame["person"].to_numpy()[:40], 12, seed=1
    )
    spec = batches.batch(0, 0)
    batch = PairDataset(store)[spec]
    for i in range(12):
        want = store.images[spec.rows[i]].transpose(2, 0, 1)
        assert np.array_equal(
            batch["input_frame"][i], want[..., ::-1] if spec.extra["input_flip"][i] else want
        )


def test_frames_that_are_not_fully_coded_are_left_out(tmp_path):
    corpus = FakeDataModule(cache=str(tmp_path))
    data = SynthesisDataModule(corpus, batch_size=4)
    data.prepare_data()
    data.setup()
    assert data.notes == {}
    unknown = corpus.train_rows[:7]
    data.store.table.frame.loc[unknown, "AU04_r"] = np.nan
    _, sampler = data.train_batches()
    drawn = {int(r) for spec in sampler for r in [*spec.rows, *spec.extra["target"]]}
    assert drawn <= set(corpus.train_rows.tolist()) - set(unknown.tolist())
    images, vectors = data.sample_frames(1000)
    assert len(images) == len(vectors) == len(corpus.train_rows) - 7
    assert data.notes == {"frames_not_coded_for_every_au": 7}


def test_checkpoints_know_whose_labels_a_critic_has_learnt(tmp_path):
    """It reads test frames: whoever trained it is not tested unasked, as with any other model."""
    corpus = FakeDataModule(cache=str(tmp_path))
    data = SynthesisDataModule(corpus, batch_size=4)
    data.prepare_data()
    data.setup()
    people = data.store.table.frame["person"]
    assert set(data.trained_people) == set(people[corpus.train_rows])
    assert set(data.tested_people) == set(people[corpus.test_rows])
    about = TrainedOn(tmp_path, AUS, people=frozenset(data.trained_on["people"]))
    about.check_people(data)
    corpus.test_rows = corpus.train_rows
    with pytest.raises(ConfigError, match="was trained on"):
        about.check_people(data)
