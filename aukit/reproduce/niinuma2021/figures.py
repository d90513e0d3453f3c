"""Pictures beside a table: people, and what its generators make of them for the labels of other frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from aukit.facs import LETTERS
from aukit.reproduce.captions import DataFacts, data_sentence
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.utils.files import atomic_path

if TYPE_CHECKING:
    from aukit.datamodules import CorpusDataModule
    from aukit.training import Record

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]

TILE = 128
_LEFT, _TOP, _GAP = 150, 30, 14
_PEOPLE = 3
_FRAME = ["video", "position"]
"""Columns that name a frame whatever it was registered by."""


class Target(NamedTuple):
    """A frame that gives its labels: row of the first store, and what it was chosen for."""

    row: int
    au: int
    level: int


def write_figures(
    cells: NiinumaCells,
    corpora: Mapping[str, CorpusDataModule],
    generators: Mapping[str, Record],
    data: DataFacts,
) -> list[Path]:
    """Write the figures of a table beside it, from runs that it has anyway; about a second each.

    Args:
        cells: The table.
        corpora: Registration → the corpus.
        generators: Id → run.
        data: Data origin and size, for the caption.
    """
    paths = []
    for entry in cells.spec.get("figures", ()):
        paths.append(cells.folder / f"{entry['id']}.png")
        caption = f"{entry['title']}. {entry['text']} {data_sentence(data)}"
        picture = _figure(entry, cells, corpora, generators, caption)
        words = PngInfo()
        words.add_text("Description", caption)
        with atomic_path(paths[-1]) as temporary:
            picture.save(temporary, format="PNG", pnginfo=words)
    return paths


def synthesize_frames(checkpoint: str, images: Pixels, levels: npt.NDArray[np.float32]) -> Pixels:
    """What a generator makes of faces, black where the input is.

    Args:
        checkpoint: Of its run.
        images: uint8 ``[B,S,S,3]``.
        levels: ``[B,A]`` target labels in 0 … 5.
    """
    import torch

    from aukit.models.niinuma2021 import SynthesizerModule, compose
    from aukit.models.niinuma2021.synthesis.synthetic_set import to_images, to_tensor

    module = SynthesizerModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    with torch.inference_mode():
        image = to_tensor(images)
        fake = to_images(compose(image, *module.generator.eval()(image, torch.from_numpy(levels / 5))))
    return np.where(images.any(-1, keepdims=True), fake, np.uint8(0))


def choose_inputs(levels: npt.NDArray[np.float32], persons: Sequence[str], people: int) -> list[int]:
    """The calmest fully coded frame of the first so many people.

    Args:
        levels: ``[N,A]`` labels, NaN where not coded.
        persons: ``[N]`` people.
        people: How many.

    Returns:
        Positions among the N.
    """
    sums = pd.Series(levels.sum(1), name="sum").to_frame().assign(person=list(persons)).dropna()
    return [int(row) for row in sums.groupby("person")["sum"].idxmin().sort_index().iloc[:people]]


def choose_targets(
    levels: npt.NDArray[np.float32], aus: Sequence[int], wanted: Mapping[int, Sequence[int]]
) -> list[Target]:
    """For each wanted level of an action unit the fully coded frame that shows it and the least of others.

    Args:
        levels: ``[N,A]`` labels, NaN where not coded.
        aus: ``[A]`` action units.
        wanted: Action unit → levels; one that no frame has is left out.
    """
    found = []
    for au, level in ((au, level) for au, each in wanted.items() for level in each):
        others = np.where(levels[:, aus.index(au)] == level, levels.sum(1), np.nan)
        if np.isfinite(others).any():
            found.append(Target(int(np.nanargmin(others)), au, level))
    return found


def _figure(
    entry: Mapping[str, Any],
    cells: NiinumaCells,
    corpora: Mapping[str, CorpusDataModule],
    generators: Mapping[str, Record],
    caption: str,
) -> Image.Image:
    shown = [cells.generators[id] for id in entry["generators"]]
    stores = {each.registration: corpora[each.registration].store for each in shown}
    first = corpora[shown[0].registration]
    frames = {name: pd.MultiIndex.from_frame(store.table.frame[_FRAME]) for name, store in stores.items()}
    names = frames[shown[0].registration]
    everywhere = np.logical_and.reduce([names.isin(each) for each in frames.values()])

    def usable(rows: Rows) -> Rows:
        return np.asarray(rows[everywhere[rows]])

    levels = first.store.table.intensities(tuple(cells.aus))
    giving = usable(first.train_rows)
    targets = [
        each._replace(row=int(giving[each.row]))
        for each in choose_targets(levels[giving], cells.aus, entry["targets"])
    ]
    faces = usable(first.train_rows if entry["people"] == "train" else first.val_rows)
    persons = first.store.table.frame["person"].to_numpy(dtype=str)[faces]
    inputs = [int(faces[each]) for each in choose_inputs(levels[faces], persons.tolist(), _PEOPLE)]
    wanted = levels[[each.row for each in targets]]
    rows = [("labels of", [None, *(np.asarray(first.store.images[each.row]) for each in targets)])]
    for face in inputs:
        for generator in shown:
            row = frames[generator.registration].get_loc(names[face])
            image = np.asarray(stores[generator.registration].images[row])
            copies = np.repeat(image[None], len(targets), axis=0)
            made = synthesize_frames(str(generators[generator.id].checkpoint), copies, wanted)
            rows.append((entry["generators"][generator.id], [image, *made]))
    heads = ["input", *(f"AU{each.au} {LETTERS[each.level - 1]}" for each in targets)]
    return _lay_out(heads, rows, len(shown), caption)


def _lay_out(
    heads: list[str], rows: Sequence[tuple[str, Sequence[Pixels | None]]], together: int, caption: str
) -> Image.Image:
    """Rows of tiles below their headings, people apart; the caption below."""
    font, width = ImageFont.load_default(15), _LEFT + len(heads) * TILE
    starts = [_TOP + line * TILE + (line + together - 1) // together * _GAP for line in range(len(rows) + 1)]
    lines = wrap(caption, width // 7)
    canvas = Image.new("RGB", (width, starts[-1] + 20 * len(lines) + 8), "white")
    draw = ImageDraw.Draw(canvas)
    for column, head in enumerate(heads):
        draw.text((_LEFT + column * TILE + TILE // 2, 6), head, "black", font, anchor="ma")
    for (name, tiles), y in zip(rows, starts, strict=False):
        for line, part in enumerate(wrap(name, 18)):
            draw.text((6, y + 44 + 18 * line), part, "black", font)
        for column, tile in enumerate(tiles):
            if tile is not None:
                large = Image.fromarray(tile).resize((TILE, TILE), Image.Resampling.BICUBIC)
                canvas.paste(large, (_LEFT + column * TILE, y))
    for number, words in enumerate(lines):
        draw.text((6, starts[-1] + 20 * number), words, "black", ImageFont.load_default(13))
    return canvas
