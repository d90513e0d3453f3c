"""Whatever goes wrong reaches the user as at most two lines and exit status 2, through the real command."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from aukit.cli import main
from aukit.errors import explained
from tests.distributed.test_ddp import EXPERIMENT


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a tiny experiment, its store and a finished run."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "base.yaml").write_text("seed: 1\n")
    content = json.loads(json.dumps(EXPERIMENT))
    content["trainer"] |= {"max_epochs": 1, "log_every_n_steps": 1}
    content["data"] = {
        "class_path": "tests.cli.faulty.FaultyDataModule",
        "init_args": {"cache": "stores", "people": 4, "frames": 4, "batch_size": 4},
    }
    content["model"] = {"class_path": "tests.cli.faulty.FaultyModule"}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["fit", "-c", "tiny.yaml"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """A copy of it to damage, as the current folder."""
    copy = Path(shutil.copytree(finished, tmp_path / "here"))
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture(scope="module")
def killed(finished, tmp_path_factory):
    """The same with a run that was killed before its record was written."""
    copy = Path(shutil.copytree(finished, tmp_path_factory.mktemp("killed") / "here"))
    shutil.rmtree(copy / "lightning_logs/runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        patch.setattr("aukit.training.record.Record.write", _kill)
        assert main(["fit", "-c", "tiny.yaml"]) == 130
    return copy


def _kill(*_):
    raise KeyboardInterrupt


@pytest.fixture
def begun(killed, tmp_path, monkeypatch):
    """A copy of it to damage, as the current folder."""
    copy = Path(shutil.copytree(killed, tmp_path / "here"))
    monkeypatch.chdir(copy)
    return copy


def fails(capsys, words):
    """Run a command that fails; what it says."""
    capsys.readouterr()
    try:
        status = main(words if isinstance(words, list) else words.split())
    except SystemExit as stop:  # words that are no command
        status = stop.code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line and "Warning" not in line and "it/s" not in line]
    lines = [line for line in lines if not line.startswith(("Epoch", "/", "  "))]
    assert status == 2, err
    assert 1 <= len(lines) <= 2, err
    assert lines[0].startswith("aukit"), err
    assert "Traceback" not in out + err
    return "\n".join(lines)


def the_run() -> Path:
    (run,) = Path("lightning_logs/runs").iterdir()
    return run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit -c nowhere.yaml", "nowhere.yaml: no such configuration file"),
        ("fit -c stores", "stores"),
        ("fit -c tiny.yaml --profile huge", "huge"),
        ("fit -c tiny.yaml model.constructor=aukit", "start.pth: no such weights; download them"),
        ("fit -c tiny.yaml model.constructor=value", "depth must be positive"),
        ("fit -c tiny.yaml model.constructor=type", "int expected"),
        ("fit -c tiny.yaml model.constructor=denied", "start.pth"),
        ("fit -c tiny.yaml model.constructor=full", "No space left"),
        ("fit -c tiny.yaml data.constructor=corpus", "labels.csv, line 3"),
        ("fit -c tiny.yaml data.constructor=denied", "start.pth"),
        ("fit -c tiny.yaml data.reading=corpus", "labels.csv, line 3: no number; see to the file"),
        ("fit -c tiny.yaml data.reading=denied data.num_workers=1", "start.pth: Permission denied"),
        ("fit -c tiny.yaml data.reading=corpus data.num_workers=1", "labels.csv, line 3: no number"),
        ("fit -c tiny.yaml data.reading=killed data.num_workers=1", "use fewer workers"),
        ("fit -c tiny.yaml data.cache=tiny.yaml", "a file stands where a folder should be"),
        ("fit -c tiny.yaml --runs tiny.yaml", "a file stands where a folder should be"),
        ("fit -c tiny.yaml --runs tiny.yaml/runs", "a file stands where a folder should be"),
        ("fit -c tiny.yaml trainer.accelerator=cuda seed=5", "CUDA"),
        ("fit -c tiny.yaml trainer.strategy=telepathy", "telepathy"),
        ("fit -c tiny.yaml trainer.val_check_interval=1000", "val_check_interval"),
        ("fit -c tiny.yaml trainer.precision=transformer-engine", "transformer_engine"),
        ("fit -c tiny.yaml trainer.precision=bf16-true model.step=single", "precision=bf16-mixed"),
        ("fit -c tiny.yaml model.step=memory", "not enough memory"),
        ("test -c tiny.yaml --checkpoint nowhere.ckpt", "nowhere.ckpt: no such file"),
        ("test -c tiny.yaml --checkpoint stores", "stores: no regular file"),
        ("test -c tiny.yaml --checkpoint tiny.yaml", "tiny.yaml: is text"),
        ("test -c tiny.yaml seed=5", "no finished run of this configuration"),
        ("predict -c tiny.yaml --weights nowhere.pth", "no released weights"),
        ("corpora check bp4d --root tiny.yaml", "tiny.yaml"),
        ("prepare bp4d --root nowhere", "nowhere"),
        ("standin bp4d --root tiny.yaml --profile smoke", "tiny.yaml"),
        ("avatars sheet --out stores", "stores: name a picture"),
        ("weights import stylegan2 nowhere.pth --out x.safetensors", "nowhere.pth: no such file"),
        ("weights import stylegan2 tiny.yaml --out x.safetensors", "tiny.yaml: is text"),
        ("reproduce table4", "table4"),
    ],
)
def test_wrong_words_files_and_classes(words, message, folder, capsys):
    runs = sorted(Path("lightning_logs").rglob("*"))
    assert message in fails(capsys, words)
    if "model.step" not in words:
        assert sorted(Path("lightning_logs").rglob("*")) == runs  # nothing is left of it


def test_memory_that_torch_does_not_get_is_named():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert explained(caught.value).startswith("not enough memory\n")


def damage(path: Path, kind: str) -> Path:
    """Damage a file."""
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "truncated": content[: len(content) // 2],
            "binary": b"\x89PNG\r\n\x1a\n\x00\xff\xfe" * 20,
            "broken": b'{"rows": [1, 2',
        }[kind]
    )
    return path


@pytest.mark.parametrize("kind", ["empty", "truncated", "binary"])
@pytest.mark.parametrize("name", ["record.json", "fairness.json"])
def test_damaged_files_of_a_finished_run(name, kind, folder, capsys):
    damage(the_run() / name, kind)
    assert name in fails(capsys, "fit -c tiny.yaml")


def test_scores_of_a_finished_run_are_made_again_as_it_is_said(folder, capsys):
    scores = the_run() / "fairness.json"
    before = scores.read_bytes()
    damage(scores, "truncated")
    assert "remove it and repeat the command" in fails(capsys, "fit -c tiny.yaml")
    scores.unlink()
    assert main(["fit", "-c", "tiny.yaml"]) == 0
    assert scores.read_bytes() == before
    scores.unlink()
    scores.with_name("predictions.parquet").unlink()
    assert "predictions.parquet: no such file; aukit test" in fails(capsys, "fit -c tiny.yaml")


@pytest.mark.parametrize("kind", ["empty", "truncated", "binary"])
def test_a_damaged_experiment(kind, folder, capsys):
    damage(Path("tiny.yaml"), kind)
    assert "tiny" in fails(capsys, "fit -c tiny.yaml")


@pytest.mark.parametrize("kind", ["empty", "truncated", "binary"])
def test_a_damaged_checkpoint_at_resume(kind, begun, capsys):
    run = the_run()
    last = damage(run / "checkpoints/last.ckpt", kind)
    said = fails(capsys, "fit -c tiny.yaml")
    assert f"{last}: is truncated or no checkpoint" in said
    assert "remove this file and repeat the command: training then begins anew" in said
    assert "best.ckpt beside it is whole" in said
    last.unlink()
    assert main(["fit", "-c", "tiny.yaml"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["state_dict"].pop("head.bias"), "head.bias is in one of them only"),
        (
            lambda content: content["state_dict"].update({"head.bias": torch.zeros(9)}),
            r"head.bias has the shape [9], here [3]",
        ),
        (lambda content: content.pop("loops"), "holds no state of a training: loops is missing"),
    ],
)
def test_another_models_checkpoint_at_resume(change, message, begun, capsys):
    run = the_run()
    last = run / "checkpoints/last.ckpt"
    content = torch.load(last, weights_only=True)
    change(content)
    torch.save(content, last)
    assert message in fails(capsys, "fit -c tiny.yaml")


def test_a_damaged_log_at_the_end_of_a_run(begun, capsys):
    run = the_run()
    (log,) = run.glob("csv/version_0/metrics.csv")
    damage(log, "binary")
    assert f"{log}: " in fails(capsys, "fit -c tiny.yaml")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("function", ["os.mkdir", "os.open"])
def test_a_disk_that_takes_nothing(function, number, folder, capsys, monkeypatch):
    def fail(*where, **options):
        path = where[0] if where else options["dir"]
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(function, fail)
    said = fails(capsys, "fit -c tiny.yaml seed=2")
    assert os.strerror(number) in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("place", ["runs", "läufe"])  # torch writes to other than ASCII paths through Python
def test_a_disk_that_is_full_while_a_checkpoint_is_written(place, folder, capsys, monkeypatch):
    save, (soft, hard) = torch.save, resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_where_files_stay_small(*arguments):  # writes fail as they do on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            save(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    monkeypatch.setattr("torch.save", save_where_files_stay_small)
    said = fails(capsys, f"fit -c tiny.yaml seed=2 --runs {place}")
    assert "last.ckpt: cannot be written whole" in said
    assert "MB are free" in said
    assert not list(Path(place).rglob("*.ckpt"))


def test_a_failure_after_the_first_step_keeps_the_run(folder, capsys):
    fails(capsys, "fit -c tiny.yaml model.step=corpus")
    assert len(list(Path("lightning_logs/runs").iterdir())) == 2


def test_a_callback_that_asks_for_what_is_not_logged(folder, capsys):
    callback = "{class_path: lightning.pytorch.callbacks.EarlyStopping, monitor: val/f9}"
    assert "`val/f9`" in fails(capsys, ["fit", "-c", "tiny.yaml", f"trainer.callbacks=[{callback}]"])


def test_a_finished_run_says_whose_groups_it_shows(folder, capsys):
    for word, says in (("logging.group_by=gender", False), ("logging.group_by=task", True)):
        capsys.readouterr()
        assert main(["fit", "-c", "tiny.yaml", word]) == 0
        assert ("aukit test, with the same words, has" in capsys.readouterr().out) is says


def test_a_bug_keeps_its_traceback(folder):
    with pytest.raises(ZeroDivisionError):
        main(["fit", "-c", "tiny.yaml", "model.step=bug"])


def test_developers_see_where_an_error_was_raised(folder, monkeypatch):
    monkeypatch.setenv("AUKIT_DEBUG", "1")
    with pytest.raises(Exception, match="no such configuration file"):
        main(["fit", "-c", "nowhere.yaml"])


def test_a_reader_that_has_enough_ends_it_quietly():
    for words in ("--help", "corpora check --help"):
        command = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import sys; from aukit.cli import main; sys.exit(main({words.split()}))",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},  # what is printed waits for the end
        )
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait() == 141
