"""In what a table's runs differ from the publication stands in its caption, as the configurations say."""

import pytest

from aukit.reproduce.captions import difference_sentences
from aukit.reproduce.fgnet.deviations import crop_deviations, selection_deviations, training_deviations
from aukit.reproduce.niinuma2021.deviations import deviations
from aukit.training import load_config

FGNET = {
    "paper": {
        "landmarks of face-alignment's networks, on the frame alone",
        "crops resampled at 1024 px first (4096, 0.11 of 255 grey levels apart on rendered frames)",
        "crops kept without loss (JPEG)",
        "checkpoint chosen on people held out of training (on the test fold)",
        "left out of a mean",
    },
    "standin": {
        "the last checkpoint, though people are held out of training",
        "beyond the frame its mirrored border (zeros, blurred and faded)",
        "starts from random weights (StyleGAN2's and pSp's of FFHQ)",
        "precision bf16-mixed (32 bits)",
        "600 steps, a new order after each pass",
    },
    "mini": {
        "close 2D crops (FFHQ's squares)",
        "the last checkpoint (the best on the test fold)",
        "a generator of 32 px (1024)",
        "12 heat maps come out (32)",
        "fewer and narrower layers (StyleGAN2's and pSp's)",
        "photometric augmentation (none)",
        "learning rate 0.002 (5e-05)",
        "150 steps on 100 frames (105)",
        "class weights (none)",
    },
    "smoke": {"crops resampled at 128 px first (4096)", "batches of 8 (16)", "flip augmentation (none)"},
}


def fgnet(profile, *words):
    few = ("trainer.max_epochs=2", "data.steps_per_epoch=75") if profile == "mini" else ()
    start = ("model.weights=[g.safetensors,e.safetensors]",) if profile == "paper" else ()
    every = load_config("fgnet", profile, [*start, *words])
    hundred = load_config("fgnet", profile, [*start, *words, "subset=100", *few])
    return (
        crop_deviations(every["data"]["init_args"], ["face-alignment"])
        + selection_deviations(every)
        + training_deviations([(None, every), (100, hundred)])
    )


@pytest.mark.parametrize("profile", FGNET)
def test_fg_net_in_each_size(profile):
    (sentence,) = difference_sentences("the published FG-Net", fgnet(profile))
    for expected in FGNET[profile]:
        assert expected in sentence
    if profile == "paper":  # nothing else
        assert len(fgnet(profile)) == len(FGNET[profile])


def test_what_fg_net_does_as_published_is_not_said():
    published = ["data.transform_size=4096", "data.selection=oracle", "data.pad_mode=constant"]
    said = fgnet("paper", *published)
    assert len(said) == len(FGNET["paper"]) - 2
    assert not [each for each in said if "4096" in each or "test fold" in each]
    assert "beyond the frame black (zeros, blurred and faded)" in fgnet("paper", "data.padding=false")
    kept = "crops kept as JPEG, quality 80 (JPEG, its quality not stated)"
    assert kept in fgnet("paper", "data.encoding=jpeg", "data.quality=80")
    assert "crops kept without loss (JPEG)" in fgnet("paper", "data.encoding=webp")
    mini = [
        (None, load_config("fgnet", "mini", [f"model.weights={words}"])) for words in ("random", "[mini]")
    ]
    (start,) = [each for each in training_deviations(mini) if "starts from" in each]
    assert start.startswith("starts from random weights or weights trained on rendered faces (")


TABLE3 = {
    "paper": {
        "a mesh fitted to 68 landmarks of face-alignment's networks (PRNet's dense one of 43,867 points)",
        "faces end 0.15 eye distances inside of one fixed outline",
        "targets of the input's own person without noise and flipped with it (as any other)",
    },
    "standin": {
        "1,000 images per level and action unit (5,000)",
        "λ_ids 100 (0)",
        "67% of each batch of the same person (by chance)",
        "estimators: vgg16_bn (vgg16 for each action unit)",
        "from random weights (ImageNet's)",
        "4,800 steps (30 epochs)",
    },
    "mini": {
        "images of 64 px (224)",
        "generator of width 16 (64)",
        "critic of width 16 (64)",
        "at most 256 channels in it (2048)",
        "estimators: trunk (vgg16 for each action unit)",
        "decoded as the expectation of the levels (not stated)",
        "flips, small changes of light and place (none)",
    },
    "smoke": {
        "He's initialisation of the critic (N(0, 0.02))",
        "5 strided convolutions in it (6)",
        "6 images per level and action unit (5,000)",
    },
}


def table3(profile, *words, weights="x.pth", registration="frontal3d"):
    start = [f"model.weights={weights}"] if profile == "paper" else []
    estimator = load_config("intensity", profile, ["data.training_set=x", *start])
    generator = load_config("synthesis", profile, words)
    store = {"name": registration, "settings": {"inset": 0.15}}
    per_level = {"smoke": 6, "mini": 200, "standin": 1000, "paper": 5000}[profile]
    return deviations(generator, estimator, [(store, "face-alignment")], per_level)


@pytest.mark.parametrize("profile", TABLE3)
def test_table_3_in_each_size(profile):
    (sentence,) = difference_sentences("the paper", table3(profile))
    for expected in TABLE3[profile]:
        assert expected in sentence
    if profile == "paper":
        assert len(table3(profile)) == len(TABLE3[profile])


def test_variants_of_table_3_are_said():
    within = "targets of the input's own person without noise and flipped with it (as any other)"
    said = table3("paper", "model.lambda_ids=1")
    assert said[2:] == ["λ_ids 1 (0)", within, "one pair of each batch of the same person (by chance)"]
    assert table3("paper", "model.lambda_ids=1", "data.same_person_share=0")[2:] == ["λ_ids 1 (0)", within]
    every = table3("paper", "model.lambda_ids=1", "data.same_person_share=1")
    assert every[-1] == "100% of each batch of the same person (by chance)"
    assert "from random weights (ImageNet's)" in table3("paper", weights="random")
    flat = ("data.corpus.registration=similarity", "data.corpus.encoding=jpeg")
    assert "crops kept as JPEG, quality 95 (not stated)" in table3("paper", *flat)
    assert difference_sentences("a paper", []) == []


def test_after_prnet_s_registration_the_mesh_is_the_paper_s():
    ours, dense = (table3("paper", registration=name) for name in ("frontal3d", "prnet"))
    assert "(PRNet's dense one of 43,867 points)" in ours[0]
    assert dense[0] == "PRNet's squares about 68 landmarks of face-alignment's networks (not stated)"
    assert dense[1:] == ours[1:]
