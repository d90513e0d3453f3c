"""Damage to what says whom and what an image of Multi-PIE shows: names, folders, the list of people."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from tests.fuzz import healthy
from tests.fuzz.catalogue import Release, corruption

_BOTH = tuple(healthy.OPTIONS)
_PERSON, _OTHER = "041", "307"


def _tree(release: Release) -> str:
    return "highres" if release.corpus == "multipie" else "multiview"


def _person(release: Release, session: str = "session03") -> Path:
    """Folder of a person."""
    return release.root / session / _tree(release) / _PERSON


def _renamed(release: Release, place: int, text: str) -> None:
    """Give an image another text at a place of its name, which underscores part."""
    path = release.image()
    parts = path.stem.split("_")
    parts[place] = text
    path.rename(release.beside(path, "_".join(parts) + path.suffix))


@corruption(*_BOTH)
def posed_image_missing(release: Release) -> None:
    """An image is gone: told, since others have it."""
    release.image().unlink()


@corruption(*_BOTH)
def posed_recording_missing(release: Release) -> None:
    """All images of a folder are gone: told."""
    for path in release.image().parent.iterdir():
        path.unlink()


@corruption(*_BOTH)
def posed_session_missing(release: Release) -> None:
    """A session was not unpacked: told by the list of people."""
    shutil.rmtree(release.root / str(release.rng.choice(["session01", "session03"])))


@corruption(*_BOTH)
def posed_person_missing(release: Release) -> None:
    """A person was not unpacked, in one session or at all: told by the list of people."""
    sessions = ["session01", "session03"]
    for session in sessions[int(release.rng.integers(2)) :]:
        shutil.rmtree(_person(release, session))


@corruption(*_BOTH)
def session_misspelt(release: Release) -> None:
    """The folder of a session has a name that is not known: its images are not taken for another's."""
    names = ["sess3", "session 3", "Session_03", "session03 (1)", "session0٣", "session5", "03"]
    (release.root / "session03").rename(release.root / str(release.rng.choice(names)))


@corruption(*_BOTH)
def session_renamed(release: Release) -> None:
    """The folder of a session has the name of another one, to which nobody came: an error."""
    (release.root / "session03").rename(release.root / str(release.rng.choice(["session02", "session4"])))


@corruption(*_BOTH)
def sessions_swapped(release: Release) -> None:
    """The folders of two sessions have each other's names: an error."""
    one, two = release.root / "session01", release.root / "session03"
    one.rename(release.root / "kept")
    two.rename(one)
    (release.root / "kept").rename(two)


@corruption(*_BOTH)
def folders_in_another_case(release: Release) -> None:
    """Folders have capitals, lie deeper, or their number has no zero: read."""
    path = release.root / str(release.rng.choice(["SESSION03", "Session3", "data/x/session03"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    (release.root / "session03").rename(path)
    tree = path / _tree(release)
    tree.rename(tree.with_name(tree.name.title()))
    landmarks = release.root / "Landmarks"
    for image in path.rglob("*.png"):  # their landmarks lie where they do
        points = (landmarks / image.relative_to(release.root)).with_suffix(".npy")
        points.parent.mkdir(parents=True, exist_ok=True)
        np.save(points, healthy.landmarks(1))


@corruption(*_BOTH)
def tree_misspelt(release: Release) -> None:
    """The folder of a tree has another name: its images are told."""
    tree = release.root / "session03" / _tree(release)
    tree.rename(tree.with_name(str(release.rng.choice([f"{tree.name}2", "hires", "images"]))))


@corruption(*_BOTH)
def person_renamed(release: Release) -> None:
    """The folder of a person has the name of another one: an error."""
    path = _person(release)
    if release.rng.integers(2):
        shutil.rmtree(path.with_name(_OTHER))
        path.rename(path.with_name(_OTHER))
    else:
        path.rename(path.with_name(str(release.rng.choice(["042", "41", "0410", "Ann"]))))


@corruption(*_BOTH)
def people_swapped(release: Release) -> None:
    """The folders of two people have each other's names: an error."""
    one, two = _person(release), _person(release).with_name(_OTHER)
    one.rename(one.with_name("kept"))
    two.rename(one)
    one.with_name("kept").rename(two)


@corruption("multiview")
def recordings_swapped(release: Release) -> None:
    """The folders of two recordings have each other's names: an error."""
    one, two = _person(release) / "01", _person(release) / "02"
    one.rename(one.with_name("kept"))
    two.rename(one)
    one.with_name("kept").rename(two)


@corruption("multiview")
def cameras_swapped(release: Release) -> None:
    """The folders of two cameras have each other's names: an error."""
    one, two = _person(release) / "01" / "05_1", _person(release) / "01" / "19_0"
    one.rename(one.with_name("kept"))
    two.rename(one)
    one.with_name("kept").rename(two)


@corruption("multiview")
def image_named_after_another_person(release: Release) -> None:
    """An image has the name of another person: an error."""
    _renamed(release, 0, str(release.rng.choice(["042", "346"])))


@corruption("multiview")
def image_named_after_another_session(release: Release) -> None:
    """An image has the name of another session: an error."""
    _renamed(release, 1, str(release.rng.choice(["02", "04"])))


@corruption("multiview")
def image_named_after_another_recording(release: Release) -> None:
    """An image has the name of another recording than its folder: an error."""
    path = release.pick("*_01_0[12]_*_19.png")
    parts = path.stem.split("_")
    parts[2] = "01" if parts[2] == "02" else "02"
    path.rename(release.beside(path, "_".join(parts) + path.suffix))


@corruption("multiview")
def image_named_after_another_camera(release: Release) -> None:
    """An image has the name of another camera: an error; of one that is not there: told."""
    _renamed(release, 3, str(release.rng.choice(["080", "059", "0510", "99"])))


@corruption("multiview", undetectable="a name is all that says which flash it is")
def image_named_after_another_flash(release: Release) -> None:
    """An image and its landmarks have the number of a flash whose image is not there."""
    path = release.image()
    for old in (path, (release.root / "Landmarks" / path.relative_to(release.root)).with_suffix(".npy")):
        old.rename(old.with_name(f"{old.stem[:-2]}08{old.suffix}"))


@corruption("multiview")
def image_named_after_no_flash(release: Release) -> None:
    """An image has the number of a flash that the corpus does not have, or none: told."""
    _renamed(release, 4, str(release.rng.choice(["20", "99", "", "7", "-1", "١٩"])))


@corruption(
    "multipie", undetectable="a photograph's name is all that says what was posed; the gap is counted"
)
def photograph_renamed(release: Release) -> None:
    """The second photograph of a session is called the third, which is gone."""
    path = _person(release) / f"{_PERSON}_02.png"
    path.rename(release.beside(path, f"{_PERSON}_03.png"))


@corruption("multipie")
def photograph_of_a_recording_that_is_none(release: Release) -> None:
    """A photograph is called the third of the first session, which has two: an error."""
    path = _person(release, "session01") / f"{_PERSON}_02.png"
    path.rename(release.beside(path, f"{_PERSON}_03.png"))


@corruption(*_BOTH)
def posed_in_other_digits(release: Release) -> None:
    """The digits of a person are Arabic ones, in the name and the folder: nobody more."""
    path = release.image()
    folder = Path(str(path.parent).replace(f"/{path.name[:3]}", "/٠٤١"))
    folder.mkdir(parents=True, exist_ok=True)
    path.rename(folder / f"٠٤١{path.name[3:]}")


@corruption(*_BOTH)
def posed_without_zeros(release: Release) -> None:
    """The numbers in a name have lost their zeros: told."""
    path = release.image()
    parts = (part.lstrip("0") or "0" for part in path.stem.split("_"))
    path.rename(release.beside(path, "_".join(parts) + path.suffix))


@corruption(*_BOTH)
def posed_with_capitals(release: Release) -> None:
    """The ending has capitals: read."""
    path = release.image()
    path.rename(path.with_suffix(".PNG"))


@corruption(*_BOTH)
def posed_twice_with_another_ending(release: Release) -> None:
    """The same image as `.png` and `.jpg`, another one: which is meant is not guessed."""
    path = release.image()
    path.with_suffix(".jpg").write_bytes(release.image().read_bytes())


@corruption(*_BOTH)
def posed_twice_in_another_folder(release: Release) -> None:
    """The same image lies in a backup or a folder of thumbnails too: which is meant is not guessed."""
    path = release.image()
    inner = path.parent / "thumbs" / path.name
    backup = release.root / "old" / path.relative_to(release.root)
    copy = inner if release.rng.integers(2) else backup
    copy.parent.mkdir(parents=True)
    copy.write_bytes(release.image().read_bytes())


@corruption(*_BOTH)
def second_copies_of_posed(release: Release) -> None:
    """A browser's second copies and a system's files beside the images: not read."""
    path = release.image()
    for name in (f"{path.stem} (1).png", f"._{path.name}", f"{path.stem} - Copy.png", "Thumbs.db"):
        release.beside(path, name).write_bytes(b"\0" * 100)


@corruption(*_BOTH)
def person_is_a_link(release: Release) -> None:
    """The folder of a person is a link to that of another one: nobody's images are somebody else's."""
    path = _person(release)
    shutil.rmtree(path)
    path.symlink_to(_OTHER)


def _list(release: Release, text: str | bytes) -> None:
    release.write(release.label_file(), text)


_LINES = "041 1960 Female 1 0 1 0\n307 1981 Male 1 0 1 0\n"


@corruption(*_BOTH)
def list_of_people_ragged(release: Release) -> None:
    """A line of the list has a word that is not known, lacks a cell or has one more: an error."""
    bad = ["041 1960 Woman 1 0 1 0", "041 Female 1960 1 0 1 0", "041 1960", "041,1960,Female", "id year sex"]
    bad += ["041 1960 Female 1 0 1 0 1", "0041x 1960 Female", "٠٤١ 1960 Female 1 0 1 0"]
    _list(release, _LINES.replace("041 1960 Female 1 0 1 0", str(release.rng.choice(bad))))


@corruption(*_BOTH)
def list_of_people_contradicts_itself(release: Release) -> None:
    """A person has two lines that say different things: an error."""
    more = ["041 1960 Male 1 0 1 0\n", "41 1960 Female 1 1 1 1\n"]
    _list(release, _LINES + str(release.rng.choice(more)))


@corruption(*_BOTH)
def list_of_people_contradicts_the_folders(release: Release) -> None:
    """By the list a person came to other sessions than have images: an error."""
    _list(release, _LINES.replace("Female 1 0 1 0", str(release.rng.choice(["F 0 1 0 1", "F 1 0 0 0"]))))


@corruption(*_BOTH)
def list_of_people_cut_off(release: Release) -> None:
    """The list ends early: whose gender is lost is told."""
    _list(release, _LINES[: int(release.rng.integers(len(_LINES)))])


@corruption(*_BOTH)
def list_of_people_in_another_encoding(release: Release) -> None:
    """UTF-16, zeros, random bytes or ten megabytes in one line: an error, in bounded time and memory."""
    contents = [_LINES.encode("utf-16"), bytes(200), release.rng.bytes(4096), b"041 1960 F" + b" " * 10**7]
    _list(release, contents[int(release.rng.integers(len(contents)))])


@corruption(*_BOTH)
def list_of_people_spelt_otherwise(release: Release) -> None:
    """Windows' line ends, a byte order mark, tabs, blank lines, no zeros, small letters: read."""
    texts = [
        _LINES.replace("\n", "\r\n"),
        "\ufeff" + _LINES,
        _LINES.replace(" ", "\t").lower(),
        _LINES.replace("041", "41").replace("\n", "\n\n"),
        _LINES.replace("Female", "F").replace("Male", "m"),
        _LINES.replace(" 1 0 1 0", ""),
        _LINES * 2,
    ]
    _list(release, str(release.rng.choice(texts)))


@corruption(*_BOTH)
def list_of_people_missing(release: Release) -> None:
    """There is no list: genders are not known, which is told."""
    release.label_file().unlink()


@corruption(*_BOTH)
def list_of_people_names_others(release: Release) -> None:
    """The list has people of whom there is no image: told, the others are read."""
    _list(release, _LINES + "099 1970 Male 0 1 0 0\n")
