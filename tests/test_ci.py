"""The public forge's workflow does what .ci/run does, by targets that exist; the version has one value."""

import re
from pathlib import Path

import pytest
import yaml

from aukit import __version__

ROOT = Path(__file__).parents[1]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
LOCAL = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def commands() -> list[str]:
    """What the jobs of the workflow run, those of a matrix one by one."""
    found = []
    for job in yaml.safe_load(WORKFLOW)["jobs"].values():
        found += [each["run"] for each in job.get("strategy", {}).get("matrix", {}).get("include", ())]
        found += [step["run"] for step in job["steps"] if "run" in step]
    return found


def steps_of_ci_run() -> list[str]:
    """Its targets of make and its calls of pytest."""
    steps = re.findall(r"^(?:\w+=\S+ )*(make [a-z][\w-]*)", LOCAL, re.MULTILINE)
    return steps + re.findall(r"^(?:\w+=\S+ )*(\.venv/bin/python -m pytest .*)$", LOCAL, re.MULTILINE)


@pytest.mark.parametrize("step", steps_of_ci_run())
def test_the_workflow_does_what_ci_run_does(step):
    assert step in commands(), f"add it to .github/workflows/ci.yml: {step}"


def test_the_workflow_calls_targets_that_exist():
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, re.MULTILINE))
    called = {command.split()[1] for command in commands() if command.startswith("make ")}
    assert called
    assert called <= targets


def test_the_workflow_names_no_registry():
    assert not re.search(r"https?:|index-url|--index", WORKFLOW)


def test_the_version_has_one_value():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    (entry,) = re.findall(r"^  version = \{(.+)\}", (ROOT / "docs" / "cite.md").read_text(), re.MULTILINE)
    assert citation["version"] == entry == __version__


def test_papers_are_the_same_in_citation_and_page():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    page = " ".join(
        (ROOT / "docs" / "cite.md").read_text(encoding="utf-8").replace("{", "").replace("}", "").split()
    )
    for paper in citation["references"]:
        assert paper["title"] in page
        assert f"year = {paper['year']}" in re.sub(r" +", " ", page)
        assert paper["url"].rpartition("/")[2] in page  # its number at arXiv
        assert all(
            f"{person['family-names']}, {person['given-names']}" in page for person in paper["authors"][:-1]
        )
