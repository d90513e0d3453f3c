"""Reads the reference numbers in ``tests/parity/data`` and rebuilds the weights they were computed with.

The numbers come from runs of public reference implementations on a CPU. A stored tensor is either whole
(``name.full``) or sampled (``name.idx``, ``name.val``, ``name.shape``, ``name.stats``). The weights are no
trained ones: each entry of a state dict is drawn from a generator seeded with the CRC-32 of its name, then
brought to the scale that ``weights_manifest.json`` names.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).parent / "data"


def load_npz(name: str) -> dict[str, np.ndarray]:
    """All arrays of ``data/<name>`` (with or without ``.npz``)."""
    path = DATA / (name if name.endswith(".npz") else f"{name}.npz")
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def load_json(name: str) -> Any:
    """Content of ``data/<name>`` (with or without ``.json``)."""
    path = DATA / (name if name.endswith(".json") else f"{name}.json")
    return json.loads(path.read_text())


def meta(arrays: Mapping[str, np.ndarray]) -> Any:
    """Seeds and arguments of a fixture."""
    return json.loads(str(arrays["meta"]))


@dataclass(frozen=True)
class Reference:
    """A reference tensor: values at flat C-order indices, plus mean, std, min, max over all entries.

    For a whole tensor ``index`` covers every entry and ``stats`` is computed from it.
    """

    name: str
    shape: tuple[int, ...]
    index: np.ndarray
    values: np.ndarray
    stats: np.ndarray
    whole: bool

    def array(self) -> np.ndarray:
        """The whole array; only where the fixture stores it whole."""
        if not self.whole:
            raise ValueError(f"{self.name} is stored as samples only; use compare()")
        return self.values.reshape(self.shape)

    def max_error(self, mine: Any) -> float:
        """Largest absolute difference at the stored indices; also checks the shape."""
        mine = _to_numpy(mine)
        assert mine.shape == self.shape, f"{self.name}: shape {mine.shape}, reference {self.shape}"
        difference = np.abs(mine.reshape(-1)[self.index].astype(np.float64) - self.values.astype(np.float64))
        return float(difference.max(initial=0.0))

    def compare(self, mine: Any, atol: float, rtol: float = 0.0) -> None:
        """Asserts equality at the stored indices, and of the mean and std that cover all entries."""
        mine = _to_numpy(mine)
        assert mine.shape == self.shape, f"{self.name}: shape {mine.shape}, reference {self.shape}"
        flat = mine.reshape(-1)
        np.testing.assert_allclose(
            flat[self.index].astype(np.float64),
            self.values.astype(np.float64),
            atol=atol,
            rtol=rtol,
            err_msg=self.name,
        )
        np.testing.assert_allclose(
            _mean_and_std(flat),
            self.stats[:2],
            atol=atol,
            rtol=max(rtol, 1e-6),
            err_msg=f"{self.name}: mean, std",
        )


def tensor(arrays: Mapping[str, np.ndarray], name: str) -> Reference:
    """The reference tensor ``name`` of a fixture read with :func:`load_npz`, whole or sampled."""
    if f"{name}.full" in arrays:
        full = arrays[f"{name}.full"]
        wide = full.astype(np.float64)
        stats = np.array([wide.mean(), wide.std(), wide.min(), wide.max()]) if full.size else np.zeros(4)
        return Reference(name, full.shape, np.arange(full.size), full.reshape(-1), stats, True)
    if f"{name}.idx" in arrays:
        shape = tuple(int(n) for n in arrays[f"{name}.shape"])
        values, index = arrays[f"{name}.val"], arrays[f"{name}.idx"].astype(np.int64)
        return Reference(name, shape, index, values, arrays[f"{name}.stats"], False)
    raise KeyError(f"{name}: neither {name}.full nor {name}.idx is in the fixture; it has {sorted(arrays)}")


def names(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the tensors of a fixture, in file order."""
    found = [key.removesuffix(end) for key in arrays for end in (".full", ".idx") if key.endswith(end)]
    return list(dict.fromkeys(found))


def _fan(shape: Sequence[int]) -> int:
    return int(np.prod(shape[1:]))


_KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "x": lambda x: x,
    "100x": lambda x: np.float32(100) * x,
    "10x": lambda x: np.float32(10) * x,
    "0.1x": lambda x: np.float32(0.1) * x,
    "1+0.1x": lambda x: np.float32(1) + np.float32(0.1) * x,
    "0.25+0.05x": lambda x: np.float32(0.25) + np.float32(0.05) * x,
    "0.5+|x|": lambda x: np.float32(0.5) + np.abs(x),
    "x/sqrt(fan)": lambda x: x * np.float32(1 / np.sqrt(_fan(x.shape))),
    "sqrt2*x/sqrt(fan)": lambda x: x * np.float32(np.sqrt(2 / _fan(x.shape))),
}


def manifest(network: str) -> dict[str, Any]:
    """The entry of ``weights_manifest.json`` for one network: ``entries`` and ``check``."""
    entry: dict[str, Any] = load_json("weights_manifest")[network]
    return entry


def draw_weights(
    state_dict_shapes: Mapping[str, Sequence[int]] | Mapping[str, torch.Tensor],
    manifest_entry: Mapping[str, Any],
) -> dict[str, torch.Tensor]:
    """Weights by the recipe, for ``network.load_state_dict(weights, strict=False)``.

    Entries of kind ``keep`` (blur kernels, ``num_batches_tracked``) are left out: they stay as built, so
    ``load_state_dict`` must report exactly those as missing; :func:`load_weights` checks that.

    Args:
        state_dict_shapes: Bare name to shape (or the network's ``state_dict()`` itself). Names and shapes
            must be exactly those of the manifest, or an AssertionError names the difference.
        manifest_entry: ``manifest(network)``.

    Returns:
        Name to float32 tensor.
    """
    entries: Mapping[str, Any] = manifest_entry["entries"]
    shapes = {
        name: tuple(value.shape if isinstance(value, torch.Tensor) else value)
        for name, value in state_dict_shapes.items()
    }
    missing, extra = sorted(set(entries) - set(shapes)), sorted(set(shapes) - set(entries))
    assert not missing + extra, f"state dict lacks {missing[:8]}, has unknown {extra[:8]}"
    weights = {}
    for name, (shape, kind) in entries.items():
        assert shapes[name] == tuple(shape), f"{name}: shape {shapes[name]}, reference {tuple(shape)}"
        if kind == "keep":
            continue
        seed = zlib.crc32(name.encode()) & 0xFFFFFFFF
        x = np.random.RandomState(seed).standard_normal(tuple(shape)).astype(np.float32)
        weights[name] = torch.from_numpy(np.ascontiguousarray(_KINDS[kind](x), dtype=np.float32))
    return weights


def load_weights(network: torch.nn.Module, manifest_entry: Mapping[str, Any]) -> None:
    """Puts the recipe's weights into a network, strictly: only ``keep`` entries stay as built."""
    weights = draw_weights(network.state_dict(), manifest_entry)
    result = network.load_state_dict(weights, strict=False)
    kept = {name for name, (_, kind) in manifest_entry["entries"].items() if kind == "keep"}
    # torch itself fills in the counters of batch norms.
    missing = set(result.missing_keys) | {name for name in kept if name.endswith("num_batches_tracked")}
    assert missing == kept, result.missing_keys
    assert not result.unexpected_keys, result.unexpected_keys


def check_weights(weights: Mapping[str, torch.Tensor], manifest_entry: Mapping[str, Any]) -> None:
    """Asserts the manifest's own checks: number of drawn values, their sums, first values of some entries."""
    check = manifest_entry["check"]
    assert sum(value.numel() for value in weights.values()) == check["n_values"]
    total = sum(float(value.double().sum()) for value in weights.values())
    absolute = sum(float(value.double().abs().sum()) for value in weights.values())
    np.testing.assert_allclose([total, absolute], [check["sum"], check["abs_sum"]], rtol=1e-6)
    for name, first in check["first3"].items():
        np.testing.assert_allclose(weights[name].reshape(-1)[:3].numpy(), first, rtol=1e-6)


def noise(seed: int, shape: Sequence[int]) -> np.ndarray:
    """Standard normal input, float32."""
    return np.random.RandomState(seed).standard_normal(tuple(shape)).astype(np.float32)


def picture(seed: int, batch: int, size: int) -> np.ndarray:
    """Picture-like input [batch, 3, size, size] in [-1, 1]: blocks of 32 pixels plus noise."""
    rs = np.random.RandomState(seed)
    low = rs.uniform(-1, 1, (batch, 3, size // 32, size // 32))
    high = rs.uniform(-1, 1, (batch, 3, size, size))
    blocks = low.repeat(32, axis=2).repeat(32, axis=3)
    return (0.75 * blocks + 0.25 * high).astype(np.float32)


def _mean_and_std(flat: np.ndarray) -> tuple[float, float]:
    """In float64 without a copy of the whole: feature maps have 70 million entries."""
    pieces = [flat[first : first + 2**18] for first in range(0, flat.size, 2**18)]
    mean = sum(piece.sum(dtype=np.float64) for piece in pieces) / flat.size
    square = sum(np.square(piece - mean, dtype=np.float64).sum() for piece in pieces)
    return float(mean), float(np.sqrt(square / flat.size))


def _to_numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
