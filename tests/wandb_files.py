"""Read back what the W&B client left in an offline run folder."""

import json
import struct
from pathlib import Path
from typing import Any

_BLOCK = 32768
_BEGUN = (2, 3)  # first and middle parts of a message


def history(folder: Path) -> dict[str, Any]:
    """Last logged value of every key of the one offline run below `folder`."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    values: dict[str, Any] = {}
    for message in _messages(path.read_bytes()):
        record = Record.FromString(message)
        for item in record.history.item:
            values[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return values


def table(folder: Path, key: str) -> list[dict[str, Any]]:
    """Rows of the table that was logged under `key`."""
    (path,) = folder.glob(f"wandb/offline-run-*/files/media/table/{key}_*.table.json")
    content = json.loads(path.read_text())
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def _messages(data: bytes) -> list[bytes]:
    """Messages of a transaction log: LevelDB's log format behind a header of seven bytes."""
    assert data.startswith(b":W&B")
    messages, parts, at = [], [], 7
    while at < len(data):
        room = _BLOCK - at % _BLOCK
        if room < 7:  # too short for a header: padding
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind not in _BEGUN:
            messages.append(b"".join(parts))
            parts = []
    return messages
