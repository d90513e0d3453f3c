"""Images in a folder, of whom and of what nobody knows more: to predict action units of."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from aukit.datasets.files import SIDECAR_FOLDER, join, no_file
from aukit.datasets.images import ENDINGS, is_picture
from aukit.datasets.listed_frames import ListedFrames
from aukit.errors import CorpusError

_OTHER_IMAGES = (".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2")


class Folder(ListedFrames):
    """All images below a folder, in its folders too; without labels.

    Who is on them is not known: `person` names the folder that an image lies in. The attribute `path` is its
    place below the root.

    Args:
        root: The folder.
        landmarks: Table or folder of landmarks, see `aukit.datasets.Table`; None for the folder Landmarks in
            the root, if it is there.
        follow_links: Whether links to files and folders are followed wherever they lead.

    Raises:
        CorpusError: There is no such folder, no image in it, or a pipe or a link to nothing called like one.

    Example:
        >>> photos = Folder("photos")  # doctest: +SKIP
        >>> photos.table.frame["path"].tolist()  # doctest: +SKIP
        ['party/0001.jpg', 'portrait.png']
    """

    name, corpus_title, example, namespace = "folder", "Folder", "0001.jpg", "Folder"
    label_columns = MappingProxyType({})

    def __init__(
        self, root: str | Path, landmarks: str | Path | None = None, follow_links: bool = False
    ) -> None:
        super().__init__(root, landmarks, follow_links=follow_links)

    @property
    def notes_so_far(self) -> list[str]:
        """Images of other formats; genders of nobody are asked for."""
        return [*self.settings, *self._layout_notes]

    def _read_list(self) -> pd.DataFrame:
        paths: list[str] = []
        others: list[str] = []
        for folder in self._walk(self.images_root):
            if folder.path.split("/")[0] == SIDECAR_FOLDER:
                continue
            if pictures := [name for name in folder.others if is_picture(name)]:
                raise no_file(self.images_root / join(folder.path, pictures[0]))
            paths += [join(folder.path, name) for name in folder.files if is_picture(name)]
            others += [
                join(folder.path, name) for name in folder.files if name.lower().endswith(_OTHER_IMAGES)
            ]
        if not paths:
            raise CorpusError(f"{self.root}: holds no image; known are {', '.join(ENDINGS)}")
        if others:
            self._layout_notes.append(
                f"{len(others)} images of other formats than {', '.join(ENDINGS)} are left out, the first: "
                f"{others[0]}"
            )
        whole = self.images_root.resolve().name or "root"
        subjects = [path.rpartition("/")[0].replace("/", "-") or whole for path in paths]
        return pd.DataFrame(
            {
                "path": np.array(paths, dtype=object),
                "is_video": False,
                "frame": np.nan,
                "person": [f"{self.namespace}/{subject}" for subject in subjects],
                "subject": subjects,
                "gender": None,
                "task": None,
                "view": 0,
                "partition": "all",
            }
        )
