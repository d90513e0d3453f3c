"""What each kind of stage costs: operations, hours and disk of what is not there yet.

Networks are counted (`aukit.training.cost`). What no network does is measured, on two cores at 2.3 GHz, and
given per frame and core below.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from aukit.reproduce.throughput import Cluster, Device
from aukit.store.encoding import Encoding, store_kind

if TYPE_CHECKING:  # Lightning takes seconds to import
    from aukit.training import RunConfig
    from aukit.training.cost import ModelCost, Work

# Seconds of a core. Rendering: 9,408 frames of 192 px in 84 s on two cores, and frames of 512 px with 2 × 2
# samples a pixel beside them.
_RENDER, _RENDER_PIXEL = 13e-3, 180e-9
# An avatar also takes its driver's tracked expression.
_AVATAR = 9e-3
# Registration to 64 px: 9,408 frames in 29 s. "ffhq" resamples the face at a larger side: 0.8 s at 4,096.
_CROP, _CROP_PIXEL = 6e-3, 48e-9
# A frontal crop turned to another view: 3 ms at 64 px, 7 ms at 224.
_TURN, _TURN_PIXEL = 2.6e-3, 88e-9
# PRNet's network, per face.
_PRNET = 4.1e9  # multiply-adds
# Reading and augmenting an image: 1.9 ms with "photometric" at 224 px.
_LOAD, _LOAD_PIXEL = 0.2e-3, 35e-9
_BEGIN = 8.0  # per training: a process, its imports, the networks, the store
_STEP = 5e-3  # per step: Lightning's loop, hooks and log

# Bytes. Video and images: 0.09 (mp4) to 0.34 (JPEG) per pixel; landmarks, labels and sealed truth of a frame.
_VIDEO_PIXEL, _FRAME = 0.34, 2000
_LANDMARKS = 68 * 3 * 4
# A pixel of a crop, lossless WebP and JPEG at quality 95: rendered frames at 224 px (`benchmarks/store.py`).
_CROP_BYTES = {None: 3.0, "webp": 0.85, "jpeg": 0.35}
_SCORE = 8  # a prediction's, of a frame and action unit, compressed
_LOGS = 1.2e6  # per training: CSV, Weights & Biases, scores by group, record


@dataclass(frozen=True)
class Disk:
    """Disk of a stage, or of a part of one.

    Attributes:
        kept: Bytes in the end.
        transient: Further bytes while it runs: each of its pieces.
        pieces: Trainings that can run side by side.
    """

    kept: float = 0
    transient: float = 0
    pieces: int = 1


@dataclass(frozen=True)
class Effort:
    """Work of one or several parts of a stage.

    Attributes:
        trainings: Trainings to be run.
        done: Trainings that are there.
        steps: Steps of those to be run.
        multiply_adds: Of trainings, validations and tests.
        seconds: Wall-clock time.
    """

    trainings: int = 0
    done: int = 0
    steps: int = 0
    multiply_adds: float = 0
    seconds: float = 0

    def __add__(self, other: Effort) -> Effort:
        return Effort(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class OnAll:
    """Trainings that run in turn, each of them on all GPUs.

    Attributes:
        seconds: Wall-clock time.
        steps: Steps.
        exchanging: Seconds of them in which gradients and statistics are summed.
        exchanged: Bytes that each GPU has summed or handed on.
    """

    seconds: float = 0
    steps: int = 0
    exchanging: float = 0
    exchanged: float = 0

    def __add__(self, other: OnAll) -> OnAll:
        return OnAll(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Item(Protocol):
    """A part of a stage; what is there already takes nothing."""

    def disk(self) -> Disk:
        """What it writes."""
        ...

    def effort(self, device: Device) -> Effort:
        """What it takes on a device."""
        ...


@dataclass(frozen=True)
class Renders:
    """Frames of a stand-in, or avatars.

    Attributes:
        frames: Their number.
        side: Their side in pixels.
        is_there: Whether they are complete.
        avatars: Whether they are avatars that follow a driver.
    """

    frames: int
    side: int
    is_there: bool
    avatars: bool = False

    def disk(self) -> Disk:
        """Video, labels, landmarks and truth."""
        return Disk(0 if self.is_there else self.frames * (_VIDEO_PIXEL * self.side**2 + _FRAME))

    def effort(self, device: Device) -> Effort:
        """Time of all cores."""
        each = _RENDER + _RENDER_PIXEL * self.side**2 + (_AVATAR if self.avatars else 0)
        return Effort(seconds=0 if self.is_there else self.frames * each / device.cores)


@dataclass(frozen=True)
class Crops:
    """The prepared store of a corpus: crops and landmarks.

    Attributes:
        corpus: Name of the corpus.
        frames: Frames of it.
        data: Section ``data`` of its datamodule: registration, size, encoding, where stores lie.
    """

    corpus: str
    frames: int
    data: Mapping[str, Any]

    def disk(self) -> Disk:
        """Crops as the encoding keeps them, and landmarks."""
        each = _CROP_BYTES[self._encoding.format] * self.data["size"] ** 2 + _LANDMARKS
        return Disk(0 if self._is_there() else self.frames * each)

    def effort(self, device: Device) -> Effort:
        """Time of all cores."""
        if self._is_there():
            return Effort()
        side, registration = self.data["size"], self.data["registration"]
        resampled = self.data.get("transform_size") or 4 * side if registration == "ffhq" else side
        each = _CROP + _CROP_PIXEL * resampled**2
        network = self.frames * _PRNET if registration == "prnet" else 0
        seconds = self.frames * each / device.cores + network / device.multiply_adds
        return Effort(multiply_adds=network, seconds=seconds)

    @property
    def _encoding(self) -> Encoding:
        return Encoding(self.data.get("encoding"), self.data.get("quality"))

    def _is_there(self) -> bool:
        kind = store_kind(self.data["registration"], self._encoding)
        name = f"{self.corpus}-{kind}-{self.data['size']}-*"
        return any(path.is_dir() for path in Path(self.data["cache"]).glob(name))


@dataclass(frozen=True)
class Rows:
    """Frames of a training: to train on, to validate on after each epoch, to test once."""

    train: float
    val: float
    test: float


@dataclass(frozen=True)
class Trainings:
    """Trainings that differ in seed, fold and the weight of an alignment alone.

    Attributes:
        name: What they are called.
        config: Configuration of the first one.
        rows: Frames of each.
        runs: Folder of all run folders.
        seeds: Their seeds.
        folds: Their folds; None where the configuration has none.
        copies: How many weights of an alignment are tried.
    """

    name: str
    config: RunConfig
    rows: Rows
    runs: Path
    seeds: Sequence[int] = (0,)
    folds: Sequence[int] | None = None
    copies: int = 1

    @property
    def count(self) -> int:
        """Number of trainings."""
        return self.copies * len(self.seeds) * len(self.folds or (0,))

    def disk(self) -> Disk:
        """Weights that are tested, predictions and logs; beside them two whole states while one runs."""
        done, begun = self._made
        left = self.count - done
        if not left:
            return Disk()
        aus = len(self.config["model"]["init_args"].get("aus", ()))
        run = self.config.run
        checkpoints = 2 if run.monitor and run.selection == "last" and self.rows.val else 1
        one = checkpoints * self.model.weights_bytes + self.rows.test * aus * _SCORE + _LOGS
        return Disk(max(0.0, left * one - begun), 2 * self.model.last_bytes, left)

    def effort(self, device: Device) -> Effort:
        """Steps, validations and tests of those that are not finished."""
        done, _ = self._made
        left = self.count - done
        if not left:
            return Effort(done=done)
        steps, scored = self._amounts
        one = steps * self.model.step().multiply_adds + scored * self.model.frame().multiply_adds
        # Fewer at a time have more threads each.
        return Effort(left, done, left * steps, left * one, sum(self.lengths(device)) / device.jobs)

    def lengths(self, device: Device) -> list[float]:
        """Seconds of each that is not finished, on the device alone."""
        left = self.count - self._made[0]
        return left * [self._seconds(device)] if left else []

    def on_all(self, cluster: Cluster) -> OnAll:
        """What it takes if each of them in turn runs on as many GPUs as can share its batches."""
        left = self.count - self._made[0]
        if not left:
            return OnAll()
        part = replace(cluster, count=self.sharing(cluster.count))
        steps, exchange = self._amounts[0], self.model.exchange(part.count)
        exchanging = steps * part.seconds(exchange)
        seconds = self._seconds(part.gpu, part.count) + exchanging
        exchanged = steps * (exchange.summed + exchange.buffers)
        return OnAll(left * seconds, left * steps, left * exchanging, left * exchanged)

    @property
    def batch(self) -> int:
        """Rows of a batch that processes divide among them; what divides it also divides the target's."""
        data = self.config["data"]["init_args"]
        return math.gcd(data["batch_size"], data.get("target_batch_size") or 0)

    def sharing(self, gpus: int) -> int:
        """The most of so many GPUs that can share a batch."""
        return next(count for count in range(gpus, 0, -1) if self.batch % count == 0)

    @property
    def _amounts(self) -> tuple[int, float]:
        """Steps of each training, and frames that it scores."""
        epochs: int = self.config["trainer"]["max_epochs"]
        steps = epochs * steps_of_epoch(self.config, self.rows.train)
        return steps, epochs * self.rows.val + self.rows.test

    def _seconds(self, device: Device, processes: int = 1) -> float:
        """Wall-clock time of one training on so many devices, without what they tell each other."""
        from aukit.training.cost import crop_side

        (steps, scored), data = self._amounts, self.config["data"]["init_args"]
        images = steps * data["batch_size"] * _images_per_row(self.config["model"]["init_args"]) + scored
        loading = images * (_LOAD + _LOAD_PIXEL * crop_side(self.config["data"]) ** 2)
        loading /= max(1, data.get("num_workers") or 0)
        scoring = scored * device.seconds(self.model.frame(processes))
        stepping = steps * (device.seconds(self.model.step(processes)) + _STEP)
        return float(_BEGIN + stepping + (scoring + loading) / processes)

    @cached_property
    def model(self) -> ModelCost:
        """Its networks, counted."""
        from aukit.training.cost import ModelCost

        return ModelCost(self.config)

    @cached_property
    def _made(self) -> tuple[int, int]:
        """How many are finished, and the bytes of those that are begun."""
        wanted, done, begun = _comparable(self.config), 0, 0
        prefix = self.config.experiment.replace("/", "-")
        for path in sorted(self.runs.glob(f"{prefix}-*/config.yaml")):
            saved = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            if saved.get("seed") not in self.seeds or _comparable(saved) != wanted:
                continue
            if self.folds is not None and saved["data"]["init_args"].get("fold") not in self.folds:
                continue
            if (path.parent / "record.json").is_file():
                done += 1
            else:
                begun += sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
        return min(done, self.count), begun


def steps_of_epoch(config: Mapping[str, Any], rows: float) -> int:
    """Batches of an epoch on so many training frames."""
    data, limit = config["data"]["init_args"], config["trainer"].get("limit_train_batches")
    batches, rest = divmod(int(rows), data["batch_size"])
    steps = data.get("steps_per_epoch") or max(1, batches + (rest > 0 and not data.get("drop_last", True)))
    return min(steps, limit) if type(limit) is int else int(steps * (1 if limit is None else limit))


def _images_per_row(model: Mapping[str, Any]) -> int:
    """Images that a row of a batch loads: PM2 has one of each stream and of the target."""
    return len(model["streams"]) + 1 if "streams" in model else 1


_VARIES = ("seed", "fold", "start", "alignment_weight")


def _comparable(config: Mapping[str, Any]) -> str:
    """What trainings of one kind share, as text."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items() if k not in _VARIES and v is not None}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return json.dumps([plain(config[section]) for section in ("model", "data", "trainer")], sort_keys=True)


@dataclass(frozen=True)
class Images:
    """A balanced set of images of its own.

    Attributes:
        count: Their number.
        side: Their side in pixels.
        work: Counts that of one image for the generator; None where images of another set are turned.
        path: Folder of the set.
    """

    count: int
    side: int
    work: Callable[[], Work] | None
    path: Path

    def disk(self) -> Disk:
        """Pixels without compression."""
        return Disk(0 if self._is_there() else self.count * 3 * self.side**2)

    def effort(self, device: Device) -> Effort:
        """A pass of the generator per image, or a mesh that is turned and drawn."""
        if self._is_there():
            return Effort()
        if self.work is None:
            return Effort(seconds=self.count * (_TURN + _TURN_PIXEL * self.side**2) / device.cores)
        work = self.work()
        each = device.seconds(work) + _LOAD + _LOAD_PIXEL * self.side**2
        seconds = self.count * each / device.jobs  # as a training, which has more threads when alone
        return Effort(multiply_adds=self.count * work.multiply_adds, seconds=seconds)

    def _is_there(self) -> bool:
        return (self.path / "set.json").is_file()


@dataclass(frozen=True)
class Fixed:
    """A part whose time does not depend on the size: imports, intervals over people, tables.

    Attributes:
        seconds: Its wall-clock time.
    """

    seconds: float

    def disk(self) -> Disk:
        """None to speak of."""
        return Disk()

    def effort(self, device: Device) -> Effort:
        """The time."""
        return Effort(seconds=self.seconds)
