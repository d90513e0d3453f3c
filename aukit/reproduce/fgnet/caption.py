"""The sentences below FG-Net's tables: what was done, on what, what was not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aukit.reproduce.scores import F1Scores, f1_difference

if TYPE_CHECKING:
    from aukit.datamodules.folds import FoldDataModule
    from aukit.reproduce.fgnet.tables import Cell, FGNetTables, Part
    from aukit.training import Record


def caption(table: FGNetTables, data: dict[str, FoldDataModule], records: dict[Cell, Record]) -> list[str]:
    """Sentences below all tables."""
    return [
        _source(table, data),
        _scores(table),
        *_trainings(table, records),
        _selection(data, records),
        *[
            f"{m['short']}: {m['remark']}"
            for id, m in table.methods.items()
            if "remark" in m and table.is_run(id)
        ],
        *not_run(table),
        "Published: FG-Net's code and README print no score, so none of its scores stands here.",
    ]


def part_caption(table: FGNetTables, part: Part, scored: dict[str, F1Scores]) -> list[str]:
    """Sentences below one table: who was tested, differences of methods on the same people."""
    sentences = []
    if scored:
        method = next(iter(scored.values())).method
        least, most = min(method.support.values()), max(method.support.values())
        coded = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        folds = ", ".join(map(str, table.folds))
        sentences.append(
            f"{method.frames:,} frames of {method.people} test people (fold {folds});"
            f" {coded} coded frames per AU."
        )
    pairs = [(a, b) for a, b in table.spec["differences"] if a in scored and b in scored]
    if part.columns is not table.methods:
        pairs = [(other, "pyramid") for other in scored if other != "pyramid" and "pyramid" in scored]
    differences = []
    for a, b in pairs:
        names = f"{part.columns[a]['short']} − {part.columns[b]['short']}"
        differences.append(f"{names} {_interval(f1_difference(scored[a], scored[b]))}")
    if differences:
        sentences.append(f"Differences on the same people: {'; '.join(differences)}.")
    if part.trained_on == part.tested_on and part.title.startswith("Within"):
        sentences.append(_published(table, part.tested_on))
    return sentences


def not_run(table: FGNetTables) -> list[str]:
    """What the published protocol has and this size has not."""
    missing = [f"fold {fold}" for fold in (0, 1, 2) if fold not in table.folds]
    missing += [f"{n:,} training frames" for n in table.spec["subsets"] if n not in table.size["subsets"]]
    missing += [f"head {h['id']}" for h in table.spec["heads"] if h["id"] not in table.size["heads"]]
    here = table.setting.profile
    return [f"Not run in {here}: {', '.join(missing)}."] if missing else []


def _source(table: FGNetTables, data: dict[str, FoldDataModule]) -> str:
    standins = [module.store.standin for module in data.values()]
    if table.setting.source == "licensed":
        return f"Source: licensed releases of BP4D and DISFA. Size: {table.setting.profile}."
    made = ", ".join(
        f"{s['recipe']['name']} version {s['version']}, seed {s['seed']}" for s in standins if s is not None
    )
    return (
        f"Source: rendered stand-ins of BP4D and DISFA (recipes {made}; no real face in them). Size:"
        f" {table.setting.profile}. Our columns show that the machinery works; {table.setting.profile} does"
        " not rank methods, least of all for real faces, and nothing here compares with published scores. The"
        " ceiling is the F1 of one simulated coder judged by another on the same frames."
    )


def _scores(table: FGNetTables) -> str:
    return (
        "Scores: F1 per AU over the frames of the fold's test people"
        + (", mean over the folds" if len(table.folds) > 1 else "")
        + "; a score above 0 is present (FG-Net: mean of the clamped heat map; image networks: logit)."
        " Brackets and the lines 95 %: percentile intervals of 2,000 bootstrap samples of people. Over floor:"
        " mean F1 minus that of calling every frame positive, on the same samples of people. One training"
        f" seed ({table.setting.seed})."
    )


def _trainings(table: FGNetTables, records: dict[Cell, Record]) -> list[str]:
    """One sentence per experiment and number of steps."""
    found: dict[str, list[str]] = {}
    for cell, record in records.items():
        data, trainer = record.config["data"]["init_args"], record.config["trainer"]
        steps = trainer["max_epochs"] * (data["steps_per_epoch"] or 0)
        length = f"{steps:,} steps" if steps else f"{trainer['max_epochs']} epochs"
        frames = f"{cell.subset:,} frames" if cell.subset else "all frames"
        model = record.config["model"]["init_args"]
        rates = [model["lr"]]
        rates += [model[k] for k in ("encoder_lr", "generator_lr", "backbone_lr") if model.get(k) is not None]
        how = f"{length} of {data['batch_size']} crops of {data['size']} px, AdamW " + "/".join(
            f"{rate:g}" for rate in rates
        )
        kind = table.methods[cell.method]["experiment"]
        which = f"{frames} ({how})"
        if which not in found.setdefault(kind, []):
            found[kind].append(which)
    names = {"fgnet": "FG-Net", "baselines": "Image networks"}
    return [f"{names[kind]}: trained on {'; on '.join(lengths)}." for kind, lengths in found.items()]


def _selection(data: dict[str, FoldDataModule], records: dict[Cell, Record]) -> str:
    people = {
        corpus: [_people(module, rows) for rows in (module.train_rows, module.val_rows, module.test_rows)]
        for corpus, module in data.items()
    }
    counts = "; ".join(f"{corpus.upper()} {a}, {b} and {c}" for corpus, (a, b, c) in people.items())
    chosen = {record.config["run"]["selection"] for record in records.values()}
    best = "the checkpoint of the best mean F1 on held-out training people"
    rule = " or ".join({"best": best, "last": "the last checkpoint"}[name] for name in sorted(chosen))
    return f"Selection: {rule}; test people select nothing. People to train, validate and test on: {counts}."


def _published(table: FGNetTables, corpus: str) -> str:
    others = ", ".join(f"{name} {value:.3f}" for name, value in table.spec["published"][corpus].items())
    floors = ", ".join(f"{value:.3f}" for value in table.spec["listed_floor"][corpus])
    return (
        f"For context, on the licensed {corpus.upper()}: mean F1 over three folds as printed in the result"
        f" figures of forever208/FMAE-IAT: {others}; floor on FG-Net's frame lists, folds 0, 1, 2: {floors}."
    )


def _people(module: FoldDataModule, rows: Any) -> int:
    return int(module.store.table.frame["person"].iloc[rows].nunique())


def _interval(span: tuple[float, float, float]) -> str:
    value, low, high = span
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
