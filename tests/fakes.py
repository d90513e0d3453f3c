"""A corpus of a few coloured frames and a registration that crops them."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from aukit.datasets.frame_table import FrameTable
from aukit.errors import CorpusError
from aukit.registration import Registered
from aukit.store import PreparedStore, prepare

AUS = (1, 4, 12)


class FakeCorpus:
    """`people` people with one video of `frames` frames; the mean colour of a frame tells its labels."""

    def __init__(self, people: int = 6, frames: int = 10, side: int = 24, delay: float = 0.0) -> None:
        self.frames, self.side, self.delay = frames, side, delay
        rng = np.random.default_rng(7)
        rows = []
        for person in range(people):
            partition = "test" if person >= people - people // 3 else "train"
            for position in range(frames):
                rows.append(
                    {
                        "corpus": "fake",
                        "partition": partition,
                        "person": f"Fake/P{person:02d}",
                        "subject": f"P{person:02d}",
                        "gender": "female" if person % 2 else "male",
                        "task": "T1",
                        "view": 6,
                        "frame": position + 1,
                        "video": f"p{person:02d}.mp4",
                        "position": position,
                        "pair_id": None,
                        **{f"AU{au:02d}_r": float(rng.integers(0, 6)) for au in AUS},
                    }
                )
        frame = pd.DataFrame(rows)
        for au in AUS:
            frame[f"AU{au:02d}_c"] = (frame[f"AU{au:02d}_r"] >= 2).astype(np.float32)
        self.table = FrameTable(frame)
        self.exclusions = [SimpleNamespace(video="p99.mp4", position=None, reason="no person of that name")]
        self.notes = ["2 people without known gender: P00, P01"]
        self.standin = {"recipe": "fake", "version": 1}
        self.broken: dict[str, int] = {}  # video -> position at which decoding fails
        self.short: dict[str, int] = {}  # video -> number of frames that are really there
        self.faceless: set[tuple[str, int]] = set()

    def changed(self) -> list[str]:
        return []

    def fingerprint(self) -> str:
        return hashlib.sha256(repr((len(self.table), self.side)).encode()).hexdigest()

    def decode(self, video: str) -> Iterator[tuple[int, np.ndarray]]:
        labels = self.table.frame[self.table.frame["video"] == video].set_index("position")
        for position in range(self.short.get(video, self.frames)):
            if position == self.broken.get(video):
                raise CorpusError(f"{video}: damaged at frame {position}")
            time.sleep(self.delay)
            image = np.random.default_rng(position).integers(0, 30, (self.side, self.side, 3), dtype=np.uint8)
            if position in labels.index:
                levels = labels.loc[position].reindex([f"AU{au:02d}_r" for au in AUS]).fillna(0)
                image += (levels.to_numpy(dtype=np.float32) * 40).astype(np.uint8)
            yield position, image


class FakeLandmarks:
    name = "fake"

    def __init__(self, corpus: FakeCorpus) -> None:
        self.corpus = corpus

    def check(self) -> None:
        pass

    def landmarks(self, video: str, images: np.ndarray, positions: np.ndarray) -> np.ndarray:
        found = np.zeros((len(images), 68, 3), np.float32)
        found += np.asarray(positions, np.float32)[:, None, None]
        for index, position in enumerate(positions):
            if (video, int(position)) in self.corpus.faceless:
                found[index] = np.nan
        return found


class FakeRegistration:
    def __init__(self, size: int = 16, name: str = "middle") -> None:
        self.size, self.name = size, name
        self.settings = {"margin": 0}

    def __call__(self, images: np.ndarray, landmarks: np.ndarray) -> Registered:
        return Registered(images[:, : self.size, : self.size], landmarks, np.ones(len(images), dtype=bool))


def fake_store(
    folder: Path,
    corpus: FakeCorpus | None = None,
    registration: FakeRegistration | None = None,
    **options: object,
) -> PreparedStore:
    corpus = corpus or FakeCorpus()
    return prepare(
        corpus,
        registration or FakeRegistration(),
        FakeLandmarks(corpus),
        folder,
        workers=0,
        progress=False,
        **options,
    )


def fake_plan(store: PreparedStore, inputs: np.ndarray, targets: np.ndarray | None = None) -> pd.DataFrame:
    """A balanced set's plan for the first of `AUS`: these faces with the labels of those frames."""
    targets = inputs if targets is None else targets
    levels, person = store.table.intensities(AUS)[targets], store.table.frame["person"].to_numpy()
    labels = {f"AU{au:02d}_r": levels[:, index] for index, au in enumerate(AUS)}
    rows = {"au": AUS[0], "level": levels[:, 0].astype(int), "input_frame": inputs, "target": targets}
    return pd.DataFrame({**rows, "person": person[inputs], "target_person": person[targets], **labels})
