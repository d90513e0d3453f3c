"""Prepared stores: registered crops with random access, their landmarks and labels."""

from aukit.store.balanced_set import BalancedSet
from aukit.store.build import prepare, prepare_release, prepare_share
from aukit.store.encoding import Encoding
from aukit.store.store import PreparedStore

__all__ = ["BalancedSet", "Encoding", "PreparedStore", "prepare", "prepare_release", "prepare_share"]
