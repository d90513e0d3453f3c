import os
import subprocess
import sys

import pytest

from aukit.training.loggers import logged_in


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A user without any W&B settings."""
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_nobody_is_logged_in_without_a_key(stranger):
    assert not logged_in()


def test_the_key_that_wandb_login_leaves_is_found(stranger):
    (stranger / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password secret\n")
    (stranger / ".netrc").chmod(0o600)
    assert logged_in()


def test_environment_decides_first(stranger, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert logged_in()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert not logged_in()


def test_the_real_client_of_a_stranger_writes_offline_and_says_nothing(stranger):
    program = (
        "from pathlib import Path\n"
        "from aukit.training.options import LoggingOptions\n"
        "from aukit.training.loggers import build_loggers, close_wandb\n"
        "csv, wandb = build_loggers(Path('run'), 'name', '0123456789abcdef', LoggingOptions())\n"
        "wandb.log_metrics({'loss': 1.0}, 0)\n"
        "close_wandb()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=stranger, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert list((stranger / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert "wandb:" not in done.stdout + done.stderr
