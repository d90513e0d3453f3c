"""The metrics as torchmetrics classes: constant memory, the same number for any batches and any processes.

Every state is a sum or a count (``dist_reduce_fx="sum"``), kept in float64 or int64 whatever precision the
model has. In a ``MetricCollection`` pass ``compute_groups=False``: torchmetrics may otherwise merge two of
these with different thresholds because their first batch agreed. ``[A]`` is ``[1]`` where A = 1.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from aukit.metrics.arrays import AnyArray, check_pair, to_float64
from aukit.metrics.distribution import frechet_from_moments, kernel_from_sums
from aukit.metrics.f1 import entry_counts, f1_by_group, f1_from_counts, group_counts
from aukit.metrics.fairness import FairnessReport, fairness_from_counts
from aukit.metrics.icc import IccKind, entry_sums, icc_from_sums

Average = Literal["none", "macro"]


class _Whole:
    """A result that torchmetrics passes on as it is; it squeezes tensors of one element."""

    def __init__(self, result: Any) -> None:
        self.result = result


class _AdditiveMetric(Metric):
    full_state_update = False
    is_differentiable = False

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        """As in torchmetrics, except that results of one element keep their shape."""

        @wraps(compute)
        def wrapping(*args: Any, **kwargs: Any) -> _Whole:
            return _Whole(compute(*args, **kwargs))

        wrapped = super()._wrap_compute(wrapping)

        @wraps(compute)
        def unwrapping(*args: Any, **kwargs: Any) -> Any:
            return wrapped(*args, **kwargs).result

        return unwrapping


class IntraclassCorrelation(_AdditiveMetric):
    """Intraclass correlation per AU; see :func:`aukit.metrics.intraclass_correlation` for the rules.

    ``update(predictions [B, A], labels [B, A])``, NaN = missing in either.

    Args:
        num_aus: Number of AUs, A.
        kind: ``"3,1"`` (consistency), ``"2,1"`` (absolute agreement), ``"1,1"``, or their means of ``k``
            raters.
        average: ``"none"`` computes [A]; ``"macro"`` the mean over the AUs that have a value.
        **kwargs: For ``torchmetrics.Metric``.

    Example:
        >>> metric = IntraclassCorrelation(num_aus=2)
        >>> labels = torch.tensor([[0.0, 1], [2, 3], [5, 5]])
        >>> metric.update(labels + torch.tensor([1.0, 0]), labels)
        >>> metric.compute().tolist()  # blind to a constant offset
        [1.0, 1.0]
    """

    higher_is_better = True
    icc_sums: Tensor

    def __init__(self, num_aus: int, kind: IccKind = "3,1", average: Average = "none", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind: IccKind = kind
        self.average = average
        # Fails here rather than at the end of an epoch.
        icc_from_sums(torch.zeros(num_aus, 6, dtype=torch.float64), kind)
        self.add_state("icc_sums", torch.zeros(num_aus, 6, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def support(self) -> Tensor:
        """Frames counted so far on this process, [A]."""
        return self.icc_sums[:, 0].to(torch.int64)

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Adds a batch."""
        x, y = to_float64(predictions), to_float64(labels)
        check_pair(x, y)
        _check_columns(predictions, len(self.icc_sums))
        # .double(): Module.to(bfloat16) also casts states that are still zero.
        self.icc_sums = self.icc_sums.double() + entry_sums(x, y).sum(0)

    def compute(self) -> Tensor:
        """[A] float64, or its mean."""
        return _average(icc_from_sums(self.icc_sums, self.kind), self.average)


class MultilabelF1(_AdditiveMetric):
    """F1 of occurrence per AU; see :func:`aukit.metrics.multilabel_f1` for the rules.

    ``update(predictions [B, A], labels [B, A])``, labels 0, 1 or NaN.

    Args:
        num_aus: Number of AUs, A.
        threshold: Scores above it are decided present.
        average: ``"none"`` computes [A]; ``"macro"`` the mean over the AUs that have a value.
        **kwargs: For ``torchmetrics.Metric``.

    Example:
        >>> metric = MultilabelF1(num_aus=2)
        >>> metric.update(torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([[1.0, 0], [0, 0]]))
        >>> metric.compute()
        tensor([0.6667,    nan], dtype=torch.float64)
    """

    higher_is_better = True
    confusion: Tensor

    def __init__(
        self, num_aus: int, threshold: float = 0.5, average: Average = "none", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold
        self.average = average
        self.add_state("confusion", torch.zeros(num_aus, 4, dtype=torch.int64), dist_reduce_fx="sum")

    @property
    def support(self) -> Tensor:
        """Frames with the AU present so far on this process, [A]."""
        return self.confusion[:, 0] + self.confusion[:, 2]

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Adds a batch."""
        _check_columns(predictions, len(self.confusion))
        counts = entry_counts(to_float64(predictions), to_float64(labels), self.threshold)
        self.confusion = self.confusion + counts.sum(0)

    def compute(self) -> Tensor:
        """[A] float64, or its mean."""
        return _average(f1_from_counts(self.confusion), self.average)


class _GroupedCounts(_AdditiveMetric):
    group_confusion: Tensor

    def __init__(self, num_aus: int, groups: Sequence[str], threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not groups or len(set(groups)) != len(groups):
            raise ValueError(f"groups must be a list of different names; it is {list(groups)}")
        self.groups = tuple(groups)
        self.threshold = threshold
        shape = (len(self.groups) + 1, num_aus, 4)
        self.add_state("group_confusion", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    @property
    def support(self) -> Tensor:
        """Frames with the AU present on this process so far, [G + 1, A]; unknown is the last row."""
        return self.group_confusion[..., 0] + self.group_confusion[..., 2]

    def update(self, predictions: Tensor, labels: Tensor, groups: AnyArray | Sequence[Any]) -> None:
        """Adds a batch; ``groups`` [B] are names, or indices into the list of groups with -1 = unknown."""
        _check_columns(predictions, self.group_confusion.shape[1])
        counts = group_counts(predictions, labels, groups, self.groups, self.threshold)
        self.group_confusion = self.group_confusion + counts


class GroupedMultilabelF1(_GroupedCounts):
    """F1 of occurrence per AU and group of people; see :func:`aukit.metrics.grouped_multilabel_f1`.

    The list of groups is fixed, so a batch or a process that lacks one is right.
    ``update(predictions [B, A], labels [B, A], groups [B])``.

    Args:
        num_aus: Number of AUs, A.
        groups: Names of the groups, for instance ``("female", "male")``.
        threshold: Scores above it are decided present.
        average: ``"none"`` computes [A] per group; ``"macro"`` the mean over the AUs that have a value.
        **kwargs: For ``torchmetrics.Metric``.

    Example:
        >>> metric = GroupedMultilabelF1(num_aus=1, groups=("female", "male"), average="macro")
        >>> metric.update(torch.ones(2, 1), torch.tensor([[1.0], [0]]), ["female", "male"])
        >>> {name: value.item() for name, value in metric.compute().items()}
        {'female': 1.0, 'male': nan, 'overall': 0.6666666666666666}
    """

    higher_is_better = True

    def __init__(
        self,
        num_aus: int,
        groups: Sequence[str],
        threshold: float = 0.5,
        average: Average = "none",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_aus, groups, threshold, **kwargs)
        self.average = average

    def compute(self) -> dict[str, Tensor]:
        """Group name → [A] float64 or its mean; ``"overall"`` counts people of unknown group too."""
        f1 = f1_by_group(self.group_confusion, self.groups)
        return {name: _average(value, self.average) for name, value in f1.items()}


class GroupFairness(_GroupedCounts):
    """Rates per group and AU, and the gaps between groups; see :func:`aukit.metrics.group_fairness`.

    ``update(predictions [B, A], labels [B, A], groups [B])``.

    Args:
        num_aus: Number of AUs, A.
        groups: Names of the groups, fixed.
        threshold: Scores above it are decided present, for all groups alike.
        **kwargs: For ``torchmetrics.Metric``.

    Example:
        >>> metric = GroupFairness(num_aus=1, groups=("female", "male"))
        >>> metric.update(torch.ones(2, 1), torch.tensor([[1.0], [0]]), ["female", "male"])
        >>> metric.compute().base_rate_gap.item()
        1.0
    """

    def compute(self) -> FairnessReport:
        """The report; ``report.mean()`` gives the numbers to log."""
        return fairness_from_counts(self.group_confusion)


class _FeatureDistance(_AdditiveMetric):
    higher_is_better = False

    def __init__(
        self,
        num_features: int,
        extractor: Callable[[Tensor], Tensor] | None = None,
        extractor_name: str = "features",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if extractor is not None and extractor_name == "features":
            raise ValueError("name the extractor: the distance means nothing without it")
        self.num_features = num_features
        self.extractor_name = extractor_name
        # In a tuple, so that a network here is not taken for a part of the model that is being trained.
        self._extractor = (extractor,)
        for side in ("real", "fake"):
            for name, shape in self._shapes().items():
                zero = torch.zeros(shape, dtype=torch.float64)
                self.add_state(f"{side}_{name}", zero, dist_reduce_fx="sum")

    def update(self, images: Tensor, real: bool) -> None:
        """Adds a batch to one of the two sets.

        Args:
            images: What the extractor takes, or features [B, D] if there is none.
            real: Which set.
        """
        extractor = self._extractor[0]
        features = to_float64(images if extractor is None else extractor(images))
        if features.ndim != 2 or features.shape[1] != self.num_features:
            raise ValueError(f"features must be [B, {self.num_features}]; they are {list(features.shape)}")
        for name, value in self._sums(features).items():
            name = f"{'real' if real else 'fake'}_{name}"
            setattr(self, name, getattr(self, name).double() + value)

    @abstractmethod
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the sums of one set, by name."""

    @abstractmethod
    def _sums(self, features: Tensor) -> dict[str, Tensor]:
        """What features [B, D] add to them."""

    def _side(self, side: str, *names: str) -> list[Tensor]:
        return [getattr(self, f"{side}_{name}") for name in names]


class FrechetDistance(_FeatureDistance):
    """Fréchet distance between the features of two sets; see :func:`aukit.metrics.frechet_distance`.

    ``update(images, real=True|False)``. Memory: two D × D matrices. Digits are lost where the mean of a
    feature is far greater than its spread (a ratio of 1e4 leaves about eight).

    Args:
        num_features: D.
        extractor: Images → features [B, D], on the images' device and in evaluation mode; None if features
            are given. It is not registered as a submodule.
        extractor_name: Its name and version, printed beside the number.
        **kwargs: For ``torchmetrics.Metric``.

    Example:
        >>> metric = FrechetDistance(num_features=2)
        >>> features = torch.tensor([[0.0, 0], [1, 0], [0, 1]])
        >>> metric.update(features, real=True)
        >>> metric.update(features + torch.tensor([3.0, 0]), real=False)
        >>> round(metric.compute().item(), 6)
        9.0
    """

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"count": (), "sum": (self.num_features,), "outer": (self.num_features, self.num_features)}

    def _sums(self, features: Tensor) -> dict[str, Tensor]:
        count = features.new_tensor(float(len(features)))
        return {"count": count, "sum": features.sum(0), "outer": features.T @ features}

    def compute(self) -> Tensor:
        """Scalar float64; NaN with fewer than two images in either set."""
        moments = []
        for side in ("real", "fake"):
            n, total, outer = self._side(side, "count", "sum", "outer")
            if n < 2:
                return torch.full_like(n, torch.nan)
            mean = total / n
            moments += [mean, (outer - n * torch.outer(mean, mean)) / (n - 1)]
        return frechet_from_moments(*moments)


class KernelDistance(_FeatureDistance):
    """Kernel distance between the features of two sets; see :func:`aukit.metrics.kernel_distance`.

    The kernel (x·y / D + 1)³ is a polynomial, so its sum over all pairs follows from the sums of x, x⊗x and
    x⊗x⊗x: exact over all images, in memory that does not grow with them. That memory is 16·D³ bytes (34 MB
    for D = 128), hence the limit on D; for wider features use the function.

    Args:
        num_features: D, at most 256.
        extractor: As in :class:`FrechetDistance`.
        extractor_name: Its name and version, printed beside the number.
        unbiased: Leave out each image's kernel with itself; the value may then be negative.
        **kwargs: For ``torchmetrics.Metric``.

    Raises:
        ValueError: More than 256 features.

    Example:
        >>> metric = KernelDistance(num_features=2, unbiased=False)
        >>> features = torch.tensor([[0.0, 0], [1, 0], [0, 1]])
        >>> metric.update(features, real=True)
        >>> metric.update(features, real=False)
        >>> abs(metric.compute().item()) < 1e-9
        True
    """

    def __init__(
        self,
        num_features: int,
        extractor: Callable[[Tensor], Tensor] | None = None,
        extractor_name: str = "features",
        unbiased: bool = True,
        **kwargs: Any,
    ) -> None:
        if num_features > 256:
            raise ValueError(
                f"{num_features} features need too much memory; use aukit.metrics.kernel_distance"
            )
        super().__init__(num_features, extractor, extractor_name, **kwargs)
        self.unbiased = unbiased

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        d = self.num_features
        return {"count": (), "self": (), "first": (d,), "second": (d, d), "third": (d * d, d)}

    def _sums(self, features: Tensor) -> dict[str, Tensor]:
        pairs = (features[:, :, None] * features[:, None, :]).flatten(1)
        return {
            "count": features.new_tensor(float(len(features))),
            "self": (features.square().sum(1) / self.num_features + 1).pow(3).sum(),
            "first": features.sum(0),
            "second": features.T @ features,
            "third": pairs.T @ features,
        }

    def compute(self) -> Tensor:
        """Scalar float64; NaN without enough images."""
        n, self_x = self._side("real", "count", "self")
        m, self_y = self._side("fake", "count", "self")
        within_x, within_y = self._pairs("real", "real"), self._pairs("fake", "fake")
        across = self._pairs("real", "fake")
        if self.unbiased:
            within_x, within_y = within_x - self_x, within_y - self_y
        return kernel_from_sums(within_x, n, within_y, m, across, self.unbiased)

    def _pairs(self, a: str, b: str) -> Tensor:
        """Sum of the kernel over all pairs: 1 + 3 p + 3 p² + p³ with p = x·y / D, term by term."""
        names = ("count", "first", "second", "third")
        terms = [(u * v).sum() for u, v in zip(self._side(a, *names), self._side(b, *names), strict=True)]
        d = self.num_features
        return terms[0] + 3 * terms[1] / d + 3 * terms[2] / d**2 + terms[3] / d**3


def _check_columns(predictions: Tensor, number: int) -> None:
    """A batch must have as many AUs as the metric: one of a single AU would count for all of them.

    Raises:
        ValueError: It has not.
    """
    if predictions.ndim == 2 and predictions.shape[1] != number:
        raise ValueError(f"the metric is of {number} AUs; predictions are {list(predictions.shape)}")


def _average(values: Tensor, average: Average) -> Tensor:
    return values.nanmean(-1) if average == "macro" else values
