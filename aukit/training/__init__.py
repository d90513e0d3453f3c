"""What every run shares: configuration, identity, execution, records, predictions.

Names are imported when they are first used: reading records needs no Lightning.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
