"""Stand-in of the example corpus: rendered people in its layout."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from aukit.simulation import Recording, SimulationConfig, VideoStandin, write_csv
from example_corpus.reader import AUS, PARTITIONS


@dataclass(frozen=True)
class ExampleSimulationConfig(SimulationConfig):
    """Sizes of a stand-in.

    Attributes:
        frames: Frames per person.
    """

    corpus = "example"
    options = ("frames",)
    acquisition = "street"
    coded_aus = AUS
    view_poses = MappingProxyType({0: (0.0, 0.0)})

    @classmethod
    def smoke(cls, seed: int = 0) -> "ExampleSimulationConfig":
        return cls("smoke", 6, 5, 64, seed=seed)

    @classmethod
    def mini(cls, seed: int = 0) -> "ExampleSimulationConfig":
        return cls("mini", 100, 5, 128, seed=seed)

    @classmethod
    def standin(cls, seed: int = 0) -> "ExampleSimulationConfig":
        return cls("standin", 500, 10, 512, supersampling=2, seed=seed)

    def recordings(self) -> list[Recording]:
        return [
            Recording(subject, "interview", partition, f"Example/{subject}", "female" if i % 2 else "male")
            for i, (subject, partition) in enumerate(PARTITIONS.items())
        ]


@dataclass(frozen=True)
class ExampleStandin(VideoStandin):
    """A video and a file of intensities per person."""

    config: ExampleSimulationConfig

    config_type = ExampleSimulationConfig
    intensity_aus = AUS
    partitions = ("train", "test")
    views = (0,)

    def stem(self, recording: Recording, view: int) -> str:
        return recording.subject

    def video(self, recording: Recording, view: int) -> Path:
        return self.root / f"{recording.subject}.mp4"

    def write_labels(self, recording: Recording, codes: npt.NDArray[np.int64]) -> None:
        columns = codes[:, [self.config.simulated_aus.index(au) for au in AUS]]
        write_csv(
            self.root / f"{recording.subject}.csv", np.hstack([np.arange(len(codes))[:, None], columns])
        )
