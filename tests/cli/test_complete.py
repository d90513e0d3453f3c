"""What a shell offers behind `aukit`, asked of the shell itself."""

import importlib.util
import os
import pty
import select
import shlex
import shutil
import subprocess
import time

import pytest

from aukit.cli import main

pytest.importorskip("shtab", reason="the extra completion is not installed")


def write_script(shell, file):
    with pytest.MonkeyPatch.context() as patch, file.open("w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["complete", shell]) == 0
    return file


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    return write_script("bash", tmp_path_factory.mktemp("completion") / "aukit.bash")


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
        ("aukit prepare d", {"disfa", "disfaplus"}),
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


@pytest.fixture(scope="module")
def zsh_functions(tmp_path_factory):
    """A folder for zsh's $fpath."""
    return write_script("zsh", tmp_path_factory.mktemp("functions") / "_aukit").parent


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("aukit re", {"register", "reproduce"}),
        ("aukit weights import p", {"psp", "prnet"}),
        ("aukit weights export --o", {"--out", "--onnx"}),
        ("aukit prepare g", {"prepare gft"}),
        ("aukit fit -c fg", {"-c fgnet"}),
        ("aukit fit -c mi", {"-c mine.yaml"}),
        ("aukit detect x --out ru", {"--out runs/"}),
    ],
)
def test_zsh_offers(zsh_functions, line, some, tmp_path):
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "runs").mkdir()
    terminal, its_side = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "HOME": str(tmp_path)}
    streams = {"stdin": its_side, "stdout": its_side, "stderr": its_side}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=tmp_path, env=environment, start_new_session=True, **streams
    )
    os.close(its_side)
    try:
        setup = f"fpath=({shlex.quote(str(zsh_functions))} $fpath); autoload -Uz compinit; compinit -u -D"
        os.write(terminal, f"{setup}; print re''ady\n".encode())
        until_shown(terminal, {"ready"})
        os.write(terminal, f"{line}\t\t".encode())
        until_shown(terminal, some)
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


def until_shown(terminal, words):
    """Read what a terminal shows until it has shown the words."""
    shown, end = "", time.monotonic() + 30
    while not all(word in shown for word in words):
        assert time.monotonic() < end, f"{words} are not in {shown!r}"
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")


def test_without_shtab_the_extra_is_named(capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("aukit.cli.complete.find_spec", lambda name: None if name == "shtab" else real(name))
    assert main(["complete", "bash"]) == 2
    assert "pip install 'aukit-facs[completion]'" in capsys.readouterr().err
