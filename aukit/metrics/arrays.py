"""The same metric for numpy arrays and torch tensors: computed in torch, returned as what was given."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = TypeVar("Array", npt.NDArray[Any], Tensor)
"""Either kind of array; a function that takes one returns the same kind."""

AnyArray = npt.NDArray[Any] | Tensor


def to_float64(values: AnyArray) -> Tensor:
    """The values as float64 on their own device; sums of squares need the digits."""
    if isinstance(values, Tensor):
        return values.detach().to(torch.float64)
    return torch.as_tensor(np.require(values, np.float64, ["C", "W"]))


def in_kind(result: Tensor, example: AnyArray) -> Any:
    """``result`` as numpy array if ``example`` is one, else as it is."""
    return result if isinstance(example, Tensor) else result.cpu().numpy()


def check_pair(predictions: Tensor, labels: Tensor) -> None:
    """Both must be [n, A] alike.

    Raises:
        ValueError: They are not.
    """
    if predictions.ndim != 2 or predictions.shape != labels.shape:
        raise ValueError(
            f"predictions and labels must both be [n, A]; they are {list(predictions.shape)} and "
            f"{list(labels.shape)}"
        )


def check_occurrences(labels: Tensor) -> None:
    """Labels must be 0, 1 or NaN.

    Raises:
        ValueError: One is not, such as a code 9 for "not coded".
    """
    if bool((~labels.isnan() & (labels != 0) & (labels != 1)).any()):
        raise ValueError(
            "occurrence labels must be 0, 1 or NaN (not coded); turn missing codes into NaN first"
        )


def sum_by(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sums of the rows of ``values`` [n, ...] by ``index`` [n] in 0..size-1, as [size, ...]."""
    out = torch.zeros((size, *values.shape[1:]), dtype=values.dtype, device=values.device)
    return out.index_add_(0, index.to(values.device), values)


def _is_whole(groups: AnyArray) -> bool:
    """Whether an array holds whole numbers."""
    if isinstance(groups, Tensor):
        return not groups.is_floating_point() and groups.dtype != torch.bool
    return groups.dtype.kind in "iu"


def group_index(groups: AnyArray | Sequence[Any], names: Sequence[str], device: torch.device) -> Tensor:
    """Index of each entry's group in ``names``; ``len(names)`` where the group is not known.

    Args:
        groups: [n] names, or [n] whole numbers: indices into ``names``. Unknown is an empty name, None, NaN
            or an index of -1.
        names: The fixed list of groups.
        device: Where the result lives.

    Raises:
        ValueError: A name or index that is none of these; also True and False, which name no group.
    """
    unknown = len(names)
    if isinstance(groups, Tensor | np.ndarray):
        if _is_whole(groups):
            index = torch.as_tensor(groups, dtype=torch.long, device=device)
            if index.numel() and (int(index.min()) < -1 or int(index.max()) >= unknown):
                raise ValueError(f"a group index lies outside -1..{unknown - 1} for the groups {list(names)}")
            return torch.where(index < 0, unknown, index)
        groups = groups.tolist()
    position: dict[Any, int] = {-1: unknown} | {i: i for i in range(unknown)}
    position |= {name: i for i, name in enumerate(names)}
    found = []
    for group in groups:
        missing = group is None or str(group) in ("", "nan", "<NA>")
        if not missing and (isinstance(group, bool | np.bool_) or group not in position):
            raise ValueError(
                f"{group!r} is not one of the groups {list(names)}, nor an index of one; give a name, or"
                " leave it empty (None) if it is not known"
            )
        found.append(unknown if missing else position[group])
    return torch.tensor(found, dtype=torch.long, device=device)
