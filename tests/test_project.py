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


def entries(file: str) -> dict[str, list[str]]:
    """Packages that a lock pins, each with the hashes of its files."""
    text = (ROOT / file).read_text().replace("\\\n", "")
    blocks = [line.split() for line in text.splitlines() if line.strip()]
    return {
        block[0].partition("==")[0]: [word for word in block if word.startswith("--hash=sha256:")]
        for block in blocks
    }


def test_locks_pin_every_dependency_by_hash_and_name_no_index():
    for file in ("requirements.lock", "requirements-uv.txt"):
        assert not re.search(r"https?://|--index|--find-links|--extra", (ROOT / file).read_text())
        assert all(entries(file).values()), file
    wanted = {re.split(r"[\[<>=!~ ]", d)[0].lower() for d in PROJECT["dependencies"]}
    assert wanted <= set(entries("requirements.lock"))


def test_lock_has_one_opencv():
    names = [name for name in entries("requirements.lock") if name.startswith("opencv")]
    assert names == ["opencv-contrib-python-headless"], "each build writes the folder cv2 of the others"


IMPORTS = {
    "aukit": ("torch", "pandas", "numpy"),
    "aukit.cli": ("torch", "pandas", "numpy"),
    "aukit.datasets, aukit.datasets.registry": ("torch", "pandas", "numpy"),
    ", ".join(
        f"aukit.datasets.{path.stem}" for path in sorted((ROOT / "aukit/datasets").glob("[a-z]*.py"))
    ): ("torch",),
    "aukit.detect.files, aukit.detect.detector": ("numba", "scipy"),
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
