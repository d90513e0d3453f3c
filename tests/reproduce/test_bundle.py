"""Bundles: what they tell and what not; what verification finds; files that somebody damaged or made up."""

import hashlib
import io
import json
import random
import re
import socket
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aukit.cli import main as aukit
from aukit.errors import StoreError
from aukit.reproduce.basis import Basis
from aukit.reproduce.bundle import write_bundle
from aukit.reproduce.bundle_file import MANIFEST, BundleFile
from aukit.reproduce.niinuma2021.tables import NiinumaTable
from aukit.reproduce.options import TableOptions
from aukit.reproduce.recompute import Again
from aukit.reproduce.render.document import plain
from aukit.reproduce.render.report import Report
from aukit.reproduce.render.statistics_table import StatisticsTable
from aukit.reproduce.render.table import ALL_POSITIVE, Column, Heading, Table
from aukit.reproduce.scores import (
    STATISTICS,
    SeedScores,
    f1_difference,
    f1_scores,
    icc_scores,
    statistics_column,
)
from aukit.reproduce.verify import verify

OURS = Heading("ours", "ours", "ours", "ours")
RUN = "intensity-0123456789ab"
MEMBER = f"predictions/{RUN}/predictions.csv"
PEOPLE = [f"FERA2017/{gender}{number:03d}" for number in range(4) for gender in "FM"]


def predictions(aus, seed=0, frames=30):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (len(PEOPLE) * frames, len(aus))).astype(float)
    labels[:7, 0] = np.nan
    person = np.repeat(PEOPLE, frames)
    table = pd.DataFrame(
        {
            "person": person,
            "gender": np.where(np.char.find(person, "/F") > 0, "female", "male"),
            "partition": "test",
            "task": "T1",
            "view": 6,
            "frame": np.tile(np.arange(frames), len(PEOPLE)),
        }
    )
    for i, au in enumerate(aus):
        table[f"AU{au:02d}_label"] = labels[:, i]
        noise = rng.normal(size=len(table)) * (1 + i / 4)
        table[f"AU{au:02d}_score"] = (np.nan_to_num(labels[:, i]) + noise).astype(np.float32)
    return table


class Licensed:
    """Table 3 as of a licensed corpus in the paper's size: one estimator, whose predictions are made up."""

    def __init__(self, folder, **provenance):
        self.folder = folder
        (folder / "release").mkdir(parents=True)
        self.table = NiinumaTable(TableOptions("paper", {"fera2017": folder / "release"}, folder / "logs"))
        cells, runs = self.table.cells, self.table.options.runs
        path = runs / RUN / "predictions.parquet"
        path.parent.mkdir(parents=True)
        predictions(cells.aus).to_parquet(path)
        self.record = {
            "identity": "0123456789abcdef",
            "config": {
                "profile": provenance.get("size", "paper"),
                "logging": {"entity": "somebody"},
                "data": {
                    "root": str(folder / "release"),
                    "cache": "/mnt/disk/stores",
                    "sets": "../mine/sets",
                },
                "model": {"weights": f"{folder}/elsewhere/vgg16.pt#features"},
            },
            "metrics": {"test/icc": float("inf")},
            "start_files": {f"{folder}/elsewhere/vgg16.pt": "5ac7"},
            "notes": {"selection": f"best of {Path.home()}/runs/x, 3/4 of it"},
        }
        self.write_record()
        published = cells.spec["published"][5]
        columns = [
            Column(
                *Heading.of(published, "published"),
                values={f"AU{au}": value for au, value in published["values"].items()},
                mean=published["mean"],
            ),
            icc_scores(path, cells.aus).column(cells.columns[0].heading),
        ]
        provenance = {
            "data_origin": "licensed",
            "size": "paper",
            "scored_partition": "test",
            "runs": {"none": self.record["identity"]},
            "git_commit": "c0ffee",
            **provenance,
        }
        rows = [f"AU{au}" for au in cells.aus]
        Table("Table 3", rows, columns, None, ["Data: licensed."], provenance).write(cells.folder)

    def write_record(self):
        (self.table.options.runs / RUN / "record.json").write_text(json.dumps(self.record))

    def bundle(self, name="out.zip", frames=False):
        write_bundle(self.table, self.folder / name, frames)
        return self.folder / name


@pytest.fixture(scope="module")
def licensed(tmp_path_factory):
    return Licensed(tmp_path_factory.mktemp("licensed"))


@pytest.fixture(scope="module")
def bundle(licensed):
    return licensed.bundle()


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def written(path, content, sums=True):
    """A bundle of these members; the manifest is made to fit, as whoever forges one would."""
    if sums:
        manifest = json.loads(content[MANIFEST])
        manifest["members"] = {
            name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name != MANIFEST
        }
        content = {**content, MANIFEST: json.dumps(manifest).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


# ----------------------------------------------------------------------------------------- what it tells


@pytest.mark.parametrize("frames", [True, False])
def test_every_number_follows_from_frames_and_from_sums_per_person(licensed, frames):
    found = verify(licensed.bundle("detail.zip", frames))
    assert found.holds
    checked = {each.column: each for each in found.checked}
    assert checked["none"].numbers == 7 + 1 + 2 + 2 * 7 + 7 + 2
    assert checked["none"].greatest < 1e-12
    assert found.manifest["detail"] == ("frames" if frames else "people")


@pytest.mark.parametrize("frames", [True, False])
def test_folds_seeds_baselines_and_differences_follow_too(tmp_path, frames):
    licensed = Licensed(tmp_path)
    aus, folder = [6, 12], licensed.table.options.runs / RUN
    paths = {}
    for name, people, seed in (
        ("a", PEOPLE[:4], 1),
        ("b", PEOPLE[4:], 2),
        ("c", PEOPLE, 3),
        ("d", PEOPLE, 4),
    ):
        for method in (0, 10):
            frame = predictions(aus, seed)
            frame = frame[frame["person"].isin(people)].reset_index(drop=True)
            for au in aus:
                label = f"AU{au:02d}_label"
                frame[f"AU{au:02d}_score"] += method * np.random.default_rng(method).normal(size=len(frame))
                frame[label] = frame[label].ge(2).where(frame[label].notna()).astype(float)
            paths[name, method] = folder / f"{name}{method}.parquet"
            frame.to_parquet(paths[name, method])
    folds = [f1_scores([paths["a", m], paths["b", m]], aus, 1.5) for m in (0, 10)]
    seeds = [SeedScores.read([paths["c", m], paths["d", m]], aus, 1.5) for m in (0, 10)]
    minus = {"minus": {"worse": f1_difference(*folds)}}
    by_fold = [
        folds[0].all_positive.column(ALL_POSITIVE),
        folds[1].method.column(Heading("worse", "worse", "worse", "comparison"), folds[1].margin),
        folds[0].method.column(OURS, folds[0].margin, minus),
    ]
    by_seed = [seeds[0].all_positive.f1_column(ALL_POSITIVE), seeds[0].f1_column(OURS)]
    statistics = [statistics_column(seeds[0], OURS, minus) for minus in (None, seeds[1])]
    statistics[1] = replace(statistics[1], id="difference")
    rows = ["AU6", "AU12"]
    tables = {
        "folds": Table("folds", rows, by_fold, None, [], support=folds[0].support_text),
        "seeds": Table("seeds", rows, by_seed, None, [], support=seeds[0].support_text),
        "statistics": StatisticsTable("statistics", list(STATISTICS), statistics, None, []),
    }
    content = json.loads((licensed.table.cells.folder / "table.json").read_text())
    Report("All", tables, ["Data: licensed."], content["provenance"]).write(licensed.table.cells.folder)
    bundle = licensed.bundle(frames=frames)
    found = verify(bundle)
    assert found.holds, found.to_text()
    assert [each.column for each in found.checked if each.numbers] == [
        "all_positive", "worse", "ours", "all_positive", "ours", "ours", "difference"
    ]  # fmt: skip
    assert max(each.greatest for each in found.checked) < 1e-12
    assert folds[0].method.mean > folds[1].method.mean + 0.1  # so that something could differ

    def change(data):
        table = json.loads(data)
        table["tables"]["folds"]["columns"][2]["extra"]["minus"]["worse"][1] -= 0.01
        table["tables"]["folds"]["columns"][1]["margin"][2] += 0.01
        table["tables"]["folds"]["support"]["AU1"] = "1/2"
        table["tables"]["seeds"]["support"]["AU6"] = "1/2"
        table["tables"]["seeds"]["columns"][1]["extra"]["f1_per_seed"].reverse()
        table["tables"]["statistics"]["columns"][1]["au_intervals"]["F1 gap"][0] = None
        return json.dumps(table).encode()

    forged = verify(changed(bundle, tmp_path / "forged.zip", "table.json", change))
    assert [(d.table, d.column, d.place) for d in forged.differences] == [
        ("folds", "worse", "margin 3"),
        ("folds", "ours", "minus worse 2"),
        ("seeds", "ours", "extra f1_per_seed 1"),
        ("seeds", "ours", "extra f1_per_seed 2"),
        ("statistics", "difference", "au_intervals F1 gap 1"),
        ("folds", "present", "AU1"),
        ("seeds", "present", "AU6"),
    ]

    def exchange(data):
        table = json.loads(data)
        _, worse, ours = table["tables"]["folds"]["columns"]
        for part in ("values", "mean", "interval", "au_intervals", "margin", "support", "basis"):
            worse[part] = ours[part]
        del ours["extra"]["minus"]
        return json.dumps(table).encode()

    forged = verify(changed(bundle, tmp_path / "forged.zip", "table.json", exchange))
    assert {(d.table, d.column, d.place, d.computed) for d in forged.differences} == {
        ("folds", "ours", "predictions", "those of worse")
    }


def test_of_licensed_people_no_frame_is_told_unless_one_insists(licensed):
    sums = pd.read_csv(io.BytesIO(members(licensed.bundle("a.zip"))[MEMBER]))
    assert len(sums) == len(PEOPLE)
    assert list(sums.columns[:5]) == ["person", "gender", "frames", "AU01_n", "AU01_x"]
    frames = pd.read_csv(io.BytesIO(members(licensed.bundle("b.zip", frames=True))[MEMBER]))
    assert len(frames) == 30 * len(PEOPLE)
    assert list(frames.columns[:6]) == ["person", "frame", "gender", "partition", "AU01_label", "AU01_score"]
    assert frames["frame"].is_unique
    assert frames["frame"].is_monotonic_increasing  # the hash decides the order, and tells nothing of it
    assert not frames["person"].head(30).eq(frames["person"][0]).all()
    assert not set(sums["person"]) & set(frames["person"])  # another key in every bundle


@pytest.mark.parametrize("frames", [True, False])
def test_nobody_and_no_place_is_named(licensed, frames):
    content = members(licensed.bundle("names.zip", frames))
    assert {f"records/{RUN}.json", MEMBER, "table.json", "published.json", "packages.txt"} < set(content)
    for name, data in content.items():
        text = f"{name}\n{data.decode()}"
        for word in (*PEOPLE, str(licensed.folder), str(Path.cwd()), "/mnt", "../mine", "somebody"):
            assert word not in text
        assert not re.search(rf"(?<![\w-]){re.escape(socket.gethostname())}(?!\w)", text)
        assert not re.search(rf"{re.escape(str(Path.home()))}/", text)
    record = json.loads(content[f"records/{RUN}.json"])
    assert record["config"]["data"] == {"root": "<fera2017>", "cache": "<path>", "sets": "<path>"}
    assert record["start_files"] == {"<path>/vgg16.pt": "5ac7"}
    assert record["notes"]["selection"] == "best of <path>, 3/4 of it"
    assert "logging" not in record["config"]


def test_a_bundle_that_would_name_somebody_is_not_written(tmp_path, monkeypatch):
    licensed = Licensed(tmp_path)
    licensed.record["notes"]["left_out"] = f"two frames of {PEOPLE[3]}"
    licensed.write_record()
    with pytest.raises(StoreError, match=rf"records/{RUN}.json: would tell '{PEOPLE[3]}'"):
        licensed.bundle()
    licensed.record["notes"]["left_out"] = "two frames on lab-7"
    licensed.write_record()
    monkeypatch.setattr(socket, "gethostname", lambda: "lab-7")
    with pytest.raises(StoreError, match="would tell 'lab-7'"):
        licensed.bundle()
    assert not (tmp_path / "out.zip").exists()
    monkeypatch.setattr(socket, "gethostname", lambda: "test")  # a word that tells nothing
    assert licensed.bundle().exists()


def test_predictions_that_are_gone_are_named(tmp_path):
    licensed = Licensed(tmp_path)
    (licensed.table.options.runs / RUN / "predictions.parquet").unlink()
    with pytest.raises(StoreError, match=rf"{RUN}/predictions.parquet: these predictions are not there"):
        licensed.bundle()
    assert not (tmp_path / "out.zip").exists()


def test_a_table_of_an_earlier_version_says_what_to_do(tmp_path):
    licensed = Licensed(tmp_path)
    path = licensed.table.cells.folder / "table.json"
    content = json.loads(path.read_text())
    for column in content["columns"]:
        del column["basis"]
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="delete it and repeat the command"):
        licensed.bundle()


# ------------------------------------------------------------------------------------- published values


def test_published_values_are_inside_outside_or_not_comparable(bundle, tmp_path):
    found = {(v.published.by, v.published.row): v for v in verify(bundle).verdicts}
    ours = json.loads(members(bundle)["table.json"])["columns"][1]
    for row in ("AU1", "AU12"):
        verdict = found["Niinuma et al. 2021, no normalization", row]
        low, high = ours["au_intervals"][row]
        assert verdict.verdict == ("inside" if low <= verdict.published.value <= high else "outside")
    assert found["Zhou et al. 2017", "mean"].why == "another system or corpus, which is not built here"
    assert found["Niinuma et al. 2021, AU0 normalization", "mean"].why == "not run"
    valid = verify(Licensed(tmp_path, scored_partition="valid", size="mini").bundle())
    why = {v.why for v in valid.verdicts if v.published.ours == "none"}
    assert why == {"size mini, not the paper's; ours are of Valid, the published of Test"}
    assert "inside" not in valid.to_text()


# --------------------------------------------------------------------------------------- what is changed


def changed(bundle, path, name, change):
    content = members(bundle)
    content[name] = change(content[name])
    return written(path, content)


def test_a_changed_number_of_the_table_is_named(bundle, tmp_path, capsys):
    def change(data):
        table = json.loads(data)
        table["columns"][1]["values"]["AU12"] += 1e-6
        return json.dumps(table).encode()

    path = changed(bundle, tmp_path / "forged.zip", "table.json", change)
    (difference,) = verify(path).differences
    assert (difference.column, difference.place) == ("none", "values AU12")
    assert aukit(["verify", str(path)]) == 1
    assert "DIFFERS: none / values AU12: the table says" in capsys.readouterr().out


def test_a_changed_prediction_is_named(licensed, tmp_path):
    def change(data):
        frame = pd.read_csv(io.BytesIO(data))
        frame.loc[3, "AU06_score"] += 1
        return frame.to_csv(index=False).encode()

    frames = licensed.bundle("frames.zip", frames=True)
    found = verify(changed(frames, tmp_path / "forged.zip", MEMBER, change))
    assert {difference.place.split()[-1] for difference in found.differences} >= {"AU6", "mean"}
    assert not any("AU1" in difference.place for difference in found.differences)


def test_a_changed_published_number_is_named(bundle, tmp_path):
    def change(data):
        return data.replace(b"0.525", b"0.425")

    (difference,) = verify(changed(bundle, tmp_path / "forged.zip", "published.json", change)).differences
    assert (difference.stated, difference.computed) == (0.425, 0.525)


def test_a_column_that_says_nothing_of_its_origin_does_not_pass(bundle, tmp_path):
    def change(data):
        table = json.loads(data)
        table["columns"][1]["basis"] = None
        return json.dumps(table).encode()

    (difference,) = verify(changed(bundle, tmp_path / "forged.zip", "table.json", change)).differences
    assert "nothing to compute it from" in str(difference)


def of_table(change):
    def changed_table(data):
        table = json.loads(data)
        change(table, table["columns"][1])
        return json.dumps(table).encode()

    return changed_table


def scored_again(bundle, column):
    """What a forger does who changes a basis: every number follows from it."""
    with BundleFile.open(bundle) as file:
        again = plain(asdict(Again(file).column(Basis.of(column["basis"]))))
    parts = ("values", "mean", "interval", "au_intervals", "support", "margin")
    return {part: again[part] for part in parts}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", ["values", "mean", "interval"])
def test_what_is_no_number_does_not_agree(bundle, tmp_path, number, place):
    def change(table, ours):
        if place == "values":
            ours["values"]["AU12"] = "?"
        else:
            ours[place] = ["?", "?"] if place == "interval" else "?"

    content = members(bundle)
    content["table.json"] = of_table(change)(content["table.json"]).replace(b'"?"', number.encode())
    path = written(tmp_path / "forged.zip", content)
    if number == "1e999":
        assert verify(path).differences
    else:
        with pytest.raises(StoreError, match=rf"table.json is no JSON \({number} is no number\)"):
            verify(path)


def invent(kind):
    def change(table, ours):
        ours["kind"] = kind
        ours["values"] = dict.fromkeys(ours["values"], 0.9)
        ours["mean"] = 0.9

    return change


def invent_an_interval(table, ours):
    ours |= {"kind": "missing", "values": {}, "mean": None, "interval": [0.8, 0.9], "note": "not run"}
    ours |= {"au_intervals": {}}


def print_otherwise(table, ours):
    table["columns"][0]["values"]["AU4"] -= 0.1


def print_nothing(table, ours):
    del table["columns"][0]["values"]["AU4"]


def print_an_interval(table, ours):
    table["columns"][0]["interval"] = [0.5, 0.6]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (invent("published"), "published AU1"),
        (invent("missing"), "kind"),
        (invent_an_interval, "kind"),
        (print_otherwise, "published AU4"),
        (print_nothing, "published AU4"),
        (print_an_interval, "interval"),
        (lambda table, ours: ours.update(kind="all_positive"), "kind"),
        (lambda table, ours: table["rows"].pop(), "action units"),
    ],
)
def test_no_column_passes_under_another_name(bundle, tmp_path, change, place):
    found = verify(changed(bundle, tmp_path / "forged.zip", "table.json", of_table(change)))
    assert place in {difference.place for difference in found.differences}


def test_two_columns_may_be_of_one_run_if_the_table_names_it_for_both(tmp_path):
    """Of Table 3 in the paper's size, whose generator has no idiosyncratic loss with either column."""
    licensed = Licensed(tmp_path)
    path = licensed.table.cells.folder / "table.json"
    content = json.loads(path.read_text())
    content["columns"].append({**content["columns"][1], "id": "without_ids"})
    path.write_text(json.dumps(content))
    (difference,) = verify(licensed.bundle()).differences
    assert (difference.column, difference.computed) == ("without_ids", "those of none")
    content["provenance"]["runs"]["without_ids"] = content["provenance"]["runs"]["none"]
    path.write_text(json.dumps(content))
    assert verify(licensed.bundle()).holds


def test_two_columns_of_one_name_are_refused(bundle, tmp_path):
    change = of_table(lambda table, ours: table["columns"].insert(0, {**ours, "mean": 0.9}))
    with pytest.raises(StoreError, match="two columns have one id"):
        verify(changed(bundle, tmp_path / "forged.zip", "table.json", change))


def test_an_action_unit_that_is_left_out_of_a_mean_is_missed(bundle, tmp_path):
    def change(table, ours):
        ours["basis"]["aus"].remove(14)
        ours |= scored_again(bundle, ours)

    (difference,) = verify(changed(bundle, tmp_path / "f.zip", "table.json", of_table(change))).differences
    assert (difference.column, difference.place) == ("none", "action units")
    assert set(difference.computed) - set(difference.stated) == {"AU14"}


def test_a_threshold_of_ones_own_is_missed(tmp_path):
    licensed = Licensed(tmp_path)
    path = licensed.table.options.runs / RUN / "occurrence.parquet"
    frame = predictions([6, 12])
    for name in ("AU06_label", "AU12_label"):
        frame[name] = frame[name].ge(2).where(frame[name].notna()).astype(float)
    frame.to_parquet(path)
    scores = f1_scores([path], [6, 12], 1.5)
    columns = [scores.all_positive.column(ALL_POSITIVE), scores.method.column(OURS, scores.margin)]
    provenance = json.loads((licensed.table.cells.folder / "table.json").read_text())["provenance"]
    support = scores.support_text
    Table("F1", ["AU6", "AU12"], columns, None, [], provenance, support=support).write(
        licensed.table.cells.folder
    )
    bundle = licensed.bundle(frames=True)
    assert verify(bundle).holds

    def change(table, ours):
        ours["basis"]["threshold"] = 0.5
        ours |= scored_again(bundle, ours)

    (difference,) = verify(changed(bundle, tmp_path / "f.zip", "table.json", of_table(change))).differences
    assert (difference.place, difference.stated, difference.computed) == ("threshold", 0.5, 1.5)


def test_data_origin_and_size_are_those_of_the_records(tmp_path):
    licensed = Licensed(tmp_path, data_origin="standin", size="mini")
    licensed.record["notes"]["standin"] = {"name": "made", "version": 6}
    licensed.write_record()
    bundle = licensed.bundle()
    assert verify(bundle).holds

    def change(data):
        return data.replace(b'"standin"', b'"licensed"').replace(b'"size": "mini"', b'"size": "paper"')

    found = verify(changed(bundle, tmp_path / "forged.zip", "table.json", change))
    assert [(d.place, d.stated, d.computed) for d in found.differences] == [
        ("data origin", "licensed", "standin"),
        (f"size of {RUN}", "paper", "mini"),
    ]


# --------------------------------------------------------------------------------------- files that lie


def without(name):
    return lambda content: {k: v for k, v in content.items() if k != name}


def with_(name, data):
    return lambda content: {**content, name: data}


def replaced(name, old, new):
    return lambda content: {**content, name: content[name].replace(old, new)}


@pytest.mark.parametrize(
    ("change", "fits", "message"),
    [
        (with_("../evil.csv", b"x"), True, r"leads out of it.*: \.\./evil\.csv"),
        (with_("/etc/evil", b"x"), True, r"leads out of it.*: /etc/evil"),
        (with_("a/../../evil", b"x"), True, "leads out of it"),
        (with_("bomb.csv", bytes(10**7)), True, r"bomb\.csv grows from .* to 10,000,000 bytes"),
        (without(MEMBER), False, rf"lacks {MEMBER}, which the manifest names"),
        (with_("more.csv", b"x"), False, r"has more\.csv, which the manifest does not name"),
        (replaced(MEMBER, b"female", b"male"), False, rf"{MEMBER} is not what the manifest says"),
        (without(MANIFEST), False, "has no MANIFEST.json"),
        (with_(MANIFEST, b"[1]"), False, "MANIFEST.json is not readable"),
        (replaced(MANIFEST, b'"schema": 1', b'"schema": 99'), False, "schema 99, this version reads 1"),
        (replaced(MANIFEST, b'"people"', b'"all"'), False, "unknown detail all"),
        (replaced(MANIFEST, b'"niinuma2021"', b'"table9"'), False, "'table9': unknown"),
        (with_("table.json", b"{"), True, "table.json is no JSON"),
        (with_("table.json", b"[" * 10**5), True, "table.json"),
        (with_("table.json", b"[]"), True, "table.json does not have the form of a table"),
        (replaced("table.json", b'"kind": "ours"', b'"kin": "ours"'), True, "does not have the form"),
        (replaced("table.json", b'"score": "icc"', b'"score": "wit"'), True, "no score is called wit"),
        (replaced("table.json", RUN.encode(), b"elsewhere"), True, "of a run without a record"),
        (without(f"records/{RUN}.json"), True, "lack the run none"),
        (replaced(MEMBER, b"AU12_xy", b"AU12_zz"), True, rf"{MEMBER} lacks a column"),
        (replaced(MEMBER, b"female,30", b"female,-30"), True, rf"{MEMBER} cannot be read"),
        (replaced(MEMBER, b"female,30", b"female,=1+1"), True, rf"{MEMBER} cannot be read"),
        (with_(MEMBER, b"\xff\xfe\x00"), True, rf"{MEMBER} cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_cannot_be_trusted_is_refused_by_name(bundle, tmp_path, capsys, change, fits, message):
    path = written(tmp_path / "bad.zip", change(members(bundle)), fits)
    assert aukit(["verify", str(path)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert "bad.zip" in error or "unknown" in error


def test_damaged_and_missing_files_are_errors_and_never_a_traceback(bundle, tmp_path, capsys):
    whole, path = bundle.read_bytes(), tmp_path / "bad.zip"
    for size in (0, 20, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        assert aukit(["verify", str(path)]) == 2
    assert "no whole ZIP file" in capsys.readouterr().err
    chance = random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        status = aukit(["verify", str(path)])  # 0 where a date or an attribute was hit
        error = capsys.readouterr().err
        assert (status, "bad.zip" in error) in ((0, False), (2, True)), error
    assert aukit(["verify", str(tmp_path)]) == 2
    assert aukit(["verify", str(tmp_path / "nowhere.zip")]) == 2


def test_the_command_prints_words_or_json(bundle, tmp_path, capsys):
    assert aukit(["verify", str(bundle)]) == 0
    text = capsys.readouterr().out
    for words in (
        "33 numbers in 1 columns computed again: all agree",
        "sums per person",
        "c0ffee",
        "licensed",
    ):
        assert words in text
    assert aukit(["verify", str(bundle), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["holds"] is True
    assert len(content["verdicts"]) == 64
    assert aukit(["reproduce", "niinuma2021", "--table", "3", "--profile", "smoke", "--bundle-frames"]) == 2
    assert "--bundle ZIP" in capsys.readouterr().err
    assert (
        aukit(["reproduce", "niinuma2021", "--table", "3", "--profile", "smoke", "--bundle", str(tmp_path)])
        == 2
    )
    assert "is a folder" in capsys.readouterr().err


def test_what_a_bundle_says_cannot_steer_a_terminal(bundle, tmp_path):
    def change(data):
        table = json.loads(data)
        table["title"] = "Table 3\x1b[2J\nall agree"
        return json.dumps(table).encode()

    text = verify(changed(bundle, tmp_path / "forged.zip", "table.json", change)).to_text()
    assert "\x1b" not in text
    assert text.startswith("Table 3 [2J all agree\n")
