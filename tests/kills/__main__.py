"""`python -m tests.kills`: stop long commands at random moments, start them again, compare what they make."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from tests.kills.cases import CASES, Case
from tests.kills.commands import WAYS
from tests.kills.workshop import OUTCOMES, Verdict, Workshop

SHARES = {"group": 0.5, "main": 0.1, "worker": 0.1, "ctrl-c": 0.15, "term": 0.15}
"""How often a command is stopped in each way; `WAYS` says what they are."""


def draw(case: Case, count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Ways to stop a case, one after the other: up to four of the `count` that are left, of a table all."""
    several = count if case.name.startswith("reproduce") else min(count, int(rng.integers(1, 5)))
    return tuple(str(way) for way in rng.choice(WAYS, several, p=[SHARES[way] for way in WAYS]))


def table(verdicts: list[tuple[Case, Verdict]]) -> str:
    """A line per group and one for all."""
    rows = [["", "stops", *WAYS, "ends", *OUTCOMES, "temporary files"]]
    for group in [*dict.fromkeys(case.group for case, _ in verdicts), "all"]:
        own = [verdict for case, verdict in verdicts if group in (case.group, "all")]
        ways = Counter(way for verdict in own for way, _ in verdict.stops)
        ends = Counter(verdict.outcome for verdict in own)
        cells = [ways.total(), *(ways[way] for way in WAYS), len(own), *(ends[name] for name in OUTCOMES)]
        rows.append([group, *map(str, cells), str(sum(verdict.temporary for verdict in own))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=60, metavar="N", help="shared by all cases")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="cases whose name has one")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave what differs")
    given = parser.parse_args()
    chosen = [case for case in CASES if any(text in case.name for text in given.only)]
    began, verdicts = time.monotonic(), []
    with nullcontext(given.keep) if given.keep else tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for index, case in enumerate(chosen):
            rng = np.random.default_rng([given.seed, CASES.index(case)])
            share = given.kills * (index + 1) // len(chosen) - given.kills * index // len(chosen)
            left, number = share, 0
            while left > 0 and number < 2 * share:  # an attempt may end before the moment drawn for it
                verdict = workshop.judge(case, draw(case, left, rng), rng, number)
                left, number = left - len(verdict.stops), number + 1
                verdicts.append((case, verdict))
                stops = ", ".join(f"{way} after {seconds:g} s" for way, seconds in verdict.stops) or "none"
                whole = workshop.reference(case).seconds
                print(f"{verdict.outcome:8s} {case.name} ({whole:.0f} s): {stops}", flush=True)
                if verdict.detail:
                    print("    " + verdict.detail.replace("\n", "\n    "), flush=True)
    print(table(verdicts))
    print(f"{time.monotonic() - began:.0f} s")
    return any(verdict.outcome != "equal" for _, verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
