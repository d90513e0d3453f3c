"""What a folder holds, without what no two attempts at it can have in common.

Left out are: locks; the folders of Weights & Biases; seconds, memory and speed (`UNLIKE`), wherever a JSON
file has them; fingerprints, since videos enter them by the time at which they were written: they are found as
the words of 64 hexadecimal digits in the files, and they and their beginnings, which name folders, are
replaced. Of a run's log, which has a file per attempt, the whole is compared; of a checkpoint every tensor.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from aukit.training import read_log

UNLIKE = frozenset(
    {
        "seconds",
        "training_seconds",
        "peak_memory_bytes",
        "peak_device_memory_bytes",
        "test_frames_per_second",
        "git_commit",
        "signature",
    }
)
"""Keys of JSON files that are not compared: time, memory, speed, the code, a hash of such files."""

_TEXTS = {".json", ".yaml", ".csv", ".txt", ".md", ".tex"}
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


def contents(folder: Path) -> Counter[tuple[str, str]]:
    """Name and digest of everything below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if not _is_left_out(path.relative_to(folder))]
    texts = {path: path.read_text() for path in files if path.suffix in _TEXTS}
    hashes = {found for text in texts.values() for found in _HASH.findall(text)}
    beginnings = sorted({found[:digits] for found in hashes for digits in (64, 16, 12, 8)}, key=len)
    any_of_them = re.compile(rf"\b({'|'.join(reversed(beginnings))})\b") if beginnings else re.compile(r"$^")
    found: Counter[tuple[str, str]] = Counter()
    logs = set()
    for path in files:
        name = any_of_them.sub("#", path.relative_to(folder).as_posix())
        if path.match("csv/version_*/*"):
            logs.add(path.parents[2])
        elif path.suffix == ".ckpt":
            found[name, _of_tensors(path)] += 1
        elif path.suffix == ".json":
            alike = _without(UNLIKE, json.loads(texts[path]))
            found[name, _digest(any_of_them.sub("#", json.dumps(alike)).encode())] += 1
        elif path in texts:
            found[name, _digest(any_of_them.sub("#", texts[path]).encode())] += 1
        else:
            found[name, _digest(path.read_bytes())] += 1
    for run in logs:
        name = any_of_them.sub("#", run.relative_to(folder).as_posix())
        found[f"{name}/log", _digest(read_log(run).to_csv().encode())] += 1
    return found


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders that a writer should have renamed or removed."""
    names = (path.relative_to(folder) for path in folder.rglob(".*"))
    return sorted(str(name) for name in names if name.suffix != ".lock" and name.name != ".lock")


def differences(one: Counter[tuple[str, str]], two: Counter[tuple[str, str]]) -> list[str]:
    """Names of the files that are not the same in both."""
    return sorted({name for name, _ in (one - two) + (two - one)})


def _is_left_out(path: Path) -> bool:
    is_lock = path.suffix == ".lock" or path.name == ".lock"
    return is_lock or path.name == "stages.json" or path.parts[0] == "tmp" or "wandb" in path.parts


def _without(keys: frozenset[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(keys, inner) for key, inner in value.items() if key not in keys}
    return [_without(keys, inner) for inner in value] if isinstance(value, list) else value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _of_tensors(path: Path) -> str:
    """Digest of a checkpoint's weights and the state of its optimisers."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    digest = hashlib.sha256()
    _update(digest, {key: content.get(key) for key in ("state_dict", "optimizer_states", "lr_schedulers")})
    return digest.hexdigest()[:16]


def _update(digest: hashlib._Hash, value: Any) -> None:
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _update(digest, value[key])
    elif isinstance(value, list | tuple):
        for inner in value:
            _update(digest, inner)
    elif isinstance(value, torch.Tensor):
        digest.update(f"{value.dtype}{list(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    else:
        digest.update(repr(value).encode())
