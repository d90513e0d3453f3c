"""Multi-PIE: layout, expressions, cameras, published counts and reader, which its stand-in shares."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from aukit.datasets.check_report import Counts, Published
from aukit.datasets.files import SIDECAR_FOLDER, inside, join, no_file, put
from aukit.datasets.genders import WORDS
from aukit.datasets.listed_frames import ListedFrames
from aukit.datasets.stamps import file_stamp
from aukit.errors import CorpusError, shown
from aukit.utils.outside import read_text

NAMESPACE = "MultiPIE"
TREES = ("highres", "multiview")
NEUTRAL = "neutral"
EXPRESSIONS: dict[tuple[int, int], str] = {
    (1, 1): NEUTRAL, (2, 1): NEUTRAL, (3, 1): NEUTRAL, (4, 1): NEUTRAL, (4, 2): NEUTRAL,
    (1, 2): "smile", (3, 2): "smile", (2, 2): "surprise", (2, 3): "squint", (3, 3): "disgust",
    (4, 3): "scream",
}  # fmt: skip
"""Expression of each session and recording."""

YAWS: dict[str, int] = {
    "24_0": 90, "01_0": 75, "20_0": 60, "19_0": 45, "04_1": 30, "05_0": 15, "05_1": 0, "14_0": -15,
    "13_0": -30, "08_0": -45, "09_0": -60, "12_0": -75, "11_0": -90,
}  # fmt: skip
"""Yaw in degrees of the head before each camera at its height, +90 the right profile."""
CAMERAS = (*YAWS, "19_1", "08_1")
"""All fifteen cameras; the last two look down. The place of one here, from 1, is its `view`; 0 is highres."""
FRONTAL = "05_1"
PEOPLE = 337
SUBJECT_LIST = "subject_list.txt"
"""Name in the root of the release's list of people: ``id birthyear Male|Female s1 s2 s3 s4``."""

PUBLISHED = Published({NAMESPACE: Counts(PEOPLE)}, {})

_ENDING = r"\.(?:png|jpg|jpeg|bmp)"
_FLAGS = re.IGNORECASE | re.ASCII
_SESSION = re.compile(r"session0?([1-4])", _FLAGS)
_MULTIVIEW = re.compile(rf"(\d{{3}})_(0[1-4])_(0[1-3])_(\d{{3}})_(\d{{2}}){_ENDING}", _FLAGS)
_HIGHRES = re.compile(rf"(\d{{3}})_(0[1-3])(?:_[\w-]+)?{_ENDING}", _FLAGS)
_LIST_LINE = re.compile(r"0*(\d{1,3})\s+(\d{4}|-?\d)\s+(male|female|m|f)((?:\s+\d){0,4})", _FLAGS)
_LIST_BYTES = 2**20
_IMAGE_LIKE = re.compile(rf".*{_ENDING}", re.IGNORECASE)
_SESSIONS = 4
_MOST_NAMES = 20


class _Place(NamedTuple):
    """What the names of folders say.

    Attributes:
        session: 1 to 4.
        tree: One of `TREES`.
        below: Names of the folders below that of the tree.
    """

    session: int
    tree: str
    below: list[str]


class _Listed(NamedTuple):
    """What the list of people says of one.

    Attributes:
        gender: ``female`` or ``male``.
        came: Sessions that the person came to; None where the list does not say it.
    """

    gender: str
    came: frozenset[int] | None


class MultiPIE(ListedFrames):
    """CMU Multi-PIE: 337 people in up to four sessions, posed expressions, 15 cameras, 20 flashes; no codes.

    *Format.* ``session01/multiview/001/01/05_1/001_01_01_051_07.png``: person, recording and camera, and in
    the name person, session, recording, camera and flash; ``session01/highres/001/001_01.png``, frontal
    photographs of high resolution, whose second number is the recording. How these are called is known from
    one reader alone: anything may follow the two numbers. Folders are found anywhere below the root by the
    part ``session01``, with ``highres`` or ``multiview`` in it. Images that others have of a recording, and
    sessions that the list of people names, are noted where they are missing.

    *Labels.* There are none of action units: a source of faces, not of labels. Session and recording say what
    was posed: the attribute ``expression`` (neutral, smile, surprise, squint, disgust, scream). Further
    attributes are ``session``, ``camera`` and ``flash``; ``task`` is session and recording (``s1r2``), and
    ``view`` the place of the camera in `CAMERAS` from 1, 0 for highres.

    *Splits.* None; ``partition`` is ``MultiPIE``. People are ``MultiPIE/001`` and so on. Genders come from
    the release's list of people (`SUBJECT_LIST` in the root, or `subjects`) and from a table
    (`aukit.datasets.genders`), which goes first.

    *Citation.* Gross et al., "Multi-PIE", Image and Vision Computing 28(5), 2010. The corpus is licensed and
    not part of aukit.

    Args:
        root: Folder of the release.
        tree: Which images: ``highres``, or those of ``multiview``.
        cameras: Of ``multiview``: names of the cameras, such as 05_1, the frontal one.
        flashes: Of ``multiview``: numbers of the flashes, 0 to 19 (0: none); None for all.
        expressions: Which of them; None for all.
        subjects: The list of people; None for the one in the root, if it is there.
        landmarks: Table or folder of landmarks (`aukit.datasets.Table`); None for the folder Landmarks in the
            root, if it is there.
        persons: Global person ids to keep; None for all.
        follow_links: Whether links to files and folders are followed wherever they lead.

    Raises:
        CorpusError: The root is missing or holds nothing of what is asked for; a name contradicts its folder,
            the list of people or what the corpus has; an image is there twice; a line of the list is damaged.

    Example:
        >>> corpus = MultiPIE("Multi-Pie", tree="highres", expressions=["neutral"])  # doctest: +SKIP
        >>> corpus.table.attributes  # doctest: +SKIP
        ('expression', 'path', 'session')
    """

    name = "multipie"
    namespace = NAMESPACE
    corpus_title = "Multi-PIE"
    example = "session01/multiview/001/01/05_1/001_01_01_051_07.png"
    label_columns = MappingProxyType({})

    def __init__(
        self,
        root: str | Path,
        tree: Literal["highres", "multiview"] = "highres",
        cameras: Sequence[str] = (FRONTAL,),
        flashes: Sequence[int] | None = None,
        expressions: Sequence[str] | None = None,
        subjects: str | Path | None = None,
        landmarks: str | Path | None = None,
        persons: Sequence[str] | None = None,
        follow_links: bool = False,
    ) -> None:
        _require("tree", [tree], TREES)
        _require("cameras", cameras, CAMERAS)
        _require("flashes", flashes or (), range(20))
        _require("expressions", expressions or (), dict.fromkeys(EXPRESSIONS.values()))
        self.tree, self.cameras, self.expressions = tree, tuple(cameras), expressions
        self.flashes = None if flashes is None else tuple(flashes)
        self.subjects = subjects
        if tree == "multiview":
            which = "all flashes" if flashes is None else f"flashes {' '.join(map(str, flashes))}"
            self.asked = f"the cameras {' '.join(self.cameras)}, {which}"
        else:
            self.asked = "the photographs of high resolution"
        if expressions is not None:
            self.asked += f", {' '.join(expressions)}"
        self.options = self.asked
        super().__init__(root, landmarks, persons, follow_links)

    @property
    def settings(self) -> list[str]:
        """Which images are read, and that they have no codes."""
        return [f"read are {self.asked}; the corpus codes no action units"]

    def _read_list(self) -> pd.DataFrame:
        people = self._people()
        rows: list[dict[str, object]] = []
        others: Counter[str] = Counter()
        seen: dict[tuple[int, str], str] = {}
        for folder in self._walk(self.root):
            parts = Path(folder.path).parts
            if SIDECAR_FOLDER in parts:
                continue
            images = [*filter(_IMAGE_LIKE.fullmatch, folder.files)]
            if (place := _place_of(parts)) is None:
                self.unrecognised += [join(folder.path, name) for name in images]
                continue
            if place.tree != self.tree:
                others[place.tree] += len(folder.files)
                continue
            if pipes := [*filter(_IMAGE_LIKE.fullmatch, folder.others)]:
                raise no_file(self.root / join(folder.path, pipes[0]))
            for name in images:
                path = join(folder.path, name)
                if (row := self._row(place, path, name)) is None:
                    self.unrecognised.append(path)
                    continue
                _require_came(people.get(str(row["subject"])), place.session, path)
                put(seen, (place.session, Path(name.lower()).stem), path)
                if self._is_asked(row):
                    rows.append(row)
        if not rows:
            there = "".join(f"; there are {n} files of {tree}" for tree, n in others.items())
            raise CorpusError(
                f"{self.root}: holds no image of {self.asked} called like {self._usual_name()}{there}. "
                "Unpack the release there, or write a stand-in: aukit standin multipie --root FOLDER"
            )
        listed = pd.DataFrame(rows)
        genders = {subject: person.gender for subject, person in people.items()}
        listed["gender"] = [
            self.genders.get(str(person), genders.get(str(subject)))
            for person, subject in zip(listed["person"], listed["subject"], strict=True)
        ]
        self._note_gaps(listed, people)
        return listed

    def _row(self, place: _Place, path: str, name: str) -> dict[str, object] | None:
        """What an image is by its name; None for a name of another kind."""
        camera = flash = None
        if self.tree == "multiview":
            if (match := _MULTIVIEW.fullmatch(name)) is None:
                return None
            subject, session, number = match[1], int(match[2]), match[3]
            camera, flash = f"{match[4][:2]}_{match[4][2]}", int(match[5])
            if camera not in CAMERAS or flash > 19:
                return None
            folders = [subject, number, camera]
        else:
            if (match := _HIGHRES.fullmatch(name)) is None:
                return None
            subject, session, number = match[1], place.session, match[2]
            folders = [subject]
        if session != place.session or place.below[: len(folders)] != folders:
            raise CorpusError(
                f"{path}: lies in a folder of another session, person, recording or camera than its name "
                "says; which is right is not guessed: copy it again"
            )
        recording = int(number)
        if (session, recording) not in EXPRESSIONS:
            raise CorpusError(
                f"{path}: there is no recording {recording} of session {session}: the name or the folder is "
                "that of another; copy it again, or move it out of the release"
            )
        row: dict[str, object] = {
            "path": path,
            "is_video": False,
            "frame": np.nan if flash is None else float(flash),
            "person": f"{self.namespace}/{subject}",
            "subject": subject,
            "gender": None,
            "task": f"s{session}r{recording}",
            "view": 0 if camera is None else 1 + CAMERAS.index(camera),
            "partition": NAMESPACE,
            "session": str(session),
            "expression": EXPRESSIONS[session, recording],
        }
        return row if camera is None else {**row, "camera": camera, "flash": str(flash)}

    def _is_asked(self, row: dict[str, object]) -> bool:
        if self.expressions is not None and row["expression"] not in self.expressions:
            return False
        if self.tree == "highres":
            return True
        flashes = self.flashes
        return row["camera"] in self.cameras and (flashes is None or int(str(row["flash"])) in flashes)

    def _note_gaps(self, listed: pd.DataFrame, people: Mapping[str, _Listed]) -> None:
        """Note which images are not there, by the list of people and by what others have."""
        images = Counter(zip(*(listed[name] for name in ("subject", "session", "task", "view")), strict=True))
        if self.tree == "highres":  # how many photographs there are of a recording is not known
            images = Counter(dict.fromkeys(images, 1))
        most: dict[tuple[str, str, int], int] = {}
        for (_, session, task, view), number in images.items():
            most[session, task, view] = max(number, most.get((session, task, view), 0))
        came = {(subject, session) for subject, session, _, _ in images}
        posed = {
            session
            for (session, _), expression in EXPRESSIONS.items()
            if self.expressions is None or expression in self.expressions
        }
        absent = [
            f"{subject} session {session}"
            for subject, person in sorted(people.items())
            for session in sorted((person.came or frozenset()) & posed)
            if (subject, str(session)) not in came and self._is_person_asked(subject)
        ]
        fewer = [
            f"{subject} {task}{f' {CAMERAS[view - 1]}' if view else ''} ({there} of {number})"
            for subject, session in sorted(came)
            for (of, task, view), number in sorted(most.items())
            if of == session and (there := images[subject, session, task, view]) < number
            if self._is_person_asked(subject)
        ]
        notes = {
            f"times a person of {SUBJECT_LIST} has no image of a session that it names": absent,
            "times a person has fewer images of a recording than others": fewer,
        }
        self._layout_notes += [f"{len(some)} {what}: {_some(some)}" for what, some in notes.items() if some]

    def _is_person_asked(self, subject: str) -> bool:
        return self.persons is None or f"{self.namespace}/{subject}" in self.persons

    def _stamps(self) -> dict[str, str]:
        path = self._list_path
        return {**super()._stamps(), **({} if path is None else {"people": file_stamp(path, content=True)})}

    def _usual_name(self) -> str:
        return self.example if self.tree == "multiview" else "session01/highres/001/001_01.png"

    @property
    def _list_path(self) -> Path | None:
        """The list of people; None where there is none."""
        if self.subjects is not None:
            return Path(self.subjects)
        there = (self.root / SUBJECT_LIST).exists()
        return inside(self.root, SUBJECT_LIST, self.follow_links) if there else None

    def _people(self) -> dict[str, _Listed]:
        """What the list of people says of each."""
        if (path := self._list_path) is None:
            return {}
        try:
            lines = read_text(path, _LIST_BYTES).splitlines()
        except (OSError, ValueError) as error:
            raise CorpusError(f"{path}: cannot be read ({error}); copy it again") from error
        people: dict[str, _Listed] = {}
        for number, line in enumerate(lines, 1):
            if not (text := line.strip()):
                continue
            if (match := _LIST_LINE.fullmatch(text)) is None:
                raise CorpusError(
                    f"{path}, line {number}: {shown(text)!r}, expected id, year of birth, Male or Female, "
                    "and a number per session; copy the file again"
                )
            subject, numbers = f"{int(match[1]):03d}", match[4].split()
            came = [session for session, there in enumerate(numbers, 1) if there != "0"]
            person = _Listed(WORDS[match[3].lower()], frozenset(came) if len(numbers) == _SESSIONS else None)
            if (other := people.setdefault(subject, person)) != person:
                what = (
                    "came to other sessions" if other.gender == person.gender else "is both female and male"
                )
                raise CorpusError(f"{path}, line {number}: {subject} {what} by another line; remove one line")
        return people


def _require_came(person: _Listed | None, session: int, path: str) -> None:
    """Check an image against the list of people: nothing but its folder says when a photograph was taken."""
    if person is not None and person.came is not None and session not in person.came:
        raise CorpusError(
            f"{path}: by {SUBJECT_LIST} this person did not come to session {session}; copy the folder "
            "again, or correct the list"
        )


def _place_of(parts: Sequence[str]) -> _Place | None:
    """What the names of a folder and of those above it say; None where it is in neither tree."""
    for number, (above, part) in enumerate(itertools.pairwise(parts)):
        if (match := _SESSION.fullmatch(above)) is not None and part.lower() in TREES:
            return _Place(int(match[1]), part.lower(), [*parts[number + 2 :]])
    return None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _require(name: str, given: Iterable[object], known: Collection[object]) -> None:
    for each in given:
        if each not in known:
            raise CorpusError(f"{name} {each!r}: Multi-PIE has {', '.join(map(str, known))}")
