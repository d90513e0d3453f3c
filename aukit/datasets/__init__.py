"""Corpora: an official release on disk → FrameTable.

Names are imported when they are first used: the registry alone is needed to know which corpora there are.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
