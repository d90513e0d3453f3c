"""Is a pre-trained start worth anything to FG-Net?  The shipped weights, their encoder alone, random weights.

    python benchmarks/judge/fgnet_starts.py [--seeds 3] [--jobs 2]

Trainings of the mini table on the BP4D stand-in (fold 0), the same recipe for all starts, several seeds
each; prints F1 of every seed, and the means' distance from the all-positive rule and from random weights
with 95 % intervals over people and seeds, drawn in pairs. Finished trainings in `lightning_logs` are used
again. About 4 minutes of one core per training.
"""

import argparse
from pathlib import Path

from aukit.reproduce import data_origin as sources
from aukit.reproduce.fairness_scores import SeedScores, span
from aukit.reproduce.fgnet.tables import FGNetTables
from aukit.reproduce.options import choose_setting
from aukit.reproduce.parallel_runs import run_all

STARTS = {
    "random weights": "[]",
    "mini: encoder and generator": "[mini]",
    "mini#pspencoder: the encoder, random generator": "[mini#pspencoder]",
}


def main() -> None:
    """Render and crop if needed, train what is missing, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    words = parser.parse_args()
    setting = choose_setting(("bp4d", "disfa"), "mini", Path("lightning_logs"), 0, words.jobs)
    tables = FGNetTables(setting)
    sources.make("bp4d", setting)
    tables.prepare("bp4d")
    configs = {
        f"{start}, seed {seed}": tables.config(
            "fgnet/bp4d", "fold=0", f"model.weights={weights}", f"data.seed={seed}", f"seed={seed}"
        )
        for start, weights in STARTS.items()
        for seed in range(words.seeds)
    }
    records = run_all(configs, setting.logs / "runs", setting.jobs, "trainings")
    scored = {
        start: SeedScores.read(
            [Path(str(records[f"{start}, seed {seed}"].predictions)) for seed in range(words.seeds)],
            tables.spec["aus"]["bp4d"],
            0.0,
        )
        for start in STARTS
    }
    random = scored["random weights"]
    print(f"floor {span(random.floor.own, 'F1')[0]:.3f}, {random.frames:,} frames of {random.people}")
    for start, scores in scored.items():
        seeds = ", ".join(f"{f1:.3f}" for f1 in scores.per_seed("overall_f1"))
        print(f"{start}\n  F1 {span(scores.own, 'F1')[0]:.3f} ({seeds})")
        for name, other in (("floor", random.floor), ("random weights", random)):
            if other is not scores:
                value, low, high = span(scores.minus(other), "F1")
                print(f"  minus {name} {value:+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    main()
