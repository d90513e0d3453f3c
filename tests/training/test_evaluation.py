"""A trained model is applied to data of its kind alone, action unit by action unit."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from aukit.cli import main
from aukit.errors import ConfigError, StoreError, WeightsError
from aukit.models.baselines import MultilabelModule
from aukit.models.fgnet import FGNetModule, heatmap_scores
from aukit.models.fgnet.weights import RELEASED_AUS, import_weights
from aukit.training import GroupScores, Record, RunInterrupted, build_datamodule, evaluate, execute
from tests.fakes import AUS
from tests.models.fgnet.networks import SMALL, small_network
from tests.trainers import configuration

BASELINE = {
    "class_path": "aukit.models.baselines.MultilabelModule",
    "init_args": {
        "aus": list(AUS),
        "backbone": "resnet10t",
        "options": {"channels": [4, 4, 8, 8], "stem_width": 4},
        "warmup_steps": 0,
    },
}


def data(folder, **options):
    given = {"cache": str(folder / "stores"), "batch_size": 8, **options}
    return {"class_path": "tests.fake_training.FakeDataModule", "init_args": given}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, execute(configuration(BASELINE, data(folder)), folder / "runs")


def test_action_units_of_the_data_are_taken_by_number(trained):
    folder, record = trained
    own = pd.read_parquet(record.predictions)
    # The configured model has other action units; the checkpoint says which ones it was trained on.
    model = {**BASELINE, "init_args": {**BASELINE["init_args"], "aus": [12, 1]}}
    config = configuration(model, data(folder, aus=[12, 1]))
    table = pd.read_parquet(evaluate(config, folder / "other", checkpoint=record.checkpoint))
    assert [column for column in table if column.endswith("_score")] == ["AU12_score", "AU01_score"]
    for column in ("AU12_score", "AU01_score", "AU12_label", "AU01_label"):
        pd.testing.assert_series_equal(table[column], own[column])


@pytest.mark.parametrize("stage", ["test", "predict"])
def test_an_action_unit_that_the_model_does_not_know_is_refused_by_number(trained, stage):
    folder, record = trained
    config = configuration(BASELINE, data(folder, aus=[1, 12, 25]))
    with pytest.raises(ConfigError, match=r"knows no AU 25.*\[1, 4, 12\].*\[1, 12, 25\].*data\.aus=\[1,12\]"):
        evaluate(config, folder / "other", stage, checkpoint=record.checkpoint)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"registered": "similarity"}, "registration middle, the data have registration similarity"),
        ({"side": 20}, "size 16, the data have size 20"),
    ],
)
def test_images_of_another_kind_are_refused(trained, options, words):
    folder, record = trained
    with pytest.raises(ConfigError, match=f"another kind: {words}"):
        evaluate(configuration(BASELINE, data(folder, **options)), folder, checkpoint=record.checkpoint)


def test_a_checkpoint_of_another_program_says_its_action_units_or_is_refused(trained, tmp_path):
    folder, record = trained
    content = torch.load(record.checkpoint, weights_only=True)
    assert content["FakeDataModule"]["trained_on"]["aus"] == list(AUS)
    del content["FakeDataModule"]
    torch.save(content, tmp_path / "foreign.ckpt")
    config = configuration(BASELINE, data(folder, aus=[4]))
    with pytest.warns(UserWarning, match="registration and size are not compared"):
        table = pd.read_parquet(evaluate(config, tmp_path, checkpoint=tmp_path / "foreign.ckpt"))
    own = pd.read_parquet(record.predictions)
    pd.testing.assert_series_equal(table["AU04_score"], own["AU04_score"])
    del content["hyper_parameters"]
    torch.save(content, tmp_path / "foreign.ckpt")
    with pytest.raises(WeightsError, match="does not say what it was trained on"):
        evaluate(config, tmp_path, checkpoint=tmp_path / "foreign.ckpt")


def test_a_checkpoint_of_another_model_and_other_files_are_refused(trained, tmp_path):
    folder, record = trained
    wider = {**BASELINE["init_args"], "options": {"channels": [8, 8, 8, 8], "stem_width": 4}}
    config = configuration({**BASELINE, "init_args": wider}, data(folder))
    with pytest.raises(WeightsError, match="does not fit the configured MultilabelModule"):
        evaluate(config, tmp_path, checkpoint=record.checkpoint)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="no checkpoint of a training"):
        evaluate(config, tmp_path, checkpoint=tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="no such file"):
        evaluate(config, tmp_path, checkpoint=tmp_path / "nothing.ckpt")


def test_held_out_people_are_tested_beside_those_of_the_test(trained):
    folder, record = trained
    before = {path: path.read_bytes() for path in record.folder.glob("*.*")}
    config = configuration(BASELINE, data(folder))
    path = evaluate(config, folder / "runs", held_out=True)
    assert path == record.folder / "predictions-held-out.parquet"
    held_out, tested = pd.read_parquet(path), pd.read_parquet(record.predictions)
    own = build_datamodule(config)
    own.prepare_data()
    own.setup()
    assert set(held_out["row"]) == set(own.val_rows)
    assert not set(held_out["person"]) & set(tested["person"])
    assert list(held_out) == list(tested)
    assert GroupScores.read(record.folder, "fairness-held-out").people["unknown"] == 0
    assert before == {path: path.read_bytes() for path in before}  # the run stays what it was


def test_people_whose_labels_a_checkpoint_has_learnt_are_not_tested_unasked(trained, tmp_path):
    folder, record = trained
    fewer = configuration(BASELINE, data(folder, people=4))  # its last one is tested, and was trained on
    with pytest.raises(ConfigError, match=r"1 of the 1 people who would be tested, such as Fake/\S+\. Test"):
        evaluate(fewer, tmp_path, checkpoint=record.checkpoint)
    half = configuration(BASELINE, data(folder, holdout_fraction=0.5))
    with pytest.raises(ConfigError, match="1 of the 2 people who would be tested"):
        evaluate(half, tmp_path, checkpoint=record.checkpoint, held_out=True)
    table = pd.read_parquet(evaluate(fewer, tmp_path, checkpoint=record.checkpoint, seen_people=True))
    assert not set(table["person"]) & set(pd.read_parquet(record.predictions)["person"])
    assert len(pd.read_parquet(evaluate(fewer, tmp_path, "predict", checkpoint=record.checkpoint))) == 40


def test_checkpoints_name_nobody_and_older_ones_are_taken_with_a_warning(trained, tmp_path):
    folder, record = trained
    content = torch.load(record.checkpoint, weights_only=True)
    people = content["FakeDataModule"]["trained_on"].pop("people")
    assert len(people) == 3
    assert all(len(name) == 16 and int(name, 16) for name in people)
    assert b"Fake/" not in Path(record.checkpoint).read_bytes()
    torch.save(content, tmp_path / "older.ckpt")
    with pytest.warns(UserWarning, match=r"older\.ckpt: does not say whom it was trained on"):
        evaluate(configuration(BASELINE, data(folder)), tmp_path, checkpoint=tmp_path / "older.ckpt")


def test_where_nobody_is_held_out_it_is_said(trained):
    folder, record = trained
    config = configuration(BASELINE, data(folder, holdout_fraction=0.0))
    with pytest.raises(ConfigError, match="FakeDataModule holds nobody out of the training"):
        evaluate(config, folder / "runs", checkpoint=record.checkpoint, held_out=True)


# ------------------------------------------------------------------ released weights


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A network and what `aukit weights import fgnet` makes of its published checkpoint."""
    folder = tmp_path_factory.mktemp("released")
    network = small_network(points=12)
    parts = {name: getattr(network, name).state_dict() for name in ("pspencoder", "g_all", "interpreter")}
    torch.save(parts, folder / "model.pth")
    encoder = {f"encoder.{key}": value for key, value in network.pspencoder.state_dict().items()}
    torch.save({"state_dict": encoder, "latent_avg": network.latent_avg}, folder / "psp.pt")
    published = {"corpus": "bp4d", "latent_avg": folder / "psp.pt", "network": network}
    import_weights("fgnet", folder / "model.pth", folder / "released.safetensors", **published)
    return network, folder / "released.safetensors"


def fgnet(**changes):
    given = {**SMALL, "points": 12, "aus": list(AUS), **changes}
    return {"class_path": "aukit.models.fgnet.FGNetModule", "init_args": given}


FFHQ = {"registered": "ffhq", "side": 32}


def test_released_weights_are_scored_without_a_training(released, tmp_path):
    network, file = released
    config = configuration(fgnet(), data(tmp_path, aus=[12, 4], **FFHQ))
    path = evaluate(config, tmp_path / "runs", weights=file)
    table = pd.read_parquet(path)
    tested = build_datamodule(config)
    tested.prepare_data()
    tested.setup()
    images = torch.from_numpy(tested.store.images[table["row"]].transpose(0, 3, 1, 2).copy()).float()
    with torch.no_grad():
        scores = heatmap_scores(network(2 * images / 255 - 1))
    for au in (12, 4):
        expected = scores[:, RELEASED_AUS["bp4d"].index(au)].numpy()
        np.testing.assert_allclose(table[f"AU{au:02d}_score"], expected, atol=1e-6)
    record = Record.read(path.parent)
    (content,) = record.start_files.values()
    assert len(content) == 64
    assert record.checkpoint is None
    assert record.folder == path.parent
    assert record.metrics["test/f1_AU12"] == record.metrics["test/f1_AU12"]
    # Every frame, in the same folder; the record of the test stays.
    every = evaluate(config, tmp_path / "runs", "predict", weights=file)
    assert every.parent == path.parent
    assert len(pd.read_parquet(every)) == len(tested.store)
    assert Record.read(path.parent) == record


def test_released_weights_that_do_not_belong_to_the_data_are_refused(released, tmp_path):
    _, file = released
    with pytest.raises(ConfigError, match=r"knows no AU 25.*of bp4d"):
        evaluate(configuration(fgnet(), data(tmp_path, aus=[12, 25], **FFHQ)), tmp_path, weights=file)
    for crops, words in (
        (
            {"registered": "similarity", "side": 32},
            "registration ffhq, the data have registration similarity",
        ),
        ({"registered": "ffhq", "side": 16}, "crops of 16 px, the model's 32"),
    ):
        with pytest.raises(ConfigError, match=words):
            evaluate(configuration(fgnet(), data(tmp_path, aus=[12], **crops)), tmp_path, weights=file)
    with pytest.raises(ConfigError, match="MultilabelModule has no released weights"):
        evaluate(configuration(BASELINE, data(tmp_path)), tmp_path, weights=file)
    with pytest.raises(WeightsError, match="holds inversion, not a whole trained network"):
        evaluate(configuration(fgnet(), data(tmp_path, **FFHQ)), tmp_path, weights="mini")
    with pytest.raises(ConfigError, match="both name the model"):
        evaluate(configuration(fgnet(), data(tmp_path, **FFHQ)), tmp_path, checkpoint="a", weights="b")


def test_a_training_starts_from_heat_maps_of_the_same_action_units(released):
    _, file = released
    with pytest.raises(WeightsError, match=r"heat maps are of AUs \[1, 2, 4.*model\.aus is \[1, 4, 12\]"):
        FGNetModule(**fgnet(weights=[str(file)])["init_args"])
    FGNetModule(**fgnet(weights=[f"{file}#pspencoder", f"{file}#g_all"])["init_args"])
    FGNetModule(**fgnet(weights=[str(file)], aus=list(RELEASED_AUS["bp4d"]))["init_args"])


def test_the_command_names_one_model(capsys):
    with pytest.raises(SystemExit):
        main(["test", "-c", "a.yaml", "--checkpoint", "b", "--weights", "c"])
    assert "not allowed with" in capsys.readouterr().err


# ------------------------------------------------------------------ files that a training starts from


@pytest.fixture
def started(tmp_path):
    """A configuration that starts from a file, and the file."""
    torch.manual_seed(1)
    file = tmp_path / "backbone.pt"
    given = BASELINE["init_args"]
    torch.save(MultilabelModule(**given).backbone.network.state_dict(), file)
    model = {**BASELINE, "init_args": {**given, "weights": str(file)}}
    return configuration(model, data(tmp_path)), file


def test_a_finished_run_does_not_need_the_file_that_it_started_from(started, tmp_path):
    config, file = started
    record = execute(config, tmp_path / "runs")
    assert list(record.start_files) == [str(file)]
    file.unlink()
    assert execute(config, tmp_path / "runs") == record
    again = evaluate(config, tmp_path / "runs")
    assert again.parent == record.folder
    pd.testing.assert_frame_equal(pd.read_parquet(again), pd.read_parquet(record.predictions))
    # Another content under the same name is another run.
    torch.save({}, file)
    with pytest.raises(WeightsError, match="lacks"):
        execute(config, tmp_path / "runs")
    file.unlink()
    with pytest.raises(WeightsError, match=r"backbone\.pt: no such file"):
        execute({**config, "seed": 4}, tmp_path / "runs")
    assert json.loads((record.folder / "start_files.json").read_text()) == record.start_files


def test_a_training_says_what_it_starts_from_and_a_checkpoint_need_not(started, tmp_path):
    config, _ = started
    record = execute(config, tmp_path / "runs")

    def starting_from(weights):
        model = config["model"]
        return {**config, "model": {**model, "init_args": {**model["init_args"], "weights": weights}}}

    with pytest.raises(ConfigError, match=r"give model\.weights=.*or say model\.weights=random"):
        execute(starting_from("???"), tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"give model\.weights="):
        evaluate(starting_from("???"), tmp_path / "runs")
    path = evaluate(starting_from("???"), tmp_path / "runs", checkpoint=record.checkpoint)
    columns = [name for name in pd.read_parquet(path) if name.endswith("_score")]
    pd.testing.assert_frame_equal(
        pd.read_parquet(path)[columns], pd.read_parquet(record.predictions)[columns]
    )
    random = execute(starting_from("random"), tmp_path / "runs")
    assert random.start_files == {}
    assert random.identity != record.identity
    assert random.metrics["test/f1"] == execute(starting_from(None), tmp_path / "runs").metrics["test/f1"]


def test_a_begun_run_goes_on_without_the_file_and_ends_bit_equal(started, tmp_path):
    config, file = started
    whole = execute(config, tmp_path / "whole")
    with pytest.raises(RunInterrupted):
        execute({**config, "run": {"time_limit": 0.0}}, tmp_path / "runs")
    file.unlink()
    record = execute(config, tmp_path / "runs")
    assert record.identity == whole.identity
    pd.testing.assert_frame_equal(pd.read_parquet(record.predictions), pd.read_parquet(whole.predictions))


def test_two_contents_under_one_name_are_told_when_it_is_gone(started, tmp_path):
    config, file = started
    execute(config, tmp_path / "runs")
    state = torch.load(file, weights_only=True)
    torch.save({key: value * 2 for key, value in state.items()}, file)
    execute(config, tmp_path / "runs")
    file.unlink()
    with pytest.raises(StoreError, match=r"2 runs started from different contents"):
        execute(config, tmp_path / "runs")


def test_a_damaged_note_of_start_files_is_named(started, tmp_path):
    config, file = started
    record = execute(config, tmp_path / "runs")
    file.unlink()
    (record.folder / "start_files.json").write_text("{")
    with pytest.raises(StoreError, match=r"start_files\.json: cannot be read .*remove this run's folder"):
        execute(config, tmp_path / "runs")
