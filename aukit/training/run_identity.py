"""Identity of a run: a hash of what decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aukit.training.classes import import_class, is_class, own_sources
from aukit.training.record import SCHEMA
from aukit.training.run_config import resolve
from aukit.training.start_files import start_files, with_contents
from aukit.utils.files import file_sha256

#: Sections and keys that say where to, how fast, on how many processes or under which name, not what.
_SECTIONS = ("experiment", "profile", "logging")
_RUN = ("save_minutes", "time_limit", "batch_per_process")  # the last is worked into the batch sizes by then
_TRAINER = (
    "accelerator",
    "barebones",
    "default_root_dir",
    "detect_anomaly",
    "devices",
    "enable_autolog_hparams",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "log_every_n_steps",
    "logger",
    "num_nodes",
    "num_sanity_val_steps",
    "profiler",
    "strategy",
    "sync_batchnorm",
)


def identity(
    config: Mapping[str, Any], data_fingerprint: str, contents: Mapping[str, str | None] | None = None
) -> str:
    """Hash (64 hex digits) of the resolved configuration, the data and the schema version.

    Left out: `logging`, names, the trainer's devices and display options, and of each class the arguments
    that its `location_arguments` lists; values of None, so that a new optional argument does not orphan older
    runs. Of files that the model starts from (`start_arguments` of its classes) the content counts, not the
    place. Of classes that are not installed the source counts, with what it imports; of others the name. The
    git commit does not enter it.

    Args:
        config: what `load_config` or `resolve` returns, or a dictionary like it.
        data_fingerprint: the datamodule's fingerprint.
        contents: as `start_files` returns, where some are known otherwise; None to read the files.
    """
    resolved = {key: value for key, value in resolve(config).items() if key not in _SECTIONS}
    resolved["run"] = {key: value for key, value in (resolved.get("run") or {}).items() if key not in _RUN}
    resolved["trainer"] = {key: value for key, value in resolved["trainer"].items() if key not in _TRAINER}
    resolved["model"] = with_contents(
        resolved["model"], start_files(config) if contents is None else contents
    )
    payload = {"schema": SCHEMA, "data": data_fingerprint, "config": _strip(resolved)}
    if sources := _sources(resolved):
        payload["sources"] = sources
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _sources(value: Any) -> dict[str, str]:
    """Module → content (SHA-256) of everything of the user's own that the configuration names."""
    if isinstance(value, list | tuple):
        return {name: content for item in value for name, content in _sources(item).items()}
    if not isinstance(value, Mapping):
        return {}
    found = _sources(list(value.values()))
    if is_class(value):
        own = own_sources(import_class(value["class_path"]))
        found |= {name: file_sha256(file) for name, file in own.items()}
    return found


def _strip(value: Any) -> Any:
    if isinstance(value, Mapping):
        dropped: tuple[str, ...] = ()
        if is_class(value):
            dropped = tuple(getattr(import_class(value["class_path"]), "location_arguments", ()))
        kept = {key: _strip(inner) for key, inner in value.items() if inner is not None}
        if "init_args" in kept:
            kept["init_args"] = {key: inner for key, inner in kept["init_args"].items() if key not in dropped}
        return kept
    return [_strip(item) for item in value] if isinstance(value, list | tuple) else value
