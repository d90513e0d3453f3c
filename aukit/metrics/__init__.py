"""Scores of action units: F1, ICC, fairness, distances between distributions, intervals over people.

The functions take numpy arrays or torch tensors; the classes are ``torchmetrics`` metrics over the same sums.
The classes load on first use, because torchmetrics takes longer to import than a finished table to print.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
