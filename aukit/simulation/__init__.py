"""Synthetic faces and corpora: geometry, appearance, renderer, people, stand-in corpora, avatar pairs.

The one door to the rooms below. Names are imported on first use, since torch and the renderer take seconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
