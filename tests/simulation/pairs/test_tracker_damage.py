"""Damaged files of trackers: each frame moves as it did, is left out with a reason, or the file is refused.

The face smiles a little more from frame to frame: a row that came to another frame is seen at once, and a
short gap that is bridged is seen to be right.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aukit.errors import CorpusError
from aukit.facs import VISIBLE_INDEX
from aukit.simulation.pairs.tracker_files import AUTrack, read_tracker
from tests.simulation.pairs.trackers import SHAPES, arkit, openface, pyfeat, video

N = 60
SMILES = np.linspace(0.2, 0.8, N)
CAMEL = [name[0].lower() + name[1:] for name in SHAPES]

FORMATS: dict[str, Callable[[Path], Path]] = {
    "OpenFace": lambda path: openface(path, [{"AU12_r": 5 * smile} for smile in SMILES]),
    "py-feat": lambda path: pyfeat(path, [{"AU12": smile} for smile in SMILES]),
    "MediaPipe": lambda path: arkit(
        path,
        [{"mouthSmileLeft": s, "frame": i, "timestamp_ms": round(i * 100 / 3)} for i, s in enumerate(SMILES)],
        CAMEL,
        ("frame", "timestamp_ms"),
    ),
    "Live Link Face": lambda path: arkit(
        path,
        [
            {"MouthSmileLeft": smile, "Timecode": f"16:48:{39 + t // 60}:{t % 60:02d}.245"}
            for t, smile in zip(range(20, 20 + 2 * N, 2), SMILES, strict=True)
        ],
    ),
    "timestamps": lambda path: arkit(
        path,
        [{"MouthSmileLeft": smile, "timestamp": f"{i / 29.97:.3f}"} for i, smile in enumerate(SMILES)],
        SHAPES,
        ("timestamp",),
    ),
}


def without(rows: list[str], rng: np.random.Generator, first: int, last: int) -> list[str]:
    gone = set(rng.choice(np.arange(first, last), rng.integers(1, 15, endpoint=True), replace=False).tolist())
    return [row for i, row in enumerate(rows) if i not in gone]


def edit_line(line: str, rng: np.random.Generator, change: str) -> str:
    cells = line.split(",")
    place = int(rng.integers(len(cells)))
    if change == "lose":
        del cells[place]
    elif change == "gain":
        cells.insert(place, "0")
    else:
        cells[place] = change
    return ",".join(cells)


def damage(lines: list[str], rng: np.random.Generator, kind: str) -> str:
    header, *rows = lines
    row = int(rng.integers(1, N - 1))
    if kind == "rows lost":
        rows = without(rows, rng, 0, N)
    elif kind == "beginning lost":
        rows = rows[row:]
    elif kind == "end lost":
        rows = rows[:row]
    elif kind == "every other row lost":
        rows = rows[::2]
    elif kind == "a row twice":
        rows.insert(row, rows[row])
    elif kind == "rows exchanged":
        rows[row - 1 : row + 1] = rows[row - 1 : row + 1][::-1]
    elif kind == "backwards":
        rows = rows[::-1]
    elif kind == "two takes":
        rows = rows + rows
    elif kind == "cut":
        return "\n".join(lines)[: int(rng.integers(len(header) + 2, len("\n".join(lines))))]
    elif kind == "header lost":
        return "\n".join(rows)
    elif kind == "a name lost":
        header = edit_line(header, rng, "lose")
    elif kind == "a name twice":
        header = edit_line(header, rng, str(rng.choice(header.split(","))))
    elif kind == "a cell lost":
        rows[row] = edit_line(rows[row], rng, "lose")
    elif kind == "a cell more":
        rows[row] = edit_line(rows[row], rng, "gain")
    elif kind == "a cell of noise":
        rows[row] = edit_line(rows[row], rng, str(rng.choice(["", "x", "nan", "inf", "1;2", "\0", "0x1"])))
    elif kind == "a quotation mark":
        rows[row] = '"' + rows[row]
    return "\n".join([header, *rows])


KINDS = {
    "nothing": "right",
    **dict.fromkeys(["rows lost", "beginning lost", "end lost", "every other row lost", "cut"], ""),
    **dict.fromkeys(["a row twice", "rows exchanged", "backwards", "two takes"], "refused"),
    **dict.fromkeys(
        ["header lost", "a name lost", "a cell lost", "a cell more", "a quotation mark"], "refused"
    ),
    **dict.fromkeys(["a name twice", "a cell of noise"], ""),
}
"""What must come of it; empty where that depends on the place and the format."""


def reading(path: Path) -> AUTrack | str:
    """What is read, or why the file is refused."""
    try:
        return read_tracker(path, video(N))
    except CorpusError as error:
        return str(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tool", FORMATS)
def test_no_damage_moves_a_row_to_another_frame(tmp_path: Path, tool: str, kind: str) -> None:
    rng = np.random.default_rng([ord(letter) for letter in tool + kind])
    for _ in range(4):
        path = FORMATS[tool](tmp_path / "a.csv")
        path.write_text(damage(path.read_text().splitlines(), rng, kind))
        track = reading(path)
        if isinstance(track, str):
            assert KINDS[kind] != "right"
            assert "a.csv" in track
            continue
        assert KINDS[kind] != "refused"
        usable = track.usable
        moved = track.activations[usable, VISIBLE_INDEX[12], 0]
        np.testing.assert_allclose(moved, SMILES[usable], atol=0.2 * (SMILES[1] - SMILES[0]))
        assert usable.sum() + sum(track.excluded.values()) == N
        assert usable.all() or kind != "nothing"
