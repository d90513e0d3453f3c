"""Words in any order, keys in both spellings, and the nearest right word for a wrong one."""

import subprocess
import sys
from pathlib import Path

import pytest

from aukit.cli import main, parser


@pytest.mark.parametrize(
    "words",
    [
        "-c a.yaml --profile mini --runs r model.lr=1 data.x=2",
        "model.lr=1 -c a.yaml data.x=2 --runs r --profile mini",
        "--model.lr=1 --profile=mini --data.x=2 --runs=r -c a.yaml",
        "--runs r --model.lr=1 --config=a.yaml data.x=2 --profile mini",
        "-ca.yaml --profile mini --runs r -- model.lr=1 data.x=2",
    ],
)
def test_options_and_keys_stand_in_any_order(words):
    given = parser().parse_args(["fit", *words.split()])
    assert (given.config, given.profile, given.runs) == ("a.yaml", "mini", Path("r"))
    assert given.overrides == ["model.lr=1", "data.x=2"]


def test_a_value_may_hold_anything():
    given = parser().parse_args(
        ["fit", "-c", "f", "--data.name=a=b #c", "model.x=-1", "fold=1", "--corpus=disfa"]
    )
    assert given.overrides == ["data.name=a=b #c", "model.x=-1", "fold=1", "corpus=disfa"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit -c f --profil=mini", "--profil: no such option; did you mean --profile?"),
        ("fit -c f --prof mini", "--prof: no such option; did you mean --profile?"),
        ("test -c f --cheeckpoint x", "--cheeckpoint: no such option; did you mean --checkpoint?"),
        ("fit -c f --model.lr 1e-4", "a key and its value are one word: --model.lr=1e-4"),
        ("fit -c f --fold 1", "a key and its value are one word: --fold=1"),
        ("fit -c f fgnet", "'fgnet': write key=value"),
        ("fit -c f =1", "'=1': write key=value"),
        ("fit -c f -x", "-x: no such option"),
        ("fit model.lr=1", "required: -c/--config"),
        ("fitt -c f", "'fitt' is unknown; did you mean fit?"),
        ("corpora check bp4", "'bp4' is unknown; did you mean bp4d?"),
        ("corpora check bp4d --rot x", "--rot: no such option; did you mean --root?"),
        ("prepare bp4 --root x", "'bp4' is no corpus; did you mean bp4d?"),
        ("reproduce niinuma2021 --profil mini", "--profil: no such option; did you mean --profile?"),
        ("reproduce niinuma2021 --profile minni", "'minni' is unknown; did you mean mini?"),
        ("test -c f --checkpoint a --weights b", "not allowed with argument"),
        ("fairness f --by g --out o --seed -1", "--seed: '-1' is no seed; write a whole number from 0 on"),
        ("standin disfa --root x --seed -1", "--seed: '-1' is no seed"),
        ("sweep f --local --seed=1.5", "--seed: '1.5' is no seed"),
        ("avatars render --count 1 --out o --seed x", "--seed: 'x' is no seed"),
        ("reproduce fgnet --jobs 0 --plan", "--jobs: '0': write a whole number from 1 on"),
        ("sweep f --local --jobs=-1", "--jobs: '-1': write a whole number from 1 on"),
    ],
)
def test_wrong_words_are_named_with_the_right_ones(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("words", [["-c", "nowhere"], ["-c", "fgnet", "--profile", "none"]])
def test_a_wrong_file_or_profile_is_answered_before_torch_is_imported(words):
    code = (
        "import sys; from aukit.cli import main\n"
        f"status = main(['fit', *{words}])\n"
        "print(status, [m for m in ('torch', 'lightning', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n"
    assert len(done.stderr.splitlines()) == 1


def test_a_printed_configuration_is_an_experiment(tmp_path, capsys):
    assert main(["config", "-c", "baselines", "--profile", "smoke", "fold=1", "--corpus=disfa"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text(printed)
    assert main(["config", "-c", str(tmp_path / "mine.yaml")]) == 0
    assert capsys.readouterr().out == printed
    assert main(["config", "-c", "baselines", "--help-keys", "run.mode"]) == 0
    assert capsys.readouterr().out.startswith("run.mode = max\n    One of min, max")


def test_the_first_screen_has_a_line_per_command_and_three_examples(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) <= 17 + printed.count("\n    ")
    assert printed.count("\n    ") == 18
    assert printed.count("\n  aukit ") == 3
