"""What `aukit reproduce TABLE --profile smoke` hands to the command."""

from argparse import Namespace


def smoke_arguments(table: str) -> Namespace:
    return Namespace(table=table, target=None, profile="smoke", seed=0, plan=False, yes=False, jobs=1)
