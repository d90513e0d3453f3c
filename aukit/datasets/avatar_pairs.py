"""Avatar pairs: for each frame of a driving corpus a woman and a man with the same expression.

They mirror the synthetic half of *Leveraging Synthetic Data for Generalizable and Fair Facial Action Unit
Detection* (arXiv 2403.10737): 60 avatars, two renders for each real frame, labels taken over from it. Written
by `aukit avatars pairs` (`aukit.simulation.write_avatar_pairs`); the layout is our own:

============================================ ==============================================================
``AVATAR_PAIRS.json``                        what was written: recipe, driving corpus, version, seed
``avatars.csv``                              the identities: subject, gender, tone, tone_group, age, age_group
``frames.parquet``                           a `FrameTable` of all renders; appears when all videos are there
``videos/F07/FERA17_TR_F001_T1_6.mp4``       renders of avatar F07, driven by that video
``landmarks/F07/FERA17_TR_F001_T1_6.npy``    float32 [T, 68, 3], pixels, from the avatar's mesh
``recordings/FERA17_TR_F001_T1_6.parquet``   the rows of ``frames.parquet`` that come from that video
``recordings/FERA17_TR_F001_T1_6.json``      frames without avatars and why; written last, so it means done
============================================ ==============================================================

One video for each driving video and avatar, and not one file per image: 107,073 pairs of 328 videos are
656 files instead of 214,146, any player shows them, and the readers and stores of the other corpora take
them as they are. H.264 at a high quality (crf 12).

In the table ``person`` is ``AvatarPairs/F07``, ``task`` is the driving subject, task and view, ``frame`` the
driving frame, and ``pair_id`` the same for the driving frame (`with_pair_ids`) and its two renders.
"""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from aukit.datasets.files import inside
from aukit.datasets.frame_table import GENDERS, FrameTable
from aukit.datasets.images import is_picture
from aukit.datasets.reader import CorpusReader, Exclusion
from aukit.datasets.stamps import file_stamp
from aukit.errors import CorpusError
from aukit.utils.outside import read_json, read_text

MARKER = "AVATAR_PAIRS.json"
IDENTITIES = "avatars.csv"
FRAMES = "frames.parquet"
RECORDINGS = "recordings"
NAMESPACE = "AvatarPairs"
CURVES = "curves"
"""In place of a driving corpus: expression curves of our own (`aukit avatars dataset`)."""
IDENTITY_COLUMNS = ("subject", "gender", "tone", "tone_group", "age", "age_group")
_MAX_IDENTITIES_BYTES = 2**20
_MAX_NOTE_BYTES = 64 * 2**20
_PAIR_COLUMNS = ("corpus", "partition", "subject", "task", "view", "frame")


def with_pair_ids(table: FrameTable) -> FrameTable:
    """The table with the `pair_id` of each frame, e.g. ``fera2017/train/F001/T1/6/17``.

    Made of the corpus' own names, so that it does not depend on where its files lie. A listed image is named
    by its `path` in place of its number, which may be its rank, so that it does not depend on other rows.
    """
    frame = table.frame
    if "path" in table.attributes:
        paths = frame["path"].astype(str)
        frame = frame.assign(frame=frame["frame"].astype(str).mask(paths.map(is_picture), paths))
    columns = (frame[name] for name in _PAIR_COLUMNS)
    names = ["/".join(map(str, row)) for row in zip(*columns, strict=True)]
    return FrameTable(table.frame.assign(pair_id=names))


class AvatarPairs(CorpusReader):
    """The corpus of avatar pairs (see the module's text for its layout); read like any other corpus.

    *Splits.* ``partition`` is that of the driving frame. One avatar stands for several driving people, so
    splits by person must hold out driving people, by `pair_id` or `task`.

    The reader writes nothing and opens no file outside `root`.

    Args:
        root: Folder that `write_avatar_pairs` filled.

    Raises:
        CorpusError: The root is missing, or its writing was not finished.

    Example:
        >>> pairs = AvatarPairs("PAIRS")  # doctest: +SKIP
        >>> pairs.table.frame.groupby("gender").size().to_dict()  # doctest: +SKIP
        {'female': 146847, 'male': 146847}
    """

    name = "avatar_pairs"
    description_file = MARKER
    has_sidecar = True  # the landmarks of the avatars' meshes

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        if not (self.root / MARKER).is_file():
            raise CorpusError(
                f"{self.root}: holds no {MARKER}; name a folder written by `aukit avatars pairs`"
            )
        if not (self.root / FRAMES).is_file():
            raise CorpusError(
                f"{self.root}: {FRAMES} is missing, since not all videos are there; repeat the command that "
                "writes them (all shards of it): it goes on with what is missing"
            )

    @cached_property
    def table(self) -> FrameTable:
        """All renders with the labels of their driving frames.

        Raises:
            CorpusError: A pair without exactly one woman and one man, or a damaged table.
        """
        _ = self._first_stamps  # before it is read: what changes from here on is noticed
        table = FrameTable.read_parquet(inside(self.root, FRAMES))
        counts = table.frame.groupby(["pair_id", "gender"], sort=False).size().unstack(fill_value=0)
        odd = counts.reindex(columns=list(GENDERS), fill_value=0).ne(1).any(axis=1)
        if odd.any() or counts.to_numpy().sum() != len(table):
            example = odd.index[odd.to_numpy()][0] if odd.any() else "(no id)"
            raise CorpusError(
                f"{self.root / FRAMES}: pair {example} has not exactly one female and one male render; "
                "write the pairs again"
            )
        return table

    @cached_property
    def avatars(self) -> pd.DataFrame:
        """Identities by ``subject``, to be joined on it, with gender, tone, tone_group, age and age_group."""
        path = inside(self.root, IDENTITIES)
        try:
            text = io.StringIO(read_text(path, _MAX_IDENTITIES_BYTES))
            identities = pd.read_csv(text, dtype={"subject": str, "gender": str, "age_group": str})
        except (OSError, ValueError) as error:
            raise CorpusError(f"{path}: cannot be read ({error}); write the pairs again") from error
        if list(identities.columns) != list(IDENTITY_COLUMNS):
            raise CorpusError(f"{path}: has the columns {list(identities.columns)}; write the pairs again")
        return identities

    @property
    def exclusions(self) -> list[Exclusion]:
        """Driving frames (or, with position None, videos) that have no avatars, and why."""
        return [e for path in self._notes() for e in read_exclusions(path)]

    @property
    def settings(self) -> list[str]:
        """What drives the avatars, for printing."""
        assert self.standin is not None  # the constructor has seen it
        recipe = self.standin["recipe"]
        return [f"driven by {recipe['driving_corpus']} through {recipe['expression']}"]

    def _sidecar(self, video: str) -> str:
        path = PurePosixPath(video)
        return f"landmarks/{path.parent.name}/{path.stem}.npy"

    def _stamps(self) -> dict[str, str]:
        """Stamps of the recipe, the table, each video and each file of landmarks.

        Raises:
            CorpusError: A video or its landmarks are missing.
        """
        table = inside(self.root, FRAMES)
        stamps = {
            "recipe": json.dumps(self.standin, sort_keys=True),
            FRAMES: file_stamp(table, content=True),
        }
        for video in FrameTable.read_parquet(table).videos:
            for name in (video, self._sidecar(video)):
                path = inside(self.root, name)
                if not path.is_file():
                    raise CorpusError(f"{path}: is missing; repeat the command that wrote the pairs")
                stamps[name] = file_stamp(path, content=path.suffix == ".npy")
        return stamps

    def _notes(self) -> list[Path]:
        return sorted((self.root / RECORDINGS).glob("[!.]*.json"))


def read_exclusions(path: Path) -> list[Exclusion]:
    """Driving frames without avatars, from the note of one recording."""
    try:
        note = read_json(path, _MAX_NOTE_BYTES)
        return [Exclusion(note["video"], position, reason) for position, reason in note["exclusions"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CorpusError(
            f"{path}: cannot be read ({error}); remove it and repeat the command that wrote it"
        ) from error
