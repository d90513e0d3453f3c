"""Registration: landmarks, 2D crops, dense 3D meshes and frontalisation.

Names load on first use, because those of meshes take a second that finding faces does not need.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
