"""The sentences below Table 3: what was done, on what, and how it differs from the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aukit.reproduce.render.table import Column

if TYPE_CHECKING:
    from aukit.datamodules.fera2017 import FERA2017DataModule
    from aukit.reproduce.niinuma2021.tables import Table3
    from aukit.store.balanced_set import BalancedSet
    from aukit.training import Record


def caption(
    table: Table3,
    corpus: FERA2017DataModule,
    gan: Record,
    sets: dict[str, BalancedSet],
    records: dict[str, Record],
    ours: list[Column],
) -> list[str]:
    """Sentences of the caption, from the records of the runs."""
    return [
        _source(table, corpus),
        _scores(table, corpus, ours),
        _generator(table, gan),
        _sets(table, sets),
        _estimators(table, records["none"]),
        _references(records["au0"]),
        _fit(ours),
        "Published columns: as printed in the paper, on FERA 2017 Test; its tuned loss weights are published"
        " only as a figure, and its column without normalization is the one with λ_ids 0.",
    ]


def _source(table: Table3, corpus: FERA2017DataModule) -> str:
    standin = corpus.store.standin
    if standin is None:
        return f"Source: licensed FERA 2017 release. Size: {table.setting.profile}."
    return (
        f"Source: rendered stand-in of FERA 2017 (recipe {standin['recipe']['name']} version"
        f" {standin['version']}, seed {standin['seed']}; no real face in it). Size: {table.setting.profile}."
        " Our columns show that the machinery works; they rank no method for real faces and do not compare"
        " with the published ones. The ceiling is the ICC of two simulated coders on the scored frames."
    )


def _scores(table: Table3, corpus: FERA2017DataModule, ours: list[Column]) -> str:
    support = sorted(ours[0].support.values())
    extra = ours[0].extra
    people = {name: _people(corpus, rows) for name, rows in _splits(corpus).items()}
    where = {"test": "Test", "valid": "Valid (the labels of Test are not public)"}[table.scored_partition]
    selected = "Valid" if table.scored_partition == "test" else "held-out training"
    return (
        f"Scores: ICC(3,1) over {extra['frames']:,} frontal frames of {extra['people']} people of {where}"
        f" ({support[0]:,} to {support[-1]:,} coded frames per AU); 95 % percentile intervals of 2,000"
        f" bootstrap samples of people; one training seed ({table.setting.seed}). Trained on"
        f" {people['train']} people; checkpoint of the best ICC on {people['val']} {selected} people;"
        " the scored people select nothing."
    )


def _splits(corpus: FERA2017DataModule) -> dict[str, object]:
    return {"train": corpus.train_rows, "val": corpus.val_rows}


def _people(corpus: FERA2017DataModule, rows: object) -> int:
    return int(corpus.store.table.frame["person"].iloc[rows].nunique())  # type: ignore[call-overload]


def _generator(table: Table3, gan: Record) -> str:
    model, data = gan.config["model"]["init_args"], gan.config["data"]["init_args"]
    epochs, per_epoch = gan.config["trainer"]["max_epochs"], data["steps_per_epoch"]
    steps = f"{epochs * per_epoch:,} steps" if per_epoch else f"{epochs} epochs"
    text = (
        f"Generator: GANimation at {model['image_size']} px after 3D registration, width"
        f" {model['generator_width']}, {model['generator_blocks']} residual blocks, {steps} of"
        f" {data['batch_size']} pairs; λ_adv {model['lambda_adv']:g}, λ_exp {model['lambda_exp']:g}, λ_idt"
        f" {model['lambda_idt']:g}, λ_ids {model['lambda_ids']:g}, λ_gp {model['lambda_gp']:g}."
    )
    if table.setting.profile == "paper":
        return text
    return (
        f"{text} Deviations from the paper (224 px, width 64, 6 blocks, λ 1/160/10, λ_ids 0, 5 critic steps"
        f" each, 30 epochs): the sizes and weights just named; learning rates {model['generator_lr']:g} and"
        f" {model['critic_lr']:g}; critic every {model['critic_every']} and cycle every"
        f" {model['cycle_every']} generator steps; AU head of the critic first"
        f" ({model['head_start_share']:.0%} of the steps), then the idiosyncratic loss alone (to"
        f" {model['warmup_share']:.0%}), other terms ramped in over {model['ramp_share']:.0%};"
        f" attention bias {model['attention_bias']:g}"
        + ("; the target also modulates the residual blocks (FiLM)" if model["modulate"] else "")
        + ("; He's initialisation of the critic" if model["critic_init"] == "he" else "")
        + f"; {data['same_person_share']:.0%} same-person pairs"
        + (" within one recording" if data["same_recording"] else "")
        + (f", the most different of {data['candidates']} targets" if data["candidates"] > 1 else "")
        + f"; targets drawn with weight 1 + {data['target_weight']:g}·Σy/5."
    )


def _sets(table: Table3, sets: dict[str, BalancedSet]) -> str:
    plan = sets["synthetic"].plan
    share = len(plan) / (table.size["per_level"] * 6 * len(table.aus))
    absent = "" if share == 1 else " (levels that no training frame has are absent)"
    return (
        f"Training sets: semantic resampling, {table.size['per_level']:,} images per level and AU (paper:"
        f" 5,000), {len(plan):,} in all{absent}; real frames are down- or up-sampled to the same counts."
    )


def _estimators(table: Table3, record: Record) -> str:
    model, data = record.config["model"]["init_args"], record.config["data"]["init_args"]
    networks = {
        "trunk": "one small convolutional trunk with batch norm, a head per AU",
        "vgg16": "VGG16, one per AU",
        "vgg16_bn": "VGG16 with batch norm, one per AU",
    }
    start = "ImageNet weights" if model["weights"] else "random initialisation"
    epochs, per_epoch = record.config["trainer"]["max_epochs"], data["steps_per_epoch"]
    length = f"{epochs * per_epoch:,} steps" if per_epoch else f"{epochs} epochs"
    decoding = {"argmax": "likeliest level", "expectation": "expected level"}[model["decoding"]]
    if model["other_heads"]:
        decoding += "; each image also trains the heads of its other AUs"
    if data["jitter"]:
        decoding += "; flips, small changes of light and place"
    paper = "" if table.setting.profile == "paper" else " (paper: VGG16 per AU from ImageNet, Adam 5e-5)"
    return (
        f"Estimators: {networks[model['network']]}, {start}, {length} of {data['batch_size']} images,"
        f" learning rate {model['lr']:g}; decoded as the {decoding}{paper}."
    )


def _references(record: Record) -> str:
    people, lacking = (record.notes["data"][key] for key in ("references", "references_not_neutral"))
    return (
        f"AU0 normalization: {lacking} of {people} people have no frame with every AU at 0; their least"
        " expressive frame is subtracted instead. The labels of all people, scored ones too, choose these"
        " frames."
    )


def _fit(ours: list[Column]) -> str:
    entropies = ", ".join(f"{c.short} {c.extra['final_cross_entropy']:.2f}" for c in ours)
    return (
        "Final training cross-entropy (chance 1.79; from 1.70 on an estimator counts as not fitted):"
        f" {entropies}."
    )
