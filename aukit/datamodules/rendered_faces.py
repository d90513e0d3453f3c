"""What datamodules of rendered faces share: rendering on demand, identities held out."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from aukit.datamodules.base import StepDataModule
from aukit.datamodules.corpus import held_out_people
from aukit.datamodules.samplers import Rows


class RenderedFacesDataModule(StepDataModule):
    """Base of datamodules of faces that are rendered where they are missing; validated on other identities.

    Args:
        root: Folder of the faces.
        holdout_fraction: Share of the identities held out.
        augment: Whether training images are changed at random.
        prepare_workers: Processes that render.
        options: Further options: see `StepDataModule`.
    """

    location_arguments: ClassVar[tuple[str, ...]] = ("root", "num_workers", "prepare_workers")

    train_rows: Rows
    val_rows: Rows

    def __init__(
        self, root: str, holdout_fraction: float, augment: bool, prepare_workers: int, **options: Any
    ) -> None:
        super().__init__(**options)
        self.root = Path(root)
        self.holdout_fraction = holdout_fraction
        self.augment = augment
        self.prepare_workers = prepare_workers
        self._prepared = ""

    @abstractmethod
    def _render(self) -> str:
        """Render what is missing; a line about what is there."""

    def prepare_data(self) -> None:
        """Render the faces that are missing."""
        self._prepared = self._render()

    def prepared(self) -> list[str]:
        """A line about the faces."""
        return [self._prepared] if self._prepared else []

    def _hold_out(self, identities: Sequence[str], description: Mapping[str, Any]) -> None:
        """Split the rows of a set by the identity of each; `description` is what decided about the set."""
        self._fingerprint = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
        held = np.isin(identities, held_out_people(list(identities), self.holdout_fraction))
        self.train_rows, self.val_rows = np.flatnonzero(~held), np.flatnonzero(held)

    @property
    def fingerprint(self) -> str:
        """Hash of what decided about the faces."""
        return self._fingerprint

    @property
    def rendered(self) -> bool:
        """They all are."""
        return True
