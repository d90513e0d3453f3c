"""Tables: every format tells the same story, nothing undefined becomes a number."""

import csv
import io
import json
from dataclasses import replace

import pytest

from aukit.reproduce.table import Column, Table


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
        "Title", ["AU1", "AU4"], columns, {"AU1": 0.8, "mean": 0.8}, ["Source: stand-in."], {"seed": 0}
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
    assert "Source: stand-in." in text
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
    assert data["ceiling"]["mean"] == 0.8
    assert data["caption"] == ["Source: stand-in."]


def test_latex_escapes_signs(table):
    tex = replace(table, title="A & B_1, 100 %").to_latex()
    assert r"A \& B\_1, 100 \%" in tex
    rows = tex[tex.index("{lrrrr}") : tex.index(r"\end{tabular}")]
    assert rows.count(r"\\") == len(table.cells())


def test_write_makes_every_format(table, tmp_path):
    table.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"table.{s}" for s in ("csv", "json", "md", "png", "tex", "txt")
    ]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
