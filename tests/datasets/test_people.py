"""People in groups: values, bins, crossings; who is in none and why; what is refused."""

from pathlib import Path

import numpy as np
import pytest

from aukit.datasets.people import attributes_of_rows, group_people, read_attributes
from aukit.errors import ConfigError, CorpusError

PEOPLE = ["DISFA/SN1", "DISFA/SN2", "DISFA/SN3", "DISFA/SN4"]
TABLE = """person,gender,age,Skin_Tone
SN1,f,29.5,3
DISFA/SN2,Male,30,10
SN3,,50,3
SN9,f,70,1
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(TABLE)
    return tmp_path / "people.csv"


def groups(path: Path, by: str):
    return group_people(PEOPLE, by, [read_attributes(path, PEOPLE)[0]])


def test_values_of_a_column_are_groups_and_people_without_one_are_counted(path: Path) -> None:
    found = groups(path, "gender")
    assert found.names == ("female", "male")
    assert [found.of[person] for person in PEOPLE] == ["female", "male", None, None]
    assert found.unknown == {"gender is empty": 1, f"no row in {path}": 1}
    assert read_attributes(path, PEOPLE)[1] == 1  # SN9


def test_an_accent_is_composed_or_not(tmp_path: Path) -> None:
    whole, apart = "Jos\N{LATIN SMALL LETTER E WITH ACUTE}", "Jose\N{COMBINING ACUTE ACCENT}"
    for named, predicted in ((whole, apart), (apart, whole), (f"t/{apart}", whole)):
        (tmp_path / "people.csv").write_text(f"person,age\n{named},30\n", encoding="utf-8")
        of = read_attributes(tmp_path / "people.csv", [f"t/{predicted}"])[0].of
        assert of == {f"t/{predicted}": {"age": "30"}}


def test_numbers_are_in_their_order(path: Path) -> None:
    assert groups(path, "skin_tone").names == ("3", "10")


@pytest.mark.parametrize(
    ("bins", "expected"),
    [
        ("<30,30-50,>50", ["<30", "30-50", "30-50"]),
        ("<=30,>30", ["<=30", "<=30", ">30"]),
        ("<29.5,>=29.5", [">=29.5"] * 3),
        ("40-60", [None, None, "40-60"]),
    ],
)
def test_bins(path: Path, bins: str, expected: list[str | None]) -> None:
    found = groups(path, f"age:{bins}")
    assert [found.of[person] for person in PEOPLE[:3]] == expected
    assert set(found.names) | set(found.empty) == set(bins.split(","))
    assert found.unknown.get("age is in no bin", 0) == expected.count(None)


def test_crossed_groups_in_order_and_those_of_nobody_apart(path: Path) -> None:
    found = groups(path, "gender+age:<30,>=30")
    assert found.names == ("female × <30", "male × >=30")
    assert found.empty == ("female × >=30", "male × <30")
    assert found.of["DISFA/SN3"] is None


def test_the_first_source_counts_and_what_changes_within_a_person_is_no_attribute(
    path: Path,
) -> None:
    person = np.repeat(np.array(PEOPLE, dtype=object), 2)
    columns = {
        "gender": np.array(["female"] * 8, dtype=object),
        "task": np.array(["T1", "T2"] * 4, dtype=object),
        "site": np.repeat(np.array(["x", "x", "y", ""], dtype=object), 2),
    }
    rows = attributes_of_rows("predictions", person, columns)
    assert rows.names == ("gender", "site")
    sources = [read_attributes(path, PEOPLE)[0], rows]
    assert group_people(PEOPLE, "gender", sources).of["DISFA/SN2"] == "male"
    assert group_people(PEOPLE, "gender", [rows]).of["DISFA/SN2"] == "female"
    found = group_people(PEOPLE, "site", sources)
    assert found.names == ("x", "y")
    assert found.unknown == {"site is empty": 1}
    with pytest.raises(
        ConfigError, match=r"no attribute of people is called 'task'.*changes within a person"
    ):
        group_people(PEOPLE, "task", sources)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("race", "there is gender, age, skin_tone"),
        ("age:30", "'30' is no bin; write <30"),
        ("age:<30-40", "is no bin"),
        ("age:<40,30-50", "30 is in <40 and in 30-50"),
        ("gender:<30", "says gender 'female' of DISFA/SN1, no number; write one with a decimal point"),
    ],
)
def test_what_is_wrong_with_an_attribute_is_said(path: Path, by: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        groups(path, by)


TAKEN = "everybody", "between", "no group", "unknown", "<NA>", "gap", "difference", "AU12", "gap_AU1"


@pytest.mark.parametrize("name", TAKEN)
def test_a_name_that_scores_have_for_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "people.csv").write_text(f"person,tone\nSN1,{name}\nSN2,dark\n")
    with pytest.raises(
        ConfigError, match=rf"tone: \S*people.csv calls a group '{name}'.* another word there"
    ):
        groups(tmp_path / "people.csv", "tone")
    crossed = groups(tmp_path / "people.csv", "tone+tone").names
    assert set(crossed) == {f"{name} × {name}", "dark × dark"}


def test_two_groups_of_one_name_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two groups the name '<30'; name each bin once"):
        groups(path, "age:<30,<30")
    (tmp_path / "people.csv").write_text("person,a,b\nSN1,x,y × z\nSN2,x × y,z\n")
    with pytest.raises(ConfigError, match=r"two groups the name 'x × y × z'.* no × in values"):
        groups(tmp_path / "people.csv", "a+b")


def test_many_values_ask_for_bins(tmp_path: Path) -> None:
    people = [f"p{i}" for i in range(25)]
    path = tmp_path / "people.csv"
    path.write_text("person,age\n" + "".join(f"{p},{i}\n" for i, p in enumerate(people)))
    with pytest.raises(ConfigError, match="25 different values of age; name bins"):
        group_people(people, "age", [read_attributes(path, people)[0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,gender\nSN1,f\n", "the columns are id, gender; needed are person"),
        ("person\nSN1\n", "needed are person and attributes"),
        ("person,gender\nSN1,f\nDISFA/SN1,m\n", "row 2: DISFA/SN1 again, after row 1"),
        ("person,gender\nF001,f\n", "names nobody of the predictions; they have DISFA/SN1, it has 'F001'"),
        ("person,gender\nSN1\n", r"line 2.*(?:Expected|got)"),
    ],
)
def test_what_is_wrong_with_a_table_of_people_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message) as caught:
        read_attributes(path, PEOPLE)
    assert str(path) in str(caught.value)


def test_a_short_id_that_two_people_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("person,gender\nF001,f\n")
    with pytest.raises(CorpusError, match="row 1: F001 may be BP4D/F001 or GFT/F001; write the whole id"):
        read_attributes(path, ["BP4D/F001", "GFT/F001"])
