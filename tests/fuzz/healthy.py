"""Small healthy releases of eight corpora; each picture tells whom it shows and when, and the truth is known.

A picture is a grid of 6 x 6 cells. Ten cells hold the number of the frame, twice five bits; the others have
colours of the recording and never change, so that a codec copies them and damage to a reference frame
spreads. Label rows are random, so that a row on a neighbouring frame is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml
from PIL import Image

from aukit.facs import CORPUS_AUS
from aukit.registration import frontal_template
from tests.releases import BP4D_AUS, DISFA_AUS, legacy_occurrence, named_occurrence, write_lines

OPTIONS = {"multipie": (), "multiview": ("--tree", "multiview", "--cameras", "05_1", "19_0")}
"""Of the commands, for the two trees of Multi-PIE, which count as two corpora here."""
CORPORA = ("fera2017", "bp4d", "disfa", "gft", "unbc", "bp4dplus", *OPTIONS, "disfaplus")
BY_NAME = "M009_T1"
"""Sequence of BP4D whose images have another order by name than by number: it has a table, not an array."""
CROP = 32
CELL, GRID, LEFT = 16, 6, 16
SIZE = (CELL * GRID, CELL * GRID + 2 * LEFT)  # height, width of a picture
GFT_AUS = (1, 6, 12, 24)
GFT_LEVELS = (6, 12)


@dataclass(frozen=True)
class Recording:
    """A recording and what is true of it.

    Attributes:
        corpus: Name of the corpus.
        subject: Person, as the corpus says it.
        task: Task, as the table says it.
        first: Number of the first frame.
        labels: Codes [T] by column of the table.
        pictures: Frames, uint8 [T, H, W, 3].
        view: Number of the camera, as the table says it.
        attributes: What the table says of every frame besides, by column.
    """

    corpus: str
    subject: str
    task: str
    first: int
    labels: dict[str, np.ndarray]
    pictures: np.ndarray
    view: int | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name of the sidecar file, or of the folder of images."""
        if self.corpus == "multiview":
            return str(Path(images_of(self)[0]).parent)
        part = "VA" if self.subject.startswith("r") else "TR"
        return {
            "fera2017": f"FERA17_{part}_{self.subject}_{self.task}_6",
            "bp4d": f"{self.subject}_{self.task}",
            "bp4dplus": f"{self.subject}_{self.task}",
            "disfa": f"LeftVideo{self.subject}_comp",
            "disfaplus": f"{self.subject}_{self.task}",
            "gft": self.subject,
            "unbc": self.subject[4:] + self.task[5:],
            "multipie": f"{self.subject}#{self.subject} {self.task} {self.view}",
        }[self.corpus]

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + len(self.pictures))


_CAMERAS = {"19_0": 4, "05_1": 7}  # of Multi-PIE, with its view
_FLASHES = (0, 7, 19)
_POSED = {"s1r1": "neutral", "s1r2": "smile", "s3r1": "neutral", "s3r2": "smile", "s3r3": "disgust"}
_RECORDINGS = {  # subject, task, first frame number, frames
    "fera2017": [("F001", "T1", 1, 24), ("M004", "T2", 1, 21), ("rF001", "T1", 1, 26)],
    "bp4d": [("F001", "T1", 2440, 14), ("F003", "T2", 96, 12), ("M009", "T1", 995, 11)],
    "bp4dplus": [("F004", "T1", 2440, 13), ("M003", "T6", 96, 12)],
    "disfa": [("SN001", "S1", 1, 24), ("SN006", "S1", 1, 21)],
    "disfaplus": [("SN001", "A1_AU1_TrailNo_1", 0, 14), ("SN013", "Y_HappyDescribed_TrailNo_1", 0, 12)],
    "gft": [("001A", "conversation", 1, 24), ("008B", "conversation", 1, 21)],
    "unbc": [("042-ll042", "ll042t1aaaff", 1, 14), ("095-tv095", "tv095t2aeunaff", 1, 12)],
    "multipie": [(person, task, 0, 1) for person in ("041", "307") for task in _POSED],
    "multiview": [(person, task, 0, 3) for person in ("041", "307") for task in _POSED for _ in _CAMERAS],
}


def recordings(corpus: str) -> list[Recording]:
    """The recordings of a corpus; the same ones in every process."""
    made = []
    for index, (subject, task, first, count) in enumerate(_RECORDINGS[corpus]):
        rng = np.random.default_rng([CORPORA.index(corpus), index])
        labels = _labels(corpus, count, rng)
        made.append(Recording(corpus, subject, task, first, labels, _pictures(count, rng)))
    return [_posed(each, number) for number, each in enumerate(made)] if corpus in OPTIONS else made


def _posed(recording: Recording, number: int) -> Recording:
    """What is true besides of a recording of Multi-PIE."""
    said = {
        "session": recording.task[1],
        "expression": _POSED[recording.task],
        "gender": {"041": "female", "307": "male"}[recording.subject],
    }
    if recording.corpus == "multipie":
        return replace(recording, view=0, attributes=said)
    camera, view = list(_CAMERAS.items())[number % len(_CAMERAS)]
    return replace(
        recording, view=view, attributes={**said, "camera": camera}, labels={"flash": np.array(_FLASHES)}
    )


def _pictures(count: int, rng: np.random.Generator) -> np.ndarray:
    cells = np.repeat(rng.integers(40, 216, (GRID, GRID, 3))[None], count, axis=0)
    for number in range(count):
        for bit in range(5):
            level = 220 if number >> bit & 1 else 30
            cells[number, 2, bit] = cells[number, 4, bit] = level
    face = cells.repeat(CELL, axis=1).repeat(CELL, axis=2)
    frames = np.full((count, *SIZE, 3), 90, np.uint8)
    frames[:, :, LEFT:-LEFT] = face
    return frames


def crops(pictures: np.ndarray) -> np.ndarray:
    """What registration makes of the pictures, float [T, 32, 32, 3]."""
    face = pictures[:, :, LEFT:-LEFT].astype(float)
    block = face.shape[1] // CROP
    return face.reshape(len(face), CROP, block, CROP, block, 3).mean((2, 4))


def landmarks(count: int) -> np.ndarray:
    """Sidecar [T, 68, 3] that crops the grid, whatever the picture."""
    block = CELL * GRID // CROP
    points = np.asarray(frontal_template(CROP)) * block + (block - 1) / 2 + (LEFT, 0)
    return np.repeat(np.pad(points, ((0, 0), (0, 1)))[None], count, axis=0).astype(np.float32)


def _labels(corpus: str, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    if corpus in OPTIONS:
        return {}
    occurrence = {"disfa": (), "gft": GFT_AUS}.get(corpus, CORPUS_AUS[corpus].occurrence)
    intensity = {"gft": GFT_LEVELS, "bp4dplus": ()}.get(corpus, CORPUS_AUS[corpus].intensity)
    codes = {f"AU{au:02d}_c": rng.integers(0, 2, count) for au in occurrence}
    codes |= {f"AU{au:02d}_r": rng.integers(0, 6, count) for au in intensity}
    if corpus == "unbc":
        codes |= {"AU43_r": codes["AU43_r"] % 2}
        codes |= {f"AU{au:02d}_c": (codes[f"AU{au:02d}_r"] >= 1).astype(int) for au in intensity}
    if corpus in ("disfa", "disfaplus"):
        codes |= {f"AU{au:02d}_c": (codes[f"AU{au:02d}_r"] >= 2).astype(int) for au in intensity}
    return codes


def write(corpus: str, root: Path) -> Path:
    """Write the release of a corpus with tracked landmarks beside it."""
    if corpus in OPTIONS:
        return _multipie(corpus, root)
    for recording in recordings(corpus):
        writers = {
            "fera2017": _fera2017,
            "bp4d": _bp4d,
            "bp4dplus": _bp4d,
            "disfa": _disfa,
            "disfaplus": _disfaplus,
            "gft": _gft,
            "unbc": _unbc,
        }
        writers[corpus](root, recording)
        path = root / "Landmarks" / f"{recording.title}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        points = landmarks(len(recording.pictures))
        np.save(path, points) if recording.title != BY_NAME else _openface(path.with_suffix(".csv"), points)
    return root


def _openface(path: Path, points: np.ndarray) -> None:
    """A table as OpenFace writes it of a folder of images: frames are counted from 1 in the order by name."""
    names = ["frame", "success", *(f"{axis}_{n}" for axis in "xy" for n in range(68))]
    rows = [[i, 1, *frame[:, 0], *frame[:, 1]] for i, frame in enumerate(points, 1)]
    write_lines(path, (",".join(map(str, cells)) for cells in [names, *rows]))


def _fera2017(root: Path, recording: Recording) -> None:
    part = "Valid" if recording.subject.startswith("r") else "Train"
    stem = recording.title[:-2]
    write_video(root / f"FERA17_{part}_MV" / f"{recording.title}.mp4", recording.pictures)
    aus = CORPUS_AUS["fera2017"]
    rows = [",".join(["frame", *map(str, aus.occurrence)])]
    for row, number in enumerate(recording.numbers):
        codes = (recording.labels[f"AU{au:02d}_c"][row] for au in aus.occurrence)
        rows.append(",".join(map(str, (number, *codes))))
    write_lines(root / f"{part}_Occ" / f"{stem}.csv", rows)
    for au in aus.intensity:
        _pairs(root / f"{part}_Int" / f"{stem}_AU{au:02d}_Int.csv", recording, f"AU{au:02d}_r")


def _bp4d(root: Path, recording: Recording) -> None:
    is_plus = recording.corpus == "bp4dplus"
    sequences = "2D+3D" if is_plus else "Sequences(2D+3D)"
    folder = root / sequences / recording.subject / recording.task
    folder.mkdir(parents=True)
    digits = 4 if recording.subject.startswith("F") else 3
    for row, picture in zip(recording.numbers, recording.pictures, strict=True):
        number = row - is_plus  # a row of codes belongs to the image before that of its number
        Image.fromarray(picture).save(folder / f"{number:0{digits}d}.jpg", quality=95, subsampling=0)
    writer = named_occurrence if is_plus or recording.subject == "M009" else legacy_occurrence
    aus = CORPUS_AUS[recording.corpus].occurrence if is_plus else BP4D_AUS
    codes = {au: recording.labels[f"AU{au:02d}_c"].tolist() for au in aus}
    writer(root / "AUCoding/AU_OCC" / f"{recording.title}.csv", recording.numbers, codes)
    for au in () if is_plus else CORPUS_AUS["bp4d"].intensity:
        path = root / "AUCoding/AU_INT" / f"AU{au:02d}" / f"{recording.title}_AU{au:02d}.csv"
        _pairs(path, recording, f"AU{au:02d}_r")


def _disfa(root: Path, recording: Recording) -> None:
    ending = "avi" if recording.subject == "SN001" else "mp4"
    write_video(root / "Videos_LeftCamera" / f"{recording.title}.{ending}", recording.pictures)
    for au in DISFA_AUS:
        path = root / "ActionUnit_Labels" / recording.subject / f"{recording.subject}_au{au}.txt"
        _pairs(path, recording, f"AU{au:02d}_r")


def _disfaplus(root: Path, recording: Recording) -> None:
    where = Path(recording.subject) / recording.task
    (root / "Images" / where).mkdir(parents=True)
    names = [f"{number:03d}.jpg" for number in recording.numbers]
    for name, picture in zip(names, recording.pictures, strict=True):
        Image.fromarray(picture).save(root / "Images" / where / name, quality=95, subsampling=0)
    write_lines(root / "Images" / where / "TimeStamp.txt", (f"{name}  0.05" for name in names))
    for au in DISFA_AUS:
        codes = recording.labels[f"AU{au:02d}_r"]
        rows = [f"{name}     {code}" for name, code in zip(names, codes, strict=True)]
        write_lines(root / "Labels" / where / f"AU{au}.txt", [f"# Action unit {au}", "# image code", *rows])


def _gft(root: Path, recording: Recording) -> None:
    write_video(root / "videos" / f"{recording.title}.mp4", recording.pictures)
    for name, column, aus in (("codes", "c", GFT_AUS), ("levels", "r", GFT_LEVELS)):
        rows = [",".join(["frame", *(f"AU{au:02d}" for au in aus)])]
        for row, number in enumerate(recording.numbers):
            rows.append(
                ",".join(map(str, (number, *(recording.labels[f"AU{au:02d}_{column}"][row] for au in aus))))
            )
        write_lines(root / name / f"{recording.subject}{'_int' if column == 'r' else ''}.csv", rows)
    columns: dict[str, Any] = {
        "videos": "{person}.mp4",
        "labels": "{person}.csv",
        "frame": "frame",
        "first_frame": 1,
        "occurrence": {au: f"AU{au:02d}" for au in GFT_AUS},
        "missing": [9],
        "intensity_labels": "{person}_int.csv",
        "intensity": {au: f"AU{au:02d}" for au in GFT_LEVELS},
    }
    (root / "gft_columns.yaml").write_text(yaml.safe_dump(columns, sort_keys=False))


def _unbc(root: Path, recording: Recording) -> None:
    where = Path(recording.subject) / recording.task
    (root / "Images" / where).mkdir(parents=True)
    for place, number in enumerate(recording.numbers):
        name = f"{recording.task}{number:03d}"
        Image.fromarray(recording.pictures[place]).save(root / "Images" / where / f"{name}.png")
        levels = {au: int(recording.labels[f"AU{au:02d}_r"][place]) for au in CORPUS_AUS["unbc"].intensity}
        rows = [
            f"  {au:.7e}  {level:.7e}  0.0000000e+00  0.0000000e+00" for au, level in levels.items() if level
        ]
        write_lines(root / "Frame_Labels/FACS" / where / f"{name}_facs.txt", rows)
        pain = levels[4] + max(levels[6], levels[7]) + max(levels[9], levels[10]) + levels[43]
        write_lines(root / "Frame_Labels/PSPI" / where / f"{name}_facs.txt", [f"  {pain:.7e}"])


def _multipie(corpus: str, root: Path) -> Path:
    """Both trees, each image with landmarks of its own, and the list of people."""
    for recording in recordings(corpus):
        for path, picture in zip(images_of(recording), recording.pictures, strict=True):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(root / path)
            points = (root / "Landmarks" / path).with_suffix(".npy")
            points.parent.mkdir(parents=True, exist_ok=True)
            np.save(points, landmarks(1))
    write_lines(root / "subject_list.txt", ["041 1960 Female 1 0 1 0", "307 1981 Male 1 0 1 0"])
    return root


def images_of(recording: Recording) -> list[str]:
    """Names of the images of a recording of Multi-PIE."""
    person, session, number = recording.subject, f"0{recording.task[1]}", f"0{recording.task[3]}"
    if recording.corpus == "multipie":
        return [f"session{session}/highres/{person}/{person}_{number}.png"]
    camera = recording.attributes["camera"]
    stem = f"session{session}/multiview/{person}/{number}/{camera}/{person}_{session}_{number}_"
    return [f"{stem}{camera.replace('_', '')}_{flash:02d}.png" for flash in _FLASHES]


def _pairs(path: Path, recording: Recording, column: str) -> None:
    rows = zip(recording.numbers, recording.labels[column], strict=True)
    write_lines(path, [f"{number},{code}" for number, code in rows])


def encoder(container: av.container.OutputContainer, codec: str, size: tuple[int, int]) -> av.VideoStream:
    """A video stream of height and width `size`: key frames every 8 frames, B frames where it has them."""
    stream = container.add_stream(codec, rate=Fraction(25))
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.gop_size = 8
    if codec == "libx264":
        stream.codec_context.options = {
            "crf": "14",
            "preset": "veryfast",
            "x264-params": "scenecut=0:bframes=2",
        }
    else:
        stream.codec_context.options = {"qscale": "2"}
    return stream


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    times: Iterable[int] | None = None,
    container_format: str | None = None,
    codec: str | None = None,
) -> None:
    """Write pictures at these times, in frames (by default 0, 1, …): MPEG-4 in AVI, otherwise H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = list(pictures)
    codec = codec or ("mpeg4" if path.suffix == ".avi" else "libx264")
    with av.open(str(path), "w", format=container_format) as container:
        stream = encoder(container, codec, frames[0].shape[:2])
        for time, picture in zip(times or range(len(frames)), frames, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
