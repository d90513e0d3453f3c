import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aukit.errors import ConfigError, CorpusError, StoreError
from aukit.facs import VISIBLE_AUS
from aukit.registration.landmarks.points import DENSE, POINTS, mirrored
from aukit.simulation import LabelledFacesConfig, face_model, open_labelled_faces, write_labelled_faces
from aukit.simulation.images import labelled_faces
from aukit.simulation.images.labelled_faces import dense_places, render_identity

CONFIG = LabelledFacesConfig(3, 2, 64, first=labelled_faces.CHUNK - 1, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("labelled") / "faces"
    assert "6 labelled faces of 3 identities" in write_labelled_faces(out, CONFIG, workers=0, progress=False)
    return out


def test_a_set_says_everything_about_its_faces(folder: Path) -> None:
    faces = open_labelled_faces(folder)
    assert faces.images.shape == (6, 64, 64, 4)
    assert faces.points.shape == (6, POINTS, 3)
    assert faces.movements.shape == (6, len(VISIBLE_AUS))
    assert faces.movements.min() >= 0
    assert faces.movements.max() <= 1
    assert faces.rows["identity"].nunique() == 3
    assert {"gender", "age", "skin_tone", "yaw", "pitch", "roll", "acquisition", "maker", "basis"} <= set(
        faces.rows
    )


def test_points_lie_on_the_person(folder: Path) -> None:
    faces = open_labelled_faces(folder)
    for image, points, yaw in zip(faces.images, faces.points, faces.rows["yaw"], strict=True):
        place = points[68:, :2].round().astype(int)
        inside = ((place >= 0) & (place < 64)).all(1)
        x, y = place[inside].T
        assert inside.mean() > 0.9
        assert (image[y, x, 3] > 100).mean() > 0.9, "the share of the person says the same as the points"
        eyes = points[36:48].reshape(2, 6, 3).mean(1)
        assert np.sign(eyes[0, 2] - eyes[1, 2]) == np.sign(yaw), (
            "a head that turns to the image's right has its right eye, on the image's left, nearer"
        )


def test_an_identity_does_not_depend_on_how_many_there_are(folder: Path) -> None:
    faces = open_labelled_faces(folder)
    alone = render_identity(CONFIG, CONFIG.first + 1)
    np.testing.assert_array_equal(faces.images[2:4], alone.images)
    np.testing.assert_array_equal(faces.points[2:4], alone.points)


def test_places_of_the_skin_are_pairs() -> None:
    places = dense_places()
    assert len(set(places.tolist())) == DENSE
    points = face_model().mean_mesh().vertices[0].numpy()[places]
    np.testing.assert_allclose(points[mirrored()[68:] - 68] * [-1, 1, 1], points, atol=1e-3)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + 99 * np.eye(DENSE)
    assert apart.min() > 2, (
        "none lies within 2 mm of another: that is how far those of a side are from the middle"
    )


def test_other_settings_and_missing_files_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="begun with other settings"):
        write_labelled_faces(folder, LabelledFacesConfig(4, 2, 64), workers=0)
    with pytest.raises(ConfigError, match="at least 1 identity"):
        write_labelled_faces(tmp_path, LabelledFacesConfig(0), workers=0)
    with pytest.raises(ConfigError, match="a face basis"):
        write_labelled_faces(tmp_path, LabelledFacesConfig(1, bases=()), workers=0)
    with pytest.raises(StoreError, match="no complete set of labelled faces"):
        open_labelled_faces(tmp_path)


@pytest.mark.parametrize("lost", ["images.npy", "faces.parquet", "chunks/000015.parquet"])
def test_what_was_lost_is_made_again(folder: Path, tmp_path: Path, lost: str) -> None:
    """The arrays of the chunks went into the whole, so that they are rendered again where that is lost."""
    out = Path(shutil.copytree(folder, tmp_path / "faces"))
    (out / lost).unlink()
    assert "6 labelled faces" in write_labelled_faces(out, CONFIG, workers=0, progress=False)
    for name in ("images.npy", "points.npy", "movements.npy", "faces.parquet", lost):
        assert (out / name).read_bytes() == (folder / name).read_bytes()


def test_two_shards_that_both_find_themselves_the_last(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one waits while the first one joins, and then finds no arrays of chunks any more."""
    out, join = tmp_path / "faces", labelled_faces._join

    def joined_twice(*arguments: Any) -> None:
        join(*arguments)
        join(*arguments)

    monkeypatch.setattr(labelled_faces, "_join", joined_twice)
    assert "6 labelled faces" in write_labelled_faces(out, CONFIG, workers=0, progress=False)
    assert (out / "images.npy").read_bytes() == (folder / "images.npy").read_bytes()


def test_a_damaged_set_is_no_set(folder: Path, tmp_path: Path) -> None:
    for file in ("LABELLED_FACES.json", "faces.parquet", "points.npy", "movements.npy"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / "images.npy").write_bytes((folder / "images.npy").read_bytes()[:-1])
    with pytest.raises(StoreError, match=r"images\.npy has .* bytes"):
        open_labelled_faces(tmp_path)
