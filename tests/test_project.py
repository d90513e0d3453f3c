"""The project's frame: packaging files agree, imports stay light, rooms import downwards only."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# From the lowest room to the highest; rooms on one line never import each other.
LAYERS = [
    ["errors"],
    ["files", "processes", "shipped"],
    ["facs"],
    ["metrics"],
    ["mesh"],
    ["avatars"],
    ["registration"],
    ["corpora"],
    ["data"],
    ["runs"],
    ["backbones", "occurrence", "pretraining"],
    ["synthesis", "intensity", "fgnet", "baselines", "pm2"],
    ["reproduce"],
    ["cli"],
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


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


def test_import_is_fast_and_light():
    program = (
        "import sys, time; t = time.perf_counter(); import aukit; s = time.perf_counter() - t\n"
        "heavy = [m for m in ('face_alignment', 'wandb', 'lightning', 'timm') if m in sys.modules]\n"
        "assert not heavy, heavy\nassert s < 1, s"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_mesh_avatars_registration_and_metrics_do_not_pull_in_the_heavy_ones():
    program = (
        "import sys, aukit.mesh, aukit.simulation, aukit.registration, aukit.datasets, aukit.facs\n"
        "heavy = [m for m in ('face_alignment', 'wandb', 'lightning', 'timm') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def modules():
    return sorted((ROOT / "aukit").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down_only(path):
    parts = path.relative_to(ROOT / "aukit").with_suffix("").parts
    room = parts[0]
    if room == "__init__":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "aukit" else [f"aukit.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("aukit.") and name != "aukit.__version__":
                other = name.split(".")[1]
                assert other == room or RANK[other] < RANK[room], (
                    f"{room} imports {other} (line {node.lineno})"
                )
