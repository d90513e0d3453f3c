"""The rows of a user's table, each value checked: from columns of text to those of a `FrameTable`."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from aukit.datasets.frame_table import GENDERS
from aukit.datasets.genders import WORDS as GENDER_WORDS
from aukit.datasets.images import is_picture
from aukit.datasets.person_ids import composed, corpus_namespace, spelling
from aukit.datasets.table_columns import Meaning
from aukit.datasets.table_file import NOTHING, Column
from aukit.errors import CorpusError

_ODD = re.compile(r"(^|/)\.?/|^\./")
_MOST = 2**40  # frame numbers are whole in a float
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


def read_rows(path: Path, meaning: Meaning, namespace: str, genders: dict[str, str]) -> pd.DataFrame:
    """Rows of a table in their order, checked each by itself and against each other.

    Args:
        path: The table, for messages.
        meaning: Its columns.
        namespace: First half of the ids of people who have only one half.
        genders: Genders by global person id, which go before those of the table.

    Returns:
        `path` (of an image or video), `is_video`, `frame` (NaN where not given), `person`, `subject`,
        `gender`, `task` (None where not given), `view`, `partition`; then labels and attributes.

    Raises:
        CorpusError: A value is missing or no such value; a person has two spellings, genders or partitions; a
            frame has two rows that say different things.
    """
    known = meaning.known
    person = _composed(known["person"])
    place, is_video = _places(path, meaning)
    data: dict[str, object] = {"path": place, "is_video": is_video, "frame": _frames(meaning, is_video)}
    data |= _people(person, namespace)
    found = pd.Series(data["person"])
    stated = _genders(known["gender"], found) if "gender" in known else {}
    gender = found.map({**stated, **genders}).astype(object)
    data["gender"] = gender.where(gender.notna(), None).to_numpy()
    data["task"] = _words(known["task"]) if "task" in known else None
    data["view"] = (
        known["view"].numbers(0, 10_000, "expected the number of a camera view, 0 and up", False).astype(int)
        if "view" in known
        else 0
    )
    data["partition"] = "all"
    if "partition" in known:
        known["partition"].require(bool, "each row belongs to a partition, such as train, valid or test")
        data["partition"] = known["partition"].values()
        require_one_each(known["partition"], person)
    for name, column in meaning.labels.items():
        data[name] = _codes(column, 1 if name.endswith("_c") else 5)
    data |= {name: _words(column) for name, column in meaning.attributes.items()}
    return _without_repetitions(path, pd.DataFrame(data), meaning)


def require_one_each(column: Column, person: Column) -> None:
    """Check that each person has one value of a column, such as a fold.

    Raises:
        CorpusError: One has two; with both rows.
    """
    first = pd.Series(column.codes).groupby(person.codes).transform("first").to_numpy()
    differ = first != column.codes
    if differ.any():
        row = int(np.argmax(differ))
        other = int(np.argmax(person.codes == person.codes[row]))
        name = person.texts[person.codes[row]]
        raise CorpusError(
            f"{column.path}, row {row + 1}, column {column.name}: person {name} is "
            f"{column.texts[column.codes[row]]!r} here and {column.texts[column.codes[other]]!r} in row "
            f"{other + 1}; one person has one {column.name}"
        )


def _places(path: Path, meaning: Meaning) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Image or video of each row, relative to the root, and which of both it is."""
    images, videos = meaning.known.get("path"), meaning.known.get("video")
    for column in filter(None, (images, videos)):
        column.require(_stays_inside, "give the path below the root, with / and without ..")
    if images is not None:
        images.require(lambda text: not text.lower().endswith(_VIDEOS), "a video goes into the column video")
        images.require(lambda t: not t or is_picture(t), "expected an image, such as faces/p1/0001.jpg")
    if videos is not None:
        videos.require(lambda text: not is_picture(text), "an image goes into the column path")
    columns = [column.values() for column in (images, videos) if column is not None]
    filled = np.array([column != "" for column in columns])
    if (wrong := filled.sum(axis=0) != 1).any():
        row = int(np.argmax(wrong))
        what = "both a path and a video" if filled[:, row].any() else "neither a path nor a video"
        raise CorpusError(f"{path}, row {row + 1}: has {what}; a frame is an image or lies in a video")
    is_video = np.zeros(filled.shape[1], bool) if videos is None else filled[-1]
    place = columns[0] if len(columns) == 1 else np.where(is_video, columns[1], columns[0])
    return np.array([normal_path(each) for each in place], dtype=object), is_video


def _stays_inside(text: str) -> bool:
    return "\\" not in text and not text.startswith(("/", "~")) and ".." not in text.split("/")


def normal_path(text: str) -> str:
    """``./a//b.png`` as ``a/b.png``."""
    return str(PurePosixPath(text)) if _ODD.search(text) else text


def _frames(meaning: Meaning, is_video: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    column = meaning.known.get("frame")
    if column is None:
        return np.full(len(is_video), np.nan)
    numbers = column.frames(_MOST, "expected a frame number, 0 or 1 and up", gaps=True)
    if (lacking := is_video & np.isnan(numbers)).any():
        row = int(np.argmax(lacking))
        raise CorpusError(f"{column.path}, row {row + 1}: has a video and no frame; give its number")
    return numbers


def _people(column: Column, namespace: str) -> dict[str, npt.NDArray[np.object_]]:
    """Global id and id within the corpus; an id with a slash is global already."""
    column.require(
        lambda text: text.lower() not in NOTHING and re.fullmatch(r"[^/]+(/[^/]+)?", text) is not None,
        "expected an id, such as p07 or BP4D/F001 for someone whom another corpus shows too",
    )
    _require_one_spelling(column, namespace)
    persons = np.array([t if "/" in t else f"{namespace}/{t}" for t in column.texts], dtype=object)
    subjects = np.array([text.replace("/", "-") for text in column.texts], dtype=object)
    return {"person": persons[column.codes], "subject": subjects[column.codes]}


def _composed(column: Column) -> Column:
    """A column of ids, in which those that differ in nothing to be seen are one."""
    place: dict[str, int] = {}
    codes = np.array([place.setdefault(composed(text), len(place)) for text in column.texts], dtype=np.int64)
    return Column(column.path, column.name, codes[column.codes], list(place))


def _require_one_spelling(column: Column, namespace: str) -> None:
    """Check that no two ids are of one person: such a person would be trained on and tested.

    Raises:
        CorpusError: Two differ in capitals, leading zeros or .0 alone, or one has another corpus' first half
            in another spelling.
    """
    first: dict[str, int] = {}
    for row in sorted(np.unique(column.codes, return_index=True)[1].tolist()):
        text = column.texts[column.codes[row]]
        space, slash, _ = text.partition("/")
        where = f"{column.path}, row {row + 1}, column {column.name}"
        if slash and (known := corpus_namespace(space)) not in (None, space):
            raise CorpusError(f"{where}: {text!r}; write {known}/ before the ids of that corpus' people")
        key = spelling(text.removeprefix(f"{namespace}/")).replace("/", "-")
        if (other := first.setdefault(key, row)) != row:
            said = column.texts[column.codes[other]]
            raise CorpusError(
                f"{where}: {text!r} is {said!r} of row {other + 1} in another spelling; write a person in one"
                " (two people differ in more than capitals, leading zeros and .0)"
            )


def _genders(column: Column, persons: pd.Series) -> dict[str, str]:
    """Gender of each person of whom a row says it."""
    silent = [text.lower() in NOTHING for text in column.texts]
    column.require(
        lambda text: text.lower() in (*GENDER_WORDS, *NOTHING),
        f"expected {' or '.join(GENDERS)}, or nothing where it is not known",
    )
    words = [None if none else GENDER_WORDS[t.lower()] for t, none in zip(column.texts, silent, strict=True)]
    stated = pd.DataFrame({"person": persons, "gender": np.array(words, dtype=object)[column.codes]})
    stated = stated[stated["gender"].notna()]
    first = stated.drop_duplicates("person").set_index("person")["gender"]
    differ = (stated["person"].map(first) != stated["gender"]).to_numpy(dtype=bool)
    if differ.any():
        row = int(stated.index[int(np.argmax(differ))])
        raise CorpusError(
            f"{column.path}, row {row + 1}, column {column.name}: {persons[row]} is both female and male; "
            "correct the gender, or the person"
        )
    return {str(person): str(gender) for person, gender in first.items()}


def _codes(column: Column, top: int) -> npt.NDArray[np.float32]:
    if top == 1 and {text.lower() for text in column.texts} <= {"true", "false", *NOTHING}:
        words = {"true": "1", "false": "0"}
        texts = [words.get(text.lower(), "") for text in column.texts]
        column = Column(column.path, column.name, column.codes, texts)
    expected = f"expected {'0 or 1' if top == 1 else 'a whole number 0 to 5'}, or nothing where not coded"
    return column.numbers(0, top, expected, gaps=True).astype(np.float32)


def _words(column: Column) -> npt.NDArray[np.object_]:
    """Text of each row; None for a cell that says nothing."""
    words = [None if text.lower() in NOTHING else text for text in column.texts]
    return np.array(words, dtype=object)[column.codes]


def _without_repetitions(path: Path, rows: pd.DataFrame, meaning: Meaning) -> pd.DataFrame:
    """The rows without those that say again what another one says."""
    where = pd.DataFrame({"path": rows["path"], "frame": rows["frame"].where(rows["is_video"])})
    again = where.duplicated(keep=False).to_numpy()
    if not again.any():
        return rows
    different = rows[again].drop_duplicates().index
    if (contradicting := where.loc[different].duplicated()).any():
        row = int(different[contradicting.to_numpy()][0])
        same = (where["path"] == where["path"][row]) & (
            ~rows["is_video"] | (rows["frame"] == rows["frame"][row])
        )
        raise CorpusError(
            f"{path}, row {row + 1}: {rows['path'][row]} is labelled otherwise in row "
            f"{int(np.argmax(same)) + 1}; remove one of them"
        )
    later = where.index[where.duplicated()]
    meaning.notes.append(f"{len(later)} rows say again what an earlier one says; they count once")
    return rows.drop(index=later).reset_index(drop=True)
