"""Frame lists as two text files: line i of the one names an image, line i of the other has its labels.

=============================================== ========================================================
JAA-Net, below its folder ``data``
=============================================== ========================================================
``list/BP4D_part1_path.txt``                    images of split P1: ``BP4D/F001/T1/2440.jpg``
``list/BP4D_part1_AUoccur.txt``                 their labels: ``0 1 …``, separated by white space
``list/BP4D_combine_2_3_path.txt`` …            those of P2 and P3, to train on when P1 is tested
``imgs/BP4D/F001/T1/2440.jpg``                  crop of its preprocessing, 200 × 200
``list/DISFA_…``, ``imgs/DISFA/SN001/0.jpg``    likewise; DISFA's numbers begin at 0
=============================================== ========================================================

=============================================== ========================================================
ME-GraphAU, below its folder ``data``
=============================================== ========================================================
``BP4D/list/BP4D_test_img_path_fold3.txt``      images of split P1: ``F001/T1/2440.jpg``
``BP4D/list/BP4D_test_label_fold3.txt``         their labels; fold 3 tests P1, 2 tests P2, 1 tests P3
``BP4D/list/BP4D_train_img_path_fold3.txt`` …   those of P2 and P3
``BP4D/img/F001/T1/2440.jpg``                   image
``DISFA/list/DISFA_…``, ``DISFA/img/SN001/0.png`` likewise; DISFA's numbers begin at 0
=============================================== ========================================================

The labels are those of AU 1 2 4 6 7 10 12 14 15 17 23 24 (BP4D) and 1 2 4 6 9 12 25 26 (DISFA). The other
text files of the projects (49 landmarks, distances of the eyes, weights, relations) are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from aukit.datasets.folds import LISTED
from aukit.datasets.frame_lists import Entry, FrameLists
from aukit.errors import CorpusError
from aukit.utils.outside import read_text

_MAX_BYTES = 64 * 2**20


class PathLists(FrameLists):
    """Lists whose files are one of image paths and one of labels."""

    def _entries(self, fold: int, name: str) -> Iterator[Entry]:
        paths, labels = (self.label_path(file) for file in self.list_files(fold, name))
        images, codes = _lines(paths), _lines(labels)
        if len(images) != len(codes):
            raise CorpusError(
                f"{paths} has {len(images)} lines, {labels} has {len(codes)}: line i of one belongs to line "
                "i of the other; make both again, or copy them whole"
            )
        self.aus = tuple(LISTED[self.name])
        for number, (image, cells) in enumerate(zip(images, map(str.split, codes), strict=True), 1):
            if len(cells) != len(self.aus):
                raise CorpusError(
                    f"{labels}, line {number}: {len(cells)} labels, expected {len(self.aus)}, separated by "
                    f"spaces: those of AU {' '.join(map(str, self.aus))}"
                )
            yield Entry(f"{paths.name} and {labels.name}, line {number}", image, tuple(map(_plain, cells)))


class JAANetLists(PathLists):
    """The frames of JAA-Net's lists and the crops of its preprocessing (see the module's text).

    Its lists leave out frames without landmarks of the release. Prepare the crops with the registration
    ``none`` and size 200; an image of another size is a counted exclusion.

    *Citation.* Shao et al., "Deep Adaptive Attention for Joint Facial Action Unit Detection and Face
    Alignment", ECCV 2018. The lists derive from licensed corpora and are not part of aukit.

    Args:
        root: The ``data`` folder.
        corpus: ``bp4d`` or ``disfa``.
        locations: Where parts of it lie: see `Release`; the lists are the label files.

    Raises:
        CorpusError: See `FrameLists`; the two files of a list have not equally many lines.

    Example:
        >>> lists = JAANetLists("PyTorch-JAANet/data", "bp4d")  # doctest: +SKIP
        >>> len(lists.frames(0, "test"))  # doctest: +SKIP
        50601
    """

    project = "JAA-Net"
    examples: ClassVar[dict[str, str]] = {"bp4d": "BP4D/F001/T1/2440.jpg", "disfa": "DISFA/SN001/0.jpg"}

    def list_files(self, fold: int, name: str) -> tuple[str, str]:
        """Files of images and labels: of a part (``test``) or of the other two together (``train``)."""
        others = "_".join(str(part) for part in (1, 2, 3) if part != fold + 1)
        stem = f"part{fold + 1}" if name == self.test_list else f"combine_{others}"
        return f"list/{self.namespace}_{stem}_path.txt", f"list/{self.namespace}_{stem}_AUoccur.txt"

    def _image_path(self, listed: str) -> str:
        return listed if listed.startswith("/") else f"imgs/{listed}"


class MEGraphAULists(PathLists):
    """The frames of ME-GraphAU's lists, which are all that are labelled (see the module's text).

    Its images may be whole frames or crops: crops are prepared with the registration ``none`` in their size.

    *Citation.* Luo et al., "Learning Multi-dimensional Edge Feature-based AU Relation Graph for Facial Action
    Unit Recognition", IJCAI 2022. The lists derive from licensed corpora and are not part of aukit.

    Args:
        root: The ``data`` folder.
        corpus: ``bp4d`` or ``disfa``.
        locations: Where parts of it lie: see `Release`; the lists are the label files.

    Raises:
        CorpusError: See `FrameLists`; the two files of a list have not equally many lines.

    Example:
        >>> lists = MEGraphAULists("ME-GraphAU/data", "disfa")  # doctest: +SKIP
        >>> len(lists.frames(0, "test"))  # doctest: +SKIP
        43604
    """

    project = "ME-GraphAU"
    examples: ClassVar[dict[str, str]] = {"bp4d": "F001/T1/2440.jpg", "disfa": "SN001/0.png"}

    def list_files(self, fold: int, name: str) -> tuple[str, str]:
        """Files of images and labels; its fold is counted the other way round."""
        return (
            f"{self.namespace}/list/{self.namespace}_{name}_img_path_fold{3 - fold}.txt",
            f"{self.namespace}/list/{self.namespace}_{name}_label_fold{3 - fold}.txt",
        )

    def _image_path(self, listed: str) -> str:
        return listed if listed.startswith("/") else f"{self.namespace}/img/{listed}"


def _lines(path: Path) -> list[str]:
    """Lines of a text file, none of them empty but at its end."""
    try:
        lines = [line.strip() for line in read_text(path, _MAX_BYTES).rstrip().split("\n")]
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as a list ({error}); copy it again") from error
    if "" in lines:
        raise CorpusError(f"{path}, line {lines.index('') + 1}: is empty; remove it, or copy the list again")
    return lines


def _plain(cell: str) -> str:
    """A number as numpy writes it, ``1.000e+00``, as ``1``."""
    if cell in FrameLists.codes:  # nearly all: far quicker than to parse each
        return cell
    try:
        return f"{float(cell):g}"
    except ValueError:
        return cell
