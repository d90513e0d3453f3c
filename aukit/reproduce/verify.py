"""Compute every number of a bundled table again, from its predictions, by the functions that made it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aukit import __version__
from aukit.errors import shown
from aukit.reproduce import table_class
from aukit.reproduce.base import read_spec
from aukit.reproduce.basis import Basis
from aukit.reproduce.bundle import PUBLISHED, TABLE, columns
from aukit.reproduce.bundle_file import DETAILS, BundleFile
from aukit.reproduce.published import Published, Verdict, judge
from aukit.reproduce.recompute import Again, member_of
from aukit.reproduce.render.document import plain
from aukit.utils.files import file_sha256
from aukit.utils.text import aligned, number

TOLERANCE = 1e-9
"""Greatest difference that is rounding: people are added up in another order than in the table."""


_LONGEST = 4000  # characters of a sentence


class Difference(NamedTuple):
    """What a table says and what does not follow from the bundle.

    Attributes:
        table: Id of the table, empty where there is one only.
        column: Id of the column.
        place: Where in the column, e.g. ``values AU12``.
        stated: What the table says.
        computed: What its predictions give, its records say, or others printed.
    """

    table: str
    column: str
    place: str
    stated: Any
    computed: Any

    def __str__(self) -> str:
        """One line."""
        where = " / ".join(filter(None, (self.table, self.column, self.place)))
        return f"{where}: the table says {self.stated}; found: {self.computed}"


@dataclass(frozen=True)
class Checked:
    """One column, computed again.

    Attributes:
        table: Id of its table, empty where there is one only.
        column: Its id.
        numbers: Numbers computed again.
        greatest: Greatest difference of those that agree.
        main: Mean over the action units, or the first statistic, with its interval; as computed.
        note: Why nothing is computed; else empty.
    """

    table: str
    column: str
    numbers: int = 0
    greatest: float = 0.0
    main: str = ""
    note: str = ""


@dataclass(frozen=True)
class Verification:
    """What a bundle's numbers are worth.

    Attributes:
        path: The bundle.
        sha256: Of its file.
        manifest: What it says of itself.
        title: Title of the table.
        caption: Its sentences.
        commit: Commit that the runs were made from.
        checked: Every column.
        differences: What does not follow; empty where all does.
        verdicts: Published numbers beside ours.
        unpublished: Columns of ours that no published number is at hand for.

    Example:
        >>> found = verify(Path("out.zip"))  # doctest: +SKIP
        >>> found.holds, len(found.differences)  # doctest: +SKIP
        (True, 0)
    """

    path: Path
    sha256: str
    manifest: Mapping[str, Any]
    title: str
    caption: list[str]
    commit: str
    checked: list[Checked]
    differences: list[Difference] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    unpublished: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every number follows."""
        return not self.differences

    def to_json(self) -> str:
        """Everything, for programs."""
        content = {"holds": self.holds, **asdict(self), "path": str(self.path)}
        content["verdicts"] = [{**v._asdict(), "published": v.published._asdict()} for v in self.verdicts]
        content["differences"] = [difference._asdict() for difference in self.differences]
        return json.dumps(plain(content), indent=1) + "\n"

    def to_text(self) -> str:
        """For a terminal."""
        manifest, counted = self.manifest, [each for each in self.checked if each.numbers]
        numbers = sum(each.numbers for each in counted)
        dirty = " (with changes that were not committed)" if self.commit.endswith("-dirty") else ""
        made = f"made by aukit {manifest['aukit']}, commit {self.commit}{dirty}"
        lines = [
            self.title,
            f"{self.path}, SHA-256 {self.sha256}",
            f"{made}; verified by aukit {__version__}",
            f"{len(manifest['members'])} members as the manifest says; {DETAILS[manifest['detail']]}",
            "",
            *aligned([["column", "mean [95 %]", "numbers", "furthest apart"], *map(_line, counted)]),
            *self._uncounted(),
            "",
            *(f"DIFFERS: {difference}" for difference in self.differences),
            f"{numbers:,} numbers in {len(counted)} columns computed again:"
            f" {f'{len(self.differences)} differ' if self.differences else 'all agree'}.",
            "Not computed again: agreement of annotators, seconds, the sentences of the caption.",
            "",
            *self._published_lines(),
            "",
            "The caption says:",
            *(f"- {sentence}" for sentence in self.caption),
        ]
        return "\n".join(lines) + "\n"

    def _uncounted(self) -> list[str]:
        """Columns of which nothing is computed, a line per reason."""
        names: dict[str, dict[str, None]] = {}
        for each in self.checked:
            if each.note:
                names.setdefault(each.note, {})[each.column] = None
        return [f"{note}: {', '.join(ids)}" for note, ids in names.items()]

    def _published_lines(self) -> list[str]:
        """A line per number that compares, and per system whose numbers do not."""
        reasons = list(dict.fromkeys(v.why for v in self.verdicts if v.why))
        rows = [["published", "row", "value", "ours [95 %]", "verdict"]]
        apart: dict[tuple[str, str], list[str]] = {}
        for verdict in self.verdicts:
            each, by = verdict.published, verdict.published.by
            by = f"{each.table}: {by}" if each.table else by
            if verdict.interval is None:
                apart.setdefault((by, verdict.why), []).append(f"{each.row} {each.value:.3f}")
            else:
                ours = _span(verdict.value, verdict.interval)
                rows.append([by, each.row, f"{each.value:.3f}", ours, verdict.verdict])
        lines = aligned(rows) if len(rows) > 1 else []
        for (by, why), values in apart.items():
            lines.append(f"{by}: {', '.join(values)}: not comparable ({reasons.index(why) + 1})")
        lines += [f"({i}) {reason}" for i, reason in enumerate(reasons, start=1)]
        if self.unpublished:
            lines.append(f"No published value is at hand for {', '.join(self.unpublished)}.")
        return ["Published values:", *lines]


def verify(path: Path) -> Verification:
    """Check a bundle, compute its table again, and put published numbers beside it.

    Needs no corpus, no weights and no network. Takes seconds, and memory for the largest member.

    Raises:
        StoreError: The bundle is damaged, changed, or of another version.
    """
    with BundleFile.open(path) as bundle:
        try:
            return _verify(bundle)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise bundle.error(
                TABLE, f"does not have the form of a table ({type(error).__name__}: {shown(error)})"
            ) from error


def _verify(bundle: BundleFile) -> Verification:
    content, manifest = _clean(bundle.json(TABLE)), _clean(bundle.manifest)
    kind = table_class(str(manifest["table"]))
    spec = read_spec(str(manifest["table"]), manifest["choice"])
    records = _check_runs(bundle, content)
    known = kind.published(spec)
    again = Again(bundle)
    checked: list[Checked] = []
    differences = [
        *_published_changed(bundle, known),
        *_origin(content["provenance"], records),
        *_bases(content),
    ]
    every = [((table, str(column["id"])), column) for table, column in columns(content)]
    by_id = dict(every)
    if len(by_id) < len(every):
        raise ValueError("two columns have one id")
    for (table, id), column in every:
        try:
            if column["kind"] == "published":
                one, found = _check_published(table, column, known)
            else:
                one, found = _check_column(again, table, column, by_id)
        except ValueError as error:
            raise bundle.error(TABLE, f"column {id}: cannot be computed ({shown(error)})") from error
        checked.append(one)
        differences += found
    differences += _supports(again, content)
    hindrances = kind.hindrances(content["provenance"])
    repeated = {(each.table, each.ours) for each in known}
    return Verification(
        path=bundle.path,
        sha256=file_sha256(bundle.path),
        manifest=manifest,
        title=str(content["title"]),
        caption=[str(sentence) for sentence in content["caption"]],
        commit=str(content["provenance"]["git_commit"]),
        checked=checked,
        differences=differences,
        verdicts=[judge(each, by_id.get((each.table, str(each.ours))), hindrances) for each in known],
        unpublished=list(
            dict.fromkeys(
                str(column["label"])
                for (table, id), column in by_id.items()
                if column["kind"] == "ours" and (table, id) not in repeated
            )
        ),
    )


def _check_runs(bundle: BundleFile, content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every run that the table names has its record, and all predictions are of such runs.

    Returns:
        The records by the folders of their runs.
    """
    names = [name for name in bundle.manifest["members"] if name.startswith("records/")]
    records = {Path(name).stem: bundle.json(name) for name in names}
    identities = {record["identity"]: folder for folder, record in records.items()}
    for name, identity in content["provenance"]["runs"].items():
        if identity not in identities:
            raise bundle.error("records", f"lack the run {shown(name)} that the table names")
    for _, column in columns(content):
        files = (
            (*Basis.of(column["basis"]).files, *Basis.of(column["basis"]).minus)
            if column.get("basis")
            else ()
        )
        for file in files:
            if file.partition("/")[0] not in identities.values():
                raise bundle.error(member_of(file), "is of a run without a record")
    return records


def _origin(provenance: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    """Data origin and size, of which the records know too."""
    notes = [record["notes"] for record in records.values()]
    rendered = any(each.get("standin") or each.get("rendered") for each in notes)
    if provenance["data_origin"] != (origin := "standin" if rendered else "licensed"):
        yield Difference("", "", "data origin", provenance["data_origin"], origin)
    for folder, record in records.items():
        if provenance["size"] != (size := record["config"].get("profile")):
            yield Difference("", "", f"size of {folder}", provenance["size"], size)


def _bases(content: Mapping[str, Any]) -> Iterator[Difference]:
    """Columns scored on other action units than their table has, above another score, or as one beside it."""
    rows = {id: table["rows"] for id, table in content.get("tables", {"": content}).items()}
    bases = [(t, c, Basis.of(c["basis"])) for t, c in columns(content) if c.get("basis")]
    # Two trainings of a table can be one run: of Table 3 in the paper's size, whose generator has no λ_ids.
    named = Counter(identity[:12] for identity in content["provenance"]["runs"].values())
    # Statistics are over the action units that other tables have; where there are none, of all columns alike.
    grids = [rows[table] for table, _, basis in bases if basis.score != "statistics"]
    shown_by: dict[tuple[str, str, tuple[str, ...], bool], list[str]] = {}
    for table, column, basis in bases:
        for file in basis.files:
            same = shown_by.setdefault((table, file, basis.minus, basis.all_positive), [])
            same.append(column["id"])
            if len(same) > max(1, named[file.partition("/")[0].rpartition("-")[2]]):
                yield Difference(table, column["id"], "predictions", file, f"those of {same[0]}")
        first, aus = bases[0][2], [f"AU{au}" for au in basis.aus]
        of_all = grids or [[f"AU{au}" for au in first.aus]]
        if aus not in (of_all if basis.score == "statistics" else [rows[table]]):
            yield Difference(table, column["id"], "action units", aus, rows[table])
        if basis.threshold != first.threshold:
            yield Difference(table, column["id"], "threshold", basis.threshold, first.threshold)
        if basis.all_positive != (column["kind"] == "all_positive"):
            found = "all_positive" if basis.all_positive else "predictions"
            yield Difference(table, column["id"], "kind", column["kind"], found)


def _published_changed(bundle: BundleFile, known: list[Published]) -> Iterator[Difference]:
    """Published numbers that the bundle prints otherwise than this installation knows them."""
    here = {(each.table, each.row, each.by): each.value for each in known}
    for entry in bundle.json(PUBLISHED):
        each = Published(**entry)
        value = here.get((each.table, each.row, each.by), each.value)
        if value != each.value:
            yield Difference(each.table, each.by, f"published {each.row}", each.value, value)


def _check_column(
    again: Again, table: str, column: Mapping[str, Any], by_id: Mapping[tuple[str, str], Mapping[str, Any]]
) -> tuple[Checked, list[Difference]]:
    """Compare a column with its predictions."""
    id, place = str(column["id"]), (table, str(column["id"]))
    if _is_empty(column) and (column["note"] or column["kind"] == "missing"):
        return Checked(table, id, note=str(column["note"])), []
    if column["kind"] == "missing":
        return Checked(table, id), [Difference(*place, "kind", "missing", "scores")]
    if column.get("basis") is None:
        return Checked(table, id), [Difference(*place, "basis", None, "nothing to compute it from")]
    computed = plain(asdict(again.column(Basis.of(column["basis"]))))
    stated = {**column, "extra": {name: column["extra"].get(name) for name in computed["extra"]}}
    pairs = [
        pair
        for part in ("values", "mean", "interval", "au_intervals", "support", "margin", "extra")
        for pair in _pairs(part, stated[part], computed[part])
    ]
    for other, span in column["extra"].get("minus", {}).items():
        both = (Basis.of(each["basis"]) for each in (column, by_id[table, other]))
        pairs += _pairs(f"minus {other}", span, plain(again.difference(*both)))
    apart = [_distance(stated, computed) for _, stated, computed in pairs]
    wrong = _wrong(place, pairs)
    greatest = max((d for d in apart if d <= TOLERANCE), default=0.0)
    numbers = sum(pair[1:] != (None, None) for pair in pairs)
    return Checked(table, id, numbers, greatest, _main(computed)), wrong


def _check_published(
    table: str, column: Mapping[str, Any], known: Sequence[Published]
) -> tuple[Checked, list[Difference]]:
    """Compare a column that others printed with what they did, as this installation knows it."""
    place = table, str(column["id"])
    here = {each.row: each.value for each in known if (each.table, each.by) == (table, column["label"])}
    stated = {**column["values"], "mean": column["mean"]}
    pairs = [*_pairs("published", {row: value for row, value in stated.items() if value is not None}, here)]
    # Nobody printed an interval.
    pairs += [(part, column[part] or None, None) for part in ("interval", "au_intervals", "margin")]
    return Checked(*place, note=str(column["note"])), _wrong(place, pairs)


def _is_empty(column: Mapping[str, Any]) -> bool:
    """Whether a column has no score at all."""
    spans = (column["interval"], column["margin"], *column["au_intervals"].values())
    return all(score is None for score in (*column["values"].values(), column["mean"], *spans))


def _wrong(place: tuple[str, str], pairs: Iterable[tuple[str, Any, Any]]) -> list[Difference]:
    """Pairs further apart than rounding; what is no distance, such as NaN, is apart."""
    return [Difference(*place, *pair) for pair in pairs if not _distance(*pair[1:]) <= TOLERANCE]


def _supports(again: Again, content: Mapping[str, Any]) -> Iterator[Difference]:
    """Frames with each action unit, as printed beside the scores."""
    for id, table in content.get("tables", {"": content}).items():
        if table["support"] is None:
            continue
        first = next((column for column in table["columns"] if column.get("basis")), None)
        computed = {} if first is None else again.support(Basis.of(first["basis"]))
        for row in dict.fromkeys((*table["support"], *computed)):
            if (stated := table["support"].get(row)) != computed.get(row):
                yield Difference(id, "present", row, stated, computed.get(row))


def _pairs(place: str, stated: Any, computed: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every number of two values of one form, with where it stands; a different form is one pair."""
    if isinstance(stated, dict) and isinstance(computed, dict):
        for key in dict.fromkeys((*stated, *computed)):
            yield from _pairs(f"{place} {key}", stated.get(key), computed.get(key))
    elif isinstance(stated, list) and isinstance(computed, list) and len(stated) == len(computed):
        for index, both in enumerate(zip(stated, computed, strict=True), start=1):
            yield from _pairs(f"{place} {index}", *both)
    else:
        yield place, stated, computed


def _distance(stated: Any, computed: Any) -> float:
    """How far two numbers are apart; infinite where one of them is none."""
    if stated is None and computed is None:
        return 0.0
    if (
        isinstance(stated, bool)
        or not isinstance(stated, int | float)
        or not isinstance(computed, int | float)
    ):
        return math.inf
    return abs(stated - computed)


def _main(column: Mapping[str, Any]) -> str:
    """What stands for a column in one line."""
    if column["mean"] is not None:
        return _span(column["mean"], column["interval"])
    row, value = next(iter(column["values"].items()))
    return f"{row} {_span(value, column['au_intervals'].get(row))}"


def _span(value: float | None, interval: Sequence[float | None] | None) -> str:
    low, high = interval or (None, None)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def _name(checked: Checked) -> str:
    return f"{checked.table}: {checked.column}" if checked.table else checked.column


def _line(checked: Checked) -> list[str]:
    apart = f"{checked.greatest:.0e}" if checked.greatest else "0"
    return [_name(checked), checked.main, str(checked.numbers), apart]


def _clean(value: Any) -> Any:
    """Plain values whose texts are fit for a terminal."""
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return shown(value, _LONGEST) if isinstance(value, str) else value
