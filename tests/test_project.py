"""The project's frame: packaging files agree, imports stay light."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalise(requirement: str) -> str:
    return requirement.replace(" ", "").lower()


def test_environment_yml_names_the_dependencies_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert sorted(map(normalise, pip)) == sorted(map(normalise, PROJECT["dependencies"]))
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


def test_every_dependency_says_why():
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("\n]", 1)[0]
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    for comment, requirement in zip(lines[::2], lines[1::2], strict=True):
        name = re.match(r'"([\w-]+)', requirement)
        assert name is not None, requirement
        assert comment.startswith(f"# {name[1]}: "), requirement


def test_lock_pins_every_dependency_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|--index|--find-links|--extra", lock)
    pinned = {re.split(r"[=\[]", line)[0].lower() for line in lock.splitlines() if "==" in line}
    wanted = {re.split(r"[\[<>=!~ ]", d)[0].lower() for d in PROJECT["dependencies"]}
    assert wanted <= pinned
    assert "opencv-python" not in pinned, "the GUI build would overwrite the headless cv2"


IMPORTS = {
    "aukit": ("torch", "pandas", "numpy"),
    "aukit.cli": ("torch", "pandas", "numpy"),
    "aukit.datasets, aukit.datasets.registry": ("torch", "pandas", "numpy"),
    ", ".join(
        f"aukit.datasets.{path.stem}" for path in sorted((ROOT / "aukit/datasets").glob("[a-z]*.py"))
    ): ("torch",),
    "aukit.mesh, aukit.simulation, aukit.registration, aukit.store, aukit.metrics, aukit.facs": (),
}


@pytest.mark.parametrize("names", IMPORTS)
def test_imports_stay_light(names):
    heavy = (*IMPORTS[names], "lightning", "timm", "wandb", "face_alignment", "albumentations", "matplotlib")
    program = (
        f"import sys; import {names}\n"
        f"heavy = [m for m in {heavy!r} if m in sys.modules]\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
