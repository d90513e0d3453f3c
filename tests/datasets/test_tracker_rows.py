from pathlib import Path

import numpy as np

from aukit.datasets import BP4D, DISFA
from tests.releases import bp4d, disfa


def test_a_folder_of_images_has_an_order_by_name_and_one_by_number(tmp_path: Path) -> None:
    corpus = BP4D(bp4d(tmp_path))
    rows = corpus.tracker_rows("Sequences(2D+3D)/M010/T8", np.array([998, 1000]))
    assert rows.numbers.tolist() == [997, 998, 999, 1000]
    assert rows.places.tolist() == [1, 3]
    assert [order.tolist() for order in rows.orders] == [[3, 0, 1, 2], [0, 1, 2, 3]]
    assert dict(rows.images) == {"997.jpg": 0, "998.jpg": 1, "999.jpg": 2, "1000.jpg": 3}
    (same,) = corpus.tracker_rows("Sequences(2D+3D)/F001/T1", np.array([2440])).orders
    assert same.tolist() == [0, 1, 2, 3]


def test_a_file_of_an_image_that_is_no_frame_has_a_row(tmp_path: Path) -> None:
    root = bp4d(tmp_path)
    folder = root / "Sequences(2D+3D)/F001/T1"
    for name in ("0 cover.PNG", "Thumbs.db"):
        (folder / name).write_bytes(b"")
    rows = BP4D(root).tracker_rows("Sequences(2D+3D)/F001/T1", np.array([2440]))
    assert [order.tolist() for order in rows.orders] == [[-1, 0, 1, 2, 3], [0, 1, 2, 3]]


def test_the_frames_of_a_video_are_its_rows(tmp_path: Path) -> None:
    corpus = DISFA(disfa(tmp_path))
    rows = corpus.tracker_rows(corpus.videos[0], np.array([1, 4]))
    assert (rows.places.tolist(), [order.tolist() for order in rows.orders]) == ([1, 4], [[0, 1, 2, 3, 4]])
    assert not rows.images
