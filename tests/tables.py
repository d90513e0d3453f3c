"""A user's corpus for tests: small pictures of six people, their landmarks, a table."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from aukit.registration import frontal_template

PEOPLE = ("anna", "bea", "carl", "dora", "emil", "finn")
SIDE = 32


def write_table(root: Path, frames: int = 4) -> pd.DataFrame:
    """Pictures below `root`, and the rows about them in ``frames.csv``; landmarks in ``landmarks.csv``.

    AU 12 has an intensity, of frame i the level i; AU 6 an occurrence, of the frames with an odd number.
    """
    rows = []
    for number, person in enumerate(PEOPLE):
        for i in range(frames):
            path = f"faces/{person}/{i}.png"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((SIDE, SIDE, 3), 30 + 10 * number + i, np.uint8)).save(root / path)
            rows.append(
                {
                    "path": path,
                    "person": person,
                    "gender": "f" if number % 2 else "male",
                    "light": "dim" if i % 2 else "bright",
                    "AU6_c": i % 2,
                    "AU12_r": i,
                }
            )
    table = pd.DataFrame(rows)
    table.to_csv(root / "frames.csv", index=False)
    points = np.asarray(frontal_template(SIDE))
    marks = {f"{axis}{n}": points[n, place] for place, axis in enumerate("xy") for n in range(68)}
    each = pd.DataFrame(marks, index=table.index)
    pd.concat([table[["path"]], each], axis=1).to_csv(root / "landmarks.csv", index=False)
    return table
