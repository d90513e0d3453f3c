"""A finished table as one file that others can verify: its numbers, what they follow from, nobody's name.

People and frames are keyed hashes; the key is drawn for each bundle and kept nowhere. Of licensed corpora
the bundle holds sums per person alone, from which every score follows too: labels of single frames are part
of what the licence covers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aukit import __version__
from aukit.errors import StoreError
from aukit.reproduce.basis import Basis
from aukit.reproduce.bundle_file import DETAILS, write_members
from aukit.reproduce.person_sums import COUNTS, MOMENTS, PersonSums
from aukit.reproduce.recompute import member_of
from aukit.reproduce.render.document import plain
from aukit.utils.outside import read_bytes, read_json

if TYPE_CHECKING:
    from aukit.reproduce.base import Reproduction

TABLE, PUBLISHED = "table.json", "published.json"

_MOST_BYTES = 2**26
_HIDDEN = "<path>"
# A path of two parts and more inside a text; one that is the whole text may have one part.
_PATH = re.compile(r"""(?<![\w.:>~-])(?:[A-Za-z]:|~)?[/\\][^\s/\\"',;()]+(?:[/\\][^\s/\\"',;()]+)+""")
_IS_PATH = re.compile(r"(?:[A-Za-z]:|~)?[/\\].*|\.\.[/\\].*")


def write_bundle(table: Reproduction[Any], out: Path, frames: bool) -> str:
    """Write the bundle of a finished table.

    Args:
        table: The table; its files are there.
        out: The ZIP file.
        frames: Whether it holds predictions of single frames; False for sums per person.

    Returns:
        What it holds, in a sentence.

    Raises:
        StoreError: The table was made by another version, a run is not there any more, or a member would name
            a person, this machine or a folder of it.
    """
    content = read_json(table.cells.folder / TABLE, _MOST_BYTES)
    names = _Names()
    bases = [Basis.of(column["basis"]) for _, column in columns(content) if column.get("basis")]
    if not bases:
        raise StoreError(
            f"{table.cells.folder / TABLE}: no column is computed from predictions of frames, or another"
            " version of aukit made it and does not say from which; then delete it and repeat the command:"
            " finished trainings are reused"
        )
    members: dict[str, bytes] = {}
    for name, (aus, threshold) in _files(bases).items():
        path = table.options.runs / f"{name}.parquet"
        if not path.is_file():
            raise StoreError(
                f"{path}: these predictions are not there any more, and columns of the table follow from"
                f" them; put the file back, or remove {path.parent.name} and {table.cells.folder / TABLE} and"
                " repeat the command"
            )
        predictions = pd.read_parquet(path)
        names.note(predictions)
        made = (
            names.frames_table(predictions, aus)
            if frames
            else names.sums_table(PersonSums.of(predictions, aus, threshold))
        )
        members[member_of(name)] = made.to_csv(index=False).encode()
    scrub = _Scrub(table.options.roots)
    for folder, record in _records(table.options.runs, content["provenance"]["runs"]):
        record["config"].pop("logging", None)  # says nothing of the numbers, and may name an account
        members[f"records/{folder}.json"] = _json(scrub(record))
    members[TABLE] = _json(scrub(content))
    members[PUBLISHED] = _json([each._asdict() for each in table.published(table.cells.spec)])
    members["packages.txt"] = _packages().encode()
    lock = Path(__file__).parents[2] / "requirements.lock"
    if lock.is_file():
        members[lock.name] = read_bytes(lock, _MOST_BYTES)
    names.refuse_leaks(members, table.options.roots)
    detail = "frames" if frames else "people"
    choice = table.cells.spec.get("choice")
    about = {"table": table.cells.name, "choice": choice, "detail": detail, "aukit": __version__}
    write_members(out, about, members)
    size = f"{len(members)} members, {out.stat().st_size / 1e6:.1f} MB"
    return f"{out}: {size}; {DETAILS[detail]}; people under salted ids"


def columns(content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every column of a table's JSON with the id of its table, which is empty where there is one only."""
    for id, table in content.get("tables", {"": content}).items():
        for column in table["columns"]:
            yield id, column


def _files(bases: list[Basis]) -> dict[str, tuple[list[int], float | None]]:
    """Files of predictions → all action units that are scored in them, and the threshold."""
    found: dict[str, tuple[list[int], float | None]] = {}
    for basis in bases:
        for name in (*basis.files, *basis.minus):
            aus = set(basis.aus) | set(found[name][0] if name in found else ())
            found[name] = sorted(aus), basis.threshold
    return found


def _records(runs: Path, identities: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Folder and content of the record of each run."""
    for name, identity in identities.items():
        found = [path for path in runs.glob(f"*-{identity[:12]}") if (path / "record.json").is_file()]
        if not found:
            raise StoreError(
                f"{runs}: the run {name} ({identity[:12]}) is not there any more; make the table again"
            )
        yield found[0].name, read_json(found[0] / "record.json", _MOST_BYTES)


def _packages() -> str:
    """Installed packages with their versions, a line each."""
    found = {f"{each.metadata['Name']}=={each.version}" for each in distributions()}
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def _json(value: Any) -> bytes:
    return (json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n").encode()


class _Names:
    """Ids that stand for people and frames in one bundle, and a last look for what they stand for."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._people: set[str] = set()

    def note(self, predictions: pd.DataFrame) -> None:
        """Remember whose predictions these are."""
        self._people.update(map(str, predictions["person"].unique()))

    def frames_table(self, predictions: pd.DataFrame, aus: list[int]) -> pd.DataFrame:
        """Labels and scores of each frame, in the order of the hashes."""
        kept = [name for name in ("gender", "partition") if name in predictions]
        ids = [c for c in ("person", "partition", "task", "view", "frame") if c in predictions]
        frame = predictions[ids].astype(str).agg("\0".join, axis=1)
        table = pd.DataFrame({"person": self._hashed(predictions["person"]), "frame": self._hashed(frame)})
        table = table.assign(**{name: predictions[name].to_numpy() for name in kept})
        for au in aus:
            for kind in ("label", "score"):
                name = f"AU{au:02d}_{kind}"
                table[name] = predictions[name].to_numpy(np.float64)  # whose text is exact
        return table.sort_values("frame", kind="stable")

    def sums_table(self, sums: PersonSums) -> pd.DataFrame:
        """Sums of each person, in the order of the hashes."""
        kinds = COUNTS if sums.sums.shape[-1] == len(COUNTS) else MOMENTS
        table = pd.DataFrame(
            {"person": self._hashed(pd.Series(sums.people)), "gender": sums.genders, "frames": sums.frames}
        )
        more = {
            f"AU{au:02d}_{kind}": sums.sums[:, a, k]
            for a, au in enumerate(sums.aus)
            for k, kind in enumerate(kinds)
        }
        return table.assign(**more).sort_values(["person", "gender"])

    def refuse_leaks(self, members: Mapping[str, bytes], roots: Mapping[str, Path]) -> None:
        """Look once more for people, folders and this machine's name in what will be written.

        Raises:
            StoreError: A member has one of them.
        """
        folders = {
            str(each)
            for path in (Path.home(), Path.cwd(), *roots.values())
            for each in (path, path.resolve())
        }
        host = socket.gethostname()
        # A machine called `test`, and shorter words, stand for something else too.
        words = {*self._people, *folders, *([] if host.isalpha() else [host])}
        sought = "|".join(re.escape(word) for word in sorted(words) if len(word) > 3)
        pattern = re.compile(rf"(?<![\w.-])(?:{sought})(?!\w)")
        for name, content in members.items():
            if found := pattern.search(f"{name}\n{content.decode()}"):
                raise StoreError(
                    f"{name}: would tell {found[0]!r}, a person, a folder or the name of this machine;"
                    " nothing was written: rename what is called so, or take it out of the configuration"
                )

    def _hashed(self, values: pd.Series) -> list[str]:
        known: dict[str, str] = {}
        for value in values.astype(str).unique():
            known[value] = hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()[:16]
        return [known[value] for value in values.astype(str)]


class _Scrub:
    """Takes paths of this machine out of plain values; a file keeps its own name."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        places = {str(form): f"<{name}>" for name, root in roots.items() for form in (root, root.resolve())}
        self._places = dict(sorted(places.items(), key=lambda item: -len(item[0])))

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self(key): self(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self(inner) for inner in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for place, name in self._places.items():
            text = text.replace(place, name)
        if _IS_PATH.fullmatch(text):
            return _hidden(text)
        return _PATH.sub(lambda found: _hidden(found[0]), text)


def _hidden(path: str) -> str:
    name = re.split(r"[/\\]", path)[-1]
    return f"{_HIDDEN}/{name}" if "." in name.strip(".") else _HIDDEN
