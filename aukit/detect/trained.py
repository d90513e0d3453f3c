"""Models that were trained on a corpus, behind the door of `aukit detect`.

Faces are found and followed by the package's own networks. Each then goes through the registration that the
model was trained with, as its checkpoint says, and the crop through the model.
"""

from __future__ import annotations

from abc import abstractmethod
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from jsonargparse import ArgumentParser
from lightning import LightningModule
from torch import Tensor, nn

from aukit.detect.detector import Detector
from aukit.detect.face import INTENSITY, PROBABILITY, Face, Image, Measure, Track
from aukit.detect.heat_sheet import empty_sheet, heat_sheet
from aukit.detect.pretrained import (
    WEIGHTS,
    Graph,
    Pretrained,
    is_pretrained,
    pretrained_folder,
    read_description,
)
from aukit.errors import AukitError, ConfigError, StoreError, WeightsError, shown
from aukit.models.baselines import MultilabelModule
from aukit.models.fgnet import FGNetModule, heatmap_scores
from aukit.models.fgnet.sizes import interpreter_sizes_of, sizes_of
from aukit.models.niinuma2021 import IntensityModule
from aukit.models.niinuma2021.intensity.normalize import IMAGENET_MEAN, IMAGENET_STD
from aukit.models.pm2 import PM2Module
from aukit.models.weights.files import is_safetensors, read_checkpoint, read_tensors, write_tensors
from aukit.registration import Registered, Registration, build_registration
from aukit.training.classes import is_class
from aukit.training.record import Record
from aukit.training.trained_on import TrainedOn
from aukit.utils.files import file_sha256
from aukit.utils.tensors import content_hash

_TOGETHER = 16
"""Crops of one pass; a full-size FG-Net takes about 0.2 GB for each."""


class Loaded(NamedTuple):
    """A model, what it was trained on, and what may be done with it."""

    model: LightningModule
    trained: TrainedOn
    licence: str


class TrainedDetector(Pretrained):
    """A trained model that reads faces of anyone.

    A face that its registration cannot take (a few pixels large, or with its middle outside the picture) is
    left out.

    Args:
        path: Run folder of a finished training, its checkpoint, or a folder that `save_pretrained` wrote.
        device: Where to compute; a GPU when there is one by default.

    Attributes:
        size: Side of the crops of faces that it reads, in pixels.

    Raises:
        ConfigError: The model cannot read single faces of anyone, e.g. since it subtracts a reference.
        StoreError: The run is not finished.
        WeightsError: The file is missing, damaged, of another model or does not say what it was trained on.

    Example:
        >>> detector: TrainedDetector = IntensityDetector("lightning_logs/runs/intensity-…")  # doctest: +SKIP
        >>> detector.photograph(image)[0].levels  # doctest: +SKIP
        array([0.1, 0. , 3.2], dtype=float32)
    """

    measure: Measure
    module: ClassVar[type[LightningModule]]

    def __init__(self, path: str | Path, device: str | None = None) -> None:
        path = Path(path)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        saved = is_pretrained(path)
        file = path / WEIGHTS if saved else _checkpoint(path)
        self._loaded = self._of_folder(path) if saved else self._load(file)
        model, trained, _ = self._loaded
        self._model: Any = model.eval().requires_grad_(False).to(self._device)
        self.aus = trained.aus or ()
        self._registration = _registration(trained)
        self.size = self._registration.size
        self._faces = Detector(self._device)
        self.version = f"{file_sha256(file)[:16]}-{self._faces.version}"

    def photograph(self, image: Image) -> list[Face]:
        """Faces of one image uint8 [H, W, 3] RGB, largest first."""
        return self.read([image], [self._faces.photograph(image)])[0]

    def video(self) -> _Track:
        """A reader of one video."""
        return _Track(self, self._faces.video())

    def read(self, images: Sequence[Image | None], found: Sequence[list[Face]]) -> list[list[Face]]:
        """The same faces with this model's levels.

        Args:
            images: Of the faces; None only where there are none.
            found: Faces of each image.
        """
        kept: list[tuple[int, Face]] = []
        crops: list[Image] = []
        for index, (image, faces) in enumerate(zip(images, found, strict=True)):
            if image is None or not faces:
                continue
            registered = self._register(image, faces)
            for face, crop, ok in zip(faces, registered.crops, registered.ok, strict=True):
                if ok:
                    kept.append((index, face))
                    crops.append(crop)
        result: list[list[Face]] = [[] for _ in images]
        for start in range(0, len(kept), _TOGETHER):
            with torch.inference_mode():
                read = self.levels(self._tensor(np.stack(crops[start : start + _TOGETHER])))
            levels: npt.NDArray[np.float32] = read.float().cpu().numpy()
            for (index, face), level in zip(kept[start:], levels, strict=False):
                result[index].append(replace(face, levels=level))
        return result

    @property
    def network(self) -> nn.Module:
        """The trained module, on the device, in evaluation mode."""
        network: nn.Module = self._model
        return network

    @property
    def licence(self) -> str:
        """Terms of imported weights; of a training those of its corpus, and of what it started from."""
        return self._loaded.licence

    def graphs(self) -> list[Graph]:
        """One: from a crop in [0,1] to the levels of its action units."""
        shape = (1, 3, self.size, self.size)
        return [Graph("model", _Levels(self), shape, "crop", ("levels",))]

    @abstractmethod
    def levels(self, crops: Tensor) -> Tensor:
        """Levels ``[B,A]`` of crops ``[B,3,S,S]`` in [0,1], both on the device; see `Face.levels`."""

    def _register(self, image: Image, faces: Sequence[Face]) -> Registered:
        landmarks = np.stack([face.landmarks for face in faces])
        return self._registration(np.broadcast_to(image, (len(faces), *image.shape)), landmarks)

    def _tensor(self, crops: npt.NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(crops).to(self._device).permute(0, 3, 1, 2).float() / 255

    def _load(self, file: Path) -> Loaded:
        """The model in a file."""
        return _built(self.module, read_checkpoint(file, _REMEDY), file)

    def _of_folder(self, folder: Path) -> Loaded:
        """The model in a folder that `save_pretrained` wrote."""
        about, file = read_description(folder), folder / WEIGHTS
        tensors, metadata = read_tensors(file, "save the detector again")
        if content_hash(tensors) != metadata.get("sha256"):
            raise WeightsError(f"{file}: the content is not what was written; save the detector again")
        content = {
            "state_dict": tensors,
            "hyper_parameters": about.get("arguments"),
            "data": {"trained_on": about.get("trained_on")},
        }
        return _built(self.module, content, file)._replace(licence=metadata.get("licence", ""))

    @classmethod
    def _read(cls, folder: Path, device: str | None) -> Self:
        return cls(folder, device)

    def _write(self, folder: Path) -> dict[str, Any]:
        tensors = {key: value.cpu() for key, value in self._model.state_dict().items()}
        metadata = {"kind": f"detector {self.name}", "licence": self.licence}
        metadata["sha256"] = content_hash(tensors)
        write_tensors(folder / WEIGHTS, tensors, metadata)
        return {
            "arguments": dict(self._model.hparams),
            "trained_on": self._loaded.trained.described(),
        }


class FGNetDetector(TrainedDetector):
    """FG-Net: a probability per action unit, and heat maps.

    The score of a heat map, s in [−1,1] and present above 0, is given as (s + 1) / 2: in the same order and
    present from 0.5 on, but not calibrated.

    Args:
        path: Run folder, checkpoint, or what `aukit weights import fgnet` wrote.
        device: As of `TrainedDetector`.

    Cost: 0.2 GB of memory for each of up to 16 faces at a time, at the published size.

    Example:
        >>> detector = FGNetDetector("fgnet.safetensors")  # doctest: +SKIP
        >>> sheet = detector.heat_maps(image, detector.photograph(image))  # doctest: +SKIP
    """

    name, measure, module = "fgnet", PROBABILITY, FGNetModule

    @torch.inference_mode()
    def heat_maps(self, image: Image, faces: Sequence[Face]) -> Image:
        """The first face's crop, then under the heat map of each action unit; see `heat_sheet`."""
        if faces:
            crops, _, ok = self._register(image, faces[:1])
            if ok[0]:
                maps = self._model(2 * self._tensor(crops) - 1)
                levels = _probability(heatmap_scores(maps))[0].float().cpu().numpy()
                return heat_sheet(crops[0], maps[0], self.aus, levels)
        return empty_sheet(self._registration.size, len(self.aus))

    def levels(self, crops: Tensor) -> Tensor:
        """Probabilities ``[B,A]``, (s + 1) / 2, of crops ``[B,3,S,S]`` in [0,1]."""
        return _probability(self._model.scores({"image": crops}))

    def _load(self, file: Path) -> Loaded:
        return _released_fgnet(file) if file.is_file() and is_safetensors(file) else super()._load(file)


class IntensityDetector(TrainedDetector):
    """An intensity estimator, with the levels that its run scores by: whole ones, or expected ones.

    Args:
        path: Run folder or checkpoint.
        device: As of `TrainedDetector`.

    Example:
        >>> IntensityDetector("lightning_logs/runs/intensity-…").aus  # doctest: +SKIP
        (1, 4, 6, 10, 12, 14, 17)
    """

    name, measure, module = "intensity", INTENSITY, IntensityModule

    def levels(self, crops: Tensor) -> Tensor:
        """Intensities ``[B,A]`` of crops ``[B,3,S,S]`` in [0,1]."""
        mean, std = (
            torch.from_numpy(v)[:, None, None].to(crops.device) for v in (IMAGENET_MEAN, IMAGENET_STD)
        )
        batch = {"image": (crops - mean) / std, "rows": torch.arange(len(crops))}
        levels: Tensor = self._model.predict_step(batch, 0)["scores"]
        return levels


class BaselineDetector(TrainedDetector):
    """An image network with a linear head: a probability per action unit, not calibrated.

    Args:
        path: As of `TrainedDetector`.
        device: As of `TrainedDetector`.

    Example:
        >>> BaselineDetector("lightning_logs/runs/baselines-…").size  # doctest: +SKIP
        224
    """

    name, measure, module = "baselines", PROBABILITY, MultilabelModule

    def levels(self, crops: Tensor) -> Tensor:
        """Probabilities ``[B,A]`` of crops ``[B,3,S,S]`` in [0,1]."""
        logits: Tensor = self._model(crops)
        return logits.sigmoid()


class PM2Detector(TrainedDetector):
    """PM2 or one of its rivals: a probability per action unit, the mean of the heads', not calibrated.

    Args:
        path: As of `TrainedDetector`.
        device: As of `TrainedDetector`.

    Example:
        >>> PM2Detector("lightning_logs/runs/pm2-…").aus  # doctest: +SKIP
        (1, 2, 4, 6, 12)
    """

    name, measure, module = "pm2", PROBABILITY, PM2Module

    def levels(self, crops: Tensor) -> Tensor:
        """Probabilities ``[B,A]`` of crops ``[B,3,S,S]`` in [0,1]."""
        probabilities: Tensor = self._model(crops)
        return probabilities


_KINDS: dict[str, type[TrainedDetector]] = {
    kind.name: kind for kind in (FGNetDetector, IntensityDetector, BaselineDetector, PM2Detector)
}


def trained_detector(kind: str, path: str | Path, device: str | None = None) -> TrainedDetector:
    """The detector of a kind of models.

    Args:
        kind: "fgnet", "intensity", "baselines" or "pm2".
        path: As of its class.
        device: As of its class.

    Raises:
        ConfigError: There is no such kind; and as of `TrainedDetector`.
    """
    if kind not in _KINDS:
        raise ConfigError(f"model {kind!r} is unknown; known are aukit, {', '.join(_KINDS)}")
    return _KINDS[kind](path, device)


def from_pretrained(
    name: str | Path, device: str | None = None, *, hub: bool = False, **options: Any
) -> TrainedDetector | Detector:
    """The detector of a folder that `save_pretrained` wrote, of whichever kind it is.

    Args:
        name: The folder; with `hub` also a repository of the Hugging Face hub.
        device: Where to compute; None for the default of its class.
        hub: Whether a name that is no folder is looked for on the hub, and downloaded.
        options: Further arguments of `Pretrained.from_pretrained`.

    Raises:
        ConfigError: There is no such folder, or on the hub no such repository.
        WeightsError: The folder is incomplete, damaged, or of no known kind.

    Example:
        >>> detector = from_pretrained("detectors/fgnet-disfa")  # doctest: +SKIP
    """
    folder = pretrained_folder(name, hub=hub, **options)
    kind = read_description(folder)["kind"]
    kinds: dict[str, type[TrainedDetector] | type[Detector]] = {**_KINDS, Detector.name: Detector}
    if kind not in kinds:
        raise WeightsError(f"{folder}: holds a detector {shown(kind)}; known are {', '.join(kinds)}")
    return kinds[kind].from_pretrained(folder, device)


class _Track:
    def __init__(self, detector: TrainedDetector, faces: Track) -> None:
        self._detector, self._faces = detector, faces

    def __call__(self, frames: Sequence[Image | None]) -> list[list[Face]]:
        return self._detector.read(frames, self._faces(frames))


class _Levels(nn.Module):
    """A detector's step from crops to levels."""

    def __init__(self, detector: TrainedDetector) -> None:
        super().__init__()
        self.network = detector.network
        self._levels = detector.levels

    def forward(self, crop: Tensor) -> Tensor:
        return self._levels(crop)


def _probability(scores: Tensor) -> Tensor:
    return (scores + 1) / 2


# ------------------------------------------------------------------------------------- reading it


def _checkpoint(path: Path) -> Path:
    if not path.is_dir():
        return path
    checkpoint = Record.read(path).checkpoint
    if checkpoint is None:
        raise StoreError(f"{path}: this run scored a file of weights; name that file itself")
    return Path(checkpoint)


def _released_fgnet(file: Path) -> Loaded:
    about = FGNetModule.released(file)
    tensors, metadata = read_tensors(file, "import it again")
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    try:
        sizes = {**sizes_of(shapes), **interpreter_sizes_of(shapes)}
    except (LookupError, ValueError) as error:
        raise WeightsError(f"{file}: lacks {shown(error)}; import the published checkpoint again") from error
    model = FGNetModule(aus=about["aus"], weights=str(file), **sizes)
    # The crops of its authors' cropper, which does not mirror the picture's border.
    kind = {"registration": about["registration"], "size": sizes["image_size"]}
    settings = {"registration_settings": {"pad_mode": "constant"}}
    trained = TrainedOn(file, tuple(about["aus"]), about["corpus"], {**kind, **settings})
    return Loaded(model, trained, metadata.get("licence", ""))


_REMEDY = "name a run folder, its checkpoint or a folder of save_pretrained"


def _built(module: type[LightningModule], content: Mapping[str, Any], file: Path) -> Loaded:
    """The model of a checkpoint's content, which comes from `file`."""
    state, arguments = content.get("state_dict"), content.get("hyper_parameters")
    if not (isinstance(state, Mapping) and isinstance(arguments, Mapping)):
        raise WeightsError(f"{file}: is no checkpoint of a training; {_REMEDY}")
    trained = TrainedOn.of_checkpoint(content, file)
    # A file may come from anywhere: its values are checked against the signature, and no class is taken.
    if own := [name for name, value in arguments.items() if is_class(value)]:
        raise WeightsError(
            f"{file}: has a part of somebody's own (model.{own[0]}), which is not run from here"
        )
    signature = ArgumentParser(exit_on_error=False)
    signature.add_class_arguments(module, fail_untyped=False)
    try:
        model = module(**signature.parse_object(dict(arguments)).as_dict())
        model.load_state_dict(state)
    except AukitError:
        raise
    except (ArgumentError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{file}: is no checkpoint of {module.__name__} ({shown(error)}); {_REMEDY}"
        ) from error
    if trained.aus is None or len(trained.aus) != len(arguments["aus"]):
        raise WeightsError(f"{file}: does not say its action units; train it again")
    licence = (
        f"Trained with aukit on {trained.corpus or 'a corpus'}, whose terms decide what may be done with it,"
        " as do those of weights that the training started from."
    )
    return Loaded(model, trained, licence)


def _registration(trained: TrainedOn) -> Registration:
    """What brings a face into the form that the model was trained on.

    Raises:
        ConfigError: It is not known, or takes more than a face.
        WeightsError: The file does not say it.
    """
    kind = trained.input_kind
    name, size = kind.get("registration"), kind.get("size")
    if not isinstance(name, str) or not isinstance(size, int):
        raise WeightsError(
            f"{trained.file}: does not say which crops it was trained on; train it with this version of aukit"
        )
    if (subtracted := kind.get("normalization", "none")) != "none":
        raise ConfigError(
            f"{trained.file}: was trained with data.normalization={subtracted}, which takes a reference"
            " picture of each person; name a run that was trained without (data.normalization=none)"
        )
    if name == "none":
        raise ConfigError(
            f"{trained.file}: was trained on crops as they came (data.registration=none), so that nothing"
            " says how to cut a face out; name a run with data.registration=ffhq, similarity or frontal3d"
        )
    try:
        return build_registration(name, size, **(kind.get("registration_settings") or {}))
    except ConfigError as error:
        raise ConfigError(f"{trained.file}: {error}") from error
