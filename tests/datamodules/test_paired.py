"""Triplets, the unlabelled stream and cross-corpus runs on stores whose pixels say what they are."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from aukit.datamodules import AvatarPairsDataModule, CorpusDataModule, CrossCorpusDataModule, PairedDataModule
from aukit.datamodules.corpus import held_out_people
from aukit.datasets import FrameTable, with_pair_ids
from aukit.errors import ConfigError
from aukit.store import prepare
from aukit.training.predictions import PredictionWriter
from tests.fakes import FakeLandmarks, FakeRegistration

AUS = (1, 4, 12)
SIZE = 16
REAL, FEMALE, MALE, TARGET = 10, 20, 30, 40
PER_PERSON = 6


class Corpus:
    """Red = what it is, green = row of the frame that it shows; labels are drawn."""

    def __init__(self, table: FrameTable, code: int, rows: np.ndarray, name: str) -> None:
        self.table, self.name = table, name
        self.codes = np.broadcast_to(code, len(table))
        self.rows = rows
        self.exclusions: list[Any] = []
        self.notes: list[str] = []
        self.standin = {"recipe": name, "version": 1}

    def changed(self) -> list[str]:
        return []

    def fingerprint(self) -> str:
        return hashlib.sha256(
            f"{self.name}{self.table.fingerprint()}{self.rows.tolist()}".encode()
        ).hexdigest()

    def decode(self, video: str) -> Iterator[tuple[int, np.ndarray]]:
        frame = self.table.frame
        for row in np.flatnonzero((frame["video"] == video).to_numpy()):
            image = np.zeros((SIZE, SIZE, 3), np.uint8)
            image[..., 0], image[..., 1] = self.codes[row], self.rows[row]
            image[:, : SIZE // 2, 2] = 200  # a left half, to see mirroring
            yield int(frame["position"].iloc[row]), image


def people_table(
    corpus: str,
    people: int,
    seed: int,
    aus: tuple[int, ...] = AUS,
    genders: tuple[Any, ...] = ("female", "male"),
) -> FrameTable:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "corpus": corpus,
            "partition": "test" if person >= people - people // 3 else "train",
            "person": f"{corpus}/P{person:02d}",
            "subject": f"P{person:02d}",
            "gender": genders[person % len(genders)],
            "task": "T1",
            "view": 0,
            "frame": 100 + position,
            "video": f"p{person:02d}.mp4",
            "position": position,
            "pair_id": None,
            **{f"AU{au:02d}_c": float(rng.random() < 0.5) for au in aus},
        }
        for person in range(people)
        for position in range(PER_PERSON)
    ]
    return FrameTable(pd.DataFrame(rows))


def render_table(real: FrameTable) -> tuple[FrameTable, np.ndarray, np.ndarray]:
    """A woman and a man for each frame, codes of their pixels and the rows of their frames."""
    driven = with_pair_ids(real).frame
    parts = [
        driven.assign(
            corpus="avatar_pairs",
            person=f"AvatarPairs/{subject}",
            subject=subject,
            gender=gender,
            video=[f"{gender}/{video}" for video in driven["video"]],
        )
        for subject, gender in (("F01", "female"), ("M01", "male"))
    ]
    table = pd.concat(parts, ignore_index=True)
    order = np.random.default_rng(5).permutation(len(table))  # no order of the store may matter
    order = order[np.argsort(table["video"].to_numpy()[order], kind="stable")]
    codes = np.repeat([FEMALE, MALE], len(driven))[order]
    return FrameTable(table.iloc[order]), codes, np.tile(np.arange(len(driven)), 2)[order]


def store(folder: Path, corpus: Any) -> Path:
    landmarks: Any = FakeLandmarks(corpus)
    landmarks.corpus.faceless = set()
    return prepare(corpus, FakeRegistration(SIZE), landmarks, folder, workers=0, progress=False).path


class People(CorpusDataModule):
    """Train on "train", test on "test"."""

    def __init__(
        self, folder: str, corpus: Any, aus: tuple[int, ...] = AUS, holdout: float = 0.25, **options: Any
    ) -> None:
        super().__init__(root=folder, cache=folder, size=SIZE, aus=aus, **options)
        self.folder, self.corpus, self.holdout = Path(folder), corpus, holdout

    def _prepare(self) -> Path:
        return store(self.folder, self.corpus)

    def _split(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frame = self.store.table.frame
        test = (frame["partition"] == "test").to_numpy(dtype=bool)
        person = frame["person"].to_numpy(dtype=str)
        held = np.isin(person, held_out_people(person[~test].tolist(), self.holdout))
        return np.flatnonzero(~test & ~held), np.flatnonzero(held), np.flatnonzero(test)


class Renders(AvatarPairsDataModule):
    corpus: Any

    def _prepare(self) -> Path:
        return store(self.root, self.corpus)


def people(folder: Path, name: str = "source", count: int = 9, seed: int = 0, **options: Any) -> People:
    table_options = {k: options.pop(k) for k in ("genders",) if k in options}
    table = people_table(name, count, seed, options.get("aus", AUS), **table_options)
    code = TARGET if name == "target" else REAL
    return People(str(folder), Corpus(table, code, np.arange(len(table)), name), **options)


def renders(folder: Path, source: People, keep: Any = slice(None)) -> Renders:
    table, codes, rows = render_table(source.corpus.table)
    kept = np.arange(len(table))[keep]
    data = Renders(str(folder), size=SIZE, aus=AUS)
    data.corpus = Corpus(table.take(kept), codes[kept], rows[kept], "avatar_pairs")
    return data


def paired(folder: Path, **options: Any) -> PairedDataModule:
    source = options.pop("source", None) or people(folder)
    target = options.pop("target", None) or people(folder, "target", 12, seed=1)
    avatars = options.pop("avatars", None) or renders(folder, source, options.pop("keep", slice(None)))
    data = PairedDataModule(source, target, avatars, **{"batch_size": 8, **options})
    data.prepare_data()
    data.setup()
    return data


def batches(data: PairedDataModule, epoch: int = 0) -> list[dict[str, Any]]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return list(loader)


def shown(images: torch.Tensor) -> tuple[set[int], list[int]]:
    """What the images are, and the rows that they show."""
    assert images.dtype == torch.uint8
    return set(images[:, 0].flatten().tolist()), images[:, 1, 0, 0].tolist()


def test_triplets_show_one_frame_with_one_label_vector(tmp_path: Path) -> None:
    data = paired(tmp_path)
    labels = data.source.store.table.occurrences(AUS)
    seen = []
    for batch in batches(data):
        kinds = {name: shown(batch[name]) for name in ("real", "female", "male")}
        assert [kind for kind, _ in kinds.values()] == [{REAL}, {FEMALE}, {MALE}]
        assert kinds["real"][1] == kinds["female"][1] == kinds["male"][1] == batch["rows"].tolist()
        np.testing.assert_array_equal(batch["occurrences"].numpy(), labels[batch["rows"].numpy()])
        odd = [int(data.source.store.table.frame["subject"].iloc[r][1:]) % 2 for r in batch["rows"].tolist()]
        assert batch["gender"].tolist() == odd
        seen += batch["rows"].tolist()
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(data.source.train_rows.tolist())
    assert len(seen) == len(data.source.train_rows) // 8 * 8


def test_the_target_stream_has_training_people_only_and_no_label(tmp_path: Path) -> None:
    data = paired(tmp_path, steps_per_epoch=20)
    train = set(data.target.train_rows.tolist())
    seen: set[int] = set()
    for batch in batches(data):
        assert set(batch) == {
            "real", "female", "male", "occurrences", "gender", "rows", "target", "target_rows"
        }  # fmt: skip
        kinds, rows = shown(batch["target"])
        assert kinds == {TARGET}
        assert rows == batch["target_rows"].tolist()
        seen |= set(rows)
    assert seen == train  # over and over, whatever the source's size
    persons = data.target.store.table.frame["person"].to_numpy(dtype=str)
    assert not set(persons[list(seen)]) & set(persons[data.target.test_rows])
    unlabelled = data.val_dataloader()[1]
    assert [set(batch) for batch in unlabelled] == [{"image", "rows"}] * len(unlabelled)
    held = {r for batch in unlabelled for r in batch["rows"].tolist()}
    assert held == set(data.target.val_rows.tolist())
    assert not held & seen


def test_labels_of_the_target_change_nothing_in_training(tmp_path: Path) -> None:
    plain = paired(tmp_path / "a", steps_per_epoch=3)
    other = people(tmp_path / "b", "target", 12, seed=99)
    relabelled = paired(tmp_path / "b", target=other, steps_per_epoch=3)
    assert (plain.target.store.table.occurrences(AUS) != relabelled.target.store.table.occurrences(AUS)).any()
    for one, two in zip(batches(plain), batches(relabelled), strict=True):
        for key in one:
            assert torch.equal(one[key], two[key])


def test_transductive_only_by_that_name(tmp_path: Path) -> None:
    data = paired(tmp_path, transductive=True)
    persons = data.target.store.table.frame["person"].to_numpy(dtype=str)
    rows = torch.cat([batch["target_rows"] for batch in batches(data)]).numpy()
    assert set(persons[rows]) <= set(persons[data.target.test_rows])
    assert "transductive" in data.notes["adapted_to"]
    assert "transductive" not in paired(tmp_path).notes["adapted_to"]


def test_order_is_a_function_of_seed_epoch_and_step_and_resumes(tmp_path: Path) -> None:
    data = paired(tmp_path, augmentation="flip", steps_per_epoch=5)
    whole = batches(data, 1)
    again = paired(tmp_path, augmentation="flip", steps_per_epoch=5)
    again.load_state_dict({"epoch": 1, "step": 2})
    rest = list(again.train_dataloader())
    assert len(rest) == 3
    for one, two in zip(whole[2:], rest, strict=True):
        for key in one:
            assert torch.equal(one[key], two[key])
    assert any(not torch.equal(a["rows"], b["rows"]) for a, b in zip(whole, batches(data, 2), strict=True))
    other = paired(tmp_path, augmentation="flip", steps_per_epoch=5, seed=1)
    assert not torch.equal(whole[0]["rows"], batches(other, 1)[0]["rows"])


def test_a_triplet_is_mirrored_alike_and_the_target_by_itself(tmp_path: Path) -> None:
    data = paired(tmp_path, augmentation="flip", steps_per_epoch=6)
    mirrored = {name: [] for name in ("real", "female", "male", "target")}
    for batch in batches(data):
        for name, found in mirrored.items():
            found += (batch[name][:, 2, 0, 0] == 0).tolist()
    assert mirrored["real"] == mirrored["female"] == mirrored["male"]
    assert mirrored["real"] != mirrored["target"]
    assert 0 < sum(mirrored["real"]) < len(mirrored["real"])


def test_two_processes_see_what_one_sees(tmp_path: Path) -> None:
    data = paired(tmp_path)
    dataset, sampler = data.train_batches()
    one = sampler.batch(3, 1)
    parts = [one.part(rank, 2) for rank in range(2)]
    assert [len(part.rows) for part in parts] == [len(one.rows) // 2] * 2
    assert np.concatenate([p.rows for p in parts]).tolist() == one.rows.tolist()
    assert (
        np.concatenate([p.extra["target"].rows for p in parts]).tolist() == one.extra["target"].rows.tolist()
    )
    assert len(dataset) == len(data.source.train_rows)


@pytest.mark.parametrize("pairs", ["both", "female", "male", "none"])
def test_ablations_see_the_same_real_and_target_frames(tmp_path: Path, pairs: str) -> None:
    whole = batches(paired(tmp_path, keep=slice(None, -3)))
    part = batches(paired(tmp_path, pairs=pairs, keep=slice(None, -3)))
    wanted = {"both": {"female", "male"}, "none": set()}.get(pairs, {pairs})
    for one, two in zip(whole, part, strict=True):
        assert set(two) & {"female", "male"} == wanted
        for key in two:
            assert torch.equal(one[key], two[key])


def test_balanced_sampling_evens_out_presence(tmp_path: Path) -> None:
    data = paired(tmp_path, sampling="balanced", steps_per_epoch=40)
    labels = torch.cat([batch["occurrences"] for batch in batches(data)])
    assert (labels.mean(0) - 0.5).abs().max() < 0.15
    for batch in batches(data)[:3]:
        assert shown(batch["real"])[1] == shown(batch["male"])[1]


def test_frames_and_renders_without_counterpart_are_left_out_and_counted(tmp_path: Path) -> None:
    source = people(tmp_path)
    table = render_table(source.corpus.table)[0].frame
    trained = f"source/train/P00/T1/0/{100 + 1}"
    lost = np.flatnonzero(((table["pair_id"] == trained) & (table["gender"] == "male")).to_numpy(dtype=bool))
    keep = np.setdiff1d(np.arange(len(table)), lost)
    avatars = renders(tmp_path, source, keep)
    # One pair whose real frame exists no more.
    frame = avatars.corpus.table.frame.copy()
    frame.loc[frame["pair_id"] == "source/train/P01/T1/0/102", "pair_id"] = "source/train/P01/T1/0/999"
    avatars.corpus.table = FrameTable(frame)
    data = paired(tmp_path, source=source, avatars=avatars)
    notes = data.notes
    assert "source/P00" in data.source.store.table.frame["person"].to_numpy()[data.source.train_rows]
    assert notes["real_training_frames_without_both_renders"] == 2
    assert notes["renders_without_their_real_frame"] == 2
    assert notes["triplets"] == len(data.source.train_rows) - 2
    # All other renders: of held-out and test people, and the half of the pair that lost its man.
    assert notes["renders_of_people_who_do_not_train"] == 2 * (5 * 6) + 1
    rows = {row for batch in batches(data) for row in batch["rows"].tolist()}
    assert not rows & {1, 8}


def test_renders_of_another_corpus_or_with_other_labels_are_refused(tmp_path: Path) -> None:
    source = people(tmp_path)
    with pytest.raises(ConfigError, match=r"none of 108 renders belongs.*first is of other/train/P0"):
        paired(tmp_path, source=source, avatars=renders(tmp_path, people(tmp_path, "other")))
    relabelled = renders(tmp_path, people(tmp_path, seed=77))
    with pytest.raises(ConfigError, match=r"labels of pair source/train/P0\d/T1/0/10\d are not those"):
        paired(tmp_path, source=source, avatars=relabelled)
    with pytest.raises(ConfigError, match=r"pairs=both needs data\.avatars"):
        PairedDataModule(source, people(tmp_path, "target"))


def dataset(folder: Path, labels: np.ndarray) -> Renders:
    """A data set of avatars that no corpus drives: an expression per row of labels, by a woman and a man."""
    rows = [
        {
            "corpus": "avatar_pairs",
            "partition": ("train", "valid", "test")[number % 3],
            "person": f"AvatarPairs/{gender[0].upper()}{number:02d}",
            "subject": f"{gender[0].upper()}{number:02d}",
            "gender": gender,
            "task": f"C{number:03d}",
            "view": 0,
            "frame": 1,
            "video": f"{gender}/C{number:03d}.mp4",
            "position": 0,
            "pair_id": f"curves/train/P{number:02d}/C{number:03d}/0/1",
            **{f"AU{au:02d}_c": float(value) for au, value in zip(AUS, own, strict=True)},
        }
        for gender in ("female", "male")
        for number, own in enumerate(labels)
    ]
    data = Renders(str(folder), size=SIZE, aus=AUS)
    codes = np.repeat([FEMALE, MALE], len(labels))
    table = FrameTable(pd.DataFrame(rows))
    data.corpus = Corpus(table, codes, np.tile(np.arange(len(labels)), 2), "avatar_pairs")
    return data


#: Every combination of three action units, twice.
EXPRESSIONS = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)] * 2)


def test_a_frame_goes_with_two_avatars_of_a_data_set_who_show_its_action_units(tmp_path: Path) -> None:
    data = paired(tmp_path, avatars=dataset(tmp_path, EXPRESSIONS))
    assert data.notes["triplets"] == len(data.source.train_rows)
    assert data.notes["real_training_frames_without_both_renders"] == 0
    shows: list[int] = []
    for batch in batches(data):
        (women, who), (men, too) = (shown(batch[name]) for name in ("female", "male"))
        assert (women, men, who) == ({FEMALE}, {MALE}, too)
        np.testing.assert_array_equal(EXPRESSIONS[who], batch["occurrences"].numpy())
        shows += who
    triplets = data.train_batches()[0].triplets["female"]
    used = np.bincount(data.avatars.corpus.rows[triplets], minlength=len(EXPRESSIONS))
    assert abs(used[:8] - used[8:]).max() <= 1  # of two that are alike, both as often as can be
    again, other = (
        paired(tmp_path, avatars=dataset(tmp_path, EXPRESSIONS), seed=seed) for seed in (data.seed, 9)
    )
    assert np.array_equal(again.train_batches()[0].triplets["female"], triplets)
    assert not np.array_equal(other.train_batches()[0].triplets["female"], triplets)


def test_a_frame_that_no_avatar_of_a_data_set_is_like_is_left_out_and_counted(tmp_path: Path) -> None:
    source = people(tmp_path)
    frame = source.corpus.table.frame.copy()
    frame.loc[frame["subject"] == "P00", "AU04_c"] = np.nan  # not coded: it may be there or not
    source.corpus.table = FrameTable(frame)
    few = EXPRESSIONS[[0, 1, 4, 5]]  # nobody shows AU4
    data = paired(tmp_path, source=source, avatars=dataset(tmp_path, few))
    labels = data.source.store.table.occurrences(AUS)[data.source.train_rows]
    alike = np.isnan(labels[:, 1]) | (labels[:, 1] == 0)
    assert 0 < data.notes["triplets"] == alike.sum() < len(alike)
    assert data.notes["real_training_frames_without_both_renders"] == (~alike).sum()
    dataset_, _ = data.train_batches()
    assert np.array_equal(dataset_.triplets["real"], data.source.train_rows[alike])
    assert np.isnan(dataset_.occurrences).any()
    with pytest.raises(ConfigError, match=r"no expression has the action units \(1, 4, 12\) as a training"):
        paired(tmp_path, avatars=dataset(tmp_path, np.full((2, 3), np.nan)))


def test_without_renders_all_training_frames_serve(tmp_path: Path) -> None:
    source, target = people(tmp_path), people(tmp_path, "target", seed=1)
    data = PairedDataModule(source, target, pairs="none", batch_size=8)
    data.prepare_data()
    data.setup()
    assert set(batches(data)[0]) == {"real", "occurrences", "gender", "rows", "target", "target_rows"}
    assert data.notes["real_frames"] == len(source.train_rows)


def test_unknown_genders_are_coded_and_counted(tmp_path: Path) -> None:
    source = people(tmp_path, genders=("female", None, "male"))
    data = paired(tmp_path, source=source)
    counts = data.notes["real_frames_by_gender"]
    assert counts["unknown"] > 0
    assert sum(counts.values()) == len(source.train_rows)
    codes = torch.cat([batch["gender"] for batch in batches(data)])
    assert set(codes.tolist()) == {-1, 0, 1}


def test_validation_test_and_oracle(tmp_path: Path) -> None:
    data = paired(tmp_path)
    labelled, _ = data.val_dataloader()
    rows = [r for batch in labelled for r in batch["rows"].tolist()]
    assert rows == data.source.val_rows.tolist()
    assert shown(next(iter(labelled))["image"])[0] == {REAL}
    tested = next(iter(data.test_dataloader()))
    assert shown(tested["image"])[0] == {TARGET}
    assert {"occurrences", "gender"} <= set(tested)
    assert data.store is data.target.store
    on_source = paired(tmp_path, test_on="source")
    assert shown(next(iter(on_source.test_dataloader()))["image"])[0] == {REAL}
    assert on_source.store is on_source.source.store
    for each, code in ((data, TARGET), (on_source, REAL)):  # every frame, not the test people's alone
        predicted = list(each.predict_dataloader())
        assert [r for batch in predicted for r in batch["rows"].tolist()] == list(range(len(each.store)))
        assert {c for batch in predicted for c in shown(batch["image"])[0]} == {code}
    oracle = paired(tmp_path, oracle=True)
    loaders = oracle.val_dataloader()
    assert len(loaders) == 3
    assert [r for b in loaders[2] for r in b["rows"].tolist()] == oracle.target.test_rows.tolist()
    assert oracle.selects_by_test("val/oracle_f1")
    assert not oracle.selects_by_test("val/source_f1")
    assert not data.selects_by_test("val/source_f1")
    with pytest.raises(ConfigError, match=r"source\.holdout_fraction"):
        paired(tmp_path, source=people(tmp_path, holdout=0.0))


def test_an_upper_bound_trains_on_the_labels_of_the_people_whom_adaptation_sees(tmp_path: Path) -> None:
    data = paired(tmp_path, train_on="target", pairs="none", steps_per_epoch=20)
    labels, seen = data.target.store.table.occurrences(AUS), set()
    for batch in batches(data):
        assert shown(batch["real"]) == ({TARGET}, batch["rows"].tolist())
        np.testing.assert_array_equal(batch["occurrences"].numpy(), labels[batch["rows"].numpy()])
        seen |= set(batch["rows"].tolist())
    assert seen == set(paired(tmp_path).target_rows.tolist())
    validated, tested = data.val_dataloader()[0], data.test_dataloader()
    assert [r for b in validated for r in b["rows"].tolist()] == data.target.val_rows.tolist()
    assert [r for b in tested for r in b["rows"].tolist()] == data.target.test_rows.tolist()
    assert data.notes["trained_on"] == "labels of the target"
    assert data.corpus_name == data.notes["target"] == "target"
    assert paired(tmp_path).notes["trained_on"] == "labels of the source"
    on_source = paired(tmp_path, train_on="target", pairs="none", test_on="source")
    assert shown(next(iter(on_source.test_dataloader()))["image"])[0] == {REAL}
    for wrong in ({"pairs": "both"}, {"pairs": "none", "transductive": True}):
        with pytest.raises(ConfigError, match=r"upper bound.*set data\.pairs=none"):
            paired(tmp_path, train_on="target", **wrong)
    target = people(tmp_path, "target", 12, 1, holdout=0.0)
    with pytest.raises(ConfigError, match=r"no target person.*target\.holdout_fraction"):
        paired(tmp_path, train_on="target", pairs="none", target=target)


def test_without_held_out_target_people_all_training_people_are_looked_at(tmp_path: Path) -> None:
    data = paired(tmp_path, target=people(tmp_path, "target", 12, 1, holdout=0.0))
    assert data.unlabelled_rows.tolist() == data.target.train_rows.tolist()


def test_action_units_are_those_of_both_and_the_record_says_which_are_not(tmp_path: Path) -> None:
    source = people(tmp_path, aus=(1, 4, 12, 15))
    avatars = renders(tmp_path, source)
    target = people(tmp_path, "target", 9, 1, aus=(12, 2, 1))
    data = paired(tmp_path, source=source, target=target, avatars=avatars)
    assert data.aus == (1, 12)
    assert data.notes["aus_of_the_source_only"] == [4, 15]
    assert data.notes["aus_of_the_target_only"] == [2]
    assert batches(data)[0]["occurrences"].shape == (8, 2)
    with pytest.raises(ConfigError, match=r"share no action unit: the source has \[1\], the target \[2\]"):
        PairedDataModule(people(tmp_path, aus=(1,)), people(tmp_path, "target", aus=(2,)), pairs="none")
    with pytest.raises(ConfigError, match=r"do not share AU 15: the source has \[1, 4, 12, 15\], the target"):
        PairedDataModule(source, target, avatars, aus=(1, 15))


def test_an_au_that_nobody_coded_in_the_target_is_kept_and_counted(tmp_path: Path) -> None:
    target = people(tmp_path, "target", 9, 1)
    frame = target.corpus.table.frame.copy()
    frame.loc[frame["partition"] == "test", "AU04_c"] = np.nan
    target.corpus.table = FrameTable(frame)
    data = paired(tmp_path, target=target)
    assert data.aus == AUS
    assert data.notes["aus_without_coded_test_frames"] == [4]
    assert next(iter(data.test_dataloader()))["occurrences"][:, 1].isnan().all()
    gone = people(tmp_path, "target", 9, 2)
    gone.corpus.table = FrameTable(gone.corpus.table.frame.drop(columns="AU04_c"))
    with pytest.raises(
        ConfigError, match=r"has no occurrences of AU 4; asked for are \[1, 4, 12\], it has \[1, 12\]"
    ):
        paired(tmp_path, target=gone)


def test_nobody_is_trained_and_tested_across_corpora(tmp_path: Path) -> None:
    target = people(tmp_path, "target", 9, 1)
    frame = target.corpus.table.frame.copy()
    frame.loc[frame["person"] == "target/P08", "person"] = "source/P00"
    target.corpus.table = FrameTable(frame)
    with pytest.raises(ConfigError, match=r"test people are also the source's: \['source/P00'\]"):
        paired(tmp_path, target=target)
    other = CrossCorpusDataModule(people(tmp_path), target)
    other.prepare_data()
    with pytest.raises(ConfigError, match="test people are also the source's"):
        other.setup()


def test_train_on_one_corpus_and_test_on_the_other(tmp_path: Path) -> None:
    data = CrossCorpusDataModule(
        people(tmp_path, aus=(1, 4, 12)), people(tmp_path, "target", 9, 1, aus=(12, 1))
    )
    data.prepare_data()
    data.setup()
    assert data.aus == (1, 12)
    train, val, test = (
        next(iter(loader))
        for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    )
    assert [shown(batch["image"])[0] for batch in (train, val, test)] == [{REAL}, {REAL}, {TARGET}]
    assert {batch["occurrences"].shape[1] for batch in (train, val, test)} == {2}
    rows = test["rows"].numpy()
    np.testing.assert_array_equal(test["occurrences"].numpy(), data.store.table.occurrences((1, 12))[rows])
    predicted = [row for batch in data.predict_dataloader() for row in batch["rows"].tolist()]
    assert predicted == list(range(len(data.test.store)))
    assert data.notes["aus_of_the_source_only"] == [4]
    assert data.fingerprint != data.train.fingerprint


def test_renders_alone_hold_out_driving_people(tmp_path: Path) -> None:
    data = renders(tmp_path, people(tmp_path))
    data.gender = "female"
    data.prepare_data()
    data.setup()
    frame = data.store.table.frame
    drivers = frame["pair_id"].str.split("/").str[2]
    assert set(frame["gender"].iloc[data.train_rows]) == {"female"}
    assert not set(drivers.iloc[data.train_rows]) & set(drivers.iloc[data.val_rows])
    assert len(data.test_rows) == 0
    assert len(data.train_rows) + len(data.val_rows) == len(frame) // 2


class Watcher(LightningModule):
    """Learns nothing and notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained: list[tuple[list[int], list[int]]] = []
        self.validated: list[tuple[int, frozenset[str]]] = []

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        for name in ("real", "female", "male", "target"):
            assert batch[name].dtype == torch.float32
            assert batch[name].max() <= 1
        self.trained.append((batch["rows"].tolist(), batch["target_rows"].tolist()))
        return self.weight * batch["real"].mean()

    def validation_step(
        self, batch: dict[str, torch.Tensor], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.validated.append((dataloader_idx, frozenset(batch)))

    def test_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        return {"rows": batch["rows"], "scores": batch["occurrences"]}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(data: PairedDataModule, folder: Path, checkpoint: str | None = None) -> Watcher:
    model = Watcher()
    saver = ModelCheckpoint(folder, "step{step}", auto_insert_metric_name=False, every_n_train_steps=6)
    trainer = Trainer(
        max_epochs=2,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=str(folder),
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        callbacks=[saver, PredictionWriter(folder / "predictions.parquet")],
    )
    trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    if checkpoint is None:
        trainer.test(model, datamodule=data, verbose=False)
    return model


def test_a_trainer_goes_on_where_it_stopped_and_predictions_are_the_target_s(tmp_path: Path) -> None:
    whole = fit(paired(tmp_path, steps_per_epoch=4), tmp_path)
    assert len(set(map(str, whole.trained))) == 8
    assert {loader for loader, _ in whole.validated} == {0, 1}
    for loader, keys in whole.validated:
        assert ("occurrences" in keys) == (loader == 0)
    rest = fit(paired(tmp_path, steps_per_epoch=4), tmp_path, str(tmp_path / "step6.ckpt"))
    assert rest.trained == whole.trained[6:]
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["partition"]) == {"test"}
    assert all(person.startswith("target/") for person in table["person"])
    assert len(table) == 4 * PER_PERSON
    np.testing.assert_array_equal(table["AU04_label"], table["AU04_score"])
