"""Ids of people: which spellings are of one person, and which first halves belong to corpora."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from aukit.datasets.registry import corpus_entry, corpus_names


def composed(id: str) -> str:
    """An id with composed characters (NFC), as most programs write them; others take letter and accent apart.

    Example:
        >>> composed("Jose" + chr(0x301)) == "José"
        True
    """
    return unicodedata.normalize("NFC", id)


def spelling(id: str) -> str:
    """What all spellings of an id share: without capitals, leading zeros and the ``.0`` of spreadsheets.

    Example:
        >>> spelling("BP4D/F001") == spelling("bp4d/f001"), spelling("07") == spelling("7.0")
        (True, True)
    """
    halves = composed(id).casefold().split("/")
    return "/".join(re.sub(r"\.0+$", "", half).lstrip("0") for half in halves)


def digests(names: Iterable[str]) -> list[str]:
    """Sorted fingerprints of names, by which a person is known again without being named.

    Example:
        >>> digests(["disfa/1"])
        ['35f9fa44f04ffa29']
    """
    return sorted({hashlib.sha256(f"person/{name}".encode()).hexdigest()[:16] for name in names})


def corpus_namespace(written: str) -> str | None:
    """The first half of the ids of a known corpus that is meant, e.g. BP4D by bp4d; None for another one."""
    known: dict[str, str] = {}
    for name in corpus_names(released=True):
        reader = corpus_entry(name).load("reader")
        spaces = getattr(reader, "namespaces", (getattr(reader, "namespace", None),))
        known |= {_plain(space): space for space in spaces if space is not None}
    return known.get(_plain(written))


def _plain(namespace: str) -> str:
    return re.sub("[-_ ]", "", namespace.casefold())
