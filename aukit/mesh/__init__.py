"""Triangle meshes: rasteriser, normals, interpolation, OBJ files.

Coordinates are image coordinates: x right, y down, pixel centres at integers; z grows towards the viewer.
"""

from aukit.mesh.attributes import interpolate, vertex_normals
from aukit.mesh.obj import ObjMesh, read_obj
from aukit.mesh.rasterizer import Raster, Visible, rasterize, visible_triangles

__all__ = [
    "ObjMesh",
    "Raster",
    "Visible",
    "interpolate",
    "rasterize",
    "read_obj",
    "vertex_normals",
    "visible_triangles",
]
