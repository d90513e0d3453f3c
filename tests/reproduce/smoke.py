"""Tables made in `smoke`, as `aukit reproduce TABLE --profile smoke` makes them; their bundles."""

import zipfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd

from aukit.reproduce import main
from aukit.reproduce.verify import verify


def smoke_arguments(table: str, *tables: str) -> Namespace:
    """What the command line hands to the command."""
    return Namespace(
        table=table,
        tables=list(tables),
        target=None,
        profile="smoke",
        landmarks=None,
        registration=None,
        seed=0,
        plan=False,
        gpus=None,
        yes=False,
        jobs=1,
        bundle=None,
        bundle_frames=False,
        launcher=None,
    )


def make_in_smoke(folder: Path, table: str, *tables: str) -> Path:
    """Make a table in a folder, which is returned."""
    with chdir(folder):
        main(smoke_arguments(table, *tables))
    return folder


def assert_others_can_verify(made: Path, empty: Path, table: str, *tables: str) -> None:
    """Bundle a table that has been made; all of it follows from the bundle, and nobody is named in it."""
    bundle, arguments = empty / "bundle.zip", smoke_arguments(table, *tables)
    arguments.bundle = bundle
    with chdir(made):
        main(arguments)
    with chdir(empty):
        found = verify(bundle)
    assert found.holds, found.to_text()
    checked = [each for each in found.checked if each.numbers]
    assert checked
    assert max(each.greatest for each in checked) < 1e-12
    assert not {verdict.verdict for verdict in found.verdicts} - {"not comparable"}  # stand-ins
    files = list((made / "lightning_logs/runs").glob("*/predictions*.parquet"))
    people = {str(person) for file in files for person in pd.read_parquet(file)["person"].unique()}
    with zipfile.ZipFile(bundle) as members:
        for name in members.namelist():
            text = members.read(name).decode()
            assert not [word for word in (*people, str(made), str(empty)) if word in text], name


def encloses(interval: Sequence[float | None], value: float, column: Mapping[str, Any]) -> bool:
    """Whether an interval is about a mean, or is none because one person alone shows some action unit."""
    low, high = interval
    if low is None or high is None:
        return any(span is None or span[0] is None for span in column["au_intervals"].values())
    return low <= value <= high
