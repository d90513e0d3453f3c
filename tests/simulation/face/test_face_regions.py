"""Action units move what they should, on every face basis."""

from functools import lru_cache

import numpy as np
import pytest
import torch

from aukit.facs import AU_REGIONS, FACE_REGIONS, VISIBLE_AUS
from aukit.simulation import FaceModel, face_regions
from tests.simulation.face.test_face_model import MIRROR

JAW_DROP = (26, 27)


@lru_cache
def vertex_areas(model: FaceModel) -> np.ndarray:
    """Share of the face's area that each vertex stands for. [N]."""
    points = model.mean_mesh().vertices[0].double().numpy()
    triangles = model.triangles.numpy()
    triangles = triangles[model.face_region.numpy()[triangles].all(1)]
    a, b, c = points[triangles].transpose(1, 0, 2)
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    shares = np.zeros(len(points))
    np.add.at(shares, triangles, area[:, None] / 3)
    return shares / area.sum()


def moved(model: FaceModel, values: dict) -> np.ndarray:
    """Displacement in mm of every vertex of the mean face. [N, 3]."""
    zero = torch.zeros(1, model.identity_size)
    mesh = model(zero, model.activations(values))
    return (mesh.vertices[0] - model.mean_mesh().vertices[0]).double().numpy()


def test_regions_part_the_face(any_model):
    region = face_regions(any_model).numpy()
    assert len(FACE_REGIONS) >= 8
    np.testing.assert_array_equal(region >= 0, any_model.face_region.numpy())
    area = vertex_areas(any_model)
    shares = np.array([area[region == k].sum() for k in range(len(FACE_REGIONS))])
    assert shares.sum() == pytest.approx(1.0)
    assert shares.max() < 0.25
    assert shares.min() > 0.01


def test_every_visible_action_unit_has_regions():
    assert tuple(AU_REGIONS) == VISIBLE_AUS
    for regions in AU_REGIONS.values():
        assert set(regions) <= set(FACE_REGIONS)
        assert len(regions) == len(set(regions)) < len(FACE_REGIONS)


def test_landmarks_lie_in_the_regions_they_name(any_model):
    region = face_regions(any_model).numpy()
    face = np.flatnonzero(region >= 0)
    mesh = any_model.mean_mesh()
    for mark, names in {
        19: {"brow"}, 24: {"brow"}, 28: {"nose"}, 30: {"nose"}, 37: {"eye"}, 46: {"eye"},
        51: {"upper lip"}, 54: {"mouth corner"}, 57: {"lower lip"}, 8: {"chin"},
    }.items():  # fmt: skip
        away = (mesh.vertices[0, face] - mesh.landmarks[0, mark]).norm(dim=1)
        assert FACE_REGIONS[region[face[int(away.argmin())]]] in names, mark


@pytest.mark.parametrize("au", VISIBLE_AUS)
def test_an_action_unit_moves_its_regions(any_model, au):
    region, area = face_regions(any_model).numpy(), vertex_areas(any_model)
    energy = area * (moved(any_model, {au: 1.0}) ** 2).sum(1)
    own = np.isin(region, [FACE_REGIONS.index(name) for name in AU_REGIONS[au]])
    assert energy[own].sum() >= 0.8 * energy.sum()


@pytest.mark.parametrize("au", VISIBLE_AUS)
def test_it_acts_on_both_sides_alike_and_no_further_than_skin_goes(any_model, au):
    face = any_model.face_region.numpy()
    peak = np.linalg.norm(moved(any_model, {au: 1.0})[face], axis=1).max()
    marks = any_model.mean_mesh().landmarks[0]
    outer = float((marks[45] - marks[36]).norm())
    if au not in JAW_DROP:
        assert peak <= 0.25 * outer
    assert peak > 0.03 * outer
    mesh = any_model(torch.zeros(1, any_model.identity_size), any_model.activations({au: 1.0}))
    points = (mesh.landmarks - any_model.mean_mesh().landmarks)[0]
    assert (points - points[MIRROR] * torch.tensor([-1.0, 1, 1])).abs().max() < 0.02 * outer


@pytest.mark.parametrize("au", VISIBLE_AUS)
def test_it_grows_with_its_activation(any_model, au):
    area = vertex_areas(any_model)
    levels = [area @ (moved(any_model, {au: v}) ** 2).sum(1) for v in np.linspace(0, 1, 6)]
    assert levels[0] == 0
    assert (np.diff(levels) > 0).all()


@pytest.mark.parametrize("au", VISIBLE_AUS)
def test_one_side_acts_alone_and_both_sides_make_the_whole(any_model, au):
    rest = any_model.mean_mesh().vertices[0].numpy()
    left, right, both = (moved(any_model, {k: 1.0}) for k in ((au, "left"), (au, "right"), au))
    energy = (left**2).sum(1)[any_model.face_region.numpy()]
    x = rest[any_model.face_region.numpy(), 0]
    assert energy[x > -10].sum() > 0.97 * energy.sum()
    far = np.abs(rest[:, 0]) > 12
    share = np.linalg.norm(left + right - both, axis=1)[far].max() / np.linalg.norm(both, axis=1).max()
    assert share < 0.12
