import math

import pytest
import torch

from aukit.models.pm2.selection import TargetCriteria, information, soft_neighborhood_density


def test_information_is_that_of_decided_and_balanced_predictions():
    decided = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert float(information(decided)) == pytest.approx(math.log(2))
    assert float(information(torch.full((4, 2), 0.5))) == 0  # undecided
    assert float(information(torch.ones(4, 2))) == 0  # always present
    quarter = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    assert float(information(quarter)) == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))


def test_density_is_that_of_clusters():
    # Two clusters of n: a frame's n − 1 likes share the mass evenly, the others are far (similarity 0).
    n = 8
    clusters = torch.cat([torch.zeros(n, 3), torch.ones(n, 3)])
    assert float(soft_neighborhood_density(clusters)) == pytest.approx(math.log(n - 1), abs=1e-4)
    equal = torch.full((n, 3), 0.7)
    assert float(soft_neighborhood_density(equal)) == pytest.approx(math.log(n - 1), abs=1e-5)
    spread = torch.sigmoid(3 * torch.randn(2 * n, 3, generator=torch.Generator().manual_seed(0)))
    assert float(soft_neighborhood_density(spread)) < math.log(n - 1)
    assert soft_neighborhood_density(clusters[:1]).isnan()


def test_criteria_do_not_depend_on_batches_or_their_order():
    frames = torch.rand(50, 4, generator=torch.Generator().manual_seed(1))
    whole, parts = TargetCriteria(most=20), TargetCriteria(most=20)
    whole.update(torch.arange(50), frames)
    for rows in torch.arange(50).flip(0).split(7):
        parts.update(rows, frames[rows])
    for name, value in whole.compute().items():
        torch.testing.assert_close(parts.compute()[name], value)
    assert float(whole.compute()["information"]) == pytest.approx(float(information(frames)))
