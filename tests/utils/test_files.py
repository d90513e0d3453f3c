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
