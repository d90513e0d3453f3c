"""What came of many inputs, in numbers and in a few lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from aukit.errors import shown

_SHOWN = 20
"""Most files that a summary names."""


@dataclass
class Summary:
    """What was read, and what came of it.

    Attributes:
        videos: Number of videos.
        images: Number of images, in folders and by name.
        reused: Number of those two whose rows were there already.
        counts: Numbers of ``images`` (frames of videos counted), of ``faces``, of images ``without`` a face
            and ``unread``, in all tables.
        failed: What is wrong with files that could not be read, or not all of them, by their paths.
        gone: Photographs of earlier commands that are not there now; their rows are kept.
        left_out: Files in folders that are neither images nor videos of a known format.
        formats: How many of those are images of other formats, by their ends.
        tables: Their paths.
        read: Number of images and frames read this time, in `seconds`.
        seconds: Time that it took, without that of loading the model.
        crops: Number of faces that were cut out, by `register_files`.
        uncut: Number of those that could not be registered.

    Example:
        >>> summary = Summary(videos=1, read=300, seconds=10.0)
        >>> summary.status, summary.text().splitlines()[-1]
        (0, 'speed    30.0 frames/s: 300 in 10 s')
    """

    videos: int = 0
    images: int = 0
    reused: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    gone: int = 0
    left_out: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    tables: list[Path] = field(default_factory=list)
    read: int = 0
    seconds: float = 0.0
    crops: int = 0
    uncut: int = 0

    @property
    def status(self) -> int:
        """The exit status, 1 if something could not be read, else 0."""
        return int(bool(self.failed))

    def text(self) -> str:
        """A few lines for a terminal."""
        counts = self.counts
        lines = [f"inputs   {many(self.videos, 'video')}, {many(self.images, 'image')}"]
        lines += [f"         {self.reused:,} of them were done before"] if self.reused else []
        formats = ", ".join(f"{end} {number:,}" for end, number in sorted(self.formats.items()))
        also = f", with images that are not read: {formats}" if formats else ""
        left_out = f"         {many(self.left_out, 'other file')} in folders left out{also}"
        lines += [left_out] if self.left_out else []
        lines += [f"         {many(self.gone, 'photograph')} of before not there, kept"] if self.gone else []
        lines += [f"frames   {counts['images']:,}: {counts['without']:,} without a face, "
                  f"{counts['unread']:,} could not be read"]  # fmt: skip
        lines += [f"faces    {counts['faces']:,}"]
        uncut = f"; {many(self.uncut, 'face')} could not be registered" if self.uncut else ""
        lines += [f"crops    {self.crops:,}{uncut}"] if self.crops or self.uncut else []
        lines += [f"failed   {many(len(self.failed), 'file')}"] if self.failed else []
        named = list(self.failed.items())
        lines += [f"         {shown(path, 300)}: {shown(why, 300)}" for path, why in named[:_SHOWN]]
        lines += [f"         and {len(named) - _SHOWN:,} more"] if len(named) > _SHOWN else []
        lines += [f"tables   {shown(', '.join(map(str, self.tables[:_SHOWN])), 1000)}"] if self.tables else []
        lines += [f"         and {len(self.tables) - _SHOWN:,} more"] if len(self.tables) > _SHOWN else []
        if self.read:
            speed = self.read / max(self.seconds, 1e-9)
            lines += [f"speed    {speed:,.1f} frames/s: {self.read:,} in {self.seconds:,.0f} s"]
        return "\n".join(lines)


def many(number: int, thing: str) -> str:
    """A number of things in words, e.g. ``2 videos``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
