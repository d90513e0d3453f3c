"""A checked configuration and the objects it names, through the parser that LightningCLI is made of."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningModule

from aukit.datamodules.base import StepDataModule
from aukit.errors import AukitError, ConfigError
from aukit.training.options import LoggingOptions, RunOptions
from aukit.training.values import parse, parser, quiet

_FILLED_IN = ("trainer", "model", "data")
_OPTIONS = ("run", "logging")


class RunConfig(Mapping[str, Any]):
    """A configuration whose types are checked and whose defaults are filled in, parsed once.

    As a mapping it is the plain dictionary (sections of dicts, lists, strings and numbers) that is hashed,
    saved with the run and shown in its record. Values read from it are copies: to change something, make a
    dictionary of it, `{**config, "seed": 1}`, and `resolve` that one.

    Args:
        config: sections `model`, `data` and, where wanted, `trainer`, `run`, `logging`, `seed` (0),
            `experiment` and `profile`.

    Raises:
        ConfigError: a value has the wrong type or a required argument is missing.

    Example:
        >>> from aukit.training import load_config
        >>> config = load_config("fgnet", "smoke", ["fold=1"])
        >>> config["data"]["init_args"]["fold"], config.run.selection
        (1, 'best')
        >>> build_datamodule(config).fold
        1
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._parsed = parse(config)
        checked = {section: _plain(self._parsed[section]) for section in (*_FILLED_IN, *_OPTIONS)}
        self.run, self.logging = RunOptions(**checked["run"]), LoggingOptions(**checked["logging"])
        for section in _OPTIONS:
            checked[section] = {key: checked[section][key] for key in config.get(section) or {}}
        self._values = {"seed": 0, **deepcopy(dict(config)), **checked}

    def __getitem__(self, key: str) -> Any:
        return deepcopy(self._values[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type[RunConfig], tuple[dict[str, Any]]]:
        return RunConfig, (self._values,)

    @property
    def seed(self) -> int:
        """Seed of everything but the data."""
        return int(self._values["seed"])

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return str(self._values.get("experiment", "run"))

    def instantiate(self, section: str) -> Any:
        """Objects of `trainer` (its arguments), `model` or `data`; each call makes new ones.

        Raises:
            AukitError: what a constructor raises; ConfigError for other errors of one.
        """
        only = Namespace()  # type: ignore[no-untyped-call]
        only[section] = deepcopy(self._parsed[section])
        with quiet():
            # 4.49 renamed the method and kept the old name as a deprecated one.
            made_by = parser(section)
            instantiate = getattr(made_by, "instantiate", None) or made_by.instantiate_classes
            try:
                return instantiate(only)[section]
            except Exception as error:  # jsonargparse's own, around what a constructor raised
                cause: BaseException = error
                while cause.__cause__ is not None and not isinstance(cause, AukitError):
                    cause = cause.__cause__
                if isinstance(cause, AukitError):
                    raise cause from None
                raise ConfigError(
                    f"experiment {self.experiment}: {section} cannot be made: {_in_words(cause)}"
                ) from error


def resolve(config: Mapping[str, Any]) -> RunConfig:
    """Check types and fill in every default of trainer, model and data (recursively).

    Args:
        config: sections of a configuration; a `RunConfig` is returned as it is.

    Raises:
        ConfigError: a value has the wrong type or a required argument is missing.
    """
    return config if isinstance(config, RunConfig) else RunConfig(config)


def build_datamodule(config: Mapping[str, Any]) -> StepDataModule:
    """Instantiate section `data`.

    Raises:
        ConfigError: it is no datamodule of this project, and could not resume in the middle of an epoch.
    """
    datamodule = resolve(config).instantiate("data")
    if not isinstance(datamodule, StepDataModule):
        raise ConfigError(
            f"data: {type(datamodule).__name__} must derive from aukit.datamodules.StepDataModule"
        )
    return datamodule


def build_model(config: Mapping[str, Any]) -> LightningModule:
    """Instantiate section `model`; initial weights come from torch's generator as it is now."""
    model = resolve(config).instantiate("model")
    assert isinstance(model, LightningModule)
    return model


def trainer_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the trainer with callbacks and the like instantiated."""
    return dict(resolve(config).instantiate("trainer").as_dict())


def _plain(value: Any) -> Any:
    if isinstance(value, Namespace):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _in_words(error: BaseException) -> str:
    """An error of a constructor with the line that raised it."""
    text = f"{type(error).__name__}: {error}"
    trace = traceback.extract_tb(error.__traceback__)
    return f"{text} ({trace[-1].filename}, line {trace[-1].lineno})" if trace else text
