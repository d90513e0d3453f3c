import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

from aukit.cli import main, parser
from tests.distributed.test_ddp import EXPERIMENT


@pytest.fixture
def experiment(tmp_path):
    (tmp_path / "base.yaml").write_text("seed: 1\n")
    (tmp_path / "tiny.yaml").write_text(
        yaml.safe_dump({**EXPERIMENT, "profiles": {"smoke": {"trainer": {"max_epochs": 1}}}})
    )
    return tmp_path / "tiny.yaml"


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, aukit.cli\n"
        "try: aukit.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'lightning', 'pandas', 'numpy', 'wandb') if m in sys.modules])"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - began < 5  # a fraction of a second on a quiet machine
    assert "reproduce" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_fit_test_and_predict(experiment, tmp_path, capsys):
    words = [
        "-c",
        str(experiment),
        "--profile",
        "smoke",
        "--runs",
        str(tmp_path / "runs"),
        f"data.cache={tmp_path}/s",
    ]
    assert main(["fit", *words]) == 0
    assert "ICC" in capsys.readouterr().out
    began = time.perf_counter()
    assert main(["fit", *words]) == 0  # reused
    assert time.perf_counter() - began < 10
    assert main(["test", *words]) == 0
    assert main(["predict", *words]) == 0
    text, path = capsys.readouterr().out.splitlines()[-2:]
    assert text == "predictions of 63 frames are in"
    assert len(pd.read_parquet(path)) == 63


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "-c", "none.yaml"], "none.yaml: no such configuration file"),
        (["corpora", "check", "fera2017", "--root", "nowhere"], "nowhere"),
        (["prepare", "fera2017", "--root", "nowhere"], "nowhere"),
        (["standin", "fera2017", "--root", "x", "--views", "10"], "has the views 1 to 9"),
    ],
)
def test_errors_are_one_message_and_status_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("aukit: ")
    assert message in error
    assert "Traceback" not in error


def test_an_unknown_key_is_named_with_the_nearest(experiment, capsys):
    assert main(["fit", "-c", str(experiment), "model.l=1"]) == 2
    assert "'model.l'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["", "corpora", "frobnicate", "standin fera2017 --root x --views none", "reproduce"]
)
def test_words_that_are_no_command_exit_2(words):
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2


def test_every_subcommand_has_help():
    for words in (
        "fit",
        "test",
        "predict",
        "corpora check",
        "standin",
        "prepare",
        "avatars sheet",
        "avatars render",
        "avatars pairs",
        "reproduce",
    ):
        with pytest.raises(SystemExit) as stop:
            parser().parse_args([*words.split(), "--help"])
        assert stop.value.code == 0
