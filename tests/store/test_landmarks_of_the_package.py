"""A corpus without landmarks is prepared with the package's own networks, without a download."""

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image

from aukit.cli import main
from aukit.datasets import Table
from aukit.errors import ConfigError
from aukit.store import PreparedStore
from aukit.store.build import landmark_source


@pytest.fixture
def corpus(tmp_path):
    """Two frames of a portrait and one without a face, as a table."""
    root = tmp_path / "corpus"
    root.mkdir()
    portrait = skimage.data.astronaut()
    for name, image in (
        ("a", portrait),
        ("b", np.roll(portrait, 12, axis=1)),
        ("c", np.zeros_like(portrait)),
    ):
        Image.fromarray(image).save(root / f"{name}.png")
    rows = {"path": ["a.png", "b.png", "c.png"], "person": ["p1", "p1", "p2"], "AU12_c": [1, 1, 0]}
    pd.DataFrame(rows).to_csv(root / "frames.csv", index=False)
    return root


def test_prepare_takes_them_by_name(corpus, tmp_path, capsys):
    words = [
        "--table",
        str(corpus / "frames.csv"),
        "--landmarks",
        "aukit",
        "--registration",
        "similarity",
        "--size",
        "64",
    ]
    status = main(
        [
            "prepare",
            "table",
            "--root",
            str(corpus),
            *words,
            "--out",
            str(tmp_path / "stores"),
            "--workers",
            "0",
        ]
    )
    assert status == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "stores").glob("table-*")
    store = PreparedStore.open(folder)
    assert len(store) == 2
    assert store.manifest["landmarks"].startswith("aukit-")
    assert store.exclusions["reason"].str.contains("landmarks|face").all()
    assert np.isfinite(store.landmarks).all()


def test_weights_of_other_networks_do_not_go_with_them(corpus):
    table = Table(corpus, corpus / "frames.csv")
    with pytest.raises(ConfigError, match="need no weights of face-alignment"):
        landmark_source(table, "similarity", corpus, "aukit")
    assert landmark_source(table, "none", None, "aukit").name.startswith("aukit-")


def test_they_are_taken_unless_something_else_is_there_or_named(corpus):
    table = Table(corpus, corpus / "frames.csv")
    assert landmark_source(table, "ffhq").name.startswith("aukit-")
    assert landmark_source(table, "none").name == "none"
    assert landmark_source(table, "none", corpus).name == "face-alignment"
    assert landmark_source(table, "ffhq", corpus).name == "face-alignment"
    assert landmark_source(table, "ffhq", None, "face-alignment").name == "face-alignment"
    (corpus / "Landmarks").mkdir()
    assert landmark_source(Table(corpus, corpus / "frames.csv"), "ffhq", corpus).name == "sidecar"
