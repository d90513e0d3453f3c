"""The usual subject-exclusive three folds of BP4D and DISFA, and the nested subsets of their training frames.

The three splits P1, P2 and P3 of each corpus hold the same people in JAA-Net, ME-GraphAU and FG-Net, but the
fold numbers differ; ours are FG-Net's:

========== ============== =================== ==========
test split fold (FG-Net)  ME-GraphAU's fold   JAA-Net
========== ============== =================== ==========
P1         0              3                   trained on 2+3
P2         1              2                   trained on 1+3
P3         2              1                   trained on 1+2
========== ============== =================== ==========
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from aukit.errors import ConfigError

FOLD_SPLITS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "bp4d": MappingProxyType(
            {
                "P1": (
                    "F001", "F002", "F008", "F009", "F010", "F016", "F018", "F023", "M001", "M004", "M007",
                    "M008", "M012", "M014",
                ),
                "P2": (
                    "F003", "F005", "F011", "F013", "F020", "F022", "M002", "M005", "M010", "M011", "M013",
                    "M016", "M017", "M018",
                ),
                "P3": (
                    "F004", "F006", "F007", "F012", "F014", "F015", "F017", "F019", "F021", "M003", "M006",
                    "M009", "M015",
                ),
            }
        ),
        "disfa": MappingProxyType(
            {
                "P1": (
                    "SN001", "SN002", "SN009", "SN010", "SN016", "SN026", "SN027", "SN030", "SN032",
                ),
                "P2": (
                    "SN006", "SN011", "SN012", "SN013", "SN018", "SN021", "SN024", "SN028", "SN031",
                ),
                "P3": (
                    "SN003", "SN004", "SN005", "SN007", "SN008", "SN017", "SN023", "SN025", "SN029",
                ),
            }
        ),
    }
)  # fmt: skip
"""Subjects of each fold split, by corpus."""

FOLD_SPLIT_OF: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        corpus: MappingProxyType({subject: split for split, people in splits.items() for subject in people})
        for corpus, splits in FOLD_SPLITS.items()
    }
)
"""Fold split of each subject, by corpus."""

LISTED_FRAMES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"bp4d": (50_579, 50_157, 45_687), "disfa": (43_545, 43_605, 43_161)}
)
"""Frames of P1, P2, P3 in FG-Net's lists; frames without detected landmarks are missing there."""

LISTED: Mapping[str, Mapping[int, tuple[int, int, int]]] = MappingProxyType(
    {
        "bp4d": MappingProxyType(
            {
                1: (8_286, 10_199, 12_361), 2: (8_136, 6_568, 10_228), 4: (10_085, 9_846, 9_732),
                6: (21_013, 23_288, 23_191), 7: (29_828, 27_626, 22_979), 10: (29_167, 27_929, 29_848),
                12: (28_261, 26_162, 27_806), 14: (20_234, 25_737, 22_284), 15: (7_654, 10_024, 7_120),
                17: (16_070, 18_379, 15_884), 23: (8_017, 8_657, 7_518), 24: (7_060, 7_867, 7_254),
            }
        ),
        "disfa": MappingProxyType(
            {
                1: (1_836, 1_469, 3_189), 2: (1_122, 879, 3_224), 4: (5_119, 6_653, 7_813),
                6: (2_360, 3_558, 4_395), 9: (1_218, 1_287, 2_967), 12: (4_480, 6_187, 6_135),
                25: (10_835, 13_206, 12_190), 26: (4_902, 4_123, 2_508),
            }
        ),
    }
)  # fmt: skip
"""Frames of P1, P2, P3 in which each AU is present in FG-Net's lists (DISFA: intensity 2 or more)."""

SUBSET_SIZES = (100, 1_000, 5_000, 10_000)
"""Numbers of training frames for which FG-Net ships lists."""


def fold_split_of(corpus: str, subject: str) -> str | None:
    """P1, P2 or P3: the split of a subject; None for someone whom the corpus does not have."""
    return FOLD_SPLIT_OF[corpus].get(subject)


def fold_splits(fold: int) -> tuple[tuple[str, str], str]:
    """The splits to train on, in the order of FG-Net's training lists, and the split to test on.

    Args:
        fold: 0, 1 or 2, as FG-Net counts; fold k tests P(k+1) and trains on the next two in a circle.

    Raises:
        ConfigError: There is no such fold.
    """
    if fold not in (0, 1, 2):
        raise ConfigError(f"fold {fold!r}: there are the folds 0, 1 and 2, which test P1, P2 and P3")
    return (f"P{(fold + 1) % 3 + 1}", f"P{(fold + 2) % 3 + 1}"), f"P{fold + 1}"


def listed_rates(corpus: str) -> dict[str, dict[int, float]]:
    """Share of frames in which each AU is present, by list: ``list P1``, ``list P2`` and ``list P3``."""
    frames = LISTED_FRAMES[corpus]
    return {
        f"list {split}": {au: counts[i] / frames[i] for au, counts in LISTED[corpus].items()}
        for i, split in enumerate(FOLD_SPLITS[corpus])
    }


def subset(n_frames: int, size: int) -> npt.NDArray[np.int64]:
    """Indices of the training frames that a subset of `size` consists of, in the order of FG-Net's lists.

    The first `size` entries of ``RandomState(0).permutation(n_frames)``: subsets of the same training frames
    are nested.

    Raises:
        ConfigError: There are not that many frames.
    """
    if not 0 < size <= n_frames:
        raise ConfigError(f"subset {size}: the fold has {n_frames} training frames; choose 1 to {n_frames}")
    return np.random.RandomState(0).permutation(n_frames)[:size].astype(np.int64)
