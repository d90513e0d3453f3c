"""Tables made in `smoke`, as `aukit reproduce TABLE --profile smoke` makes them."""

from argparse import Namespace
from contextlib import chdir
from pathlib import Path

from aukit.reproduce import main


def smoke_arguments(table: str) -> Namespace:
    """What the command line hands to the command."""
    return Namespace(
        table=table,
        target=None,
        profile="smoke",
        seed=0,
        plan=False,
        yes=False,
        jobs=1,
        bundle=None,
        bundle_frames=False,
    )


def make_in_smoke(table: str, folder: Path) -> Path:
    """Make a table in a folder, which is returned."""
    with chdir(folder):
        main(smoke_arguments(table))
    return folder
