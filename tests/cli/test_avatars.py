import pandas as pd
import pytest

from aukit.cli import main
from aukit.datasets import AvatarPairs
from aukit.simulation.images.pretraining_faces import open_avatar_faces
from tests.standins import smoke_fera2017


def test_render_is_sharded_and_resumed(tmp_path, capsys):
    words = ["avatars", "render", "--out", str(tmp_path / "out"), "--maker", "people", "--count", "18"]
    words += ["--basis", "procedural", "--size", "24", "--max-yaw", "20", "--seed", "3", "--workers", "0"]
    assert main([*words, "--shard", "0/2"]) == 0
    assert "follows when all are done" in capsys.readouterr().out
    assert main([*words, "--shard", "1/2"]) == 0
    samples = pd.read_parquet(tmp_path / "out" / "samples.parquet")
    assert len(samples) == 18
    assert samples["yaw"].abs().max() <= 20
    assert len(list((tmp_path / "out").glob("*.npy"))) == 18


def test_pairs_of_the_valid_partition(tmp_path, tmp_path_factory, capsys):
    root = smoke_fera2017(tmp_path_factory).root
    words = ["avatars", "pairs", "--driving-corpus", "fera2017", "--driving-root", str(root), "--size", "24"]
    words += ["--out", str(tmp_path / "out"), "--partitions", "valid", "--workers", "0"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "tone_group" in printed
    assert "of 4 avatars from 4 of 4 videos" in printed
    assert set(AvatarPairs(tmp_path / "out").table.frame["partition"]) == {"valid"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pairs --driving-corpus fera2017 --driving-root nowhere --out out", "nowhere"),
        ("render --count 5 --out out --shard 5/5", "--shard 5/5: expected i/n"),
        ("render --count 0 --out out", "at least 1 sample"),
    ],
)
def test_errors_are_one_message_and_status_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["avatars", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("aukit: ")
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", ["render --out x", "render --out x --count 1 --maker dolls", "pairs --out x"]
)
def test_words_that_are_no_command_exit_2(words):
    with pytest.raises(SystemExit) as stop:
        main(["avatars", *words.split()])
    assert stop.value.code == 2


def test_faces_to_pre_train_on(tmp_path, capsys):
    words = ["avatars", "faces", "--out", str(tmp_path / "out"), "--identities", "1", "--frames", "2"]
    assert main([*words, "--size", "16", "--workers", "0"]) == 0
    assert "2 faces of 1 avatars" in capsys.readouterr().out
    assert open_avatar_faces(tmp_path / "out")[0].shape == (2, 16, 16, 3)
