"""The README's pictures: a portrait that was read, avatars, synthesis with and without a loss."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from skimage.data import astronaut  # Eileen Collins, NASA, public domain

from aukit.datamodules import CorpusDataModule
from aukit.detect import Detector, draw_faces
from aukit.facs import ACTION_UNITS
from aukit.reproduce import LOGS
from aukit.reproduce.base import read_spec
from aukit.reproduce.niinuma2021.cells import FRONTAL, NiinumaCells
from aukit.reproduce.niinuma2021.figures import TILE, synthesize_frames
from aukit.reproduce.niinuma2021.tables import NiinumaTable
from aukit.reproduce.options import PROFILES, choose_options
from aukit.simulation import ICT_VARIABLE, contact_sheet
from aukit.utils.files import atomic_path

COLUMNS = ("input", "target", "with", "without")

Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Make `detect.jpg`, `avatars.jpg`, `expressions.png`; generators that are not there yet are trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default="docs/pictures")
    parser.add_argument("--profile", choices=PROFILES)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    portrait, detector = astronaut(), Detector()
    drawn = draw_faces(portrait, detector.photograph(portrait), detector.aus)
    with atomic_path(arguments.out / "detect.jpg") as temporary:
        Image.fromarray(drawn).save(temporary, format="JPEG", quality=92)
    contact_sheet(arguments.out / "avatars.jpg", bases())
    corpora = read_spec(NiinumaCells.name)["corpora"]
    options = choose_options(corpora, arguments.profile, LOGS, arguments.seed)
    table = NiinumaTable(options, "S3")
    table.make_corpora()
    corpus = table.prepare(FRONTAL)
    runs = table.train_generators()
    checkpoints = [runs[id].checkpoint for id in ("with_ids", "without_ids")]
    picture = expression_table(corpus, table.cells.aus, checkpoints)
    with atomic_path(arguments.out / "expressions.png") as temporary:
        picture.save(temporary, format="PNG")


def bases() -> list[str]:
    """The face bases at hand."""
    return ["procedural", *(["ict"] if os.environ.get(ICT_VARIABLE) else [])]


class Pair(NamedTuple):
    """Two frames of one person: rows of the store, and the level of the action unit in the second."""

    au: int
    neutral: int
    target: int
    level: int


def choose_pairs(corpus: CorpusDataModule, rows: npt.NDArray[np.int64], aus: list[int]) -> list[Pair]:
    """For each action unit a frame without expression and one that shows it strongly and little else.

    The person is the one for whom it is clearest; an action unit is left out if nobody has both frames.

    Args:
        corpus: Datamodule that is set up.
        rows: Rows of the store to choose from.
        aus: Action units.
    """
    levels = corpus.store.table.intensities(tuple(aus))[rows]
    rows, levels = rows[np.isfinite(levels).all(1)], levels[np.isfinite(levels).all(1)]
    persons = corpus.store.table.frame["person"].to_numpy()[rows]
    found = []
    for index, au in enumerate(aus):
        best, pair = -np.inf, None
        clarity = levels[:, index] - 0.25 * (levels.sum(1) - levels[:, index])
        for person in np.unique(persons):
            own = np.flatnonzero(persons == person)
            neutral, target = own[np.argmin(levels[own].sum(1))], own[np.argmax(clarity[own])]
            if levels[neutral].sum() == 0 and clarity[target] > best:
                best, level = clarity[target], int(levels[target, index])
                pair = Pair(au, int(rows[neutral]), int(rows[target]), level)
        found += [pair] if pair else []
    return found


def expression_table(corpus: CorpusDataModule, aus: list[int], checkpoints: list[str]) -> Image.Image:
    """A row per action unit; a block of people who trained the generators beside one of people who did not.

    Each block shows input frame, a frame with the target labels, and the syntheses of all checkpoints.

    Args:
        corpus: Datamodule that is set up.
        aus: Action units in the order of the generators' vectors.
        checkpoints: Generator with and generator without the idiosyncratic loss.
    """
    blocks = []
    for title, rows in (("training people", corpus.train_rows), ("validation people", corpus.val_rows)):
        pairs = choose_pairs(corpus, rows, aus)
        blocks.append((title, pairs, _syntheses(corpus, pairs, aus, checkpoints)))
    return _lay_out(blocks, aus)


def _syntheses(
    corpus: CorpusDataModule, pairs: list[Pair], aus: list[int], checkpoints: list[str]
) -> list[Pixels]:
    store, neutral, target = corpus.store, [pair.neutral for pair in pairs], [pair.target for pair in pairs]
    wanted = store.table.intensities(tuple(aus))[target]
    tiles = [np.asarray(store.images[neutral]), np.asarray(store.images[target])]
    return tiles + [synthesize_frames(checkpoint, tiles[0], wanted) for checkpoint in checkpoints]


def _lay_out(blocks: list[tuple[str, list[Pair], list[Pixels]]], aus: list[int]) -> Image.Image:
    left, top, gap, wide = 150, 48, 16, len(COLUMNS) * TILE
    canvas = Image.new("RGB", (left + len(blocks) * (wide + gap) - gap, top + len(aus) * TILE), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(15)
    for line, au in enumerate(aus):
        draw.text((6, top + line * TILE + 40), f"AU{au}", "black", ImageFont.load_default(18))
        draw.text((6, top + line * TILE + 64), ACTION_UNITS[au].name, "black", ImageFont.load_default(12))
    for block, (title, pairs, tiles) in enumerate(blocks):
        start = left + block * (wide + gap)
        draw.text((start + wide // 2, 5), title, "black", ImageFont.load_default(17), anchor="ma")
        for column, (name, images) in enumerate(zip(COLUMNS, tiles, strict=True)):
            x = start + column * TILE
            draw.text((x + TILE // 2, 28), name, "black", font, anchor="ma")
            for pair, image in zip(pairs, images, strict=True):
                y = top + aus.index(pair.au) * TILE
                canvas.paste(Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BICUBIC), (x, y))
                if name == "target":
                    letter = " ABCDE"[pair.level]
                    draw.text((x + 4, y + 2), letter, "white", font, stroke_width=2, stroke_fill="black")
    return canvas


if __name__ == "__main__":
    main()
