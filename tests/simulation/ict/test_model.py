"""The ICT face basis behind the common interface; these tests need an imported basis file."""

import numpy as np
import pytest
import torch

from aukit.errors import ConfigError
from aukit.facs import VISIBLE_AUS
from aukit.simulation import Avatar, Camera, FaceModel, face_model, render
from aukit.simulation.materials import Material
from tests.simulation.conftest import needs_ict
from tests.simulation.face.test_face_model import DIRECTIONS, L_LID_UP, MIRROR

X, Y, Z = 0, 1, 2


@pytest.fixture(scope="module")
def ict() -> FaceModel:
    return face_model("ict")


def test_a_basis_that_is_not_there_is_named(monkeypatch):
    monkeypatch.delenv("AUKIT_ICT_BASIS", raising=False)
    with pytest.raises(ConfigError, match=r"AUKIT_ICT_BASIS.*import-ict"):
        face_model("ict")
    monkeypatch.setenv("AUKIT_ICT_BASIS", "nowhere/basis.npz")
    with pytest.raises(Exception, match=r"nowhere/basis\.npz.*no such file"):
        face_model("ict")
    with pytest.raises(ConfigError, match="procedural, ict"):
        face_model("clay")
    assert face_model() is face_model("procedural")


@needs_ict
def test_the_head_is_scaled_placed_and_turned_like_the_procedural_one(ict, model):
    ours, theirs = model.mean_mesh(), ict.mean_mesh()
    marks = theirs.landmarks[0]
    assert float((marks[45] - marks[36]).norm()) == pytest.approx(
        float((ours.landmarks[0, 45] - ours.landmarks[0, 36]).norm()), rel=0.02
    )
    centres = ict.eye_centres(theirs.vertices)[0]
    assert centres.mean(0)[[X, Y]].abs().max() < 0.3
    apex = theirs.vertices[0, ict.eye_vertices[:, 0]]
    assert apex[0, X] > 25
    assert apex[1, X] < -25
    assert apex[:, Z].abs().max() < 2.0
    # Anatomy lies where it lies on the other head, within the differences of two faces.
    away = (marks - ours.landmarks[0]).norm(dim=1)
    assert away[17:].mean() < 9
    assert away.max() < 25
    assert (marks - marks[MIRROR] * torch.tensor([-1.0, 1, 1])).abs().max() < 1.0
    assert marks[30, Z] >= marks[:, Z].max() - 0.1


@needs_ict
def test_sizes_charts_and_materials(ict):
    n = len(ict.uv)
    assert ict.aus == VISIBLE_AUS
    assert ict.identity_size == 40
    assert int(ict.triangles.max()) < n
    assert ict.uv.min() >= 0
    assert ict.uv.max() <= 1
    assert set(Material) - {Material.HAIR, Material.CAP} <= set(ict.materials.unique().tolist())
    assert 5_000 <= int(ict.face_region.sum()) <= 9_500
    mesh = ict.mean_mesh()
    assert mesh.vertices.shape == (1, n, 3)
    corners = mesh.vertices[0, ict.triangles]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = ict.face_region[ict.triangles].all(1) & (corners[..., Z].mean(1) > -20)
    assert (normal[front, Z] > 0).float().mean() > 0.93
    # On the atlas the skin is not torn: texture steps along the face's edges stay small.
    face = ict.triangles[ict.face_region[ict.triangles].all(1)]
    steps = (ict.uv[face] - ict.uv[face.roll(1, 1)]).norm(dim=-1)
    assert steps.max() < 0.06
    # And nowhere turned over, but in the folds of nostrils and lids, which no frontal view shows.
    a, b, c = ict.uv[face].unbind(1)
    winding = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    size = mesh.vertices[0, face]
    area = torch.linalg.cross(size[:, 1] - size[:, 0], size[:, 2] - size[:, 0]).norm(dim=1)
    middle = size.mean(1)
    nostrils = (middle[:, X].abs() < 22) & (middle[:, Y] > 25) & (middle[:, Y] < 52)
    lids = (middle[:, X].abs() > 14) & (middle[:, X].abs() < 52) & (middle[:, Y].abs() < 12)
    assert (area * (winding <= 0))[~nostrils & ~lids].sum() < 0.001 * area.sum()


@needs_ict
@pytest.mark.parametrize(
    ("au", "point", "axis", "least"),
    # ICT-FaceKit's squint leaves the upper lid where it is.
    [d for d in DIRECTIONS if d[:2] != (7, L_LID_UP)],
)
def test_landmarks_follow_the_muscle(ict, au, point, axis, least):
    mesh = ict(torch.zeros(1, ict.identity_size), ict.activations({au: 1.0}))
    value = float((mesh.landmarks - ict.mean_mesh().landmarks)[0, point, axis])
    # The same direction as on the procedural face, at least a quarter as far.
    assert value * np.sign(least) >= 0.25 * abs(least)


@needs_ict
def test_people_differ_by_gender_and_are_held_by_their_eyes(ict):
    def vertices(gender: str) -> torch.Tensor:
        draws = [ict.sample_identity(np.random.default_rng(k), gender, 30) for k in range(100)]
        people = torch.from_numpy(np.stack(draws))
        return ict(people, torch.zeros(100, len(ict.aus))).vertices

    women, men = vertices("female"), vertices("male")
    assert ict.eye_centres(women).mean(1)[:, [X, Y]].abs().max() < 0.6
    jaw = ict.face_region & (ict.mean_mesh().vertices[0, :, Y] > 80)
    assert men[:, jaw, Y].mean() > women[:, jaw, Y].mean() + 1.5
    assert women.std(0).mean() > 1.0
    same = ict.sample_identity(np.random.default_rng(5), "male", 30)
    assert np.array_equal(same, ict.sample_identity(np.random.default_rng(5), "male", 70))
    with pytest.raises(ValueError, match="gender"):
        ict.sample_identity(np.random.default_rng(0), "x", 30)


@needs_ict
def test_a_closing_eye_stays_shut_whatever_the_other_lid_muscles_do(ict):
    zero = torch.zeros(1, ict.identity_size)
    shut = ict(zero, ict.activations({43: 1.0})).landmarks[0]
    assert (shut[[43, 44]] - shut[[47, 46]]).norm(dim=1).max() < 2.5
    both = ict(zero, ict.activations({43: 1.0, 5: 1.0, 7: 1.0})).landmarks[0]
    assert torch.equal(shut[36:48], both[36:48])


@needs_ict
def test_everybody_can_close_their_eyes(ict):
    people = crowd(ict, 60)
    shut = ict(people, ict.activations({43: 1.0}).expand(60, -1, -1)).landmarks
    gap = shut[:, [47, 46, 41, 40], Y] - shut[:, [43, 44, 37, 38], Y]
    assert gap.abs().max() < 2.0
    assert gap.mean().abs() < 0.8


def crowd(ict: FaceModel, count: int) -> torch.Tensor:
    draws = [
        ict.sample_identity(np.random.default_rng(k), ("female", "male")[k % 2], 30) for k in range(count)
    ]
    return torch.from_numpy(np.stack(draws))


@needs_ict
@pytest.mark.parametrize("gaze", [None, (0.0, -20.0), (20.0, 10.0)])
def test_lids_slide_over_the_eyeballs(ict, gaze):
    people = crowd(ict, 12)
    look = None if gaze is None else torch.tensor([gaze]).expand(12, 2)
    centres = ict.eye_centres(ict(people, torch.zeros(12, len(ict.aus))).vertices)
    for closing in (0.0, 0.35, 0.6, 0.8):
        shut = ict.activations({43: closing}).expand(12, -1, -1)
        mesh = ict(people, shut, look)
        for side, marks in ((0, [43, 44, 46, 47]), (1, [37, 38, 40, 41])):
            ball = mesh.vertices[:, ict.eye_vertices[side]] - centres[:, side, None]
            lid = mesh.landmarks[:, marks] - centres[:, side, None]
            toward = (
                torch.nn.functional.normalize(lid, dim=-1) @ ball.transpose(1, 2) / ball.norm(dim=-1)[:, None]
            )
            under = ball.norm(dim=-1).gather(1, toward.argmax(-1))
            assert (lid.norm(dim=-1) > under).all(), closing


@needs_ict
def test_lids_follow_the_gaze_up_and_down(ict):
    zero, rest = torch.zeros(3, ict.identity_size), torch.zeros(3, len(ict.aus))
    gaze = torch.tensor([[0.0, 0.0], [0.0, -15.0], [0.0, 15.0]])
    mesh = ict(zero, rest, gaze)
    pupil = mesh.vertices[:, ict.eye_vertices[:, 0], Y].mean(1)
    upper, lower = (
        mesh.landmarks[:, [37, 38, 43, 44], Y].mean(1),
        mesh.landmarks[:, [40, 41, 46, 47], Y].mean(1),
    )
    assert pupil[1] > pupil[0] + 3
    for way, most in ((1, 1.0), (2, 0.7)):
        share = (upper[way] - upper[0]) / (pupil[way] - pupil[0])
        assert 0.3 < share < most
        assert 0.05 < (lower[way] - lower[0]) / (pupil[way] - pupil[0]) < share
    assert torch.equal(mesh.landmarks[0], ict(zero[:1], rest[:1]).landmarks[0])
    # A shut eye stays shut.
    shut = ict(zero, ict.activations({43: 1.0}).expand(3, -1, -1), gaze).landmarks[:, 36:48]
    assert (shut - shut[:1]).abs().max() < 0.6


@needs_ict
@pytest.mark.parametrize("au", [17, 24, 28])
def test_lips_do_not_pass_through_each_other(ict, au):
    acts = ict.activations({au: 1.0, 20: 0.5}).expand(12, -1, -1)
    marks = ict(crowd(ict, 12), acts).landmarks
    gap = marks[:, [67, 66, 65], Y] - marks[:, [61, 62, 63], Y]
    assert gap.min() > -0.6
    assert gap.max() < 3.0


@needs_ict
def test_the_lining_of_a_wide_open_mouth_stays_inside_the_face(ict):
    mesh = ict(crowd(ict, 24), ict.activations({27: 1.0}).expand(24, -1, -1))
    lining = ict.triangles[ict.materials == Material.MOUTH].unique()
    skin = ict.triangles[ict.materials == Material.SKIN].unique()
    skin = skin[~torch.isin(skin, lining)]
    clearance = []
    for vertices, marks in zip(mesh.vertices, mesh.landmarks, strict=True):
        # Below the lower lip, where the chin is in front.
        inner = vertices[lining]
        inner = inner[(inner[:, Y] > marks[57, Y]) & (inner[:, X].abs() < 15)]
        chin = vertices[skin]
        chin = chin[chin[:, Z] > marks[57, Z] - 30]
        beside = torch.cdist(inner[:, :2], chin[:, :2]) < 2.5
        front = torch.where(beside, chin[:, Z], -torch.inf).amax(1)
        clearance.append((front - inner[:, Z])[torch.isfinite(front)])
    assert torch.cat(clearance).min() > 0.5


@needs_ict
def test_faces_are_rendered_with_eyes_lips_and_hair(ict):
    avatar = Avatar.sample("tests", "someone", 3, gender="female", age=27, basis="ict")
    assert avatar.basis == "ict"
    acts = torch.cat([ict.activations({}), ict.activations({12: 1.0, 25: 1.0})])
    out = render(avatar, acts, Camera(), size=128, gaze=torch.zeros(2, 2))
    assert torch.isfinite(out.image).all()
    assert 0.2 < float(out.mask[0].mean()) < 0.95
    look = render(avatar, acts[:1], size=128, gaze=torch.tensor([[25.0, 0.0]]))
    shift = look.vertices[0, ict.eye_vertices[:, 0], 0] - out.vertices[0, ict.eye_vertices[:, 0], 0]
    assert (shift > 1.5).all()
    moved = (look.landmarks - out.landmarks[:1]).norm(dim=-1)[0]
    # The turned cornea bulges the lids a little.
    assert moved[36:48].max() < 0.5
    assert torch.cat([moved[:36], moved[48:]]).max() < 1e-3

    def colour(place: torch.Tensor) -> torch.Tensor:
        x, y = place[:2].round().long()
        return out.image[0, :, y - 1 : y + 2, x - 1 : x + 2].mean((1, 2))

    marks = out.landmarks[0]
    pupil, lip = colour(out.vertices[0, ict.eye_vertices[0, 0]]), colour((marks[51] + marks[62]) / 2)
    cheek = colour((marks[46] + marks[54]) / 2)
    assert pupil.mean() < 0.6 * cheek.mean()
    assert lip[1] / lip[0] < cheek[1] / cheek[0]
    smile = (out.image[1] - out.image[0]).abs().amax(0) > 0.05
    assert smile.sum() > 100
