"""The ICT-FaceKit basis file: what it holds and how it is read.

One npz archive without pickle. Fields (N vertices, T triangles, M modes, E shapes; lengths in the units of
ICT-FaceKit, x to the subject's left, y up, z to the front):

==================  ====================  =============================================================
``vertices``        float [N, 3]          the neutral mean head
``triangles``       integer [T, 3]        counter-clockwise seen from outside
``part``            integer [N]           number of each vertex' part in ``part_names``
``part_names``      string [P]            `PARTS`, some of which may be missing
``ident``           float [M, N, 3]       displacement of one standard deviation of each identity mode
``expr``            float [E, N, 3]       displacement of each expression shape at full strength
``expr_names``      string [E]            `SHAPES`
``landmarks68``     integer [68]          vertices of ICT-FaceKit's own 68 landmarks
``gender_dir``      float [≤ M]           optional: identity coefficients that lead from male to female
``uv``, ``tri_uv``  float, integer        optional: ICT-FaceKit's own texture coordinates (not used here)
``licence``         string                optional: the notice that goes with the data
==================  ====================  =============================================================
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aukit.errors import AukitError

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SHAPES: tuple[str, ...] = (
    "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "browOuterUp_L", "browOuterUp_R",
    "cheekPuff_L", "cheekPuff_R", "cheekSquint_L", "cheekSquint_R", "eyeBlink_L", "eyeBlink_R",
    "eyeLookDown_L", "eyeLookDown_R", "eyeLookIn_L", "eyeLookIn_R", "eyeLookOut_L", "eyeLookOut_R",
    "eyeLookUp_L", "eyeLookUp_R", "eyeSquint_L", "eyeSquint_R", "eyeWide_L", "eyeWide_R", "jawForward",
    "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimple_L", "mouthDimple_R", "mouthFrown_L",
    "mouthFrown_R", "mouthFunnel", "mouthLeft", "mouthLowerDown_L", "mouthLowerDown_R", "mouthPress_L",
    "mouthPress_R", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "mouthSmile_L", "mouthSmile_R", "mouthStretch_L", "mouthStretch_R",
    "mouthUpperUp_L", "mouthUpperUp_R", "noseSneer_L", "noseSneer_R", "cheekRaiser_L", "cheekRaiser_R",
)  # fmt: skip
"""Expression shapes by ICT-FaceKit's names: its 53 and the two cheek raisers outside of its list."""

PARTS: tuple[str, ...] = (
    "face", "head_neck", "mouth_socket", "eye_socket_l", "eye_socket_r", "gums_tongue", "teeth",
    "sclera_l", "iris_l", "sclera_r", "iris_r", "lashes_l", "lashes_r",
)  # fmt: skip

_MAX_BYTES = 512 * 2**20
_REQUIRED = (
    "vertices", "triangles", "part", "part_names", "ident", "expr", "expr_names", "landmarks68",
)  # fmt: skip


class BasisError(AukitError):
    """A face basis file, or what it is made from, is missing, damaged or not the expected one."""


class ICTBasis(NamedTuple):
    """Contents of a basis file, checked; lengths in its own units and axes (see the module)."""

    vertices: Array
    triangles: Index
    part: NDArray[np.str_]
    ident: Array
    expr: dict[str, Array]
    landmarks: Index
    gender: Array | None


def read_basis(file: Path) -> ICTBasis:
    """Read and check a basis file.

    Raises:
        BasisError: It is missing, no such archive, too large or incomplete, or its fields contradict each
            other.
    """
    remedy = "make it again with 'aukit avatars import-ict CLONE --out FILE'"
    try:
        if not file.is_file():
            raise ValueError("no such file")
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
                raise ValueError(f"larger than the accepted {_MAX_BYTES >> 20} MiB")
        with np.load(file, allow_pickle=False) as stored:
            missing = [name for name in _REQUIRED if name not in stored.files]
            if missing:
                raise ValueError(f"field {missing[0]!r} is missing")
            fields = {name: stored[name] for name in (*_REQUIRED, "gender_dir") if name in stored.files}
        return _checked(fields)
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, MemoryError) as error:
        raise BasisError(f"{file}: no usable ICT basis file ({error}); {remedy}") from error


def _checked(fields: dict[str, NDArray[Any]]) -> ICTBasis:
    def field(name: str, kinds: str, *shape: int) -> NDArray[Any]:
        """The field if it is of these kinds and shape (-1: any length)."""
        value = fields[name]
        fits = len(shape) == value.ndim and all(w in (-1, h) for w, h in zip(shape, value.shape, strict=True))
        if value.dtype.kind not in kinds or not fits:
            raise ValueError(f"field {name!r} is {value.dtype} {list(value.shape)}, expected {list(shape)}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"field {name!r} holds numbers that are not finite")
        return value

    def index(name: str, below: int, *shape: int) -> Index:
        value = field(name, "iu", *shape).astype(np.int64)
        if value.size and not 0 <= value.min() <= value.max() < below:
            raise ValueError(f"field {name!r} names elements that do not exist")
        return value

    vertices = field("vertices", "f", -1, 3).astype(np.float64)
    n = len(vertices)
    names = field("part_names", "U", -1)
    shapes = field("expr_names", "U", -1)
    expr = field("expr", "f", len(shapes), n, 3)
    lost = sorted(set(SHAPES) - set(shapes.tolist()))
    if lost:
        raise ValueError(f"expression shape {lost[0]!r} is missing")
    ident = field("ident", "f", -1, n, 3).astype(np.float64)
    gender = None
    if "gender_dir" in fields:
        gender = field("gender_dir", "f", -1).astype(np.float64)[: len(ident)]
    return ICTBasis(
        vertices,
        index("triangles", n, -1, 3),
        names[index("part", len(names), n)],
        ident,
        {str(name): shape.astype(np.float64) for name, shape in zip(shapes, expr, strict=True)},
        index("landmarks68", n, 68),
        gender,
    )
