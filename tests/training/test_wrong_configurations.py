"""What users mistype: every wrong configuration is refused with its key and a remedy, every odd one taken."""

import re

import pytest

from aukit.errors import AukitError
from aukit.training import build_datamodule, load_config
from aukit.training.run_config import build_model
from tests.training.wrong_configurations import BUILT, DATA, FILES, MODEL, RIGHT, SECTIONS, WORDS

#: A message says what to do.
REMEDY = re.compile(
    r"did you mean|known: |must |give|write |leave |take |put |name |save |say |rename|see |mend |install "
)


def words_of(text):
    """Overrides in one string, separated where a new key begins."""
    return re.split(r" (?=[a-z][a-z._]*=)", text)


def refused(message, act):
    with pytest.raises(AukitError) as caught:
        act()
    assert re.search(message, str(caught.value)), str(caught.value)
    assert REMEDY.search(str(caught.value)), str(caught.value)


def test_there_are_enough_cases():
    assert len(WORDS) + len(FILES) + len(SECTIONS) + len(BUILT) >= 160
    assert len(RIGHT) >= 20


@pytest.mark.parametrize(("text", "message"), WORDS.items())
def test_wrong_words(text, message):
    refused(message, lambda: load_config("baselines", "smoke", words_of(text)))


@pytest.mark.parametrize("name", [*FILES, *SECTIONS])
def test_wrong_files(name, tmp_path):
    content, message = FILES.get(name) or (f"{MODEL}{DATA}{SECTIONS[name][0]}\n", SECTIONS[name][1])
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    (tmp_path / "no_syntax.py").write_text("class :\n")
    file = tmp_path / "mine.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(message, lambda: load_config(file, "smoke"))


@pytest.mark.parametrize(
    ("name", "profile", "message"),
    [
        ("fgnte", None, "fgnte: no such configuration file; did you mean fgnet"),
        ("experiments/fgnet/bp4d.yaml", None, "no such configuration file"),
        ("base", None, "no such configuration file"),
        ("", None, "no such configuration file"),
        ("x" * 5000, None, "File name too long; give a file"),
        ("/", None, "no such configuration file"),
        ("fgnet", "smok", "unknown profile 'smok'; did you mean 'smoke'"),
        ("fgnet", "../base", "unknown profile '../base'; known: "),
        ("fgnet", "profiles/mini", "unknown profile"),
        ("fgnet", "", "unknown profile"),
        ("pretrain_gan", "large", "unknown profile 'large'; known: mini"),
    ],
)
def test_wrong_names(name, profile, message):
    refused(message, lambda: load_config(name, profile))


def test_a_corpus_where_there_is_no_choice():
    refused(
        "pretrain_gan.yaml has no choice of corpora",
        lambda: load_config("pretrain_gan", None, ["corpus=bp4d"]),
    )


def test_words_in_one_string():
    refused("give a list of key=value words", lambda: load_config("fgnet", None, "seed=1"))


@pytest.mark.parametrize(("text", "message"), BUILT.items())
def test_values_that_only_a_constructor_can_judge(text, message):
    def build():
        config = load_config("baselines", "smoke", words_of(text))
        build_datamodule(config)
        build_model(config)

    with pytest.raises(AukitError, match=message):
        build()


@pytest.mark.parametrize("text", RIGHT)
def test_odd_words_that_are_right(text):
    key, expected = RIGHT[text]
    value = load_config("baselines", "smoke", words_of(text))
    for part in key.split("."):
        value = value["init_args"][part] if "class_path" in value else value[part]
    assert value == expected
    assert type(value) is type(expected)
