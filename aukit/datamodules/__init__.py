"""Datamodules, samplers and transforms.

Names are imported when they are first used: Lightning takes seconds to import.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
