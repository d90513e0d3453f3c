"""How often a 95 % interval holds the truth, and how wide it is: five ways to draw it over few people.

People are made from random numbers. How often each shows an action unit varies between them as log-odds, by
1.1 in all, so that a quarter of the variance of an occurrence lies between people; so do hits and false
alarms of two equally good detectors, which share most of a person's difficulty. The truth is F1 of 20,000.

Printed per number of people: coverage of the mean over 12 action units (present in 5 to 50 % of the frames),
of single ones (all, and the worst of the twelve), of differences of the two methods; widths are ratios to
those of BCa. Then the same of ICC, and how often equal methods differ "significantly" where seeds differ too.

    python benchmarks/interval_coverage.py [--replicates 4000] [--people 9 14 27]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit

from aukit.metrics import bootstrap_by_subject, interval_by_subject

Floats = npt.NDArray[np.float64]
Ends = tuple[Floats, Floats]
Value = Callable[[Floats], Floats]
Make = Callable[[np.random.Generator, int], tuple[Floats, Floats]]

PREVALENCE = np.array([0.05, 0.07, 0.09, 0.12, 0.15, 0.18, 0.22, 0.27, 0.32, 0.38, 0.44, 0.5])
DRAWS = 500


def counts(rng: np.random.Generator, people: int) -> tuple[Floats, Floats]:
    """Confusion counts [S, A, 4] of two equally good detectors on the same people."""
    shape = (people, len(PREVALENCE))
    rate = expit(logit(PREVALENCE) + rng.normal(0, 0.6, (people, 1)) + rng.normal(0, 0.9, shape))
    frames = rng.integers(90, 210, (people, 1))  # as many that are worth one each, of some 1,000 in a row
    positives = rng.binomial(frames, rate)
    skill = rng.normal(0, 0.5, (people, 1))
    hits, alarms = rng.normal(0, 0.7, shape), rng.normal(0, 0.7, shape)
    found = []
    for _ in range(2):
        tp = rng.binomial(positives, expit(0.6 + skill + hits + rng.normal(0, 0.5, shape)))
        fp = rng.binomial(frames - positives, expit(-1.8 - skill / 2 + alarms + rng.normal(0, 0.5, shape)))
        found.append(np.stack([tp, fp, positives - tp, frames - positives - fp], -1).astype(float))
    return found[0], found[1]


def icc_counts(rng: np.random.Generator, people: int) -> tuple[Floats, Floats]:
    """Sums [S, A, 6] of `icc_sums` of two equally good estimators of intensity."""
    frames, shape = 150, (people, 1, len(PREVALENCE))
    strength = np.exp(rng.normal(0, 0.5, shape))
    labels = np.clip(strength * rng.gamma(0.6, 1.5, (people, frames, len(PREVALENCE))), 0, 5).round()
    bias, gain = rng.normal(0, 0.4, shape), np.exp(rng.normal(0, 0.3, shape))
    found = []
    for _ in range(2):
        own = bias + rng.normal(0, 0.2, shape)
        guess = gain * labels + own + rng.normal(0, 1.0, labels.shape)
        x, y = guess - 2.5, labels - 2.5
        found.append(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], -1).sum(1))
    return found[0], found[1]


def with_mean(values: Floats) -> Floats:
    """Append the mean over action units."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.concatenate([values, np.nanmean(values, -1, keepdims=True)], -1)


def f1(sums: Floats) -> Floats:
    """F1 [..., A + 1] of counts [..., A, 4]; plain numpy, since millions are needed."""
    tp, fp, fn, _ = np.moveaxis(sums, -1, 0)
    return with_mean(2 * tp / (2 * tp + fp + fn))


def icc(sums: Floats) -> Floats:
    """ICC(3,1) [..., A + 1] of sums [..., A, 6]."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return with_mean(2 * (xy - x * y / n) / (xx - x * x / n + yy - y * y / n))


class Sample:
    """One set of people: what every interval is made from."""

    def __init__(
        self, method: Floats, other: Floats | None, value: Callable[[Floats], Floats], seed: int
    ) -> None:
        self.method, self.other, self.value = method, other, value
        self.people = len(method)
        self.strata = np.arange(self.people) % 2
        self.seed = seed

    def of(self, weights: Floats) -> Floats:
        """The value, or the difference of both methods, with people weighted [N, S]."""
        own = self.value(np.tensordot(weights, self.method, axes=1))
        return own if self.other is None else own - self.value(np.tensordot(weights, self.other, axes=1))

    def draws(self, fewer: int = 0) -> Floats:
        """Weights of resampled people within their stratum."""
        rng, weights = np.random.default_rng(self.seed), np.zeros((DRAWS, self.people))
        for stratum in (0, 1):
            members = np.flatnonzero(self.strata == stratum)
            n = len(members)
            drawn = rng.multinomial(n - fewer, np.full(n, 1 / n), size=DRAWS)
            weights[:, members] = drawn * n / (n - fewer)
        return weights

    def without_each(self) -> Floats:
        """Values without each person; the estimate where there is none."""
        values = self.of(1.0 - np.eye(self.people))
        return np.where(np.isnan(values), self.of(np.ones((1, self.people))), values)


def percentile(sample: Sample) -> Ends:
    """Percentiles of the bootstrap (Efron 1979)."""
    baseline = sample.other
    found = bootstrap_by_subject(
        sample.method, sample.value, DRAWS, sample.seed, baseline=baseline, strata=sample.strata
    )
    return found.low, found.high


def rao_wu(sample: Sample) -> Ends:
    """Percentiles of draws of one person fewer, weighted up (Rao and Wu 1988)."""
    low, high = np.nanquantile(sample.of(sample.draws(fewer=1)), [0.025, 0.975], axis=0)
    return low, high


def bca(sample: Sample) -> Ends:
    """Bias-corrected and accelerated percentiles (Efron 1987)."""
    replicates, estimate = sample.of(sample.draws()), sample.of(np.ones((1, sample.people)))[0]
    below = (replicates < estimate).mean(0) + (replicates == estimate).mean(0) / 2
    bias = stats.norm.ppf(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))
    without = sample.without_each()
    lean = without.mean(0) - without
    acceleration = (lean**3).sum(0) / np.maximum(6 * (lean**2).sum(0) ** 1.5, 1e-30)
    ends = []
    for z in stats.norm.ppf([0.025, 0.975]):
        at = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(np.array([np.nanquantile(r, q) for r, q in zip(replicates.T, at, strict=True)]))
    return ends[0], ends[1]


def bootstrap_t(sample: Sample) -> Ends:
    """Studentised bootstrap (Hall 1988) with the standard error of F1's influence in each draw."""
    draws = sample.draws()

    def influence(sums: Floats) -> Floats:
        total = np.tensordot(draws, sums, axes=1)
        of_frames = 2 * total[..., 0] + total[..., 1] + total[..., 2]
        score = 2 * total[..., 0] / of_frames
        own = 2 * sums[..., 0] - score[:, None] * (2 * sums[..., 0] + sums[..., 1] + sums[..., 2])
        return with_mean(own / of_frames[:, None])

    lean = influence(sample.method)
    if sample.other is not None:
        lean = lean - influence(sample.other)
    error = np.sqrt((draws[:, :, None] * lean**2).sum(1) * sample.people / (sample.people - 2))
    estimate = sample.of(np.ones((1, sample.people)))[0]
    low, high = np.nanquantile((sample.of(draws) - estimate) / error, [0.025, 0.975], axis=0)
    without = sample.without_each()
    own = np.sqrt((sample.people - 1) * without.var(0))
    return estimate - high * own, estimate - low * own


def jackknife_t(sample: Sample) -> Ends:
    """`aukit.metrics.interval_by_subject`."""
    scale = "correlation" if sample.value is icc else "rate"
    found = interval_by_subject(
        sample.method, sample.value, scale=scale, baseline=sample.other, strata=sample.strata
    )
    return found.low, found.high


WAYS = {
    "percentile": percentile,
    "Rao-Wu": rao_wu,
    "BCa": bca,
    "bootstrap-t": bootstrap_t,
    "jackknife t": jackknife_t,
}


def compare(
    make: Callable[..., tuple[Floats, Floats]], value: Callable[[Floats], Floats], people: int, n: int
) -> None:
    """Print coverage and width of every way for one number of people."""
    rng = np.random.default_rng(1)
    truth = value(np.sum([make(rng, 2000)[0].sum(0) for _ in range(10)], axis=0))
    names = [name for name in WAYS if value is f1 or name != "bootstrap-t"]
    hits: dict[str, list[Floats]] = {name: [] for name in names}
    widths: dict[str, list[Floats]] = {name: [] for name in names}
    rng = np.random.default_rng(people)
    for replicate in range(n):
        method, other = make(rng, people)
        samples = [
            (Sample(method, None, value, replicate), truth),
            (Sample(method, other, value, replicate), 0.0),
        ]
        for name in names:
            ends = [(WAYS[name](sample), true) for sample, true in samples]
            hits[name].append(np.stack([(low <= true) & (true <= high) for (low, high), true in ends]))
            widths[name].append(np.stack([high - low for (low, high), _ in ends]))
    unit = np.nanmean(widths["BCa"], axis=0)
    for name in names:
        # An interval that does not exist (one person has all the support) claims nothing and is not counted.
        there = np.isfinite(widths[name])
        hit = np.where(there, hits[name], 0).sum(0) / there.sum(0)
        wide = np.nanmean(widths[name], axis=0)
        parts = [f"{people:>3} {name:<12}"]
        for which in (0, 1):
            parts.append(
                f"{hit[which, -1]:.3f} x{wide[which, -1] / unit[which, -1]:.2f}"
                f"  {hit[which, :-1].mean():.3f} ({hit[which, :-1].min():.3f})"
                f" x{wide[which, :-1].mean() / unit[which, :-1].mean():.2f}"
            )
        print("   ".join(parts) + f"   {1 - there.mean():.1%} none", flush=True)


def equal_methods(people: int, seeds: int, n: int, spread: float = 0.3) -> None:
    """Print how often two equally good methods differ when every training shifts its scores a little."""
    rng = np.random.default_rng(people * 100 + seeds)
    wrong = {"percentile": 0, "jackknife t": 0}
    strata = np.arange(people) % 2
    for replicate in range(n):
        first, second = [], []
        method, other = counts(rng, people)
        for runs, base in ((first, method), (second, other)):
            for _ in range(seeds):
                positives, negatives = base[..., 0] + base[..., 2], base[..., 1] + base[..., 3]
                hit, alarm = (
                    expit(logit((found + 0.5) / (of + 1)) + rng.normal(0, spread)) * of
                    for found, of in ((base[..., 0], positives), (base[..., 1], negatives))
                )
                runs.append(np.stack([hit, alarm, positives - hit, negatives - alarm], -1))
        drawn = bootstrap_by_subject(
            first, f1, DRAWS, replicate, baseline=second, strata=strata, resample_trainings=True
        )
        wrong["percentile"] += bool(drawn.low[-1] > 0 or drawn.high[-1] < 0)
        found = interval_by_subject(first, f1, baseline=second, strata=strata)
        wrong["jackknife t"] += bool(found.low[-1] > 0 or found.high[-1] < 0)
    shares = "   ".join(f"{name} {count / n:.3f}" for name, count in wrong.items())
    print(f"{people:>3} people, {seeds} seeds: {shares}", flush=True)


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=4000, help="sets of people per line")
    parser.add_argument("--people", type=int, nargs="+", default=[9, 14, 27])
    given = parser.parse_args()
    heading = "people, interval   mean: covers, width   AUs: covers (worst), width   the same of a difference"
    print(f"F1. {heading}")
    for people in given.people:
        compare(counts, f1, people, given.replicates)
    print(f"\nICC(3,1). {heading}")
    for people in given.people:
        compare(icc_counts, icc, people, given.replicates)
    print("\nEqual methods whose 95 % interval of the difference lies beside 0 (0.05 would be right)")
    for seeds in (2, 3, 5):
        for people in given.people:
            equal_methods(people, seeds, max(given.replicates // 4, 1))


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)
    main()
