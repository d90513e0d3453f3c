from pathlib import Path

import numpy as np
import pytest

from aukit.errors import CorpusError
from aukit.simulation.pairs.tracker_files import read_tracker
from tests.simulation.pairs.trackers import arkit, openface, video

ROWS: list[dict[str, object]] = [{"AU12_r": 2.5, "AU45_r": 0.75}, {"AU04_r": 1, "confidence": 0.5}, {}]


def spreadsheet(path: Path, separator: str, encoding: str = "utf-8", lead: str = "") -> Path:
    """The file saved again by a spreadsheet whose language has decimal commas."""
    lines = path.read_text().replace(" ", "").replace(".", ",") if separator != "," else path.read_text()
    if separator != ",":
        cells = [line.split("|") for line in lines.splitlines()]
        lines = "\r\n".join(separator.join(row) for row in cells) + "\r\n"
    path.write_bytes((lead + lines).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("separator", "encoding", "lead"),
    [
        (";", "utf-8", ""),
        ("\t", "utf-8", ""),
        (";", "utf-8-sig", ""),
        ("\t", "utf-16", ""),
        (";", "utf-8", "sep=;\r\n"),
        (",", "utf-16", ""),
        (",", "utf-8", "\n\n"),
    ],
)
def test_what_a_spreadsheet_saves_is_what_the_tracker_wrote(
    tmp_path: Path, separator: str, encoding: str, lead: str
) -> None:
    meant = read_tracker(openface(tmp_path / "a.csv", ROWS), video(3))
    written = openface(tmp_path / "b.csv", ROWS, separator="," if separator == "," else "|")
    saved = read_tracker(spreadsheet(written, separator, encoding, lead), video(3))
    np.testing.assert_array_equal(saved.activations, meant.activations)
    assert saved == type(saved)(saved.activations, meant.reasons, meant.interpolated, meant.clipped)
    assert saved.activations.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("2.5", "much"), r"line 2, column AU12_r: 'much' is no number"),
        (lambda text: text.replace("2.5", "2_5"), r"line 2, column AU12_r: '2_5' is no number"),
        (lambda text: text.replace("2.5", "2,5"), r"line 2: 25 cells under 24 names.*decimal commas"),
        (lambda text: text.replace("2.5", '"2,5"'), r"line 2, column AU12_r: '2,5' is no number"),
        (lambda text: text.replace("AU28_c", "AU12_r"), r"line 1: two columns are called AU12_r"),
        (lambda text: text.splitlines()[0] + "\n", r"holds no frame"),
        (lambda text: "", r"is empty"),
        (lambda text: text.replace("2.5", '"2.5'), r"cannot be read as CSV"),
        (lambda text: text + "1, " * 50_000, r"cannot be read as CSV .*characters"),
    ],
)
def test_a_damaged_table_says_where(tmp_path: Path, change, message: str) -> None:
    path = openface(tmp_path / "a.csv", ROWS)
    path.write_text(change(path.read_text()))
    with pytest.raises(CorpusError, match=rf"a\.csv.*{message}"):
        read_tracker(path, video(3))


def test_a_line_that_lacks_a_cell_is_an_error_and_the_last_one_may_be_cut(tmp_path: Path) -> None:
    path = arkit(tmp_path / "a.csv", [{"frame": i} for i in range(3)], lead=("frame",))
    lines = path.read_text().splitlines()
    cut = [*lines[:-1], lines[-1][:-40]]
    path.write_text("\n".join(cut))
    track = read_tracker(path, video(3))
    assert track.reasons == ("", "", "no row in the tracker's file")
    path.write_text("\n".join([*cut, lines[-1]]))
    with pytest.raises(CorpusError, match=r"a\.csv, line 4: \d+ cells under 56 names, which a comma"):
        read_tracker(path, video(4))
    path.write_text("".join(f"{line},,\n" for line in lines))
    assert read_tracker(path, video(3)).excluded == {}


def test_words_for_nothing_are_no_numbers(tmp_path: Path) -> None:
    rows = [{}, *({"JawOpen": word} for word in ("", "NaN", "NA", "null", "None", "#N/A")), {}]
    track = read_tracker(arkit(tmp_path / "a.csv", rows), video(8))
    assert track.excluded == {"NaN in the tracker's file": 6}


def test_what_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"frame,\x80\x81\xff\n" * 50)
    with pytest.raises(CorpusError, match="cannot be read as CSV"):
        read_tracker(tmp_path / "a.csv", video(3))
    (tmp_path / "folder.csv").mkdir()
    for name, why in (("none.csv", "No such file"), ("folder.csv", "is a folder, not a file")):
        with pytest.raises(CorpusError, match=f"cannot be read as CSV .*{why}"):
            read_tracker(tmp_path / name, video(3))
