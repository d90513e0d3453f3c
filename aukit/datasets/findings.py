"""Findings of `aukit corpora check`: what in a release is far from what is published, with both numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aukit.datasets.check_report import Counts, PartitionReport, Published

LABEL_ROWS_OFF = 0.01
"""Share by which label rows may differ. Public lists that hold every labelled frame agree to the frame, and
one person is 1.7 % of the largest part."""

RATE_OFF = 0.02
RATE_OFF_RELATIVE = 0.1
"""How far the rate of an AU may be from the published one; a finding exceeds both. The lists behind the rates
lack up to 1 % of the coded frames, which moves a rate by 0.01 at most; a column or a threshold that is read
wrongly moves it by more."""

ENOUGH_ROWS = 1_000
"""Coded rows that a rate needs: a few short recordings have rates of their own."""

LEAST_USABLE = 0.9
"""Share of the label rows that must have a usable frame: a released video is short by a frame or two."""


def findings(
    reports: Mapping[str, PartitionReport], published: Published | None, compared: bool
) -> list[str]:
    """What is far from right in a release whose files could be read, or may be missing.

    Args:
        reports: What was found, by partition; those that are asked for.
        published: What is published; None where nothing is.
        compared: Whether the counts are meant to be the published ones; those of stand-ins are not.
    """
    found: list[str] = []
    for name, report in reports.items():
        if published and compared and (counts := published.partitions.get(name)):
            found += [f"{name}: {text}" for text in _counts(report, counts)]
            if rates := published.rates.get(published.rates_of.get(name, "")):
                found += [f"{name}: {text}" for text in _rates(report, rates)]
        if report.read_label_rows and report.rows < LEAST_USABLE * report.read_label_rows:
            rows = f"{report.rows} of {report.read_label_rows} label rows"
            found.append(f"{name}: only {rows} have a frame")
    if published and compared and published.total:
        whole = PartitionReport(
            **{
                key: sum(getattr(report, key) for report in reports.values())
                for key in ("people", "female", "male", "gender_unknown")
            }
        )
        found += [f"all: {text}" for text in _genders(whole, published.total)]
    return found


def _counts(report: PartitionReport, counts: Counts) -> Iterator[str]:
    if report.people != counts.people:
        yield f"{report.people} people, published {counts.people}"
    if not report.people:
        return
    videos = sum(report.videos_per_view.values())
    if counts.videos is not None and videos != counts.videos:
        yield f"{videos} videos, published {counts.videos}"
    rows = counts.label_rows
    if rows is not None and abs(report.label_rows - rows) > LABEL_ROWS_OFF * rows:
        yield f"{report.label_rows} label rows, published {rows}"
    yield from _genders(report, counts)


def _genders(report: PartitionReport, counts: Counts) -> Iterator[str]:
    """Only where everyone is there and all genders are known."""
    known = report.people == counts.people and not report.gender_unknown and counts.female is not None
    if known and (report.female, report.male) != (counts.female, counts.male):
        yield f"{report.female} women and {report.male} men, published {counts.female} and {counts.male}"


def _rates(report: PartitionReport, rates: Mapping[int, float]) -> Iterator[str]:
    far = []
    for au, rate in sorted(rates.items()):
        codes = report.occurrence_codes.get(f"AU{au:02d}", {})
        coded = codes.get(0, 0) + codes.get(1, 0)
        share = codes.get(1, 0) / coded if coded >= ENOUGH_ROWS else rate
        if abs(share - rate) > max(RATE_OFF, RATE_OFF_RELATIVE * rate):
            far.append(f"AU {au} {share:.3f} ({rate:.3f})")
    if far:
        yield f"rates far from the published ones (in brackets): {', '.join(far)}"
