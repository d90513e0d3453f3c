"""What a model was trained on, and whether it can score the data that it is given.

Every checkpoint has the state of the training's datamodule, and in it `trained_on`: its corpus, its action
units in the order of the model's outputs, the kind of its images, and fingerprints of its people. Action
units are matched by number; images must be of the same kind, and people others.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aukit.datamodules.base import StepDataModule
from aukit.datasets.person_ids import digests
from aukit.errors import ConfigError, WeightsError

_SCHEMA = 1


@dataclass(frozen=True)
class TrainedOn:
    """What the model in a file was trained on.

    Attributes:
        file: the file.
        aus: action units, in the order of the model's outputs; None for a model without.
        corpus: the corpus, where it is known.
        input_kind: as a datamodule's `input_kind`; what is not known is missing.
        people: fingerprints of the names of those whose labels were learnt; None where that is not known.
    """

    file: Path
    aus: tuple[int, ...] | None
    corpus: str | None = None
    input_kind: Mapping[str, Any] = field(default_factory=dict)
    people: frozenset[str] | None = None

    @classmethod
    def of_checkpoint(cls, content: Mapping[str, Any], file: Path) -> TrainedOn:
        """Read what a checkpoint says of itself.

        Of one that another program saved the hyperparameter `aus` is taken, with a warning.

        Raises:
            WeightsError: it does not say.
        """
        states = (state for state in content.values() if isinstance(state, Mapping))
        found = next((state["trained_on"] for state in states if "trained_on" in state), None)
        if isinstance(found, Mapping) and found.get("schema") == _SCHEMA:
            about = dict(found)
            del about["schema"]
            aus, corpus, people = about.pop("aus"), about.pop("corpus"), about.pop("people", None)
            return cls(
                file,
                None if aus is None else tuple(aus),
                corpus,
                about,
                None if people is None else frozenset(people),
            )
        hyperparameters = content.get("hyper_parameters")
        aus = hyperparameters.get("aus") if isinstance(hyperparameters, Mapping) else None
        if found is not None or aus is None:
            raise WeightsError(
                f"{file}: does not say what it was trained on, as checkpoints of this version of aukit do;"
                " train it again"
            )
        warnings.warn(
            f"{file}: does not say which images it was trained on; their registration and size are not"
            " compared with the data's",
            stacklevel=2,
        )
        return cls(file, tuple(aus))

    def described(self) -> dict[str, Any]:
        """What a checkpoint says of it, as `of_checkpoint` reads it, but for the people."""
        aus = None if self.aus is None else list(self.aus)
        return {"schema": _SCHEMA, "corpus": self.corpus, "aus": aus, **self.input_kind}

    def check(self, data: StepDataModule) -> None:
        """See that the model can score the data.

        Raises:
            ConfigError: it does not know an action unit of the data, or was trained on images of another
                kind; what both have is named.
        """
        asked = tuple(getattr(data, "aus", ()))
        if self.aus is not None and (unknown := [au for au in asked if au not in self.aus]):
            known = [au for au in asked if au in self.aus]
            remedy = f"give data.aus=[{','.join(map(str, known))}]" if known else "take another model"
            raise ConfigError(
                f"{self.file}: knows no AU {' '.join(map(str, unknown))}. It was trained on AUs"
                f" {list(self.aus)} of {self.corpus or 'a corpus'}, the data have {list(asked)}; {remedy}"
            )
        here = data.input_kind
        differ = [
            name
            for name, value in self.input_kind.items()
            if value is not None and here.get(name) is not None and here[name] != value
        ]
        if "registration" in differ and "registration_settings" in differ:
            differ.remove("registration_settings")  # of another registration they are others anyway
        if differ:
            theirs, own = (
                ", ".join(f"{name} {kind[name]}" for name in differ) for kind in (self.input_kind, here)
            )
            raise ConfigError(
                f"{self.file}: was trained on images of another kind: {theirs}, the data have {own}. Prepare"
                " the data as the training did (data.registration, data.size and the like)"
            )

    def check_people(self, data: StepDataModule) -> None:
        """See that nobody is tested whose labels the model was trained on.

        Raises:
            ConfigError: somebody is.
        """
        if self.people is None:
            warnings.warn(
                f"{self.file}: does not say whom it was trained on; see that none of them is tested",
                stacklevel=2,
            )
            return
        tested = data.tested_people
        if both := sorted(person for person, names in tested.items() if self.people & set(digests(names))):
            raise ConfigError(
                f"{self.file}: was trained on {len(both)} of the {len(tested)} people who would be tested,"
                f" such as {', '.join(both[:5])}. Test others, for example those of the fold that it was"
                " trained for (data.fold); --seen-people scores them all the same"
            )
