"""Damage to the tracked landmarks beside the videos."""

from __future__ import annotations

import io

import numpy as np

from tests.fuzz import healthy
from tests.fuzz.catalogue import ALL, Release, corruption


def _save(release: Release, array: np.ndarray, **options: bool) -> None:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    release.write(_path(release), stream.getvalue())


def _path(release: Release):
    return sorted((release.root / "Landmarks").rglob("*.npy"))[0]


def _points(release: Release) -> np.ndarray:
    return np.load(_path(release))


@corruption(*ALL)
def landmarks_too_short(release: Release) -> None:
    """A row is missing: whose is not known, so none is used, or the frames at the end are counted."""
    _save(release, _points(release)[:-1])


@corruption(*ALL)
def landmarks_too_long(release: Release) -> None:
    """There are rows of frames that are not there."""
    points = _points(release)
    _save(release, np.concatenate([points, points[:2]]))


@corruption(*ALL)
def landmarks_not_finite(release: Release) -> None:
    """A frame has no face, or an infinite one: it is counted."""
    points = _points(release)
    points[int(release.rng.integers(len(points)))] = release.rng.choice([np.nan, np.inf, -np.inf])
    _save(release, points)


@corruption(*ALL)
def landmarks_in_one_point(release: Release) -> None:
    """All points of a frame coincide: it is counted."""
    points = _points(release)
    points[int(release.rng.integers(len(points)))] = 7
    _save(release, points)


@corruption(*ALL)
def landmarks_far_away(release: Release) -> None:
    """The points of a frame are far outside of it (1e30): it is counted."""
    points = _points(release)
    points[int(release.rng.integers(len(points)))] *= np.float32(10.0 ** int(release.rng.integers(6, 30)))
    _save(release, points)


@corruption(*ALL)
def landmarks_of_another_type(release: Release) -> None:
    """Whole numbers, text, complex numbers, times or records in place of floats: an error."""
    kinds = ["i8", "S8", "c8", "M8[s]", "f4,f4", "U2", "?"]
    _save(release, np.zeros((24, 68, 3), str(release.rng.choice(kinds))))


@corruption(*ALL)
def landmarks_of_another_shape(release: Release) -> None:
    """66 points, two coordinates, one frame or no axis: an error."""
    shapes = [(24, 66, 3), (24, 68, 2), (68, 3), (), (0, 68, 3), (24, 204)]
    _save(release, np.zeros(shapes[int(release.rng.integers(len(shapes)))], np.float32))


@corruption(*ALL)
def landmarks_in_double_precision(release: Release) -> None:
    """Float64, big-endian or in Fortran's order: read."""
    points = _points(release).astype(str(release.rng.choice(["f8", ">f4", ">f8"])))
    _save(release, np.asfortranarray(points) if release.rng.integers(2) else points)


@corruption(*ALL)
def landmarks_pickled(release: Release) -> None:
    """An array of Python objects, which could run code: refused."""
    _save(release, np.array([[1, "x"], [None, 2]], dtype=object), allow_pickle=True)


@corruption(*ALL)
def landmarks_that_claim_a_trillion(release: Release) -> None:
    """The header says 10^12 elements: refused before memory is asked for."""
    content = _path(release).read_bytes()
    size = int.from_bytes(content[8:10], "little")
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (4901960785, 68, 3), }"
    release.write(_path(release), content[:10] + text.encode().ljust(size - 1) + b"\n" + content[10 + size :])


@corruption(*ALL)
def landmarks_with_a_hostile_header(release: Release) -> None:
    """The header is no dictionary, negative, nested or of an unknown version: an error."""
    content = _path(release).read_bytes()
    size = int.from_bytes(content[8:10], "little")
    texts = [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 68, 3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2.5, 68, 3), }",
        "(" * 100,
        "{'descr': [('a', '<f4')], 'fortran_order': 3, 'shape': 24}",
        "__import__('os').abort()",
    ]
    text = texts[int(release.rng.integers(len(texts)))]
    version = bytes([int(release.rng.choice([1, 1, 1, 2, 3, 9])), 0])
    header = content[:6] + version + content[8:10] + text.encode().ljust(size - 1) + b"\n"
    release.write(_path(release), header + content[10 + size :])


@corruption(*ALL)
def landmarks_cut_off(release: Release) -> None:
    """The file ends early."""
    content = _path(release).read_bytes()
    release.write(_path(release), content[: int(len(content) * release.rng.uniform(0, 0.99))])


@corruption(*ALL)
def landmarks_missing(release: Release) -> None:
    """There are none of one video: an error, or its frames are counted."""
    _path(release).unlink()


@corruption(*ALL)
def landmarks_are_text(release: Release) -> None:
    """A table of numbers as text is called .npy."""
    release.write(_path(release), "1 2 3\n" * 68)


@corruption("bp4d")
def landmarks_by_name_or_by_number(release: Release) -> None:
    """An array of images that come in another order by name than by number: an error, since both may be."""
    table = release.root / "Landmarks" / f"{healthy.BY_NAME}.csv"
    count = len(table.read_text().splitlines()) - 1
    table.unlink()
    np.save(table.with_suffix(".npy"), healthy.landmarks(count))
