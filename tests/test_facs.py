import subprocess
import sys

import pytest

from aukit import facs


def test_every_corpus_au_is_known():
    for corpus in facs.CORPUS_AUS.values():
        for au in (*corpus.occurrence, *corpus.intensity):
            assert facs.ACTION_UNITS[au].number == au


def test_fera2017_sets_keep_the_column_order_of_the_release():
    fera = facs.CORPUS_AUS["fera2017"]
    assert fera.occurrence == (1, 4, 6, 7, 10, 12, 14, 15, 17, 23)
    assert fera.intensity == (1, 4, 6, 10, 12, 14, 17)
    assert fera.missing_code == 9


def test_shared_sets_of_the_literature_follow():
    bp4d, disfa, unbc, fera = (facs.CORPUS_AUS[name] for name in ("bp4d", "disfa", "unbc", "fera2017"))
    eight = {1, 2, 4, 6, 9, 12, 25, 26}
    assert set(bp4d.occurrence) & eight == {1, 2, 4, 6, 12}
    assert eight <= set(disfa.intensity)
    assert set(fera.intensity) & set(disfa.intensity) == {1, 4, 6, 12, 17}
    assert set(fera.intensity) & set(unbc.intensity) == {4, 6, 10, 12}


def test_action_units_are_complete():
    assert set(facs.VISIBLE_AUS) <= set(facs.ACTION_UNITS)
    assert list(facs.VISIBLE_AUS) == sorted(set(facs.VISIBLE_AUS))
    assert facs.SIDED_AUS.issubset(facs.ACTION_UNITS)
    assert facs.ACTION_UNITS[12].muscles == ("zygomaticus major",)
    assert facs.ACTION_UNITS[12].region == "mouth"
    assert facs.ACTION_UNITS[12].sided
    assert not facs.ACTION_UNITS[17].sided
    assert all(unit.muscles for number, unit in facs.ACTION_UNITS.items() if number <= 28 and number != 19)


def test_letters_and_numbers_are_inverse():
    assert [facs.intensity_from_letter(letter) for letter in "ABCDE"] == [1, 2, 3, 4, 5]
    assert "".join(facs.letter_from_intensity(n) for n in range(1, 6)) == "ABCDE"


@pytest.mark.parametrize("letter", ["F", "a", "", "AB", "9"])
def test_other_letters_are_refused(letter):
    with pytest.raises(ValueError, match="not a FACS intensity"):
        facs.intensity_from_letter(letter)


@pytest.mark.parametrize("intensity", [0, 6, -1, 9])
def test_other_intensities_have_no_letter(intensity):
    with pytest.raises(ValueError, match="has no letter"):
        facs.letter_from_intensity(intensity)


def test_column_names():
    assert facs.occurrence_column(1) == "AU01_c"
    assert facs.intensity_column(17) == "AU17_r"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", (12, None, None)),
        ("12C", (12, 3, None)),
        ("R12C", (12, 3, "right")),
        ("L14", (14, None, "left")),
        (" 5E ", (5, 5, None)),
    ],
)
def test_parse_code(text, expected):
    assert facs.parse_code(text) == expected


@pytest.mark.parametrize("text", ["", "C12", "12F", "LR12", "0", "3", "99", "12 C", "1+2", "AU12", "٣"])
def test_parse_code_refuses_what_is_none(text):
    with pytest.raises(ValueError, match=r"not a FACS code|unknown"):
        facs.parse_code(text)


def test_parse_codes():
    assert [tuple(code) for code in facs.parse_codes("1+2+5B")] == [
        (1, None, None),
        (2, None, None),
        (5, 2, None),
    ]
    assert facs.parse_codes("  ") == []
    with pytest.raises(ValueError, match="''"):
        facs.parse_codes("1++2")


def test_facs_needs_nothing_heavy():
    code = "import sys, aukit.facs; print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
