import pytest
import torch
from torch.nn import functional as F

from aukit.models.components.losses import occurrence_loss


def test_what_is_not_coded_teaches_nothing():
    logits = torch.randn(3, 2, requires_grad=True)
    labels = torch.tensor([[1.0, torch.nan], [0.0, torch.nan], [torch.nan, torch.nan]])
    weights = torch.tensor([[3.0, 1.0], [0.5, 1.0], [1.0, 1.0]])
    loss = occurrence_loss(logits, labels, weights)
    loss.backward()
    p = torch.sigmoid(logits[:2, 0].detach())
    expected = -(3 * torch.log(p[0]) + 0.5 * torch.log(1 - p[1])) / 2
    assert float(loss.detach()) == pytest.approx(float(expected))
    assert (logits.grad[:, 1] == 0).all()
    assert (logits.grad[2] == 0).all()
    assert float(occurrence_loss(logits.detach(), torch.full((3, 2), torch.nan))) == 0


def test_it_is_cross_entropy_of_what_is_coded_in_any_shape():
    logits = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([1.0, 0.0, torch.nan]).double().expand(4, 5, 3)
    expected = F.binary_cross_entropy_with_logits(logits[..., :2], labels[..., :2])
    torch.testing.assert_close(occurrence_loss(logits, labels), expected)
    nothing = occurrence_loss(logits, torch.full_like(labels, torch.nan))
    nothing.backward()
    assert nothing.item() == 0
    assert (logits.grad == 0).all()


def test_half_precision_is_computed_in_single():
    assert occurrence_loss(torch.randn(4, 3).bfloat16(), torch.ones(4, 3)).dtype == torch.float32
