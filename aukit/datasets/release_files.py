"""Where the files of a release lie: in one root or several, and what each is by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from aukit.datasets.files import (
    SIDECAR_FOLDER,
    Folder,
    inside,
    join,
    no_file,
    require_finished,
    require_folder,
    walk,
)
from aukit.datasets.reader import CorpusReader
from aukit.datasets.recordings import Index
from aukit.datasets.sidecars import ENDINGS
from aukit.errors import CorpusError

# A copy "F001_T1 (1).csv", a backup "F001_T1.csv.bak" and a half download "…_comp.avi.part" are meant too.
_MEANT = re.compile(
    r".*\d.*\.(?:csv|tsv|txt|xlsx?|avi|mp4|m4v|mov|mkv|mpe?g|wmv|webm)(?:\W.*)?", re.IGNORECASE
)


class ReleaseFiles(CorpusReader):
    """The files of a release, entered into an index by their names.

    Args:
        root: Folder of the release; what describes it and landmark sidecars lie here.
        images_root: Folder with the videos or images; None for the root.
        labels_root: Folder with the label files; None for the root.
        follow_links: Whether links to files and folders are followed wherever they lead.

    Attributes:
        root: The same.
        images_root: The same, or the root.
        labels_root: The same, or the root.
        follow_links: The same.
        unrecognised: Files that look like videos or label files but are called like neither.

    Example:
        >>> from aukit.datasets.bp4d import BP4D
        >>> corpus: ReleaseFiles = BP4D("BP4D", labels_root="AUCoding")  # doctest: +SKIP
        >>> corpus.label_path("AU_OCC/F001_T1.csv").exists()  # doctest: +SKIP
        True
    """

    namespace: str | None = None
    """First half of global person ids; None where a release has several."""
    corpus_title: ClassVar[str]
    """Of messages, e.g. ``BP4D``."""
    example: str
    """Name of a video, for messages."""

    def __init__(
        self,
        root: str | Path,
        images_root: str | Path | None = None,
        labels_root: str | Path | None = None,
        follow_links: bool = False,
    ) -> None:
        super().__init__(root)
        self.images_root = self.root if images_root is None else Path(images_root)
        self.labels_root = self.root if labels_root is None else Path(labels_root)
        self.follow_links = follow_links
        self.unrecognised: list[str] = []
        self._layout_notes: list[str] = []

    @property
    def roots(self) -> dict[str, Path]:
        """Root of each kind of files, which are landmarks, videos, labels."""
        return {"landmarks": self.root, "videos": self.images_root, "labels": self.labels_root}

    def path(self, relative: str) -> Path:
        """Path of a file in the root.

        Raises:
            CorpusError: It leads out of the root, and links are not followed.
        """
        return inside(self.root, relative, self.follow_links)

    def video_path(self, video: str) -> Path:
        """Path of a video file, a folder of images or an image in one, below `images_root`.

        Raises:
            CorpusError: It leads out of that root, and links are not followed.
        """
        return inside(self.images_root, video, self.follow_links)

    def label_path(self, relative: str) -> Path:
        """Path of a label file, below `labels_root`.

        Raises:
            CorpusError: It leads out of that root, and links are not followed.
        """
        return inside(self.labels_root, relative, self.follow_links)

    def _enter(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        """Enter the files of a folder into the index; folders removed from `folders` are not looked into."""
        raise NotImplementedError

    def _enter_any(self, index: Index, folder: str, folders: list[str], files: list[str]) -> None:
        """As `_enter`, but sidecars, whose tables may be called like label files, are entered as such."""
        if folder != SIDECAR_FOLDER:
            self._enter(index, folder, folders, files)
            return
        for name in files:
            if name.endswith(ENDINGS):
                index.add_landmarks(name, join(folder, name), f"landmark sidecars in {folder}")

    def _scan(self) -> Index:
        self._require_roots()
        index = Index()
        for root in dict.fromkeys(self.roots.values()):
            index.kinds = frozenset(kind for kind, place in self.roots.items() if place == root)
            for folder in self._walk(root):
                self._enter_any(index, folder.path, folder.folders, folder.files)
                self._refuse_others(root, folder, index.kinds)
                self.unrecognised += self._strangers(folder)
        if unused := index.settle():
            self._layout_notes.append(
                f"{len(unused)} folders of images are not read, since there are videos of the same; the "
                f"first: {unused[0]}"
            )
        if not index.videos:
            raise CorpusError(
                f"{self.images_root}: no {self.corpus_title} release: nothing in it or below is called like "
                f"{self.example}. Unpack the release there, or write a stand-in: "
                f"aukit standin {self.name} --root FOLDER"
            )
        return index

    def _walk(self, root: Path) -> Iterator[Folder]:
        """Folders below a root; that one is not listed again is noted."""
        for folder in walk(root, self.follow_links):
            if folder.same_as is not None:
                self._layout_notes.append(
                    f"{folder.path} is the same folder as {folder.same_as} and read once"
                )
            yield folder

    def _require_roots(self) -> None:
        require_folder(self.root, self.name)
        require_finished(self.root, self.name)
        require_folder(self.images_root, self.name, "images_root")
        require_folder(self.labels_root, self.name, "labels_root")

    def _refuse_others(self, root: Path, folder: Folder, kinds: frozenset[str]) -> None:
        """Raise an error if what is no file is called like one that would be read."""
        for name in folder.others:
            tried = Index(kinds)
            self._enter_any(tried, folder.path, [], [name])
            if tried.styles:
                raise no_file(root / join(folder.path, name))

    def _strangers(self, folder: Folder) -> list[str]:
        """Files that look like videos or label files but are called like neither."""
        found = []
        for name in filter(_MEANT.fullmatch, folder.files):
            tried = Index()
            self._enter_any(tried, folder.path, [], [name])
            if not tried.styles:
                found.append(join(folder.path, name))
        return found
