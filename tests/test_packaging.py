"""What is built and installed: sdist and wheel have all that they need and no more, cv2 needs no libGL."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import aukit

ROOT = Path(__file__).parents[1]
CARD = {
    "albumentations",
    "face-alignment",
    "lightning",
    "omegaconf",
    "timm",
    "torch",
    "torchmetrics",
    "wandb",
}


def build(source: Path, target: str, out: Path) -> Path:
    """Build without the network: the backend is that of this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    return next(out.glob("*.whl" if target == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.unpack_archive(build(ROOT, "sdist", folder), folder)
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> dict[str, bytes]:
    """Files of the wheel that is built from the sdist."""
    with zipfile.ZipFile(build(sdist, "wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files(folder: Path, prefix: str) -> dict[str, bytes]:
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_is_the_package_with_its_data_and_the_experiments(wheel):
    metadata = {name for name in wheel if name.startswith("aukit_facs-")}
    built = {name: content for name, content in wheel.items() if name not in metadata}
    expected = {**files(ROOT / "aukit", "aukit"), **files(ROOT / "experiments", "aukit/experiments")}
    assert sorted(built) == sorted(expected)
    assert built == expected
    assert {"aukit/py.typed", "aukit/registration/canonical_face.npz"} <= set(built)


def test_the_sdist_has_what_the_wheel_is_built_from_and_no_more(sdist):
    top = {path.name for path in sdist.iterdir()} - {"PKG-INFO", ".gitignore"}  # of the backend's own accord
    assert top == {"LICENSE", "README.md", "aukit", "experiments", "pyproject.toml"}


def test_the_wheel_says_what_it_is_and_needs(wheel):
    name = next(name for name in wheel if name.endswith("dist-info/METADATA"))
    metadata = message_from_bytes(wheel[name])
    assert metadata["Name"] == "aukit-facs"
    assert metadata["Version"] == aukit.__version__
    needed = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert all(any(each.startswith(package) for each in needed) for package in CARD)
    assert b"aukit = aukit.cli:main" in wheel[name.replace("METADATA", "entry_points.txt")]


@pytest.mark.skipif(sys.platform != "linux", reason="libGL is a matter of Linux")
def test_cv2_needs_no_libgl():
    program = "import cv2, sys; sys.exit('libGL.so' in open('/proc/self/maps').read())"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
