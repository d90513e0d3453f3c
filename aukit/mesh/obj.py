"""Wavefront OBJ files: positions, texture coordinates and faces; everything else in them is ignored."""

import math
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aukit.errors import AukitError

#: Largest file and longest vertex or face list that ``read_obj`` accepts: an OBJ comes from outside.
MAX_BYTES = 256 * 2**20
MAX_ELEMENTS = 4_000_000


class ObjMesh(NamedTuple):
    """A triangle mesh as stored in an OBJ file.

    Attributes:
        vertices: float32 [N,3].
        triangles: int32 [T,3]; polygons of the file are split into fans.
        uv: float32 [M,2], or None when the file has no texture coordinates.
        uv_triangles: int32 [T,3] indices into ``uv``, or None when the faces name none.

    Example:
        >>> mesh = read_obj("head.obj")  # doctest: +SKIP
        >>> corners = mesh.vertices[mesh.triangles]  # doctest: +SKIP
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    uv: NDArray[np.float32] | None = None
    uv_triangles: NDArray[np.int32] | None = None


def read_obj(path: str | os.PathLike[str]) -> ObjMesh:
    """Reads vertices (``v``), texture coordinates (``vt``) and faces (``f``, also negative indices).

    Raises:
        AukitError: the file is missing, too large, not text, or a line of it cannot be read; the message
            names the line.
    """
    file = Path(path)
    if not file.is_file():
        raise AukitError(f"{file}: no such OBJ file")
    if file.stat().st_size > MAX_BYTES:
        raise AukitError(f"{file}: larger than the accepted {MAX_BYTES >> 20} MiB")
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    uv_faces: list[tuple[int, int, int]] = []
    number = 0
    try:
        with file.open(encoding="utf-8-sig") as lines:  # some editors begin a file with a byte order mark
            for line in lines:
                number += 1
                kind, *tokens = line.split("#", 1)[0].split() or [""]
                if kind == "v":
                    vertices.append(_numbers(tokens, 3))
                elif kind == "vt":
                    uv.append(_numbers(tokens, 2))
                elif kind == "f":
                    _add_face(tokens, len(vertices), len(uv), faces, uv_faces)
                if max(len(vertices), len(uv), len(faces)) > MAX_ELEMENTS:
                    raise ValueError(f"more than {MAX_ELEMENTS} elements")
    except UnicodeDecodeError:
        raise AukitError(f"{file}: not a text file; an OBJ file is expected") from None
    except ValueError as error:
        raise AukitError(f"{file}, line {number}: {error}") from None
    if uv_faces and len(uv_faces) != len(faces):
        raise AukitError(f"{file}: only some faces have texture coordinates; export all or none")
    return ObjMesh(
        np.array(vertices, np.float32).reshape(-1, 3),
        np.array(faces, np.int32).reshape(-1, 3),
        np.array(uv, np.float32) if uv else None,
        np.array(uv_faces, np.int32) if uv_faces else None,
    )


def _numbers(tokens: list[str], count: int) -> list[float]:
    if len(tokens) < count:
        raise ValueError(f"expected {count} numbers, found {len(tokens)}")
    values = [float(token) for token in tokens[:count]]
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a coordinate is not finite")
    return values


def _add_face(
    tokens: list[str],
    n_vertices: int,
    n_uv: int,
    faces: list[tuple[int, int, int]],
    uv_faces: list[tuple[int, int, int]],
) -> None:
    if len(tokens) < 3:
        raise ValueError(f"a face needs 3 vertices, found {len(tokens)}")
    fields = [token.split("/") for token in tokens]
    corners = [_index(field[0], n_vertices, "vertex") for field in fields]
    textured = [len(field) > 1 and field[1] != "" for field in fields]
    uv_corners = [_index(field[1], n_uv, "texture coordinate") for field in fields] if all(textured) else []
    for i in range(1, len(corners) - 1):
        faces.append((corners[0], corners[i], corners[i + 1]))
        if uv_corners:
            uv_faces.append((uv_corners[0], uv_corners[i], uv_corners[i + 1]))


def _index(token: str, count: int, what: str) -> int:
    index = int(token)
    index = index - 1 if index > 0 else count + index
    if token.strip("+-0") == "" or not 0 <= index < count:
        raise ValueError(f"face names {what} {token}, but {count} came before it")
    return index
