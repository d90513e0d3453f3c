import dataclasses

import numpy as np
import pytest
import torch

from aukit.simulation import Appearance, Avatar, Camera, Light, clutter, face_model, render
from tests.simulation.conftest import BASES


@pytest.fixture(scope="module")
def neutral(model, avatar):
    return render(avatar, torch.zeros(1, len(model.aus), 2), size=96)


def test_shapes_and_ranges(model, avatar):
    acts = torch.rand(2, len(model.aus), 2, generator=torch.Generator().manual_seed(1))
    camera = Camera(yaw=torch.tensor([-30.0, 40.0]))
    out = render(avatar, acts, camera, size=64, background=clutter(np.random.default_rng(0), 64))
    assert out.image.shape == (2, 3, 64, 64)
    assert out.mask.shape == out.depth.shape == (2, 64, 64)
    assert out.normals.shape == (2, 3, 64, 64)
    assert out.uv.shape == (2, 2, 64, 64)
    assert out.vertices.shape == (2, len(model.uv), 3)
    assert out.visibility.shape == (2, len(model.uv))
    assert out.landmarks.shape == (2, 68, 3)
    for field in dataclasses.fields(out):
        value = getattr(out, field.name).float()
        assert torch.isfinite(value).all(), field.name
    assert out.image.min() >= 0
    assert out.image.max() <= 1
    inside = out.mask == 1
    assert (out.normals.norm(dim=1)[inside] - 1).abs().max() < 1e-3


def test_same_arguments_same_image(model, avatar, neutral):
    again = render(avatar, torch.zeros(1, len(model.aus), 2), size=96)
    assert torch.equal(again.image, neutral.image)
    same = Avatar.sample("tests", "someone", 3, gender="female", age=27)
    assert same.appearance == avatar.appearance
    assert np.array_equal(same.identity, avatar.identity)
    other = Avatar.sample("elsewhere", "someone", 3, gender="female", age=27)
    assert not np.array_equal(other.identity, avatar.identity)


def test_skin_is_never_near_black(model):
    for k in range(6):
        someone = Avatar.sample("tests", f"p{k}", 0)
        light = Light.sample(np.random.default_rng(k))
        out = render(someone, torch.zeros(1, len(model.aus), 2), light=light, size=64)
        x, y = out.landmarks[0, 30, :2].round().long()
        nose = out.image[0, :, y - 4 : y + 4, x - 6 : x + 6]
        assert 0.12 < nose.mean() < 0.97


@pytest.mark.parametrize("au", [1, 4, 6, 10, 12, 14, 17])
def test_intensity_is_visible_in_a_small_crop_and_grows(model, avatar, au):
    acts = torch.cat([model.activations({au: v}) for v in (0.0, 0.3, 0.6, 1.0)])
    image = render(avatar, acts, Camera(zoom=1.6, shift_y=-0.05), size=64).image
    change = (image[1:] - image[:1]).abs().amax(1)
    strong = (change > 0.05).flatten(1).sum(1)
    assert strong[0] > 2
    assert strong[2] > 25
    assert strong[0] < strong[1] < strong[2]


def test_one_sided_action_changes_one_side_of_the_image(model, avatar, neutral):
    out = render(avatar, model.activations({(12, "left"): 1.0}), size=96)
    change = (out.image - neutral.image).abs().amax(1)[0]
    assert change[:, 54:].max() > 0.15  # the person's left is at image right
    assert change[:, 54:].sum() > 6 * change[:, :42].sum()


def test_visibility_follows_the_pose(model, avatar, neutral):
    front = neutral.visibility[0]
    assert front[model.face_region].float().mean() > 0.75
    back = model.mean_mesh().vertices[0, :, 2] < -120
    assert front[back].float().mean() < 0.02
    mean = model.mean_mesh().vertices[0]
    turned = render(avatar, torch.zeros(1, len(model.aus), 2), Camera(yaw=70.0), size=96).visibility[0]
    cheek = (mean[:, 0].abs() > 40) & model.face_region
    assert turned[cheek & (mean[:, 0] < 0)].float().mean() > 0.5
    assert turned[cheek & (mean[:, 0] > 0)].float().mean() < 0.15


def test_camera_moves_the_face_as_documented():
    nose = torch.tensor([[[0.0, 35.0, 30.0]]])
    rest = Camera().project(nose, 200)[0, 0]
    assert Camera(yaw=30.0).project(nose, 200)[0, 0, 0] > rest[0] + 10
    assert Camera(pitch=20.0).project(nose, 200)[0, 0, 1] < rest[1] - 10
    chin = torch.tensor([[[0.0, 110.0, 0.0]]])
    assert Camera(roll=20.0).project(chin, 200)[0, 0, 0] < 99.5 - 10
    assert Camera(shift_x=0.1).project(nose, 200)[0, 0, 0] == pytest.approx(float(rest[0]) + 20, abs=1e-3)


def test_gaze_turns_the_iris(model, avatar, neutral):
    aside = render(avatar, torch.zeros(1, len(model.aus), 2), size=96, gaze=torch.tensor([[25.0, 0.0]]))
    moved = aside.vertices[0, model.eye_vertices[:, 0], 0] - neutral.vertices[0, model.eye_vertices[:, 0], 0]
    assert (moved > 1.0).all()
    assert torch.equal(aside.landmarks, neutral.landmarks)


def test_uv_map_names_the_right_skin(model, neutral):
    tip = neutral.landmarks[0, 30, :2].round().long()
    near = (neutral.vertices[0] - neutral.landmarks[0, 30]).norm(dim=1).argmin()
    assert (neutral.uv[0, :, tip[1], tip[0]] - model.uv[near]).abs().max() < 0.04


def test_appearance_spans_people():
    drawn = [
        Appearance.sample(np.random.default_rng(k), "female" if k % 2 else "male", 25 + k % 40)
        for k in range(60)
    ]
    tone = np.array([np.mean(a.skin) for a in drawn])
    assert tone.min() < 0.12
    assert tone.max() > 0.5
    assert len({a.style for a in drawn}) >= 5


@pytest.fixture(scope="module", params=BASES)
def both_backends(request):
    """The same heads, one with a cap and one with hair, from the compiled loops and from torch on the CPU."""
    rng = np.random.default_rng(8)
    light = Light.sample(rng)
    pairs = []
    for cover in ("cap", "none"):
        someone = Avatar.sample("tests", "someone", 3, gender="female", age=27, basis=request.param)
        someone = dataclasses.replace(
            someone, appearance=dataclasses.replace(someone.appearance, style="long", cover=cover)
        )
        acts = (
            torch.from_numpy(rng.random((2, len(face_model(request.param).aus), 2)).astype(np.float32)) ** 2
        )
        camera = Camera(yaw=torch.tensor([-50.0, 20.0]), pitch=8.0, zoom=torch.tensor([1.0, 1.4]))
        wall = clutter(rng, 64)
        pairs.append([render(someone, acts, camera, light, wall, 64, backend=b) for b in ("numba", "torch")])
    return pairs


def test_torch_draws_the_picture_of_the_compiled_loops(both_backends):
    for loops, tensors in both_backends:
        difference = (loops.image - tensors.image).abs().amax(1)
        # A lid's edge may count a sample more or less: at most a few pixels in ten thousand.
        assert (difference > 1 / 255).float().mean() < 5e-4
        assert difference.mean() < 0.02 / 255
        assert torch.equal(loops.mask, tensors.mask)
        assert torch.equal(loops.visibility, tensors.visibility)
        torch.testing.assert_close(tensors.normals, loops.normals, atol=2e-3, rtol=0)
        torch.testing.assert_close(tensors.uv, loops.uv, atol=1e-5, rtol=0)
        torch.testing.assert_close(tensors.depth, loops.depth, atol=5e-3, rtol=0)
        torch.testing.assert_close(tensors.landmarks, loops.landmarks)


@pytest.mark.parametrize("supersampling", [1, 3])
def test_torch_draws_with_any_number_of_samples(model, avatar, supersampling):
    acts = model.activations({12: 0.7, 25: 1.0})
    loops, tensors = (
        render(avatar, acts, size=48, supersampling=supersampling, backend=b) for b in ("numba", "torch")
    )
    assert ((loops.image - tensors.image).abs() > 1 / 255).float().mean() < 1e-3
    assert torch.equal(loops.mask, tensors.mask)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_frame_does_not_depend_on_its_batch(model, avatar, backend):
    acts = torch.rand(3, len(model.aus), 2, generator=torch.Generator().manual_seed(4))
    yaw = torch.tensor([-60.0, 0.0, 70.0])
    together = render(avatar, acts, Camera(yaw=yaw), size=32, backend=backend)
    for k in range(3):
        alone = render(avatar, acts[k : k + 1], Camera(yaw=yaw[k]), size=32, backend=backend)
        assert (alone.image[0] - together.image[k]).abs().max() < 0.5 / 255
        assert torch.equal(alone.mask[0], together.mask[k])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_draws_the_picture_of_the_cpu(model, avatar):
    acts = torch.rand(40, len(model.aus), 2, generator=torch.Generator().manual_seed(4))
    cpu, gpu = (render(avatar, acts, size=96, device=d) for d in ("cpu", "cuda"))
    for field in dataclasses.fields(gpu):
        assert getattr(gpu, field.name).device.type == "cuda", field.name
    assert ((cpu.image - gpu.image.cpu()).abs() > 1 / 255).float().mean() < 5e-4
    assert (cpu.mask != gpu.mask.cpu()).float().mean() < 1e-4


def test_nothing_shines_through_the_corners_of_the_eyes(model):
    at_rest = torch.zeros(1, len(model.aus), 2)
    for k, yaw in enumerate((-25.0, 0.0, 25.0)):
        someone = Avatar.sample("tests", f"eyes{k}", 0)
        out = render(someone, at_rest, Camera(yaw=yaw, zoom=1.7, shift_y=-0.1), size=256)
        eyes = out.landmarks[0, 36:48, :2]
        (x0, y0), (x1, y1) = eyes.amin(0).floor().int(), eyes.amax(0).ceil().int()
        assert out.mask[0, y0:y1, x0:x1].min() == 1
