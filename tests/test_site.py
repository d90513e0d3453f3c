"""The site of docs/conf.py: every page, class and function is on it, and it asks nobody for anything."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from tests.test_docs import ROOT, pages
from tests.test_examples import DOORS

INDEX = ("docs/index.md", "docs/systems.md")


def listed() -> set[Path]:
    """Pages that the tables of contents name."""
    found = set()
    for index in INDEX:
        path = ROOT / index
        for table in re.findall(r"^```\{toctree\}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            names = re.findall(r"^(?:[^:\n]+ <)?([\w./-]+\.md)>?$", table, re.MULTILINE)
            found |= {(path.parent / name).resolve() for name in names}
    return found


def test_the_index_lists_every_page():
    missing = set(pages()) - listed() - {ROOT / "docs/index.md"}
    assert not missing, f"add to {INDEX[0]}: {sorted(path.relative_to(ROOT) for path in missing)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built without the network and without a warning."""
    from sphinx.cmd.build import main

    out = tmp_path_factory.mktemp("site")
    strict = ("--fail-on-warning", "--keep-going", "--quiet")
    assert (
        main([*strict, "-c", f"{ROOT / 'docs'}", "-d", f"{out / 'doctrees'}", f"{ROOT}", f"{out / 'html'}"])
        == 0
    )
    return out / "html"


@pytest.mark.slow
def test_every_page_is_there_and_the_front_leads_to_the_first(site):
    for page in pages():
        assert (site / page.relative_to(ROOT).with_suffix(".html")).is_file(), page
    (front,) = re.findall(r'url=([^"]+)"', (site / "index.html").read_text())
    assert (site / front).is_file()


@pytest.mark.slow
@pytest.mark.parametrize("door", [*DOORS, "detect"])
def test_every_public_class_and_function_is_in_the_reference(site, door):
    anchors = "".join(path.read_text() for path in (site / "docs" / "api").glob("*.html"))
    room = importlib.import_module(f"aukit.{door}")
    described = [
        name for name in room.__all__ if inspect.isroutine(it := getattr(room, name)) or inspect.isclass(it)
    ]
    missing = [name for name in described if f'id="{room.__name__}.{name}"' not in anchors]
    assert described
    assert not missing


@pytest.mark.slow
def test_a_colon_in_an_attribute_s_text_makes_no_type(site):
    text = (site / "docs" / "api" / "data.html").read_text()
    assert "Constructor arguments that say where or how fast" in text  # one with a colon behind it
    assert ">Type<" not in text


@pytest.mark.slow
def test_links_lead_somewhere_and_nothing_is_fetched(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        for tag, address in re.findall(r'<(\w+)[^>]* (?:src|href)="([^"#?]+)', text):
            if re.match(r"https?:|//", address):
                assert tag == "a", f"{page}: fetches {address}"
            elif not address.startswith(("mailto:", "data:")):
                assert (page.parent / address).exists(), f"{page}: {address}"
