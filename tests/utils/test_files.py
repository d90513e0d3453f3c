import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aukit.utils.files import atomic_folder, atomic_path


def _stop_at(path):
    path.write_text("half")
    raise KeyboardInterrupt


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        _stop_at(temporary)
    assert list(path.parent.iterdir()) == []
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert temporary.suffix == ".csv"
        assert not path.exists()
    assert path.read_text() == "whole"


KILLED = """
import os, signal, sys
from pathlib import Path
from aukit.utils.files import atomic_folder, atomic_path
with atomic_folder(Path(sys.argv[1])) as folder, atomic_path(Path(sys.argv[2])) as file:
    (folder / "half").write_text("half")
    file.write_text("half of what is written, and longer")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    folder, file = tmp_path / "set", tmp_path / "table.csv"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(file)])
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_folder(folder) as temporary:
        (temporary / "whole").write_text("whole")
    with atomic_path(file) as temporary, temporary.open("r+") as opened:
        opened.write("whole")
    assert file.read_text() == "whole"
    assert [each.name for each in folder.iterdir()] == ["whole"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["set", "table.csv"]


def test_two_that_write_the_same_file_do_not_meet(tmp_path):
    path = tmp_path / "table.csv"
    with atomic_path(path) as one:
        one.write_text("one")
        with atomic_path(path) as other:
            assert other.suffix == ".csv"
            other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one"
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]


def test_files_have_the_rights_of_any_other(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a.txt"), atomic_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o750


def test_a_folder_takes_the_place_of_the_old_one_when_it_is_complete(tmp_path):
    path = tmp_path / "set"
    for content in ("old", "new"):
        with atomic_folder(path) as temporary:
            (temporary / content).write_text(content)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as temporary:
        _stop_at(temporary / "half")
    assert [each.name for each in path.iterdir()] == ["new"]
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


def test_an_attempt_that_may_be_resumed_keeps_what_is_done(tmp_path):
    path = tmp_path / "store"
    for step in (1, 2):
        with pytest.raises(KeyboardInterrupt), atomic_folder(path, resume=True) as temporary:
            _stop_at(temporary / f"shard{step}")
    assert not path.exists()
    with atomic_folder(path, resume=True) as temporary:
        assert sorted(each.name for each in temporary.iterdir()) == ["shard1", "shard2"]
    assert [each.name for each in tmp_path.iterdir()] == ["store"]


def test_a_folder_is_never_half_replaced(tmp_path, monkeypatch):
    """Ctrl-C comes while the old one is removed: with its list gone it would be nobody's."""
    place, remove = tmp_path / "clip.crops", shutil.rmtree
    for name in ("crops.csv", "1.png", "2.png"):
        place.mkdir(exist_ok=True)
        (place / name).write_text("old")

    def interrupted(folder, **_):
        if Path(folder).is_dir():
            next(Path(folder).iterdir()).unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_folder(place) as building:
        (building / "crops.csv").write_text("new")
    assert {path.name: path.read_text() for path in place.iterdir()} == {"crops.csv": "new"}
    monkeypatch.setattr(shutil, "rmtree", remove)
    with atomic_folder(place) as building:
        (building / "crops.csv").write_text("newer")
    assert (place / "crops.csv").read_text() == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.crops"]
