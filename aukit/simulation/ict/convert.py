"""Importer: a clone of ICT-FaceKit to one basis file (`aukit.simulation.ict.basis_file`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from aukit.errors import AukitError
from aukit.mesh import ObjMesh, read_obj
from aukit.simulation.ict.basis_file import PARTS, SHAPES, BasisError
from aukit.utils.files import atomic_path
from aukit.utils.outside import read_json, read_text

NEUTRAL = "generic_neutral_mesh"
IDENTITIES = tuple(f"identity{k:03d}" for k in range(100))
UNUSED = ("PupilDilate_L", "PupilDilate_R")
"""Shapes that ICT-FaceKit has and no action unit needs."""
_MAX_JSON = 4 * 2**20


class Layout(NamedTuple):
    """What a clone holds.

    Attributes:
        vertices: Number in every mesh.
        triangles: Number in every mesh, polygons split.
        parts: First and last vertex of each part, by names of `PARTS`. Parts of ICT-FaceKit without a name
            here (tear fluid and other films over the eyes) are left out.
        identities: Meshes of the identity modes, greatest variation first.
        shapes: Meshes of the expression shapes.
        unused: Meshes that belong to a clone and are checked only.
    """

    vertices: int
    triangles: int
    parts: dict[str, tuple[int, int]]
    identities: tuple[str, ...] = IDENTITIES
    shapes: tuple[str, ...] = SHAPES
    unused: tuple[str, ...] = UNUSED

    @property
    def meshes(self) -> tuple[str, ...]:
        """All meshes: 158 in ICT-FaceKit."""
        return (NEUTRAL, *self.identities, *self.shapes, *self.unused)


ICT_LAYOUT = Layout(
    26719,
    52220,
    dict(
        zip(
            PARTS,
            (
                (0, 9408), (9409, 11247), (11248, 13293), (13294, 13677), (13678, 14061), (14062, 17038),
                (17039, 21450), (21451, 22220), (22221, 23020), (23021, 23790), (23791, 24590),
                (25351, 26034), (26035, 26718),
            ),
            strict=True,
        )
    ),
)  # fmt: skip
"""Vertex ranges of ICT-FaceKit's README."""


def import_ict(
    clone: Path,
    out: Path,
    modes: int = 100,
    gender_direction: Path | None = None,
    layout: Layout = ICT_LAYOUT,
) -> None:
    """Read the meshes of a clone and write a basis file.

    Args:
        clone: Folder of ICT-FaceKit with ``LICENSE`` and ``FaceXModel``.
        out: The npz to write.
        modes: Identity modes to take, 1 to 100, greatest variation first.
        gender_direction: Text file of up to `modes` numbers: identity coefficients that lead from male to
            female. Without it gender shows in the appearance alone.
        layout: What the clone must hold.

    Raises:
        BasisError: A file is missing, damaged, of another topology or not finite, or an argument is wrong.

    Cost: about 0.5 s per mesh, 80 s for a clone; 22 MB on disk with all modes.
    """
    if not 1 <= modes <= len(layout.identities):
        raise BasisError(f"--modes {modes}: ICT-FaceKit has 1 to {len(layout.identities)} identity modes")
    folder = clone / "FaceXModel"
    notice = _notice(clone)
    lost = [name for name in layout.meshes if not (folder / f"{name}.obj").is_file()]
    if lost:
        raise BasisError(
            f"{folder}: {len(lost)} of {len(layout.meshes)} meshes are missing, first {lost[0]}.obj; "
            "complete the clone (git -C CLONE checkout -- FaceXModel)"
        )
    part = np.full(layout.vertices, -1)
    for number, (first, last) in enumerate(layout.parts.values()):
        part[first : last + 1] = number
    landmarks = _landmarks(folder / "vertex_indices.json", part)
    gender = None if gender_direction is None else _direction(gender_direction, modes)
    neutral = _mesh(folder, NEUTRAL, layout)
    kept = np.flatnonzero(part >= 0)
    taken = (*layout.identities[:modes], *layout.shapes)
    rest = (*layout.identities[modes:], *layout.unused)
    moved = np.empty((len(taken), len(kept), 3), np.float16)
    for k, name in enumerate(tqdm((*taken, *rest), desc="ICT-FaceKit", unit="mesh", leave=False)):
        vertices = _same(folder, name, layout, neutral)
        if k < len(taken):
            moved[k] = (vertices - neutral.vertices)[kept]
    faces = (part[neutral.triangles] >= 0).all(1)
    new = np.cumsum(part >= 0) - 1
    fields: dict[str, Any] = {
        "vertices": neutral.vertices[kept],
        "triangles": new[neutral.triangles[faces]].astype(np.int32),
        "part": part[kept].astype(np.uint8),
        "part_names": np.array(list(layout.parts)),
        "ident": moved[:modes],
        "expr": moved[modes:],
        "expr_names": np.array(layout.shapes),
        "landmarks68": new[landmarks].astype(np.int32),
        "licence": np.array(notice),
    }
    if neutral.uv is not None and neutral.uv_triangles is not None:
        fields |= {"uv": neutral.uv.astype(np.float16), "tri_uv": neutral.uv_triangles[faces]}
    if gender is not None:
        fields["gender_dir"] = gender
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **fields)


def _mesh(folder: Path, name: str, layout: Layout) -> ObjMesh:
    """A mesh with as many vertices and triangles as it must have."""
    file = folder / f"{name}.obj"
    remedy = f"fetch the file again (git -C CLONE checkout -- FaceXModel/{name}.obj)"
    try:
        mesh = read_obj(file)
    except AukitError as error:
        raise BasisError(f"{error}; {remedy}") from error
    for kind, what, found, expected in (
        ("v", "vertices", len(mesh.vertices), layout.vertices),
        ("f", "triangles", len(mesh.triangles), layout.triangles),
    ):
        if found != expected:
            raise BasisError(
                f"{file}, line {_line(file, kind, None)}: the last of {found} {what}, expected {expected}; "
                f"another topology or a truncated file, {remedy}"
            )
    return mesh


def _same(folder: Path, name: str, layout: Layout, neutral: ObjMesh) -> NDArray[np.float32]:
    """Vertices of a mesh that has the neutral one's faces."""
    mesh, file = _mesh(folder, name, layout), folder / f"{name}.obj"
    wrong = np.flatnonzero((mesh.triangles != neutral.triangles).any(1))
    if len(wrong):
        raise BasisError(
            f"{file}, line {_line(file, 'f', int(wrong[0]) + 1)}: a face that the neutral mesh has not; "
            f"another topology, fetch the file again (git -C CLONE checkout -- FaceXModel/{name}.obj)"
        )
    return mesh.vertices


def _line(file: Path, kind: str, number: int | None) -> int:
    """Line of the element, for faces of the triangle, of this number from 1; None: of the last one."""
    seen, last = 0, 0
    with file.open(encoding="utf-8") as lines:
        for k, line in enumerate(lines, 1):
            tokens = line.split("#", 1)[0].split()
            if tokens and tokens[0] == kind:
                seen, last = seen + (len(tokens) - 3 if kind == "f" else 1), k
                if number is not None and seen >= number:
                    break
    return last


def _notice(clone: Path) -> str:
    file = clone / "LICENSE"
    if not file.is_file() or file.stat().st_size > _MAX_JSON:
        raise BasisError(f"{file}: the licence of ICT-FaceKit, which goes with its data, is missing")
    return file.read_text(encoding="utf-8", errors="replace")


def _landmarks(file: Path, part: NDArray[np.int64]) -> NDArray[np.int64]:
    try:
        marks = read_json(file, _MAX_JSON)["idx_to_landmark_verts"]
        fits = all(isinstance(v, int) and 0 <= v < len(part) and part[v] >= 0 for v in marks)
        if len(marks) != 68 or not fits:
            raise ValueError(f"'idx_to_landmark_verts' must be 68 vertex numbers below {len(part)}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BasisError(f"{file}: no landmarks ({error}); fetch ICT-FaceKit again") from error
    return np.array(marks, np.int64)


def _direction(file: Path, modes: int) -> NDArray[np.float32]:
    try:
        values = np.array([float(word) for word in read_text(file, _MAX_JSON).split()], np.float32)
        if not 1 <= len(values) <= modes or not np.isfinite(values).all() or not values.any():
            raise ValueError(f"{len(values)} numbers")
    except (OSError, ValueError) as error:
        raise BasisError(
            f"{file}: no gender direction ({error}); 1 to {modes} finite numbers are needed, not all 0"
        ) from error
    return values
