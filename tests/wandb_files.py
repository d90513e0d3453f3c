"""Read back what the W&B client left in an offline run folder."""

import json
import struct
from pathlib import Path
from typing import Any

_BLOCK = 32768
_BEGUN = (2, 3)  # first and middle parts of a message


def history(folder: Path) -> dict[str, Any]:
    """Last logged value of every key of the one offline run below `folder`."""
    (rows,) = attempts(folder)
    return {key: value for row in rows for key, value in row.items()}


def attempts(folder: Path) -> list[list[dict[str, Any]]]:
    """Logged rows of each attempt at a run below `folder`, the first attempt first."""
    return [
        [
            {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            for record in records
            if record.HasField("history")
        ]
        for records in _files(folder)
    ]


def run(folder: Path) -> Any:
    """What the one run below `folder` says of itself: id, name, group, tags …"""
    (records,) = _files(folder)
    return next(record.run for record in records if record.HasField("run"))


def config(folder: Path) -> dict[str, Any]:
    """Its configuration, nested."""
    return {item.key: json.loads(item.value_json) for item in run(folder).config.update}


def summary(folder: Path) -> dict[str, Any]:
    """What was put into its summary."""
    (records,) = _files(folder)
    updates = [item for record in records for item in record.summary.update]
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in updates}


def exit_code(folder: Path) -> int:
    """How it ended: 0 is well."""
    (records,) = _files(folder)
    return int(next(record.exit.exit_code for record in records if record.HasField("exit")))


def media(folder: Path, kind: str) -> list[str]:
    """Keys of the media of a kind, "table" or "images", below `folder`."""
    files = folder.glob(f"wandb/offline-run-*/files/media/{kind}/**/*.*")
    return sorted({f"{path.parent.name}/{path.name.split('_')[0]}" for path in files})


def table(folder: Path, key: str) -> list[dict[str, Any]]:
    """Rows of the table that was logged under `key`."""
    (path,) = folder.glob(f"wandb/offline-run-*/files/media/table/{key}_*.table.json")
    content = json.loads(path.read_text())
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def _files(folder: Path) -> list[list[Any]]:
    """Records of each file, by the time at which it was begun."""
    from wandb.proto.wandb_internal_pb2 import Record

    paths = folder.glob("wandb/offline-run-*/*.wandb")
    files = [[Record.FromString(message) for message in _messages(path.read_bytes())] for path in paths]

    def began(records: list[Any]) -> int:
        return next(r.run.start_time.ToNanoseconds() for r in records if r.HasField("run"))

    return sorted(files, key=began)


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
