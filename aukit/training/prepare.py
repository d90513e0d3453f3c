"""Make the data of an experiment ready without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aukit.errors import ConfigError
from aukit.training.config import missing_values
from aukit.training.run_config import build_datamodule


def prepare_data(config: Mapping[str, Any]) -> str:
    """Make what a training of this configuration will ask for: the datamodule itself prepares its data.

    Args:
        config: what `load_config` returns, or a dictionary of its sections.

    Returns:
        Summaries of the prepared stores, or what else was made.

    Raises:
        ConfigError: a value of the data is missing or wrong.
        AukitError: whatever the datamodule's `prepare_data` raises.
    """
    if missing := [name for name in missing_values(config) if name.startswith("data.")]:
        raise ConfigError(
            f"experiment {config.get('experiment', '?')}: give {' '.join(f'{m}=...' for m in missing)}"
        )
    data = build_datamodule(config)
    data.prepare_data()
    return "\n\n".join(data.prepared())
