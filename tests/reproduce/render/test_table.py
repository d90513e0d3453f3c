"""Tables: every format tells the same story, nothing undefined becomes a number."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

import aukit.reproduce
from aukit.reproduce.render.table import Column, Table
from aukit.utils.experiments import experiments_folder


@pytest.fixture
def table():
    columns = [
        Column("paper", "paper", "A & B 2017", "published", {"AU1": 0.25, "AU4": 0.5}, 0.375),
        Column(
            "none", "none", "ours, 100 %", "ours", {"AU1": 0.4, "AU4": None}, 0.4, (0.3, 0.5),
            {"AU1": (0.3, 0.5)}, {"AU1": 90, "AU4": 0},
        ),
        Column("shuffled", "shuffled", "all", "control", {"AU1": None, "AU4": None}, None, note="not fitted"),
    ]  # fmt: skip
    return Table(
        "Title", ["AU1", "AU4"], columns, {"AU1": 0.8, "mean": 0.8}, ["Data: stand-in."], {"seed": 0}
    )


def test_text_shows_values_intervals_legend_and_caption(table):
    text = table.to_text()
    lines = text.splitlines()
    au4 = next(line for line in lines if line.startswith("AU4"))
    assert "0.500" in au4
    assert "–" in au4
    assert "0.000" not in au4
    assert any(line.startswith("95 % from") and "0.300" in line for line in lines)
    assert "not fitted" in text
    assert "Data: stand-in." in text
    assert max(map(len, lines)) <= 160


def test_csv_has_one_row_per_column_and_row_with_blanks_for_undefined(table):
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert len(rows) == 3 * 3
    by_key = {(r["id"], r["row"]): r for r in rows}
    assert by_key["none", "AU4"]["value"] == ""
    assert by_key["none", "AU4"]["frames"] == "0"
    assert float(by_key["none", "mean"]["low"]) == 0.3


def test_json_is_strict_and_complete(table):
    data = json.loads(table.to_json(), parse_constant=lambda c: pytest.fail(f"{c} in JSON"))
    assert [c["id"] for c in data["columns"]] == ["paper", "none", "shuffled"]
    assert data["columns"][1]["interval"] == [0.3, 0.5]
    assert data["agreement"]["mean"] == 0.8
    assert data["caption"] == ["Data: stand-in."]


def test_latex_escapes_signs(table):
    tex = replace(table, title="A & B_1, 100 %").to_latex()
    assert r"A \& B\_1, 100 \%" in tex
    rows = tex[tex.index("{lrrrr}") : tex.index(r"\end{tabular}")]
    assert rows.count(r"\\") == len(table.cells())


def test_latex_knows_every_sign_of_tables_and_captions(table):
    """Without further packages: `inputenc` ends with an error at others, and a lone ^ or $ ends the run."""
    package = Path(aukit.reproduce.__file__).parent
    files = [*package.rglob("*.py"), *(experiments_folder() / "tables").glob("*.yaml")]
    signs = {sign for file in files for sign in file.read_text(encoding="utf-8") if not sign.isascii()}
    assert {"−", "Σ", "β"} < signs
    tex = replace(table, caption=["".join(sorted(signs)), "a^b {c} $d$ e~f"]).to_latex()
    assert {sign for sign in tex if not sign.isascii()} <= {"é", "§", "…"}
    assert r"a\textasciicircum{}b \{c\} \$d\$ e\textasciitilde{}f" in tex


def test_write_makes_every_format(table, tmp_path):
    table.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"table.{s}" for s in ("csv", "json", "md", "png", "tex", "txt")
    ]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_columns_that_are_not_run_are_named_below_the_grid(table):
    extra = [
        Column("a", "a", "method a", "missing", {"AU1": None}, None, note="not run in mini"),
        Column("b", "b", "method b", "missing", {"AU1": None}, None, note="not run in mini"),
    ]
    table = replace(table, columns=[*table.columns, *extra])
    assert [len(row) for row in table.cells()] == [5] * 6
    for text in (table.to_text(), table.to_markdown(), table.to_latex()):
        assert "Not run in mini: method a, method b." in text
    assert sum(row["id"] == "a" for row in csv.DictReader(io.StringIO(table.to_csv()))) == 3


def test_rows_of_the_margin_over_all_positive_and_of_support(table):
    columns = [replace(table.columns[0], margin=None), replace(table.columns[1], margin=(0.1, 0.05, 0.2))]
    table = replace(table, columns=columns, support={"AU1": "3/90", "AU4": "0/0"})
    cells = table.cells()
    assert [row[0] for row in cells[-3:]] == ["over all pos.", "95 % from", "to"]
    assert [row[2] for row in cells[-3:]] == ["0.100", "0.050", "0.200"]
    assert [row[-1] for row in cells] == ["present", "3/90", "0/0", *[""] * 6]
