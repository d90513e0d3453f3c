import numpy as np
import pytest
import torch

from aukit.datamodules import BatchSpec
from aukit.datamodules.labelled_faces import CropsDataset, ScenesDataset
from aukit.registration.landmarks.points import mirrored
from tests.labelled_faces import made_faces

ROWS = np.arange(8)


def test_exact_crops_have_the_face_in_their_middle():
    batch = CropsDataset(made_faces(), 112, augment=False)[BatchSpec(ROWS)]
    assert batch["image"].shape == (8, 3, 112, 112)
    assert batch["image"].dtype == torch.uint8
    marks = batch["points"][:, :68]
    low, high = marks[..., :2].amin(1), marks[..., :2].amax(1)
    torch.testing.assert_close((low + high) / 2, torch.full((8, 2), 0.0), atol=1e-4, rtol=0)
    torch.testing.assert_close((high - low).amax(1), torch.full((8,), 1.6), atol=1e-4, rtol=0)
    torch.testing.assert_close(marks[..., 2].mean(1), torch.zeros(8), atol=1e-4, rtol=0)
    assert (batch["presence"] == 1).all()


def test_points_lie_where_the_picture_has_them():
    faces = made_faces()
    dataset = CropsDataset(faces, 112, augment=True)
    seen = 0
    for step in range(6):
        batch = dataset[BatchSpec(ROWS, 0, 0, step)]
        for index, _row in enumerate(ROWS):
            if not batch["presence"][index]:
                continue
            place = ((batch["points"][index, :68, :2] + 1) * 56 - 0.5).round().long()
            inside = ((place > 2) & (place < 109)).all(1)
            x, y = place[inside].T
            picture = batch["image"][index].float().mean(0)
            # Marks differ from the face's colour by far, whatever the camera made of both.
            differ = (picture[y, x] - picture.median()).abs()
            seen += float((differ > 8).float().mean() > 0.5)
    assert seen > 30, "of 48 views most show their marks where they are said to be"


def test_a_mirrored_view_exchanges_left_and_right():
    dataset = CropsDataset(made_faces(), 112, augment=True)
    order = torch.from_numpy(mirrored())
    points = torch.cat([dataset[BatchSpec(ROWS, 0, 0, step)]["points"] for step in range(6)])
    # The mouth's corners (48 is the person's right) keep their sides in upright views, mirrored or not.
    eyes_right = points[:, 36:42, 0].mean(1) < points[:, 42:48, 0].mean(1)
    assert eyes_right.all()
    assert not torch.equal(points[0], points[0][order])


def test_batches_depend_on_their_specification_alone_and_divide():
    dataset = CropsDataset(made_faces(), 112, augment=True)
    spec = BatchSpec(ROWS, 3, 1, 4)
    whole, again = dataset[spec], dataset[spec]
    assert torch.equal(whole["image"], again["image"])
    second = dataset[spec.part(rank=1, world_size=2)]
    assert torch.equal(second["image"], whole["image"][4:])
    assert torch.equal(second["points"], whole["points"][4:])
    assert not torch.equal(dataset[BatchSpec(ROWS, 3, 2, 4)]["image"], whole["image"])


def test_scenes_say_where_their_faces_are():
    dataset = ScenesDataset(made_faces(40), 160, augment=True)
    batch = dataset[BatchSpec(np.arange(32), 0, 0, 0)]
    assert batch["image"].shape == (32, 3, 160, 160)
    assert batch["places"].shape == (32, 4, 3)
    sides = batch["places"][..., 2]
    there = sides > 0
    assert 10 < there.sum() < 100, "some scenes have several faces"
    assert (~there).all(1).any(), "some have none"
    assert sides[there].min() >= 12
    assert sides[there].max() <= 152
    assert (batch["places"][there][:, :2] >= 0).all()
    assert (batch["places"][there][:, :2] <= 159).all()
    fixed = ScenesDataset(made_faces(40), 160, augment=False)
    assert torch.equal(fixed[BatchSpec(ROWS, 0, 0, 0)]["image"], fixed[BatchSpec(ROWS, 5, 7, 9)]["image"]), (
        "those of validation are always the same"
    )


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_some_crops_show_no_face(share, monkeypatch):
    monkeypatch.setattr("aukit.datamodules.labelled_faces._NO_FACE", share)
    batch = CropsDataset(made_faces(), 112, augment=True)[BatchSpec(ROWS, 0, 0, 0)]
    assert (batch["presence"] == 1 - share).all()
