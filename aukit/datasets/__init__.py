"""Corpora: an official release on disk → FrameTable."""

from aukit.datasets.avatar_pairs import AvatarPairs, with_pair_ids
from aukit.datasets.bp4d import BP4D
from aukit.datasets.check_fera2017 import check_fera2017
from aukit.datasets.check_parts import check_bp4d, check_disfa, check_gft
from aukit.datasets.disfa import DISFA
from aukit.datasets.fera2017 import FERA2017
from aukit.datasets.fgnet_lists import FGNetLists
from aukit.datasets.frame_table import FrameTable
from aukit.datasets.gft import GFT
from aukit.datasets.release import Exclusion
from aukit.datasets.verify import CheckReport

__all__ = [
    "BP4D",
    "DISFA",
    "FERA2017",
    "GFT",
    "AvatarPairs",
    "CheckReport",
    "Exclusion",
    "FGNetLists",
    "FrameTable",
    "check_bp4d",
    "check_disfa",
    "check_fera2017",
    "check_gft",
    "with_pair_ids",
]
