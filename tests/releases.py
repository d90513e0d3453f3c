"""Fake releases in the official layout: a few small frames, every quirk that is known."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from aukit.datasets.video import encode_video

BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FERA2017_AUS = (1, 4, 6, 7, 10, 12, 14, 15, 17, 23)
DISFA_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    write_lines(path, change(path.read_text().splitlines()))


def picture(number: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """RGB uint8 [H, W, 3] whose level tells its number."""
    return np.full((*size, 3), 40 + number % 160, np.uint8)


def legacy_occurrence(path: Path, frames: Iterable[int], codes: dict[int, Iterable[int]]) -> None:
    """100 columns named 0 to 99; columns that are not given hold 0."""
    rows = [",".join(map(str, range(100)))]
    columns = {au: list(values) for au, values in codes.items()}
    for i, frame in enumerate(frames):
        cells = [0] * 100
        cells[0] = frame
        for au, values in columns.items():
            cells[au] = values[i]
        rows.append(",".join(map(str, cells)))
    write_lines(path, rows)


def named_occurrence(path: Path, frames: Iterable[int], codes: dict[int, Iterable[int]]) -> None:
    """A header that names the AUs; its first cell means nothing and equals the second."""
    columns = [list(values) for values in codes.values()]
    names = list(map(str, codes))
    rows = [",".join([names[0], *names])]
    rows += [",".join(map(str, [frame, *(c[i] for c in columns)])) for i, frame in enumerate(frames)]
    write_lines(path, rows)


def bp4d_sequence(
    root: Path,
    subject: str,
    task: str,
    first: int,
    frames: int = 4,
    digits: int = 4,
    legacy: bool = True,
    images: str = "Sequences(2D+3D)",
    intensities: str = "AUCoding/AU_INT",
) -> None:
    """One sequence; in frame i the AUs are present whose number has the parity of i, with intensity i % 6."""
    numbers = range(first, first + frames)
    folder = root / images / subject / task
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(picture(number)).save(folder / f"{number:0{digits}d}.jpg")
    codes = {au: [int(au % 2 == i % 2) for i in range(frames)] for au in BP4D_AUS}
    writer = legacy_occurrence if legacy else named_occurrence
    writer(root / "AUCoding/AU_OCC" / f"{subject}_{task}.csv", numbers, codes)
    for au in (6, 10, 12, 14, 17):
        path = root / intensities / f"AU{au:02d}" / f"{subject}_{task}_AU{au:02d}.csv"
        write_lines(path, [f"{number},{i % 6}" for i, number in enumerate(numbers)])


def bp4d(root: Path) -> Path:
    """Four people of three parts, both spellings, both paddings, sequences that begin anywhere."""
    bp4d_sequence(root, "F001", "T1", 2440)
    bp4d_sequence(root, "F001", "T2", 7, digits=4, legacy=False)
    bp4d_sequence(root, "F003", "T1", 1, intensities="AUCoding/AU Intensity Codes3.0")
    bp4d_sequence(root, "M009", "T1", 98, digits=3, legacy=False)
    bp4d_sequence(root, "M010", "T8", 997, digits=3)  # 3 digits and then 4
    return root


def fera2017_recording(
    root: Path, person: str, frames: int = 6, first: int = 1, rows: int | None = None, view: int = 6
) -> None:
    """A video and its label files; in row i AU a is present if i + a is odd, with intensity (i + a) % 6."""
    stem, numbers = f"FERA17_TR_{person}_T1", range(first, first + (rows or frames))
    encode_video(
        root / "videos" / f"{stem}_{view}.mp4", [picture(20 * i, (32, 48)) for i in range(frames)], fps=5
    )
    lines = [[number, *((i + au) % 2 for au in FERA2017_AUS)] for i, number in enumerate(numbers)]
    header = ["frame", *FERA2017_AUS]
    write_lines(root / "occ" / f"{stem}.csv", (",".join(map(str, cells)) for cells in [header, *lines]))
    for au in (1, 4, 6, 10, 12, 14, 17):
        path = root / "int" / f"{stem}_AU{au:02d}_Int.csv"
        write_lines(path, [f"{number},{(i + au) % 6}" for i, number in enumerate(numbers)])


def fera2017(root: Path, first: int = 1) -> Path:
    """Three people of Train."""
    for person in ("F001", "F002", "M001"):
        fera2017_recording(root, person, first=first)
    return root


def disfa_person(
    root: Path, subject: str, frames: int = 5, first: int = 1, aus: Iterable[int] = DISFA_AUS
) -> None:
    """Both videos and the label files; in frame i AU a has the intensity (i + a) % 6."""
    for side in ("Left", "Right"):
        path = root / f"Videos_{side}Camera" / f"{side}Video{subject}_comp.avi"
        encode_video(path, [picture(20 * i, (32, 48)) for i in range(frames)], fps=20)
    for au in aus:
        path = root / "ActionUnit_Labels" / subject / f"{subject}_au{au}.txt"
        write_lines(path, [f"{first + i},{(i + au) % 6}" for i in range(frames)])


def disfa(root: Path) -> Path:
    """Three people, one of each part."""
    for subject in ("SN001", "SN006", "SN003"):
        disfa_person(root, subject)
    return root


def disfa_landmarks(
    root: Path, subject: str, numbers: Iterable[int], folder: str = "frame_lm", name: str = ""
) -> None:
    """Files whose points all are their number; a name has a place for it."""
    for number in numbers:
        file = (name or f"{subject}_{{:04d}}_lm.mat").format(number)
        path = root / "Landmark_Points" / subject / folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"pts": np.full((66, 2), float(number))})


def fgnet_lists(root: Path, size: int = 32) -> Path:
    """FG-Net's `data` folder: two frames of one BP4D person and of one DISFA person of each part."""
    for corpus, people, aus in (
        ("BP4D", {"P1": "F001/T1", "P2": "F003/T1", "P3": "M009/T8"}, BP4D_AUS),
        ("DISFA", {"P1": "SN001", "P2": "SN006", "P3": "SN003"}, (1, 2, 4, 6, 9, 12, 25, 26)),
    ):
        rows: dict[str, list[str]] = {}
        for part, where in people.items():
            for number in (11, 12):
                image = f"{corpus}/aligned_images/{where}/{number:05d}.jpg"
                (root / image).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture(number, (size, size))).save(root / image)
                points = root / image.replace("aligned_images", "aligned_landmarks").replace(".jpg", ".npy")
                points.parent.mkdir(parents=True, exist_ok=True)
                np.save(points, np.full((68, 2), float(number)))
                rows.setdefault(part, []).append(",".join([image, *(str((number + a) % 2) for a in aus)]))
        header = ",".join(["image_path", *(f"au{a}" for a in aus)])
        for fold in range(3):
            test, *train = (f"P{(fold + k) % 3 + 1}" for k in range(3))
            folder = root / corpus / "labels" / str(fold)
            listed = [row for part in train for row in rows[part]]
            write_lines(folder / "test.csv", [header, *rows[test]])
            write_lines(folder / "train.csv", [header, *listed])
            write_lines(folder / "train_100.csv", ["," + header, f"2,{listed[2]}", f"0,{listed[0]}"])
    return root


PARTS = {
    "BP4D": ({1: "F001/T1", 2: "F003/T1", 3: "M009/T8"}, BP4D_AUS, (98, 1003)),
    "DISFA": ({1: "SN001", 2: "SN006", 3: "SN003"}, (1, 2, 4, 6, 9, 12, 25, 26), (0, 1)),
}
"""Of fake lists, per corpus: a sequence of each part, action units, frame numbers."""


def listed_labels(number: int, aus: Iterable[int]) -> str:
    return " ".join(str((number + au) % 2) for au in aus)


def jaanet_lists(root: Path, size: int = 32) -> Path:
    """JAA-Net's `data` folder: two crops of each part, in all lists that name them."""
    for corpus, (parts, aus, numbers) in PARTS.items():
        for where in parts.values():
            for number in numbers:
                image = root / "imgs" / corpus / where / f"{number:0{4 if corpus == 'BP4D' else 1}d}.jpg"
                image.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture(number, (size, size))).save(image)
        for stem, chosen in {
            **{f"part{part}": (part,) for part in parts},
            **{f"combine_{a}_{b}": (a, b) for a, b in ((1, 2), (1, 3), (2, 3))},
        }.items():
            frames = [(parts[part], number) for part in chosen for number in numbers]
            paths = root / "list" / f"{corpus}_{stem}_path.txt"
            digits = 4 if corpus == "BP4D" else 1
            write_lines(paths, [f"{corpus}/{where}/{number:0{digits}d}.jpg" for where, number in frames])
            codes = [listed_labels(number, aus) for _, number in frames]
            write_lines(root / "list" / f"{corpus}_{stem}_AUoccur.txt", codes)
    return root


def megraphau_lists(root: Path, size: int = 32) -> Path:
    """ME-GraphAU's `data` folder: two images of each part; BP4D's lists do not pad numbers, its images do."""
    for corpus, (parts, aus, numbers) in PARTS.items():
        ending, digits = ("jpg", 4) if corpus == "BP4D" else ("png", 1)
        for part, where in parts.items():
            for number in numbers:
                image = root / corpus / "img" / where / f"{number:0{digits}d}.{ending}"
                image.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture(number, (size, size))).save(image)
            for name, chosen in (("test", [part]), ("train", [p for p in parts if p != part])):
                frames = [(parts[p], number) for p in chosen for number in numbers]
                stem = root / corpus / "list" / f"{corpus}_{name}"
                write_lines(
                    stem.with_name(f"{stem.name}_img_path_fold{4 - part}.txt"),
                    [f"{where}/{number}.{ending}" for where, number in frames],
                )
                write_lines(
                    stem.with_name(f"{stem.name}_label_fold{4 - part}.txt"),
                    [listed_labels(number, aus) for _, number in frames],
                )
    return root
