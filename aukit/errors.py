"""Errors that a user can act on: each message names the file, the place and the remedy."""

import errno
import re


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


_LONGEST = 1000  # characters of a message

_REMEDIES = {
    errno.ENOSPC: "free space on that disk and repeat the command: it goes on with what is missing",
    errno.EDQUOT: "your quota is used up: free space and repeat the command",
    errno.EROFS: "that file system can only be read; name a folder on another one",
    errno.EACCES: "see to its rights, or name another place",
    errno.EPERM: "see to its rights, or name another place",
    errno.ENOTDIR: "a file stands where a folder should be; move it, or name another folder",
    errno.EEXIST: "a file stands where a folder should be; move it, or name another folder",
    errno.EISDIR: "a folder stands where a file should be; name a file",
    errno.ENOENT: "see whether the name is right",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or use fewer workers",
    errno.ENAMETOOLONG: "name a shorter path",
}


def explained(error: BaseException) -> str | None:
    """What to tell a user about an error: what and where, and on a second line the remedy where one helps.

    Args:
        error: Whatever was raised, perhaps in a worker process of a data loader.

    Returns:
        One or two lines; None for an error that nobody foresaw, of which the traceback is to be shown.

    Example:
        >>> explained(IsADirectoryError(21, "Is a directory", "runs")).splitlines()
        ['runs: Is a directory', 'a folder stands where a file should be; name a file']
        >>> explained(ZeroDivisionError()) is None
        True
    """
    cause: BaseException | None = error
    while cause is not None:  # a library may wrap what one of our classes raised
        if isinstance(cause, AukitError):
            first, _, rest = _without_traceback(cause).partition("\n")
            return "\n".join(shown(line, _LONGEST) for line in (first, rest) if line.strip())
        if isinstance(cause, OSError):
            return _system_error(cause)
        cause = cause.__cause__
    text = str(error)
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: " in text:  # torch's is a RuntimeError
        return "not enough memory\nuse smaller batches, smaller images or fewer workers"
    if type(error).__name__ == "OutOfMemoryError":  # torch's; this room imports nothing
        return f"{shown(text.partition('. ')[0], _LONGEST)}\nuse smaller batches (data.batch_size) or images"
    if type(error).__name__ == "BrokenProcessPool":
        return "a worker process was killed\nmost often memory ran out: use fewer of them (--jobs, --workers)"
    if text.startswith("DataLoader worker (pid"):
        return f"{shown(text, _LONGEST)}\nmost often memory ran out: use fewer workers (data.num_workers)"
    return None


def _system_error(error: OSError) -> str:
    """An operating system's error, with the file first."""
    number, text, file = error.errno, error.strerror, error.filename
    if number is None:
        text = _without_traceback(error) or type(error).__name__
        if found := re.fullmatch(r"\[Errno (\d+)\] ([^:]*)(?:: '(.*)')?", text):
            number, text, file = int(found[1]), found[2], found[3]
    what = shown(f"{file}: {text}" if file else text, _LONGEST)
    remedy = _REMEDIES.get(number or 0)
    return what if remedy is None else f"{what}\n{remedy}"


def _without_traceback(error: BaseException) -> str:
    """The message; a data loader puts the traceback of its worker process before it."""
    text = str(error)
    if " in DataLoader worker process " not in text.partition("\n")[0]:
        return text
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return text.rpartition(f"\n{name}: ")[2].strip()
