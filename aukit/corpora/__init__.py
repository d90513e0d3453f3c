"""Corpora: an official release on disk → FrameTable; writers of their rendered stand-ins."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aukit.corpora.avatar_pairs import AvatarPairs, with_pair_ids
from aukit.corpora.bp4d import BP4D
from aukit.corpora.check import CheckReport
from aukit.corpora.check_fera2017 import check_fera2017
from aukit.corpora.check_parts import check_bp4d, check_disfa, check_gft
from aukit.corpora.disfa import DISFA
from aukit.corpora.fera2017 import FERA2017
from aukit.corpora.fgnet_lists import FGNetLists
from aukit.corpora.frame_table import FrameTable
from aukit.corpora.gft import GFT
from aukit.corpora.recipe import StandinRecipe
from aukit.corpora.release import Exclusion

if TYPE_CHECKING:
    from aukit.corpora.avatar_pairs_writer import write_avatar_pairs
    from aukit.corpora.bp4d_standin import BP4DRecipe, write_bp4d_standin
    from aukit.corpora.disfa_standin import DISFARecipe, write_disfa_standin
    from aukit.corpora.fera2017_standin import write_fera2017_standin
    from aukit.corpora.gft_standin import GFTRecipe, write_gft_standin

__all__ = [
    "BP4D",
    "DISFA",
    "FERA2017",
    "GFT",
    "AvatarPairs",
    "BP4DRecipe",
    "CheckReport",
    "DISFARecipe",
    "Exclusion",
    "FGNetLists",
    "FrameTable",
    "GFTRecipe",
    "StandinRecipe",
    "check_bp4d",
    "check_disfa",
    "check_fera2017",
    "check_gft",
    "with_pair_ids",
    "write_avatar_pairs",
    "write_bp4d_standin",
    "write_disfa_standin",
    "write_fera2017_standin",
    "write_gft_standin",
]


_WRITERS = {
    "avatar_pairs_writer": ("write_avatar_pairs",),
    "bp4d_standin": ("BP4DRecipe", "write_bp4d_standin"),
    "disfa_standin": ("DISFARecipe", "write_disfa_standin"),
    "fera2017_standin": ("write_fera2017_standin",),
    "gft_standin": ("GFTRecipe", "write_gft_standin"),
}
_MODULES = {name: module for module, names in _WRITERS.items() for name in names}


def __getattr__(name: str) -> Any:
    # Writers need torch: loaded on first use, so that reading a table stays light.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
