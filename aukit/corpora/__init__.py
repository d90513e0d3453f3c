"""Corpora: an official release on disk → FrameTable; writers of their rendered stand-ins."""

from typing import TYPE_CHECKING, Any

from aukit.corpora.avatar_pairs import AvatarPairs, with_pair_ids
from aukit.corpora.bp4d import BP4D
from aukit.corpora.check import CheckReport
from aukit.corpora.check_fera2017 import check_fera2017
from aukit.corpora.check_parts import check_bp4d, check_disfa
from aukit.corpora.disfa import DISFA
from aukit.corpora.fera2017 import FERA2017
from aukit.corpora.fgnet_lists import FGNetLists
from aukit.corpora.frame_table import FrameTable
from aukit.corpora.recipe import StandinRecipe
from aukit.corpora.release import Exclusion

if TYPE_CHECKING:
    from aukit.corpora.avatar_pairs_writer import write_avatar_pairs
    from aukit.corpora.fera2017_standin import write_fera2017_standin

__all__ = [
    "BP4D",
    "DISFA",
    "FERA2017",
    "AvatarPairs",
    "CheckReport",
    "Exclusion",
    "FGNetLists",
    "FrameTable",
    "StandinRecipe",
    "check_bp4d",
    "check_disfa",
    "check_fera2017",
    "with_pair_ids",
    "write_avatar_pairs",
    "write_fera2017_standin",
]


def __getattr__(name: str) -> Any:
    # Writers need torch: loaded on first use, so that reading a table stays light.
    if name == "write_fera2017_standin":
        from aukit.corpora.fera2017_standin import write_fera2017_standin

        return write_fera2017_standin
    if name == "write_avatar_pairs":
        from aukit.corpora.avatar_pairs_writer import write_avatar_pairs

        return write_avatar_pairs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
