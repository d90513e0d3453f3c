"""The README's pictures: avatars; expressions synthesised with and without the idiosyncratic loss."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont

from aukit.avatars.contact_sheet import contact_sheet
from aukit.data.fera2017 import FERA2017DataModule
from aukit.facs import ACTION_UNITS
from aukit.files import atomic_path
from aukit.reproduce import LOGS
from aukit.reproduce.setting import PROFILES, choose_setting
from aukit.reproduce.table3 import ROOT_VARIABLE, Table3
from aukit.synthesis import SynthesizerModule, compose
from aukit.synthesis.synthetic_set import to_images, to_tensor

#: The same schedule, its first phase (the idiosyncratic loss alone) replaced by steps with all other terms.
WITHOUT_IDIOSYNCRATIC = ("model.lambda_ids=0", "model.warmup_share=0", "data.warmup_share=0")
COLUMNS = ("source", "target", "with", "without")
TILE = 128

Pixels = npt.NDArray[np.uint8]


def main() -> None:
    """Make `avatars.png` and `expressions.png`; generators that are not there yet are trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default="docs/pictures")
    parser.add_argument("--profile", choices=PROFILES)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    contact_sheet(words.out / "avatars.png")
    table = Table3(choose_setting(ROOT_VARIABLE, words.profile, LOGS, words.seed))
    table.make_corpus()
    corpus = table.prepare()
    checkpoints = [
        table.train_generator().checkpoint,
        table.train_generator(*WITHOUT_IDIOSYNCRATIC).checkpoint,
    ]
    picture = expression_table(corpus, table.aus, checkpoints)
    with atomic_path(words.out / "expressions.png") as temporary:
        picture.save(temporary, format="PNG")


def choose_pairs(corpus: FERA2017DataModule, aus: list[int], people: int = 2) -> pd.DataFrame:
    """For each action unit, pairs of frames of one validation person, who has trained no generator.

    The source is the person's frame with the least expression, the target the one whose action unit is
    strongest, and among those the one with the least of everything else.

    Returns:
        Columns au, person, source, target (rows of the store), level; at most `people` rows per action unit.
    """
    frame, rows = corpus.store.table.frame, corpus.val_rows
    levels = corpus.store.table.intensities(tuple(aus))[rows]
    rows, levels = rows[np.isfinite(levels).all(1)], levels[np.isfinite(levels).all(1)]
    persons = frame["person"].to_numpy()[rows]
    found = []
    for index, au in enumerate(aus):
        options = []
        for person in np.unique(persons):
            own = np.flatnonzero(persons == person)
            rest = levels[own].sum(1) - levels[own, index]
            target = own[np.lexsort((rest, -levels[own, index]))[0]]
            source = own[np.argmin(levels[own].sum(1))]
            clarity = levels[target, index] - 0.25 * (levels[target].sum() - levels[target, index])
            if levels[source].sum() == 0:
                pair = {"person": person, "source": rows[source], "target": rows[target]}
                options.append((clarity, {"au": au, **pair, "level": int(levels[target, index])}))
        options.sort(key=lambda option: -option[0])
        found += [pair for _, pair in options[:people]]
    return pd.DataFrame(found)


def expression_table(corpus: FERA2017DataModule, aus: list[int], checkpoints: list[str]) -> Image.Image:
    """A row per action unit and two blocks of source, real frame with the target labels, and two syntheses.

    Args:
        corpus: Datamodule that is set up.
        aus: Action units in the order of the generators' vectors.
        checkpoints: Generator with and generator without the idiosyncratic loss.
    """
    pairs, store = choose_pairs(corpus, aus), corpus.store
    source, target = pairs["source"].to_numpy(), pairs["target"].to_numpy()
    wanted = torch.from_numpy(store.table.intensities(tuple(aus))[target] / 5)
    tiles = [np.asarray(store.images[source]), np.asarray(store.images[target])]
    for checkpoint in checkpoints:
        module = SynthesizerModule.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
        generator = module.generator.eval()
        with torch.inference_mode():
            image = to_tensor(tiles[0])
            fake = to_images(compose(image, *generator(image, wanted)))
        tiles.append(np.where(tiles[0].any(-1, keepdims=True), fake, np.uint8(0)))
    return _lay_out(pairs, tiles, aus)


def _lay_out(pairs: pd.DataFrame, tiles: list[Pixels], aus: list[int]) -> Image.Image:
    left, top, gap, blocks = 150, 26, 16, int(pairs.groupby("au").size().max())
    width = left + blocks * (len(tiles) * TILE + gap) - gap
    canvas = Image.new("RGB", (width, top + len(aus) * TILE), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(15)
    for block in range(blocks):
        for column, name in enumerate(COLUMNS):
            at = left + block * (len(tiles) * TILE + gap) + column * TILE
            draw.text((at + TILE // 2, 5), name, "black", font, anchor="ma")
    for line, au in enumerate(aus):
        draw.text((6, top + line * TILE + 40), f"AU{au}", "black", ImageFont.load_default(18))
        draw.text((6, top + line * TILE + 64), ACTION_UNITS[au].name, "black", ImageFont.load_default(12))
        for block, index in enumerate(np.flatnonzero(pairs["au"].to_numpy() == au)):
            letter = " ABCDE"[pairs["level"].iloc[index]]
            for column, images in enumerate(tiles):
                tile = Image.fromarray(images[index]).resize((TILE, TILE), Image.Resampling.BICUBIC)
                x, y = left + block * (len(tiles) * TILE + gap) + column * TILE, top + line * TILE
                canvas.paste(tile, (x, y))
                if COLUMNS[column] == "target":
                    draw.text((x + 4, y + 2), letter, "white", font, stroke_width=2, stroke_fill="black")
    return canvas


if __name__ == "__main__":
    main()
