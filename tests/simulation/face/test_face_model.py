import numpy as np
import pytest
import torch

from aukit.facs import VISIBLE_AUS
from aukit.simulation import FaceModel

# 68-point indices; the person's left is at image right.
L_CORNER, R_CORNER, TOP_LIP, LOW_LIP, INNER_TOP, INNER_LOW, CHIN = 54, 48, 51, 57, 62, 66, 8
L_INNER_BROW, L_OUTER_BROW, L_LID_UP, L_LID_DOWN, L_WING = 22, 25, 44, 46, 35
MIRROR = (
    list(range(16, -1, -1)) + list(range(26, 16, -1)) + [27, 28, 29, 30] + [35, 34, 33, 32, 31]
    + [45, 44, 43, 42, 47, 46] + [39, 38, 37, 36, 41, 40] + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]
    + [64, 63, 62, 61, 60, 67, 66, 65]
)  # fmt: skip
X, Y, Z = 0, 1, 2


def move(model: FaceModel, values: dict) -> torch.Tensor:
    mesh = model(torch.zeros(1, model.identity_size), model.activations(values))
    return mesh.landmarks[0] - model.mean_mesh().landmarks[0]


def test_sizes_and_index_ranges(model):
    n = len(model.uv)
    assert model.aus == VISIBLE_AUS
    assert 8_000 <= n <= 18_000
    assert 6_000 <= int(model.face_region.sum()) <= 12_000
    assert model.identity_size >= 30
    assert model.triangles.dtype == torch.int64
    assert model.triangles.min() >= 0
    assert model.triangles.max() < n
    assert model.uv.min() >= 0
    assert model.uv.max() <= 1
    mesh = model(torch.zeros(3, model.identity_size), torch.zeros(3, len(model.aus), 2))
    assert mesh.vertices.shape == (3, n, 3)
    assert mesh.landmarks.shape == (3, 68, 3)
    # A region whose triangles are all there: registration uses it as a mesh of its own.
    used = torch.zeros(n, dtype=torch.bool)
    used[model.triangles[model.face_region[model.triangles].all(1)]] = True
    assert used[model.face_region].float().mean() > 0.97


def test_mean_face_is_symmetric_and_human_sized(model):
    points = model.mean_mesh().landmarks[0]
    mirrored = points[MIRROR] * torch.tensor([-1.0, 1, 1])
    assert (points - mirrored).abs().max() < 0.05
    pupils = model.eye_centres(model.mean_mesh().vertices)[0]
    assert 58 < float(pupils[0, X] - pupils[1, X]) < 66
    assert 95 < float(points[CHIN, Y]) < 120
    assert 44 < float(points[L_CORNER, X] - points[R_CORNER, X]) < 58
    assert points[30, Z] == points[:, Z].max()


def test_identities_are_deterministic_and_differ_by_gender_and_age(model):
    draw = model.sample_identity(np.random.default_rng([1, 2]), "female", 30)
    assert np.array_equal(draw, model.sample_identity(np.random.default_rng([1, 2]), "female", 30))
    assert draw.shape == (model.identity_size,)
    assert draw.dtype == np.float32

    def mean(gender: str, age: float) -> torch.Tensor:
        draws = np.stack([model.sample_identity(np.random.default_rng([k]), gender, age) for k in range(200)])
        mean = torch.from_numpy(draws.mean(0))[None]
        return model(mean, torch.zeros(1, len(model.aus))).landmarks[0]

    women, men, old = mean("female", 30), mean("male", 30), mean("male", 70)
    assert men[12, X] > women[12, X] + 1.0  # jaw
    assert men[24, Y] > women[24, Y] + 0.8  # lower brows
    assert men[CHIN, Y] > women[CHIN, Y] + 2.0
    assert (old[57, Y] - old[51, Y]) < (men[57, Y] - men[51, Y]) - 0.5  # thinner lips
    with pytest.raises(ValueError, match="gender"):
        model.sample_identity(np.random.default_rng(0), "x", 30)


# AU, landmark, axis, smallest displacement in mm with its sign (y down).
DIRECTIONS = [
    (1, L_INNER_BROW, Y, -8.0), (2, L_OUTER_BROW, Y, -7.0), (4, L_INNER_BROW, Y, 5.0),
    (4, L_INNER_BROW, X, -2.5),
    (5, L_LID_UP, Y, -2.0), (6, L_LID_DOWN, Y, -1.5), (7, L_LID_DOWN, Y, -2.0), (7, L_LID_UP, Y, 1.0),
    (9, L_WING, Y, -2.5), (9, TOP_LIP, Y, -1.0), (10, TOP_LIP, Y, -5.0), (11, 53, Y, -0.5),
    (12, L_CORNER, X, 6.0), (12, L_CORNER, Y, -6.0), (12, L_CORNER, Z, -4.0), (13, L_CORNER, Y, -5.0),
    (14, L_CORNER, X, 2.0), (14, L_CORNER, Z, -2.0), (15, L_CORNER, Y, 6.0), (16, LOW_LIP, Y, 3.5),
    (17, LOW_LIP, Y, -4.5), (17, LOW_LIP, Z, 0.5), (18, L_CORNER, X, -6.0), (18, TOP_LIP, Z, 4.0),
    (20, L_CORNER, X, 6.0), (22, TOP_LIP, Z, 3.0), (22, TOP_LIP, Y, -2.0), (23, TOP_LIP, Y, 1.0),
    (23, LOW_LIP, Y, -1.0), (24, TOP_LIP, Y, 2.0), (24, LOW_LIP, Y, -3.0), (25, INNER_LOW, Y, 3.0),
    (26, CHIN, Y, 10.0), (26, CHIN, Z, -5.0), (27, CHIN, Y, 22.0), (28, TOP_LIP, Y, 3.0),
    (28, LOW_LIP, Y, -4.0),
    (43, L_LID_UP, Y, 6.0),
]  # fmt: skip


@pytest.mark.parametrize(("au", "point", "axis", "least"), DIRECTIONS)
def test_landmarks_follow_the_muscle(model, au, point, axis, least):
    value = float(move(model, {au: 1.0})[point, axis])
    assert value * np.sign(least) >= abs(least)


def test_every_action_unit_is_covered_above():
    assert {d[0] for d in DIRECTIONS} == set(VISIBLE_AUS)


@pytest.mark.parametrize("au", VISIBLE_AUS)
def test_sides_are_independent(model, au):
    zero = torch.zeros(1, model.identity_size)
    rest = model.mean_mesh().vertices[0]
    left = model(zero, model.activations({(au, "left"): 1.0})).vertices[0] - rest
    both = model(zero, model.activations({au: 1.0})).vertices[0] - rest
    # The crossing at the midline is 9 mm wide on the skin; the lips lag no further.
    far_right, far_left = rest[:, X] < -10, rest[:, X] > 10
    assert left[far_right].abs().max() < 0.35
    assert (left - both)[far_left].abs().max() < 0.35
    assert left[far_left].norm(dim=1).max() > 0.6
    points = move(model, {au: 1.0})
    assert (points - points[MIRROR] * torch.tensor([-1.0, 1, 1])).abs().max() < 0.12


def test_closed_eyes_and_closed_lips_touch(model):
    zero = torch.zeros(1, model.identity_size)
    shut = model(zero, model.activations({43: 1.0})).landmarks[0]
    assert (shut[[43, 44]] - shut[[47, 46]]).norm(dim=1).max() < 1.0
    pressed = model(zero, model.activations({17: 1.0, 24: 1.0})).landmarks[0]
    assert (pressed[67, Y] - pressed[61, Y]).abs() < 0.4


def test_expressions_of_anybody_are_finite_and_do_not_tear(model):
    rng = np.random.default_rng(5)
    people = np.stack(
        [
            model.sample_identity(rng, g, a)
            for g, a in zip(["female", "male"] * 8, range(20, 84, 4), strict=True)
        ]
    )
    acts = torch.from_numpy(
        (rng.random((16, len(model.aus), 2)) * (rng.random((16, len(model.aus), 1)) < 0.25)).astype(
            np.float32
        )
    )
    mesh = model(torch.from_numpy(people), acts)
    assert torch.isfinite(mesh.vertices).all()
    assert mesh.vertices.abs().max() < 300
    face = model.triangles[model.face_region[model.triangles].all(1)]
    corners = mesh.vertices[:, face]
    edges = (corners - corners.roll(1, 2)).norm(dim=-1)
    assert edges.max() < 30
    mean = model.mean_mesh().vertices[:, face]
    normal = torch.linalg.cross(mean[..., 1, :] - mean[..., 0, :], mean[..., 2, :] - mean[..., 0, :])
    # No large triangle of the neutral face looks away from the viewer.
    area = normal.norm(dim=-1)
    flipped = (normal[..., Z] < -0.3 * area) & (area > 8)
    assert not flipped.any()


def test_activations_are_clamped_and_shapes_checked(model):
    zero = torch.zeros(1, model.identity_size)
    over = model(zero, torch.full((1, len(model.aus)), 2.0)).vertices
    assert torch.equal(over, model(zero, torch.ones(1, len(model.aus), 2)).vertices)
    with pytest.raises(ValueError, match="identity"):
        model(torch.zeros(1, 3), torch.zeros(1, len(model.aus)))
    with pytest.raises(ValueError, match="activations"):
        model(zero, torch.zeros(1, 4))


def test_eyes_turn_about_their_centres(any_model):
    zero, rest = torch.zeros(2, any_model.identity_size), torch.zeros(2, len(any_model.aus))
    ahead = any_model(zero, rest)
    turned = any_model(zero, rest, torch.tensor([[20.0, 0.0], [0.0, 20.0]]))
    move = (turned.vertices - ahead.vertices)[:, any_model.eye_vertices[:, 0]]
    # Right in the image and up, as far as a ball of 12 to 19 mm takes its apex.
    assert ((move[0, :, 0] > 3.8) & (move[0, :, 0] < 6.8)).all()
    assert ((move[1, :, 1] < -3.8) & (move[1, :, 1] > -6.8)).all()
    centres = any_model.eye_centres(ahead.vertices)[:, :, None]
    radius = [(mesh.vertices[:, any_model.eye_vertices] - centres).norm(dim=-1) for mesh in (ahead, turned)]
    assert (radius[0] - radius[1]).abs().max() < 1e-3
    # Nothing but the lids goes with them.
    assert torch.equal(turned.landmarks[:, :17], ahead.landmarks[:, :17])
    assert torch.equal(turned.landmarks[:, 48:], ahead.landmarks[:, 48:])
