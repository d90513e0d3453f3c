"""Frame lists of published projects as datamodules: those of FG-Net, JAA-Net and ME-GraphAU."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from aukit.datamodules.folds import FoldDataModule
from aukit.datamodules.samplers import Rows
from aukit.datasets import FGNetLists, FrameLists, JAANetLists, MEGraphAULists
from aukit.errors import ConfigError
from aukit.registration import RegistrationName
from aukit.utils.bounds import PositiveInt


class FrameListsDataModule(FoldDataModule):
    """Base of datamodules whose training and test frames are those of a project's lists, in their order.

    Whosever lists they are, `fold` is counted as FG-Net counts: 0, 1, 2 test P1, P2, P3. ME-GraphAU calls
    these folds 3, 2, 1; JAA-Net tests its parts 1, 2, 3.

    Args:
        root: the `data` folder of the project's code.
        corpus: "bp4d" or "disfa".
        aus: action units, in the order of the label columns.
        registration: "none": the images are crops of `size` already; another one where they are whole frames.
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Raises:
        ConfigError: from `prepare_data()`, the images are no crops of `size`.

    Example:
        >>> class MyListsDataModule(FrameListsDataModule):
        ...     crops = "mine"
        ...
        ...     def _read_lists(self):
        ...         return MyLists(self.root, self.corpus, **self.locations)
    """

    crops: ClassVar[str]
    """Registration of the images that are used as they are, so that models tell one kind from another."""

    def __init__(
        self,
        root: str,
        corpus: Literal["bp4d", "disfa"],
        *,
        aus: Sequence[int],
        registration: RegistrationName = "none",
        **options: Any,
    ) -> None:
        super().__init__(root=root, registration=registration, aus=aus, **options)
        self.corpus: Literal["bp4d", "disfa"] = corpus

    @property
    def input_kind(self) -> dict[str, Any]:
        """Crops as the project made them, of settings that are not known."""
        if self.registration != "none":
            return super().input_kind
        return {**super().input_kind, "registration": self.crops, "registration_settings": None}

    @property
    def train_name(self) -> str:
        """Name of the list to train on."""
        return self._corpus().train_list

    @abstractmethod
    def _read_lists(self) -> FrameLists:
        """Reader of the lists at `self.root`."""

    @cached_property
    def _reader(self) -> FrameLists:
        return self._read_lists()  # some 400,000 rows, asked for twice

    def _corpus(self) -> FrameLists:
        return self._reader

    def _prepare(self) -> Path:
        size = self._corpus().image_size() if self.registration == "none" else None
        if size is not None and size != (self.size, self.size):
            raise ConfigError(
                f"{self.root}: the images are {size[1]} x {size[0]} pixels, not {self.size} x {self.size}; "
                "they are used as they are: give data.size the side of the crops"
            )
        return super()._prepare()

    def _lists(self) -> tuple[Rows, Rows]:
        corpus, frame = self._corpus(), self.store.table.frame
        keys = zip(frame["video"], frame["position"].tolist(), strict=True)
        row = {key: index for index, key in enumerate(keys)}
        train, test = (
            # Frames that could not be used are no rows of the store.
            np.array([row[key] for key in corpus.frames(self.fold, name) if key in row], np.int64)
            for name in (self.train_name, corpus.test_list)
        )
        return train, test


class FGNetListsDataModule(FrameListsDataModule):
    """The frames of FG-Net's own lists, as its preprocessing left them (`aukit.datasets.FGNetLists`).

    The images are crops already, so that there is no choice of a registration.

    Args:
        root: the `data` folder of FG-Net's code.
        corpus: "bp4d" or "disfa".
        aus: action units, in the order of the label columns.
        train_list: list to train on, e.g. "train_100.csv".
        options: further options: see `FoldDataModule` and `CorpusDataModule`.

    Example:
        >>> data = FGNetListsDataModule("FG-Net/data", "disfa", aus=(1, 2, 4, 6, 9, 12, 25, 26), fold=1)
        >>> data.registration
        'none'
    """

    crops = "ffhq"

    def __init__(
        self,
        root: str,
        corpus: Literal["bp4d", "disfa"],
        *,
        aus: Sequence[int],
        train_list: str = "train.csv",
        **options: Any,
    ) -> None:
        super().__init__(
            root,
            corpus,
            aus=aus,
            registration="none",
            transform_size=None,
            padding=True,
            pad_mode="reflect",
            **options,
        )
        self.train_list = train_list

    @property
    def train_name(self) -> str:
        """`train_list`."""
        return self.train_list

    def _read_lists(self) -> FGNetLists:
        return FGNetLists(self.root, self.corpus, **self.locations)


class JAANetListsDataModule(FrameListsDataModule):
    """The frames of JAA-Net's lists and its crops of 200 x 200 (`aukit.datasets.JAANetLists`).

    Args:
        root: the `data` folder of JAA-Net's code.
        corpus: "bp4d" or "disfa".
        aus: action units, in the order of the label columns.
        size: side of its crops in pixels.
        options: further options: see `FrameListsDataModule`.

    Example:
        >>> data = JAANetListsDataModule("PyTorch-JAANet/data", "bp4d", aus=(6, 12), fold=2)
        >>> data.registration, data.size
        ('none', 200)
    """

    crops = "jaanet"

    def __init__(
        self,
        root: str,
        corpus: Literal["bp4d", "disfa"],
        *,
        aus: Sequence[int],
        size: PositiveInt = 200,
        **options: Any,
    ) -> None:
        super().__init__(root, corpus, aus=aus, size=size, **options)

    def _read_lists(self) -> JAANetLists:
        return JAANetLists(self.root, self.corpus, **self.locations)


class MEGraphAUListsDataModule(FrameListsDataModule):
    """The frames of ME-GraphAU's lists (`aukit.datasets.MEGraphAULists`).

    Args:
        root: the `data` folder of ME-GraphAU's code.
        corpus: "bp4d" or "disfa".
        aus: action units, in the order of the label columns.
        options: further options: see `FrameListsDataModule`.

    Example:
        >>> data = MEGraphAUListsDataModule("ME-GraphAU/data", "bp4d", aus=(6, 12), size=256)
        >>> data.registration
        'none'
    """

    crops = "megraphau"

    def __init__(
        self, root: str, corpus: Literal["bp4d", "disfa"], *, aus: Sequence[int], **options: Any
    ) -> None:
        super().__init__(root, corpus, aus=aus, **options)

    def _read_lists(self) -> MEGraphAULists:
        return MEGraphAULists(self.root, self.corpus, **self.locations)
