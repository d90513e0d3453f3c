import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from aukit.models.pm2 import losses


def draw(*shape, seed=0, grad=False):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.requires_grad_(grad)


def gaussian(n, mean, sigma):
    """Quantiles of a Gaussian: its moments but for the tails."""
    p = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return (mean + sigma * math.sqrt(2) * torch.erfinv(2 * p - 1))[:, None]


# --------------------------------------------------------------------- moment distance


def test_moments_of_gaussians():
    # E X = μ, E X² = μ² + σ², E X³ = μ³ + 3μσ², E X⁴ = μ⁴ + 6μ²σ² + 3σ⁴
    a, b = gaussian(200_000, 1.0, 0.5), gaussian(100_000, 0.0, 1.0)
    raw = [(1.0, 0.0), (1.25, 1.0), (1.75, 0.0), (1 + 6 * 0.25 + 3 * 0.0625, 3.0)]
    central = [(1.0, 0.0), (0.25, 1.0), (0.0, 0.0), (3 * 0.0625, 3.0)]
    for moments, about_mean in ((raw, False), (central, True)):
        for order in range(1, 5):
            expected = sum(abs(x - y) for x, y in moments[:order])
            assert float(losses.moment_distance([a], b, order, about_mean)) == pytest.approx(
                expected, abs=2e-3
            )


def test_every_source_and_every_pair_counts_once():
    # Means (0,0), (3,4), (0,1) and target (0,0): distances to it 0, 5, 1; between sources 5, 1, √18.
    sources = [torch.tensor([[x, y]]) for x, y in ((0.0, 0.0), (3.0, 4.0), (0.0, 1.0))]
    first = losses.moment_distance(sources, torch.zeros(1, 2), order=1)
    assert float(first) == pytest.approx(6 / 3 + (5 + 1 + 18**0.5) / 3)
    # Second moments: (0,0), (9,16), (0,1).
    both = losses.moment_distance(sources, torch.zeros(1, 2), order=2)
    far = (9**2 + 16**2) ** 0.5
    assert float(both - first) == pytest.approx(
        (far + 1) / 3 + (far + 1 + (9**2 + 15**2) ** 0.5) / 3, rel=1e-6
    )
    alone = losses.moment_distance(sources[1:2], torch.zeros(1, 2), order=1)
    assert float(alone) == pytest.approx(5)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(1, 5), st.booleans(), st.integers(0, 99))
def test_moment_distance_knows_neither_order_of_sources_nor_of_rows(count, order, central, seed):
    sources = [draw(3 + i, 4, seed=seed + i) for i in range(count)]  # batches of different lengths
    target = draw(6, 4, seed=seed + 50)
    distance = losses.moment_distance(sources, target, order, central)
    turned = [batch.flip(0) for batch in reversed(sources)]
    torch.testing.assert_close(losses.moment_distance(turned, target.roll(1, 0), order, central), distance)
    assert float(distance) > 0
    assert float(losses.moment_distance([target] * count, target, order, central)) == 0


# --------------------------------------------------------------------- paired moments


def test_paired_moments_by_hand():
    real = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    female = torch.tensor([[1.0, 3.0], [4.0, 2.0]])  # row distances 3 and 4
    male = torch.tensor([[0.0, 2.0], [1.0, 0.0]])  # the rows of real, swapped
    d = 2**0.5
    second = math.hypot((0 + 16) / 2, (9 + 0) / 2)
    only = losses.paired_moment_distance(real, female, None, order=2, pairs=["real-female"])
    assert float(only) == pytest.approx((3.5 + second) / d)
    assert float(losses.paired_moment_distance(real, female, None, 1, ["real-female"])) == pytest.approx(
        3.5 / d
    )
    swapped = losses.paired_moment_distance(real, None, male, order=2, pairs=["real-male"])
    assert float(swapped) == pytest.approx(5**0.5 / d)  # their second moments agree
    every = losses.paired_moment_distance(real, female, male, 2, ["real-female", "real-male", "female-male"])
    last = losses.paired_moment_distance(None, female, male, 2, ["female-male"])
    assert float(every) == pytest.approx(float(only + swapped + last) / 3)
    assert float(losses.paired_moment_distance(real, female, male)) == pytest.approx(
        float(only + swapped) / 2
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.booleans(), st.integers(0, 99))
def test_pairing_shows_in_the_paired_orders_only(order, central, seed):
    real, female, male = (draw(6, 3, seed=seed + i) for i in range(3))

    def distance(female, paired_orders):
        return losses.paired_moment_distance(
            real, female, male, order, paired_orders=paired_orders, central=central
        )

    shuffled = female.roll(1, 0)
    torch.testing.assert_close(distance(shuffled, 0), distance(female, 0))
    for paired_orders in range(1, order + 1):
        changes = [distance(shuffled, n) - distance(female, n) for n in (paired_orders - 1, paired_orders)]
        assert abs(float(changes[1] - changes[0])) > 1e-6
    # A batch is a set of pairs: their order does not matter.
    turned = losses.paired_moment_distance(real.flip(0), female.flip(0), male.flip(0), order, central=central)
    torch.testing.assert_close(turned, distance(female, 1))


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("paired_orders", [0, 1, 3])
def test_equal_batches_have_no_distance_and_a_finite_gradient(rows, paired_orders):
    values = draw(rows, 4)
    batches = [values.clone().requires_grad_() for _ in range(3)]
    distance = losses.paired_moment_distance(*batches, order=3, paired_orders=paired_orders)
    other = losses.moment_distance(batches[:2], batches[2], order=5)
    assert distance.item() == other.item() == 0
    (distance + other).backward()
    assert all(batch.grad.isfinite().all() for batch in batches)


def test_gradients_are_those_of_differences():
    batches = [draw(3, 2, seed=i, grad=True) for i in range(3)]
    for central in (False, True):
        assert torch.autograd.gradcheck(
            lambda *x, central=central: losses.paired_moment_distance(
                *x, order=3, paired_orders=2, central=central
            ),
            batches,
        )
        assert torch.autograd.gradcheck(
            lambda a, b, c, central=central: losses.moment_distance([a, b], c, 3, central), batches
        )
    for distance in (losses.kernel_discrepancy, losses.coral_distance):
        # The width of the kernels is held constant: no gradcheck there, only that there is a gradient.
        if distance is losses.coral_distance:
            assert torch.autograd.gradcheck(distance, batches[:2])
        distance(*batches[:2]).backward()
        assert float(batches[0].grad.abs().sum()) > 0


def test_what_cannot_be_matched_is_refused():
    a, b = draw(4, 2), draw(3, 2)
    with pytest.raises(ValueError, match="real-female needs two batches of one shape"):
        losses.paired_moment_distance(a, b, a)
    with pytest.raises(ValueError, match="real-male needs"):
        losses.paired_moment_distance(a, a, None)
    with pytest.raises(ValueError, match="at least one pair"):
        losses.paired_moment_distance(a, a, a, pairs=[])
    with pytest.raises(ValueError, match="order is 0"):
        losses.moment_distance([a], a, order=0)
    with pytest.raises(ValueError, match="at least one source"):
        losses.moment_distance([], a)


# --------------------------------------------------------------------- the others


def test_kernel_discrepancy():
    a, b = draw(8, 3), draw(5, 3, seed=1)
    assert float(losses.kernel_discrepancy(a, a)) == pytest.approx(0, abs=1e-12)
    near, far = (float(losses.kernel_discrepancy(a, b + shift)) for shift in (0.0, 3.0))
    assert 0 < near < far < 2
    # Two single rows: every kernel across is exp(−d/(f·d/2)).
    one = losses.kernel_discrepancy(torch.tensor([[0.0]]), torch.tensor([[3.0]]), factors=[1.0, 2.0])
    assert float(one) == pytest.approx(2 - 2 * (math.exp(-2) + math.exp(-1)) / 2)


def test_coral_compares_covariances_and_not_means():
    a = draw(50, 3)
    assert float(losses.coral_distance(a, a + 7)) == pytest.approx(0, abs=1e-20)
    expected = 9 * (a.T.cov() ** 2).sum() / (4 * 9)  # 2a has four times a's covariance
    torch.testing.assert_close(losses.coral_distance(a, 2 * a), expected)
    with pytest.raises(ValueError, match="two rows"):
        losses.coral_distance(a[:1], a)


def test_gradient_reversal_turns_the_gradient_round():
    x = draw(3, 2, grad=True)
    y = losses.gradient_reversal(x, 0.25)
    torch.testing.assert_close(y, x)
    (3 * y).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, -0.75))


def test_domain_loss_weighs_the_domains_alike():
    source, target = draw(30, 1), draw(2, 1, seed=1)
    expected = [
        F.binary_cross_entropy_with_logits(x, torch.full_like(x, y))
        for x, y in ((source, 0.0), (target, 1.0))
    ]
    torch.testing.assert_close(losses.domain_loss(source, target), (expected[0] + expected[1]) / 2)


def test_classifier_discrepancy():
    p = torch.sigmoid(draw(6, 4))
    assert float(losses.classifier_discrepancy(p, p)) == 0
    assert float(losses.classifier_discrepancy(torch.zeros(2, 3), torch.ones(2, 3))) == 1
    assert float(losses.classifier_discrepancy(p, p.roll(1, 0))) == pytest.approx(
        float((p - p.roll(1, 0)).abs().mean())
    )


def test_class_balance_is_least_at_one_half():
    half = losses.class_balance(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert float(half) == pytest.approx(2 * math.log(2), abs=1e-5)
    sure = losses.class_balance(torch.zeros(4, 2))
    assert math.isfinite(sure)
    assert float(sure) > 10


def test_entropy():
    entropy = losses.binary_entropy(torch.tensor([0.0, 0.5, 1.0, 0.25]))
    expected = [0, math.log(2), 0, -0.25 * math.log(0.25) - 0.75 * math.log(0.75)]
    torch.testing.assert_close(entropy, torch.tensor(expected))


def test_half_precision_is_computed_in_single():
    half = [draw(4, 3, seed=i).bfloat16() for i in range(3)]
    for loss in (
        losses.paired_moment_distance(*half),
        losses.moment_distance(half[:2], half[2]),
        losses.kernel_discrepancy(*half[:2]),
        losses.coral_distance(*half[:2]),
        losses.class_balance(half[0].sigmoid()),
    ):
        assert loss.dtype == torch.float32


@pytest.mark.parametrize("loss", [losses.kernel_discrepancy, losses.coral_distance])
def test_mixed_precision_changes_no_distance(loss):
    """Features of one network lie close together, so that products in bfloat16 say nothing of them."""
    means = torch.rand(64, generator=torch.Generator().manual_seed(9))
    source, target = (means + 0.05 * draw(24, 64, seed=i).float() for i in range(2))
    found = []
    for mixed in (False, True):
        features = source.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            distance = loss(features, target)
        distance.backward()
        found += [distance.detach(), features.grad]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])
