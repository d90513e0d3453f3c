"""`python -m tests.fuzz`: damage releases and weights, judge each, print one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.cases import Case, Workshop, cases
from tests.fuzz.judge import FAULTS, OUTCOMES, Verdict


def table(verdicts: dict[Case, Verdict]) -> str:
    """One line per group and one for all."""
    rows = [["", "n", *OUTCOMES, "undetectable"]]
    groups = [*dict.fromkeys(case.corruption.group for case in verdicts), "all"]
    for group in groups:
        own = {case: v for case, v in verdicts.items() if group in (case.corruption.group, "all")}
        counts = Counter(outcome(case, verdict) for case, verdict in own.items())
        rows.append([group, str(len(own)), *(str(counts[name]) for name in (*OUTCOMES, "undetectable"))])
    return "\n".join(f"{row[0]:12s}" + "".join(f"{cell:>13s}" for cell in row[1:]) for row in rows)


def outcome(case: Case, verdict: Verdict) -> str:
    """The column of a case: what goes by in silence because nobody can see it has one of its own."""
    return "undetectable" if case.corruption.undetectable and verdict.outcome == "silent" else verdict.outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpora", type=int, default=840, metavar="N", help="cases of damaged releases")
    parser.add_argument("--weights", type=int, default=90, metavar="N", help="cases of damaged weights")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name has this text")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="damage in this folder and leave it there")
    parser.add_argument("--verbose", action="store_true", help="print every verdict")
    given = parser.parse_args()
    chosen = [c for c in cases(given.seed, given.corpora, given.weights) if given.only in c.name]
    begun = time.monotonic()
    verdicts: dict[Case, Verdict] = {}
    with tempfile.TemporaryDirectory(dir=given.keep) as folder:
        workshop = Workshop(Path(given.keep or folder), keep=given.keep is not None)
        for case in chosen:
            verdicts[case] = verdict = workshop.judge(case)
            if given.verbose or outcome(case, verdict) in FAULTS:
                print(f"{outcome(case, verdict):12s} {case.name}: {verdict.detail.strip()}", flush=True)
    print(table(verdicts))
    print(f"{time.monotonic() - begun:.0f} s")
    return any(
        outcome(case, verdict) in ("silent", "traceback", "hang") for case, verdict in verdicts.items()
    )


if __name__ == "__main__":
    sys.exit(main())
