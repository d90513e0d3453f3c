"""Leak test: whoever sees the frames without the face knows nothing of unseen people's action units."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import pytest

from aukit.datasets.fera2017 import AUS
from aukit.datasets.folds import LISTED
from aukit.metrics import intraclass_correlation
from aukit.simulation import BP4DSimulationConfig, DISFASimulationConfig, FERA2017SimulationConfig
from aukit.simulation.corpora import bp4d, fera2017
from aukit.simulation.corpora.config import Recording, SimulationConfig
from aukit.simulation.corpora.disfa import recording_of
from aukit.simulation.corpora.recorder import Recorder

PEOPLE, TASKS, FOLDS = 24, 12, 6


@dataclass(frozen=True)
class World:
    """A stand-in of which one frame of each of many recordings is rendered: further frames of a recording
    would say nearly the same again."""

    config: SimulationConfig
    subjects: tuple[str, ...]
    recording: Callable[[str, str], Recording]
    view: int
    aus: tuple[int, ...]


def small(config: Any) -> Any:
    return replace(config, profile="probe", frames=1, fps=1, size=64)


FERA, BP4D, DISFA = (
    small(FERA2017SimulationConfig.mini()),
    small(BP4DSimulationConfig.mini()),
    small(DISFASimulationConfig.mini()),
)
WORLDS = {
    "fera2017": World(
        FERA,
        FERA.subjects("train"),
        lambda subject, task: fera2017.recording_of("train", subject, task),
        6,
        AUS.intensity,
    ),
    "bp4d": World(BP4D, BP4D.subjects(), bp4d.recording_of, 0, tuple(LISTED["bp4d"])),
    "disfa": World(
        DISFA,
        DISFA.subjects(),
        lambda subject, task: replace(recording_of(subject), task=task),
        1,
        tuple(LISTED["disfa"]),
    ),
}


def masked(frames: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Frames with a box of fixed size about the bridge of the nose (which no AU moves) painted grey."""
    result = frames.copy()
    size = frames.shape[1]
    for image, points in zip(result, landmarks, strict=True):
        x, y = points[27, :2]
        left, right = int(x - 0.36 * size), int(x + 0.36 * size)
        top, bottom = int(y - 0.30 * size), int(y + 0.62 * size)
        image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 128
    return result


@pytest.fixture(scope="module", params=WORLDS)
def probe(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    world = WORLDS[request.param]
    columns = [world.config.simulated_aus.index(au) for au in world.aus]
    images, points, labels, people = [], [], [], []
    for number, subject in enumerate(world.subjects[:PEOPLE]):
        recorder = None
        for task in range(TASKS):
            recording = world.recording(subject, f"T{task + 1}")
            recorder = recorder or Recorder(world.config, recording.person, recording.gender)
            intensity = world.config.true_intensities(recording)
            for frames, landmarks in recorder.frames(recorder.plan(recording, world.view, intensity)):
                images.append(frames)
                points.append(landmarks)
            labels.append(world.config.codes(recording, intensity)[:, columns])
            people.append(number)
    codes = np.concatenate(labels).astype(float)
    return {
        "images": np.concatenate(images),
        "landmarks": np.concatenate(points),
        "labels": np.where(codes == 9, np.nan, codes),
        "people": np.array(people),
    }


def probe_icc(images: np.ndarray, labels: np.ndarray, people: np.ndarray) -> np.ndarray:
    """ICC [A] of a ridge regression on 12 x 12 pixels, predicted for people it has not seen."""
    small = np.stack([cv2.resize(i, (12, 12), interpolation=cv2.INTER_AREA) for i in images])
    features = small.reshape(len(small), -1).astype(float)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    targets = np.where(np.isnan(labels), np.nanmean(labels, axis=0), labels)
    predictions = np.empty_like(targets)
    for fold in range(FOLDS):
        test = people % FOLDS == fold
        x, y = features[~test], targets[~test]
        # As many independent recordings as there are: shrink to some twenty directions.
        gram = x.T @ x + 0.02 * np.trace(x.T @ x) / 20 * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, x.T @ (y - y.mean(axis=0)))
        predictions[test] = features[test] @ weights + y.mean(axis=0)
    return np.asarray(intraclass_correlation(predictions, labels))


@pytest.mark.slow
def test_frames_without_the_face_tell_nothing(probe: dict[str, np.ndarray]) -> None:
    icc = probe_icc(masked(probe["images"], probe["landmarks"]), probe["labels"], probe["people"])
    # 288 recordings: the mean over seven AUs has a standard error of about 0.02.
    assert abs(icc.mean()) <= 0.05, icc
    assert np.abs(icc).max() <= 0.20, icc


@pytest.mark.slow
def test_the_probe_finds_a_leak_where_there_is_one(probe: dict[str, np.ndarray]) -> None:
    leaky = masked(probe["images"], probe["landmarks"])
    smile = np.nan_to_num(probe["labels"][:, 3])
    leaky[:, :8, :8] = (40 + 30 * smile[:, None, None, None]).astype(np.uint8)
    assert probe_icc(leaky, probe["labels"], probe["people"])[3] > 0.3
