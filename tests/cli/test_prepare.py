"""`aukit prepare -c FILE` makes the stores that the experiment will ask for, and no other."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from aukit.cli import main
from aukit.store import PreparedStore
from aukit.training import build_datamodule, load_config
from tests.datamodules.test_folds import PEOPLE, add_sidecar
from tests.releases import bp4d_sequence, disfa

AUS = [1, 2, 4, 6, 12]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BP4D and DISFA with landmarks."""
    folder = tmp_path_factory.mktemp("corpora")
    for number, subject in enumerate(PEOPLE):
        bp4d_sequence(folder / "bp4d", subject, "T1", 10 * number + 1, frames=5)
        add_sidecar(folder / f"bp4d/Landmarks/{subject}_T1.npy", 5, (24, 32))
    for path in disfa(folder / "disfa").rglob("*.avi"):
        add_sidecar(folder / f"disfa/Landmarks/{path.stem}.npy", 5, (32, 48))
    return folder


def corpus(roots: Path, name: str, **options: Any) -> dict[str, Any]:
    common = {"cache": str(roots / "stores"), "size": 32, "prepare_workers": 0, "aus": AUS, **options}
    return {
        "class_path": f"aukit.datamodules.{name}DataModule",
        "init_args": {"root": str(roots / name.lower()), **common},
    }


def data_of(kind: str, roots: Path) -> dict[str, Any]:
    """Section `data` of experiments whose stores are none of the default settings."""
    if kind == "crops":
        return corpus(roots, "BP4D", transform_size=64, padding=False, leave_out_occluded=True, size=24)
    if kind == "jpeg":
        return corpus(roots, "BP4D", registration="similarity", encoding="jpeg", quality=80)
    if kind == "camera":
        return corpus(roots, "DISFA", camera="right", threshold=3, registration="similarity")
    both = corpus(roots, "BP4D", padding=False), corpus(roots, "DISFA", threshold=1, holdout_fraction=0.4)
    if kind == "cross":
        return {
            "class_path": "aukit.datamodules.CrossCorpusDataModule",
            "init_args": {"train": both[0], "test": both[1]},
        }
    if kind == "paired":
        arguments = {"source": both[0], "target": both[1], "pairs": "none"}
        return {"class_path": "aukit.datamodules.PairedDataModule", "init_args": arguments}
    return {
        "class_path": "aukit.models.niinuma2021.SynthesisDataModule",
        "init_args": {"corpus": corpus(roots, "BP4D", size=28, registration="similarity")},
    }


def experiment(tmp_path: Path, data: dict[str, Any]) -> Path:
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    path = tmp_path / "mine.yaml"
    sections = {
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
        "run": {"selection": "last"},
        "logging": {"wandb": False},
        "model": {
            "class_path": "aukit.models.baselines.MultilabelModule",
            "init_args": {"aus": AUS, "backbone": "resnet10t", "options": {"channels": [4, 4, 8, 8]}},
        },
        "data": data,
        "profiles": {"smoke": {"trainer": {"log_every_n_steps": 1}}},
    }
    path.write_text(yaml.safe_dump(sections))
    return path


def listing(stores: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in stores.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "count"),
    [("crops", 1), ("jpeg", 1), ("camera", 1), ("cross", 2), ("paired", 2), ("synthesis", 1)],
)
def test_nothing_is_left_to_build(kind, count, roots, tmp_path, capsys, monkeypatch):
    path = experiment(tmp_path, data_of(kind, roots))
    key = {"cross": "data.{}.cache", "paired": "data.{}.cache", "synthesis": "data.corpus.cache"}
    parts = {"cross": ("train", "test"), "paired": ("source", "target")}.get(kind, ("",))
    caches = [f"{key.get(kind, 'data.cache').format(part)}={tmp_path}/stores" for part in parts]
    assert main(["prepare", "-c", str(path), "--profile", "smoke", *caches]) == 0
    printed = capsys.readouterr().out
    folders = [folder for folder in (tmp_path / "stores").iterdir() if folder.is_dir()]
    assert len(folders) == count
    for folder in folders:
        assert PreparedStore.open(folder).summary() in printed
    before = listing(tmp_path / "stores")
    monkeypatch.setattr("aukit.store.build.make_shards", None)  # whoever builds now fails
    data = build_datamodule(load_config(path, "smoke", caches))
    data.prepare_data()
    data.setup("fit")
    assert listing(tmp_path / "stores") == before
    assert not (roots / "stores").exists()


def test_fit_finds_what_prepare_made(roots, tmp_path):
    path = experiment(tmp_path, data_of("crops", roots))
    # Options may stand behind the values, as with `fit`.
    assert main(["prepare", "-c", str(path), f"data.cache={tmp_path}/stores", "--profile", "smoke"]) == 0
    before = listing(tmp_path / "stores")
    words = ["-c", str(path), "--profile", "smoke", "--runs", str(tmp_path / "runs")]
    assert main(["fit", *words, f"data.cache={tmp_path}/stores"]) == 0
    assert listing(tmp_path / "stores") == before


def test_a_corpus_is_prepared_as_the_experiment_asks(roots, tmp_path):
    """The same settings, typed as options, find the same store."""
    path = experiment(tmp_path, data_of("crops", roots))
    assert main(["prepare", "-c", str(path), f"data.cache={tmp_path}/stores"]) == 0
    before = listing(tmp_path / "stores")
    words = f"prepare bp4d --root {roots}/bp4d --leave-out-occluded --registration ffhq --size 24".split()
    words += ["--transform-size", "64", "--no-padding", "--out", f"{tmp_path}/stores"]
    assert main(words) == 0
    assert listing(tmp_path / "stores") == before
    assert main([*words[:-5], "--out", f"{tmp_path}/stores"]) == 0  # without the two settings: another one
    assert len(listing(tmp_path / "stores")) > len(before)


def test_jpeg_is_asked_for_in_the_same_words(roots, tmp_path, capsys):
    path = experiment(tmp_path, data_of("jpeg", roots))
    assert main(["prepare", "-c", str(path), f"data.cache={tmp_path}/stores"]) == 0
    before = listing(tmp_path / "stores")
    words = f"prepare bp4d --root {roots}/bp4d --registration similarity --size 32".split()
    words += ["--encoding", "jpeg", "--quality", "80", "--out", f"{tmp_path}/stores"]
    assert main(words) == 0
    assert listing(tmp_path / "stores") == before
    assert "kept as jpeg80" in capsys.readouterr().out
    data = build_datamodule(load_config(path, overrides=[f"data.cache={tmp_path}/stores"]))
    data.prepare_data()
    data.setup("fit")
    assert next(iter(data.train_dataloader()))["image"].shape[1:] == (3, 32, 32)
    assert main([*words, "--registration", "frontal3d"]) == 2
    assert "take encoding=webp" in capsys.readouterr().err
    assert main(["prepare", "-c", str(path), "data.encoding=webp"]) == 2
    assert "belongs to encoding=jpeg" in capsys.readouterr().err


def test_settings_of_another_registration_are_refused(roots, capsys):
    words = f"prepare bp4d --root {roots}/bp4d --registration similarity --transform-size 64".split()
    assert main(words) == 2
    assert "registration similarity has no setting transform_size; it has none" in capsys.readouterr().err


def test_missing_values_of_the_data_are_asked_for(roots, tmp_path, capsys):
    path = experiment(tmp_path, data_of("camera", roots))
    assert main(["prepare", "-c", str(path), "data.root=???"]) == 2
    assert "give data.root=..." in capsys.readouterr().err
    assert main(["prepare", "-c", str(path), "data.padding=false"]) == 2
    assert capsys.readouterr().err == "aukit: data.padding belongs to registration=ffhq, not to similarity\n"
    path = experiment(tmp_path, data_of("cross", roots))
    assert main(["prepare", "-c", str(path), "data.train.registration=similarity"]) == 2
    assert capsys.readouterr().err == "aukit: data.padding belongs to registration=ffhq, not to similarity\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "name an experiment (-c FILE|NAME) or a corpus (fera2017, bp4d"),
        ("data.root=x", "name an experiment (-c FILE|NAME)"),
        ("frobnicate --root x", "'frobnicate': write key=value"),
        ("bp4d --root x --padding maybe", "'maybe': unexpected"),
        ("bp4d --root x --pading", "--pading: no such option; did you mean --padding?"),
    ],
)
def test_words_that_are_no_command(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["prepare", *words.split()])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_processes_share_a_store_and_the_last_one_joins_it(roots, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("aukit.store.shards._LEAST", 1)  # a part for each video
    words = ["prepare", "bp4d", "--root", str(roots / "bp4d"), "--registration", "ffhq", "--size", "32"]
    words += ["--workers", "0", "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    summary = capsys.readouterr().out
    for shard in ("1/3", "2/3"):
        assert main([*words, str(tmp_path / "shared"), "--shard", shard]) == 0
        assert "parts are missing: the store follows" in capsys.readouterr().out
    assert not [path for path in (tmp_path / "shared").iterdir() if not path.name.startswith(".")]
    for _ in range(2):  # and once more, when all is done
        assert main([*words, str(tmp_path / "shared"), "--shard", "0/3"]) == 0
        assert capsys.readouterr().out.replace("shared", "whole") == summary
    (whole,), (shared,) = (list((tmp_path / name).glob("bp4d*")) for name in ("whole", "shared"))
    assert whole.name == shared.name
    for file in whole.iterdir():
        assert file.read_bytes() == (shared / file.name).read_bytes()
