"""What distinguishes PM2 and its rivals: alignment of features, discrepancy of heads, number of heads."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["METHODS", "Method", "MethodName"]

MethodName = Literal["source", "dann", "mmd", "coral", "mcd", "m3sda", "m3sda_beta", "pm2"]
Alignment = Literal["none", "domain", "kernel", "covariance", "moments", "paired"]


class Method(NamedTuple):
    """A method of adaptation.

    Attributes:
        citation: Publication.
        alignment: Which distance of features the first step minimises beside the loss on the source domain.
        discrepancy: Whether heads come in pairs, whose disagreement on the target the heads maximise and
            the features minimise (MCD's three steps).
        head_per_stream: Whether each labelled stream trains a head (or two) of its own.
    """

    citation: str
    alignment: Alignment = "none"
    discrepancy: bool = False
    head_per_stream: bool = False


METHODS: dict[str, Method] = {
    "source": Method("no adaptation: the target is never looked at"),
    "dann": Method("Ganin et al., JMLR 2016", "domain"),
    "mmd": Method("DAN, Long et al., ICML 2015", "kernel"),
    "coral": Method("Sun and Saenko, ECCV Workshops 2016", "covariance"),
    "mcd": Method("Saito et al., CVPR 2018", discrepancy=True),
    "m3sda": Method("Peng et al., ICCV 2019", "moments", head_per_stream=True),
    "m3sda_beta": Method("Peng et al., ICCV 2019", "moments", discrepancy=True, head_per_stream=True),
    "pm2": Method("Lu et al., arXiv 2403.10737", "paired", discrepancy=True),
}
