"""Errors that a user can act on: each message names the file, the place and the remedy."""


def shown(text: object, length: int = 100) -> str:
    """What a file says, fit for a message: on one line, without control characters, cut to a length."""
    words = "".join(c if c.isprintable() else " " for c in str(text)[: 4 * length])
    words = " ".join(words.split())
    return words if len(words) <= length else f"{words[: length - 1]}…"


class AukitError(Exception):
    """Base of every error that aukit raises on purpose."""


class CorpusError(AukitError):
    """A corpus release on disk is missing, incomplete or contradicts its documented layout."""


class WeightsError(AukitError):
    """A weights file is missing, corrupt or does not fit the network."""


class ConfigError(AukitError):
    """A configuration file or override is not valid."""


class StoreError(AukitError):
    """A prepared store, balanced set or run folder is incomplete or does not fit what was asked for."""


class TrainingError(AukitError):
    """A training went wrong in a way that going on cannot mend."""
