"""Faces and worlds of our own: geometry, appearance, renderer, people, stand-in corpora, avatar pairs.

The one door to all rooms below. Names are imported when they are first used: torch and the renderer take seconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
