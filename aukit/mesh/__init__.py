"""Triangle meshes: rasteriser, normals, interpolation, OBJ files.

Coordinates are image coordinates: x right, y down, pixel centres at integers; z grows towards the viewer.

Names load on first use, because Numba takes half a second.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
