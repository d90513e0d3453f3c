"""From a plain configuration to objects, through the parser that LightningCLI is made of."""

from __future__ import annotations

import warnings
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser

from aukit.datamodules.base import StepDataModule
from aukit.errors import ConfigError

_SECTIONS: dict[str, type[LightningModule] | type[LightningDataModule]] = {
    "model": LightningModule,
    "data": LightningDataModule,
}


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check types and fill in every default of trainer, model and data (recursively).

    Args:
        config: what `load_config` returns, or the result of this function.

    Returns:
        A new plain dictionary of dicts, lists, strings and numbers.

    Raises:
        ConfigError: a value has the wrong type or a required argument is missing.
    """
    parsed = _parse(config)
    resolved = {**config, **{section: _plain(parsed[section]) for section in ("trainer", *_SECTIONS)}}
    return resolved


def build_datamodule(config: Mapping[str, Any]) -> StepDataModule:
    """Instantiate section `data`.

    Raises:
        ConfigError: it is no datamodule of this project, and could not go on in the middle of an epoch.
    """
    datamodule = _instantiate(config, "data")
    if not isinstance(datamodule, StepDataModule):
        raise ConfigError(
            f"data: {type(datamodule).__name__} must derive from aukit.datamodules.StepDataModule"
        )
    return datamodule


def build_model(config: Mapping[str, Any]) -> LightningModule:
    """Instantiate section `model`; initial weights come from torch's generator as it is now."""
    model = _instantiate(config, "model")
    assert isinstance(model, LightningModule)
    return model


def trainer_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the trainer with callbacks and the like instantiated."""
    return dict(_instantiate(config, "trainer").as_dict())


def _instantiate(config: Mapping[str, Any], section: str) -> Any:
    parsed = _parse(config)
    only = Namespace()  # type: ignore[no-untyped-call]
    only[section] = parsed[section]
    with _quiet():
        parser = _parser()
        # 4.49 renamed the method and kept the old name as a deprecated one.
        instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
        return instantiate(only)[section]


def _parser() -> LightningArgumentParser:
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_lightning_class_args(Trainer, "trainer")
    for section, base in _SECTIONS.items():
        parser.add_lightning_class_args(base, section, subclass_mode=True)
    return parser


def _parse(config: Mapping[str, Any]) -> Namespace:
    sections = {  # copied, since the parser puts its own types into lists of classes
        section: deepcopy(config[section])
        for section in ("trainer", *_SECTIONS)
        if config.get(section) is not None
    }
    try:
        with _quiet():
            parsed: Namespace = _parser().parse_object(sections)
            return parsed
    except ArgumentError as error:
        raise ConfigError(f"experiment {config.get('experiment', '?')}: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Old names of jsonargparse, which Lightning itself still calls.
        warnings.filterwarnings("ignore", message=".*was deprecated in v4.*")
        yield


def _plain(value: Any) -> Any:
    if isinstance(value, Namespace):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
