"""Scores of action units: F1, ICC, fairness, distances between distributions, intervals over people.

The functions take numpy arrays or torch tensors; the classes are ``torchmetrics`` metrics over the same sums.
The classes load on first use, because torchmetrics takes longer to import than a finished table to print.
"""

from typing import TYPE_CHECKING, Any

from aukit.metrics.bootstrap import Interval, SubjectSums, bootstrap_by_subject
from aukit.metrics.distribution import frechet_distance, kernel_distance
from aukit.metrics.f1 import (
    confusion_counts,
    f1_from_counts,
    grouped_confusion_counts,
    grouped_multilabel_f1,
    multilabel_f1,
)
from aukit.metrics.fairness import FairnessReport, bootstrap_fairness, bootstrap_group_icc, group_fairness
from aukit.metrics.icc import (
    IccKind,
    grouped_icc_sums,
    icc_from_sums,
    icc_sums,
    intraclass_correlation,
    rater_agreement,
)

if TYPE_CHECKING:
    from aukit.metrics.streaming import (
        FrechetDistance,
        GroupedMultilabelF1,
        GroupFairness,
        IntraclassCorrelation,
        KernelDistance,
        MultilabelF1,
    )

__all__ = [
    "FairnessReport",
    "FrechetDistance",
    "GroupFairness",
    "GroupedMultilabelF1",
    "IccKind",
    "Interval",
    "IntraclassCorrelation",
    "KernelDistance",
    "MultilabelF1",
    "SubjectSums",
    "bootstrap_by_subject",
    "bootstrap_fairness",
    "bootstrap_group_icc",
    "confusion_counts",
    "f1_from_counts",
    "frechet_distance",
    "group_fairness",
    "grouped_confusion_counts",
    "grouped_icc_sums",
    "grouped_multilabel_f1",
    "icc_from_sums",
    "icc_sums",
    "intraclass_correlation",
    "kernel_distance",
    "multilabel_f1",
    "rater_agreement",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aukit.metrics import streaming

    return getattr(streaming, name)
