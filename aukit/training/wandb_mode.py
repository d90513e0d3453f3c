"""How Weights & Biases is used, read from the environment: online, offline, in the run of a sweep's agent."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit


def agent_run() -> str | None:
    """Id of the run that an agent of a sweep has begun for this process; None where there is no agent."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def wandb_mode() -> Literal["online", "offline", "disabled"]:
    """Where runs go: as `WANDB_MODE` says if it is set, else online if there is a key; no network.

    The key is looked for where `wandb login` leaves it: in `WANDB_API_KEY` or the netrc file.
    """
    if mode := os.environ.get("WANDB_MODE"):
        return "disabled" if mode == "disabled" else "online" if mode in ("online", "run") else "offline"
    return "online" if _has_key() else "offline"


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        return host is not None and netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
