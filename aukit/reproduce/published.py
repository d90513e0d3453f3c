"""Published values beside ours: inside our interval, outside, or not comparable and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Published(NamedTuple):
    """One number that somebody printed.

    Attributes:
        table: Id of the table, empty where there is one only.
        row: Row of it, ``"AU1"`` or ``"mean"``.
        by: Who printed it, for what.
        value: The number.
        ours: Id of our column that repeats it; None where none does.
        why_not: Why none does.

    Example:
        >>> Published("", "mean", "Niinuma et al. 2021, no normalization", 0.525, "none").ours
        'none'
    """

    table: str
    row: str
    by: str
    value: float
    ours: str | None
    why_not: str = ""


class Verdict(NamedTuple):
    """What a published number says about ours.

    Attributes:
        published: The number.
        value: Ours; None where there is none.
        interval: Its 95 % interval.
        verdict: ``inside``, ``outside`` or ``not comparable``.
        why: Why it is not comparable; else empty.
    """

    published: Published
    value: float | None
    interval: tuple[float, float] | None
    verdict: str
    why: str


def judge(published: Published, column: Mapping[str, Any] | None, hindrances: Sequence[str]) -> Verdict:
    """Put a published number beside our column.

    Args:
        published: The number.
        column: Our column that repeats it, as in the table's JSON; None where none does.
        hindrances: Why nothing of this table compares with what is published.

    Returns:
        The verdict; our value only where the two compare.
    """
    if column is None:
        return Verdict(published, None, None, "not comparable", published.why_not or "not run")
    if hindrances:
        return Verdict(published, None, None, "not comparable", "; ".join(hindrances))
    row = published.row
    value = column["mean"] if row == "mean" else column["values"].get(row)
    span = column["interval"] if row == "mean" else column["au_intervals"].get(row)
    if value is None or span is None or None in span:
        return Verdict(published, value, None, "not comparable", column["note"] or "no interval")
    low, high = span
    return Verdict(
        published, value, (low, high), "inside" if low <= published.value <= high else "outside", ""
    )


def hindrances(provenance: Mapping[str, Any]) -> list[str]:
    """What keeps any table from being compared with published numbers."""
    found = []
    if provenance["data_origin"] == "standin":
        found.append("ours are rendered stand-ins")
    if provenance["size"] != "paper":
        found.append(f"size {provenance['size']}, not the paper's")
    return found
