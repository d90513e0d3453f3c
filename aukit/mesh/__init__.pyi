# What the package exports, each from where it is defined; read by type checkers and by its lazy loader.
from .attributes import interpolate as interpolate
from .attributes import vertex_normals as vertex_normals
from .obj import ObjMesh as ObjMesh
from .obj import read_obj as read_obj
from .rasterizer import Raster as Raster
from .rasterizer import Visible as Visible
from .rasterizer import rasterize as rasterize
from .rasterizer import visible_triangles as visible_triangles
