import numpy as np
import pytest

from aukit.errors import StoreError
from aukit.models.niinuma2021.synthesis import (
    ExpressionGenerator,
    Pool,
    real_resampling,
    semantic_resampling,
    synthesize,
)
from aukit.store import BalancedSet
from tests.fakes import AUS, FakeCorpus, fake_store


@pytest.fixture
def levels():
    levels = np.random.default_rng(0).integers(0, 6, (600, 3)).astype(np.float32)
    levels[:40, 0] = np.nan
    levels[20:60, 2] = np.nan
    return levels


def pool(levels, aus=AUS, rows=None, corpus="Fake"):
    """Frames of as many people as there are tens of them."""
    people = np.array([f"{corpus}/P{number // 10}" for number in range(len(levels))], dtype=object)
    return Pool(aus, levels, people, np.arange(len(levels)) if rows is None else rows)


def resample(levels, aus, per_level, seed):
    frames = pool(levels, aus)
    return semantic_resampling(frames, frames, per_level, seed)


def test_every_level_of_every_unit_has_its_share(levels):
    plan = resample(levels, AUS, 50, seed=3)
    assert plan.groupby(["au", "level"]).size().tolist() == [50] * 18
    labels = plan[["AU01_r", "AU04_r", "AU12_r"]].to_numpy()
    assert np.array_equal(labels, levels[plan["target"]])
    people = pool(levels).persons
    assert (plan["person"] == people[plan["input_frame"]]).all()
    assert (plan["target_person"] == people[plan["target"]]).all()


def test_inputs_lack_the_unit_and_targets_have_it(levels):
    for au, part in resample(levels, AUS, 50, seed=3).groupby("au"):
        column = levels[:, AUS.index(au)]
        assert (column[part["input_frame"]] == 0).all()
        assert (column[part["target"]] == part["level"]).all()
        assert np.isfinite(levels[part["target"]]).all()


def test_small_pools_are_drawn_with_replacement_and_large_ones_without(levels):
    plan = resample(levels, AUS, 60, seed=0)
    inputs = plan[(plan["au"] == 1) & (plan["level"] == 2)]["input_frame"]
    assert (levels[:, 0] == 0).sum() >= 60
    assert inputs.is_unique
    few = resample(levels, AUS, 400, seed=0)
    assert not few[(few["au"] == 1) & (few["level"] == 2)]["input_frame"].is_unique


def test_plans_hang_on_the_seed_alone(levels):
    first = resample(levels, AUS, 20, seed=1)
    assert first.equals(resample(levels, AUS, 20, seed=1))
    assert not first.equals(resample(levels, AUS, 20, seed=2))
    # An action unit's draws do not hang on which others are there.
    alone = resample(levels[:, :1], AUS[:1], 20, seed=1)
    assert alone["input_frame"].equals(first[first["au"] == 1]["input_frame"].reset_index(drop=True))


def test_rows_of_the_store_are_named(levels):
    rows = np.arange(600) * 2 + 5
    plan, shifted = (real_resampling(pool(levels, rows=r), 30, 0) for r in (None, rows))
    assert (shifted["input_frame"] == plan["input_frame"] * 2 + 5).all()
    assert (plan["input_frame"] == plan["target"]).all()
    for au, part in plan.groupby("au"):
        assert (levels[part["input_frame"], AUS.index(au)] == part["level"]).all()


def test_an_empty_level_is_told(levels):
    levels[levels[:, 1] == 5, 1] = 4
    with pytest.warns(UserWarning, match="AU4 level 5"):
        plan = resample(levels, AUS, 10, seed=0)
    assert len(plan) == 170


def pixels(made):
    return made.images_at(np.arange(len(made)))


class Interrupting(ExpressionGenerator):
    calls, fail_at = 0, -1

    def forward(self, image, aus):
        self.calls += 1
        if self.calls == self.fail_at:
            raise KeyboardInterrupt
        return super().forward(image, aus)


def make(tmp_path):
    import torch

    store = fake_store(tmp_path / "stores")
    torch.manual_seed(0)
    generator = Interrupting(len(AUS), width=4, blocks=1)
    frames = Pool.of(store, AUS)
    plan = semantic_resampling(frames, frames, 20, seed=0)
    return store, generator, plan


def test_synthetic_set_is_what_the_generator_makes(tmp_path):
    import torch

    from aukit.models.niinuma2021.synthesis import compose
    from aukit.models.niinuma2021.synthesis.synthetic_set import to_images, to_tensor

    store, generator, plan = make(tmp_path)
    made = synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    assert made.plan[list(plan)].equals(plan)
    rows = np.array([0, 7, len(plan) - 1])
    image = to_tensor(store.images[plan["input_frame"].to_numpy()[rows]])
    aus = torch.from_numpy(store.table.intensities(AUS)[plan["target"].to_numpy()[rows]] / 5)
    with torch.no_grad():
        want = to_images(compose(image, *generator(image, aus)))
    seen = store.images[plan["input_frame"].to_numpy()[rows]].any(-1)
    difference = made.images_at(rows).astype(int) - np.maximum(want, 1)
    assert abs(difference[seen]).max() <= 1  # a batch of another size may round the other way
    assert not made.images_at(rows)[~seen].any()


def test_interrupted_synthesis_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr("aukit.store.growing_set._BLOCK", 2)
    store, generator, plan = make(tmp_path)
    whole = synthesize(generator, store, plan, tmp_path / "whole", aus=AUS, progress=False)
    generator.calls, generator.fail_at = 0, 8
    with pytest.raises(KeyboardInterrupt):
        synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    with pytest.raises(StoreError):
        BalancedSet.open(tmp_path / "set")
    generator.calls, generator.fail_at = 0, -1
    resumed = synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    assert generator.calls == -(-len(plan) // 16) - 6
    assert np.array_equal(pixels(resumed), pixels(whole))
    assert resumed.fingerprint == whole.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set", "stores", "whole"]


def test_what_an_interrupted_synthesis_left_damaged_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("aukit.store.growing_set._BLOCK", 2)
    store, generator, plan = make(tmp_path)
    whole = synthesize(generator, store, plan, tmp_path / "whole", aus=AUS, progress=False)
    for name, content in (("progress.json", b'{"origin"'), ("images.npy", b"\x93NUMPY")):
        generator.calls, generator.fail_at = 0, 8
        with pytest.raises(KeyboardInterrupt):
            synthesize(generator, store, plan, tmp_path / name, aus=AUS, progress=False)
        (tmp_path / f".{name}.building" / name).write_bytes(content)
        generator.calls, generator.fail_at = 0, -1
        made = synthesize(generator, store, plan, tmp_path / name, aus=AUS, progress=False)
        assert generator.calls == -(-len(plan) // 16)
        assert np.array_equal(pixels(made), pixels(whole))


def test_a_finished_set_is_reused_and_another_generator_s_is_not(tmp_path):
    store, generator, plan = make(tmp_path)
    synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    generator.calls = 0
    synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    assert generator.calls == 0
    (tmp_path / "set").rename(tmp_path / ".set.building")  # a kill came before its last step
    synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    assert generator.calls == 0
    generator.color_top[0].weight.data.mul_(2)
    synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    assert generator.calls > 0


def test_a_finished_set_with_labels_of_other_people_is_not_reused(tmp_path):
    """Of one action unit the vectors of a level are alike, so that the images are equal."""
    store = fake_store(tmp_path / "stores")
    faces, every = Pool.neutral(store, (12,), np.array([2, 5, 7])), Pool.of(store, (12,))
    generator, people = ExpressionGenerator(1, width=4, blocks=1), np.unique(every.persons)
    made = []
    for mine in (people[:3], people[3:]):
        labels = Pool.of(store, (12,), np.flatnonzero(np.isin(every.persons, mine)))
        plan = semantic_resampling(faces, labels, 3, seed=0, in_turn=True)
        made.append(synthesize(generator, store, plan, tmp_path / "set", (12,), progress=False))
        assert set(made[-1].plan["target_person"]) <= set(mine)
        assert made[-1].plan["target"].tolist() == plan["target"].tolist()
    assert made[0].plan["input_frame"].equals(made[1].plan["input_frame"])


def test_faces_of_one_corpus_take_the_labels_of_another(levels, tmp_path):
    """Sources without any action unit give faces; their store knows nothing of the targets."""
    store = fake_store(tmp_path / "stores", FakeCorpus(people=4))
    faces = Pool.of(store, AUS)._replace(levels=np.zeros((len(store), 3), np.float32))
    plan = semantic_resampling(faces, pool(levels, corpus="Other"), 20, seed=0)
    assert (plan.groupby(["au", "level"]).size() == 20).all()
    assert set(plan["person"]) <= set(store.table.frame["person"])
    assert plan["target_person"].str.startswith("Other/").all()
    assert plan["target"].max() >= len(store)
    generator = ExpressionGenerator(len(AUS), width=4, blocks=1)
    made = synthesize(generator, store, plan, tmp_path / "set", aus=AUS, progress=False)
    assert np.array_equal(made.levels(AUS), levels[plan["target"]])
    with pytest.raises(ValueError, match=r"source has AUs \[1, 4\], target has"):
        semantic_resampling(pool(levels[:, :2], AUS[:2]), pool(levels), 20, seed=0)


@pytest.mark.filterwarnings("ignore:AU12 level")
def test_a_unit_that_the_faces_corpus_does_not_code_has_no_images(levels):
    faces = levels.copy()
    faces[:, 2] = np.nan
    with pytest.warns(UserWarning, match="AU12 level 0: no usable frame"):
        plan = semantic_resampling(pool(faces), pool(levels), 20, seed=0)
    assert set(plan["au"]) == {1, 4}


def test_frames_of_another_store_are_refused(tmp_path):
    store, generator, plan = make(tmp_path)
    with pytest.raises(StoreError, match="points outside the store's 60 rows, first in row 0"):
        synthesize(generator, store, plan.assign(input_frame=60), tmp_path / "set", aus=AUS, progress=False)
    lacking = plan.drop(columns="AU12_r")
    with pytest.raises(StoreError, match="not coded for every AU"):
        synthesize(generator, store, lacking, tmp_path / "set", aus=AUS, progress=False)
    assert not (tmp_path / "set").exists()


def test_neutral_faces_are_taken_in_turn(levels, tmp_path):
    store = fake_store(tmp_path)
    faces = Pool.neutral(store, AUS, np.array([2, 5, 7]))
    assert (faces.levels == 0).all()
    assert faces.persons.tolist() == store.table.frame["person"].to_numpy()[[2, 5, 7]].tolist()
    plan = semantic_resampling(faces, pool(levels), 15, seed=0, in_turn=True)
    counts = plan.groupby(["au", "level"])["input_frame"].value_counts()
    assert set(counts) == {5}
    assert set(plan["input_frame"]) == {2, 5, 7}
    one = plan[(plan["au"] == 4) & (plan["level"] == 3)]
    assert one["target"].is_unique
    assert (levels[one["target"], 1] == 3).all()
