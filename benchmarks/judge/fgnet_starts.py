"""Is a pre-trained start worth anything to FG-Net?  The shipped weights, their encoder alone, random weights.

    python benchmarks/judge/fgnet_starts.py [--seeds 3] [--jobs 2]

Trainings of the mini table on the BP4D stand-in (fold 0), the same recipe for all starts, several seeds
each; prints F1 of every seed, and the means' distance from the all-positive baseline and from random weights
with 95 % intervals over people and seeds, drawn in pairs. Finished trainings in `lightning_logs` are used
again. About 4 minutes of one core per training.
"""

import argparse
from pathlib import Path

from aukit.reproduce.captions import span_text
from aukit.reproduce.fgnet.cells import FGNetCells
from aukit.reproduce.options import choose_options
from aukit.reproduce.parallel_runs import run_all
from aukit.reproduce.scores import SeedScores, span

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
    arguments = parser.parse_args()
    options = choose_options(("bp4d", "disfa"), "mini", Path("lightning_logs"), 0, arguments.jobs)
    cells = FGNetCells(options)
    bp4d = cells.corpora["bp4d"]
    bp4d.make()
    bp4d.prepare(cells.data_config("bp4d", 0)["init_args"])
    configs = {
        f"{start}, seed {seed}": cells.config(
            "fgnet",
            f"data.root={bp4d.root}",
            f"data.cache={options.stores}",
            "fold=0",
            f"model.weights={weights}",
            f"data.seed={seed}",
            f"seed={seed}",
        )
        for start, weights in STARTS.items()
        for seed in range(arguments.seeds)
    }
    records = run_all(configs, options.runs, options.jobs, "trainings")
    scored = {
        start: SeedScores.read(
            [Path(str(records[f"{start}, seed {seed}"].predictions)) for seed in range(arguments.seeds)],
            cells.spec["aus"]["bp4d"],
            0.0,
        )
        for start in STARTS
    }
    random = scored["random weights"]
    baseline = random.all_positive
    print(f"all positive {span(baseline.own, 'F1')[0]:.3f}, {random.frames:,} frames of {random.people}")
    for start, scores in scored.items():
        seeds = ", ".join(f"{f1:.3f}" for f1 in scores.per_seed("overall_f1"))
        print(f"{start}\n  F1 {span(scores.own, 'F1')[0]:.3f} ({seeds})")
        for name, other in (("all positive", baseline), ("random weights", random)):
            if other is not scores:
                print(f"  minus {name} {span_text(span(scores.minus(other), 'F1'))}")


if __name__ == "__main__":
    main()
