"""The command, from its words to its exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

from aukit.cli import main
from aukit.detect import read_detections
from tests.detect.bright import BrightSquares, scene, video
from tests.detect.test_files import save


def run(words: str) -> int:
    return main(words.split())


@pytest.fixture(autouse=True)
def bright_squares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("aukit.detect.Detector", BrightSquares)
    monkeypatch.chdir(tmp_path)


def test_tables_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video(tmp_path / "clip.mp4", 3)
    save(tmp_path / "photo.png", scene((5, 5, 20), (60, 30, 40)))
    assert run("detect clip.mp4 *.png --out results --largest --format parquet --overlay") == 0
    assert "1 video, 1 image" in capsys.readouterr().out
    assert len(read_detections("results/clip.parquet")) == 3
    assert len(read_detections("results/photographs.parquet")) == 1
    assert (tmp_path / "results/clip.overlay.mp4").is_file()
    assert run("detect clip.mp4 photo.png --out results --largest --format parquet") == 0
    assert "2 of them were done before" in capsys.readouterr().out


def test_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video(tmp_path / "clip.mp4", 3)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "file").write_text("")
    assert run("detect clip.mp4 text.mp4 --out results") == 1
    assert "text.mp4: cannot be opened" in capsys.readouterr().out
    for words, message in (
        ("detect nothing.mp4 --out results", "nothing.mp4: no such file"),
        ("detect clip.mp4 --out file", "a file stands where a folder should be"),
        ("detect clip.mp4 --out file/below", "a file stands where a folder should be"),
    ):
        assert run(words) == 2
        assert message in capsys.readouterr().err
    for words in ("detect", "detect clip.mp4", "detect clip.mp4 --out results --formt csv"):
        with pytest.raises(SystemExit) as stop:
            run(words)
        assert stop.value.code == 2


def test_an_interruption_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    video(tmp_path / "clip.mp4", 3)
    monkeypatch.setattr(BrightSquares, "photograph", interrupted)
    assert run("detect clip.mp4 --out results") == 130
    assert "repeat the command to go on" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "results").iterdir()] == [".lock"]


def test_the_door_opens_quickly() -> None:
    code = (
        "import sys, aukit.detect; print([m for m in ('torch', 'cv2', 'av', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
