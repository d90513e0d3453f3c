"""What a shell offers behind `aukit`, asked of the shell itself."""

import importlib.util
import shlex
import subprocess

import pytest

from aukit.cli import main

pytest.importorskip("shtab", reason="the extra completion is not installed")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("completion") / "aukit.bash"
    with pytest.MonkeyPatch.context() as patch, file.open("w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["complete", "bash"]) == 0
    return file


def offered(script, line, folder):
    """Words that bash would offer for the last word of a line."""
    words = line.split(" ")
    program = (
        f"source {shlex.quote(str(script))}; COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1};"
        "compopt() { :; }; _shtab_aukit; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    command = ["bash", "--norc", "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("aukit re", {"reproduce", "register"}),
        ("aukit weights ", {"import", "export", "check"}),
        ("aukit weights import p", {"psp", "prnet"}),
        ("aukit weights export --o", {"--out", "--onnx"}),
        ("aukit prepare d", {"disfa"}),
        ("aukit register --registration f", {"ffhq", "frontal3d"}),
        ("aukit fit -c fg", {"fgnet"}),
        ("aukit fit -c mi", {"mine.yaml"}),
        ("aukit detect mi", {"mine.yaml"}),
        ("aukit complete ", {"bash", "zsh"}),
    ],
)
def test_bash_offers(script, line, some, tmp_path):
    (tmp_path / "mine.yaml").touch()
    assert offered(script, line, tmp_path) == some


def test_folders_alone_where_a_folder_is_meant(script, tmp_path):
    (tmp_path / "run.txt").touch()
    (tmp_path / "runs").mkdir()
    assert offered(script, "aukit detect x --out run", tmp_path) == {"runs"}


def test_zsh_has_a_script_of_its_own(capsys):
    assert main(["complete", "zsh"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("#compdef aukit")
    assert "_aukit_experiments() { compadd" in printed


def test_without_shtab_the_extra_is_named(capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("aukit.cli.complete.find_spec", lambda name: None if name == "shtab" else real(name))
    assert main(["complete", "bash"]) == 2
    assert "pip install 'aukit-facs[completion]'" in capsys.readouterr().err
