import pytest
import torch

from aukit.models.landmarks import finding_losses, reading_losses
from aukit.registration.landmarks.finding import peaks
from aukit.registration.landmarks.networks import STRIDE, Reading
from aukit.registration.landmarks.points import POINTS


def reading(points, movements=None, presence=None, spread=None):
    batch = len(points)
    logits = torch.zeros(batch, 25) if movements is None else movements
    return Reading(
        points,
        torch.zeros(batch, 68) if spread is None else spread,
        torch.zeros(batch) if presence is None else presence,
        logits,
        logits.sigmoid(),
    )


def test_distances_count_in_the_image_fully_and_in_depth_by_half():
    truth, faces = torch.zeros(2, POINTS, 3), torch.ones(2)
    base = reading_losses(reading(truth), truth, torch.zeros(2, 25), faces)
    assert base["landmarks"] == 0
    assert base["dense"] == 0
    for axis, share in ((0, 1.0), (1, 1.0), (2, 0.5)):
        moved = truth.clone()
        moved[:, :68, axis] = 0.1
        losses = reading_losses(reading(moved), truth, torch.zeros(2, 25), faces)
        assert float(losses["landmarks"]) == pytest.approx(10 * 0.1 * share)
        assert losses["dense"] == 0


def test_crops_without_a_face_teach_that_alone():
    truth = torch.zeros(2, POINTS, 3)
    wrong = torch.full((2, POINTS, 3), 9.0)
    wrong[0] = 0
    losses = reading_losses(reading(wrong), truth, torch.zeros(2, 25), torch.tensor([1.0, 0.0]))
    assert losses["landmarks"] == 0
    assert losses["presence"] > 0
    nobody = reading_losses(reading(wrong), truth, torch.zeros(2, 25), torch.zeros(2))
    assert all(value.isfinite() for value in nobody.values())
    assert nobody["movements"] == 0


def test_the_best_spread_is_the_distance_and_moves_no_point():
    truth = torch.zeros(1, POINTS, 3)
    points = truth.clone().requires_grad_()
    with torch.no_grad():
        points[:, :, 0] = 0.05
    spread = torch.zeros(1, 68, requires_grad=True)
    optimizer = torch.optim.Adam([spread], 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss = reading_losses(reading(points, spread=spread), truth, torch.zeros(1, 25), torch.ones(1))
        loss["spread"].backward()
        optimizer.step()
    torch.testing.assert_close(spread.detach().exp(), torch.full((1, 68), 0.05), rtol=0.05, atol=0)
    assert points.grad is None or not points.grad.any()


def test_the_least_loss_of_a_movement_is_at_its_strength():
    truth = torch.full((1, 25), 0.3)
    points = torch.zeros(1, POINTS, 3)
    logits = torch.linspace(-3, 3, 241)
    losses = [
        float(
            reading_losses(reading(points, torch.full((1, 25), v)), points, truth, torch.ones(1))["movements"]
        )
        for v in logits.tolist()
    ]
    best = logits[int(torch.tensor(losses).argmin())]
    assert float(best.sigmoid()) == pytest.approx(0.3, abs=0.01)


def maps(places, height=20, width=20):
    """What a finder that knows everything would say."""
    heat, boxes = torch.full((len(places), height, width), -12.0), torch.zeros(len(places), 3, height, width)
    for index, faces in enumerate(places):
        for x, y, side in faces.tolist():
            if side:
                column, row = ((v + 0.5) / STRIDE - 0.5 for v in (x, y))
                i, j = round(row), round(column)
                heat[index, i, j] = 6.0
                boxes[index, :, i, j] = torch.tensor([column - j, row - i, side / STRIDE]).float()
                boxes[index, 2, i, j] = boxes[index, 2, i, j].log()
    return heat, boxes


PLACES = torch.tensor([[[30.0, 41.5, 40.0], [120.0, 100.0, 18.0]], [[80.0, 80.0, 150.0], [0.0, 0.0, 0.0]]])


def test_what_a_perfect_finder_says_becomes_the_faces_again():
    found = peaks(*maps(PLACES), 0.5)
    assert [len(each) for each in found] == [2, 1]
    wanted = [PLACES[0], PLACES[1, :1]]
    for faces, truth in zip(found, wanted, strict=True):
        order = faces[:, 0].argsort()
        torch.testing.assert_close(faces[order, :3], truth, atol=1e-3, rtol=0)
        assert (faces[:, 3] > 0.99).all()


def test_a_perfect_finder_has_the_least_loss():
    heat, boxes = maps(PLACES)
    best = finding_losses(heat, boxes, PLACES)
    assert float(best["boxes"]) < 1e-4
    assert float(best["heat"]) < 0.01
    missed, beside = heat.clone(), heat.clone()
    missed[1] = -12.0
    beside[0, 15, 2] = 6.0
    for worse in (missed, beside):
        assert float(finding_losses(worse, boxes, PLACES)["heat"]) > 10 * float(best["heat"]) + 0.1
    assert float(finding_losses(heat, boxes + 0.1, PLACES)["boxes"]) == pytest.approx(0.3, abs=0.01)


def test_pictures_without_a_face_only_cost_what_is_found_in_them():
    nothing = torch.zeros(2, 4, 3)
    heat, boxes = maps(nothing)
    quiet = finding_losses(heat, boxes, nothing)
    assert float(quiet["boxes"]) == 0
    assert float(quiet["heat"]) < 0.01
    heat[0, 3, 3] = 4.0
    assert float(finding_losses(heat, boxes, nothing)["heat"]) > 1


def test_of_peaks_at_one_face_the_surest_is_kept():
    heat, boxes = maps(PLACES[1:])
    heat[0, 10, 13] = 3.0
    boxes[0, 2, 10, 13] = 2.9
    (faces,) = peaks(heat, boxes, 0.5)
    assert len(faces) == 1
    assert float(faces[0, 3]) > 0.99
