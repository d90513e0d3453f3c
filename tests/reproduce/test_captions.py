"""Captions are functions of plain facts: licensed corpora, stand-ins, what is left out."""

from dataclasses import replace

import pytest

from aukit.reproduce.basis import Basis
from aukit.reproduce.captions import (
    DataFacts,
    data_sentence,
    not_run_sentences,
    span_text,
    training_length,
)
from aukit.reproduce.fgnet.caption import SectionFacts, section_caption
from aukit.reproduce.niinuma2021.caption import Facts, Scored, caption
from aukit.reproduce.niinuma2021.cells import NiinumaCells
from aukit.reproduce.options import TableOptions
from aukit.reproduce.pm2.caption import baseline_sentence, people_sentence
from aukit.reproduce.scores import Scores

STANDIN = {"recipe": {"name": "bp4d-people"}, "version": 6, "seed": 1}
BASIS = Basis("f1_over_folds", (1, 2), ())
SCORES = Scores({"AU1": 0.5}, 0.5, (0.4, 0.6), {"AU1": (0.4, 0.6)}, {"AU1": 90, "AU2": 100}, 4, 100, BASIS)


@pytest.mark.parametrize(
    ("titles", "standins", "sentence"),
    [
        (("BP4D",), None, "Data: licensed release of BP4D. Size: paper."),
        (("BP4D", "GFT"), None, "Data: licensed releases of BP4D and GFT. Size: paper."),
        (
            ("BP4D",),
            (STANDIN,),
            "Data: rendered stand-in of BP4D (recipe bp4d-people version 6, seed 1; no real face in it)."
            " Size: paper.",
        ),
        (
            ("BP4D", "GFT"),
            (STANDIN, STANDIN),
            "Data: rendered stand-ins of BP4D and GFT (recipes bp4d-people version 6, seed 1; bp4d-people"
            " version 6, seed 1; no real face in them). Size: paper.",
        ),
    ],
)
def test_data_origin_and_size(titles, standins, sentence):
    assert data_sentence(DataFacts(titles, "paper", 1, standins)) == sentence


def test_differences_lengths_and_what_is_left_out():
    assert span_text((0.1, -0.05, 0.25)) == "+0.100 [-0.050, +0.250]"
    assert not_run_sentences("mini", []) == []
    assert not_run_sentences("mini", ["a, b", "c"], "; ") == ["Not run in mini: a, b; c."]
    people = {"female": 3, "male": 2, "unknown": 1}
    assert people_sentence(1200, people) == "1,200 frames of 3 women and 2 men, 1 of unknown gender."
    for low, verdict in ((0.1, "beats"), (-0.1, "does not beat"), (float("nan"), "cannot be judged against")):
        assert f"source only {verdict} the all-positive baseline" in baseline_sentence((0.2, low, 0.3))


@pytest.mark.parametrize(
    ("trainer", "data", "frames", "words"),
    [
        ({}, {"steps_per_epoch": 500}, None, "7,500 steps"),
        ({"limit_train_batches": 100}, {"steps_per_epoch": 500}, None, "1,500 steps"),
        ({"limit_train_batches": 1.0}, {"steps_per_epoch": None}, None, "15 epochs"),
        ({"limit_train_batches": 500}, {"steps_per_epoch": None}, None, "15 epochs of at most 500 batches"),
        ({"limit_train_batches": 500}, {"steps_per_epoch": None, "drop_last": False}, 100, "105 steps"),
        ({"limit_train_batches": 500}, {"steps_per_epoch": None, "drop_last": True}, 100, "90 steps"),
        ({"limit_train_batches": 500}, {"steps_per_epoch": None, "drop_last": False}, 10_000, "7,500 steps"),
    ],
)
def test_the_length_of_a_training(trainer, data, frames, words):
    config = {"trainer": {"max_epochs": 15, **trainer}, "data": {"init_args": {"batch_size": 16, **data}}}
    assert training_length(config, frames) == words


def test_a_section_of_fgnet_says_who_was_tested_and_what_others_publish():
    facts = SectionFacts(SCORES, [0, 1], [("A", "B", (0.1, 0.0, 0.2))], "BP4D", {}, ())
    tested, difference = section_caption(facts)
    assert tested == "100 frames of 4 test people (fold 0, 1); 90 to 100 coded frames per AU."
    assert difference == "Differences on the same people: A − B +0.100 [+0.000, +0.200]."
    facts = SectionFacts(SCORES, [0], [], "BP4D", {"CLEF": 0.659}, (0.4, 0.5, 0.6))
    _, published = section_caption(facts)
    assert published.startswith("For context, on the licensed BP4D")
    assert "CLEF 0.659; all-positive baseline" in published
    assert published.endswith("0.400, 0.500, 0.600.")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            ["best", "best", "last"],
            "the best ICC on 2 Valid people (GANi, StarGAN), last (D_exp)",
        ),
        (["best", "best"], "the best ICC on 2 Valid people"),
        (["last (never finite)"], "last (never finite)"),
    ],
)
def test_each_column_is_of_the_checkpoint_that_its_record_notes(tmp_path, rules, words):
    """The critic of Table S4 is of the last one, whatever chooses the estimators'."""
    best = "best val/icc (max) on validation people"
    cells = NiinumaCells(TableOptions("smoke", {}, tmp_path), "S4")
    first = next(iter(cells.estimators.values()))
    facts = Facts(
        data=DataFacts(("FERA 2017",), "smoke", 0, None),
        scored_partition="test",
        scored=[Scored(None, 3, 90, [10, 90])],
        training_people=4,
        selection_people=2,
        selections=dict(
            zip(("GANi", "StarGAN", "D_exp"), (best if r == "best" else r for r in rules), strict=False)
        ),
        generators={each.label: cells.generator_config(each) for each in cells.generators.values()},
        estimator=cells.estimator_config(first, tmp_path),
        registrations=[({"name": "frontal3d", "settings": {"inset": 0}}, "sidecar")],
        per_level=6,
        images={"synthetic": 252},
        every_image={"synthetic": 252},
        faces={},
        per_view=None,
        views=0,
        is_published=True,
        references=None,
        cross_entropies={"GANi": 1.0},
        left_out=[],
        absent=[],
    )
    said = " ".join(caption(facts))
    assert "Trained on 4 people; " in said
    assert f"{words}; the scored people select nothing." in said
    assert "(chance 1.79; from 1.70 on" in said
    short = " ".join(caption(replace(facts, images={"synthetic": 210})))
    assert "210 in all (levels that no training frame has are absent)" in short
    assert "(chance 1.79, less where levels are absent; from 1.70 on" in short
