"""`aukit doctor` on installations that are made of a few files: packages are what their metadata says."""

import os
import re
import shutil
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

from aukit.cli import main
from aukit.utils.experiments import experiments_folder

Usage = namedtuple("Usage", "total used free")


class Installation:
    """A folder before all others on the path, so what lies in it counts as installed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def install(self, name: str, version: str, *lines: str, files: dict[str, str] | None = None) -> None:
        home = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        home.mkdir(parents=True)
        (home / "METADATA").write_text("\n".join([f"Name: {name}", f"Version: {version}", *lines]) + "\n")
        for file, text in (files or {}).items():
            (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / file).write_text(text)
        (home / "RECORD").write_text("".join(f"{file},,\n" for file in files or ()))


@pytest.fixture
def installation(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("AUKIT_BP4D_ROOT", "AUKIT_DISFA_ROOT", "AUKIT_ICT_BASIS", "AUKIT_ICT_SAMPLE"):
        monkeypatch.delenv(name, raising=False)
    made = Installation(folder)
    made.install("aukit-facs", "0.1.0", "Requires-Dist: numpy>=2", 'Requires-Dist: pytest ; extra == "dev"')
    made.install("lightning", "2.6.6")
    made.install("pytorch-lightning", "2.6.6")
    torch = {"torch/__init__.py": "raise RuntimeError('nobody imports this')", "torch/version.py": CUDA}
    made.install("torch", "2.11.0", files=torch)
    made.install("torchvision", "0.26.0", "Requires-Dist: torch==2.11.0")
    made.install("opencv-contrib-python-headless", "5.0.0.93", files=cv2(contrib=True, headless=True))
    return made


CUDA = "__version__ = '2.11.0+cu130'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"


def cv2(contrib: bool, headless: bool) -> dict[str, str]:
    text = f'opencv_version = "5.0.0.93"\ncontrib = {contrib}\nheadless = {headless}\n'
    return {"cv2/__init__.py": "raise ImportError('libGL.so.1')", "cv2/version.py": text}


def report(capsys, *words: str) -> tuple[int, dict[str, str]]:
    """Exit status, and what is said of each thing: the finding and, behind an arrow, its remedy."""
    status = main(["doctor", *words])
    said: dict[str, str] = {}
    for line in capsys.readouterr().out.splitlines()[:-1]:
        name = line[4:].split(" ", 1)[0] or list(said)[-1]
        said[name] = f"{said.get(name, '')}{line[:2].strip()} {line[4:].strip()} "
    return status, said


def test_a_sound_installation_has_no_finding(installation, capsys):
    began = time.process_time()
    status, said = report(capsys)
    assert time.process_time() - began < 1
    assert status == 0, said
    assert all(line.startswith("ok") for line in said.values())
    assert str(experiments_folder()) in said["experiments"]
    assert "fgnet-mini" in said["weights"]
    assert "built for CUDA 13.0" in said["torch"]
    assert "aukit-facs 0.1.0" in said["aukit"]
    assert "all 1 " in said["packages"]


def test_the_gui_build_of_opencv_over_the_headless_one_is_a_clash(installation, capsys):
    installation.install("opencv-python", "5.0.0.93", files=cv2(contrib=False, headless=False))
    status, said = report(capsys)
    assert status == 1
    assert said["cv2"].startswith("!! cv2")
    assert "those of opencv-python; installed are opencv-python 5.0.0.93, " in said["cv2"]
    assert "opencv-contrib-python-headless 5.0.0.93: a clash" in said["cv2"]
    assert "pip install --force-reinstall --no-deps opencv-contrib-python-headless" in said["cv2"]


def test_the_headless_build_over_the_gui_one_is_sound(installation, capsys):
    installation.install("opencv-python", "5.0.0.93")
    status, said = report(capsys)
    assert status == 0
    assert "those of opencv-contrib-python-headless" in said["cv2"]


@pytest.mark.parametrize(
    ("name", "version", "lines", "thing", "words"),
    [
        ("lightning", "2.6.3", [], "lightning", "compromised release"),
        ("torchvision", "0.25.0", ["Requires-Dist: torch==2.10.0"], "torchvision", "made for torch 2.10.0"),
        ("torchvision", "0.26.0+cpu", ["Requires-Dist: torch==2.11.0"], "torchvision", "of another build"),
    ],
)
def test_packages_that_do_not_fit(installation, capsys, name, version, lines, thing, words):
    next(installation.folder.glob(f"{name}-*")).rename(installation.folder / "gone")
    installation.install(name, version, *lines)
    status, said = report(capsys)
    assert status == 1
    assert said[thing].startswith("!!")
    assert words in said[thing]
    assert "pip install" in said[thing]


def test_a_missing_package_and_the_audio_toolkit(installation, capsys):
    installation.install("aukit", "1.4.6", files={"aukit/audio_io.py": ""})
    metadata = installation.folder / "aukit_facs-0.1.0.dist-info/METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: no-such-package[extra]>=1\n")
    status, said = report(capsys)
    assert status == 1
    assert "aukit 1.4.6" in said["aukit"]
    assert "uninstall -y aukit" in said["aukit"]
    assert "missing: no-such-package" in said["packages"]


@pytest.mark.parametrize(
    ("driver", "version", "status", "words"),
    [
        ("13.1", CUDA, 0, "1 × NVIDIA H200, its driver knows CUDA 13.1"),
        ("12.4", CUDA, 1, "torch needs CUDA 13 or newer"),
        ("13.1", "cuda: Optional[str] = None\n", 1, "torch is built for the CPU"),
    ],
    ids=["fits", "old driver", "torch for the CPU"],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="there is no such driver")
def test_the_gpu_and_the_build_of_torch(installation, tmp_path, capsys, driver, version, status, words):
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    listed = "GPU 0: NVIDIA H200 (UUID: GPU-1)"
    program.write_text(
        f"#!/bin/sh\n[ \"$1\" = -L ] && echo '{listed}' || echo '| CUDA Version: {driver} |'\n"
    )
    program.chmod(0o755)
    (installation.folder / "torch/version.py").write_text(version)
    found, said = report(capsys)
    assert found == status
    assert words in said["GPU"]


def test_what_is_set_and_what_is_free(installation, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AUKIT_BP4D_ROOT", str(tmp_path))
    monkeypatch.setenv("AUKIT_DISFA_ROOT", str(tmp_path / "nothing"))
    monkeypatch.setenv("AUKIT_DISFAA_ROOT", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, 10**9))
    status, said = report(capsys)
    assert status == 1
    assert said["AUKIT_BP4D_ROOT"].startswith("ok")
    assert "does not exist" in said["AUKIT_DISFA_ROOT"]
    assert "did you mean AUKIT_DISFA_ROOT" in said["AUKIT_DISFAA_ROOT"]
    assert said["disk"].startswith("!!")
    assert "1 GB free" in said["disk"]
    assert "AUKIT_BP4D_ROOT" not in said["corpora"]


def test_weights_may_be_several_files_or_random(installation, tmp_path, capsys, monkeypatch):
    """As the tables read these variables."""
    files = [tmp_path / name for name in ("prnet.safetensors", "generator.pt", "encoder.pt")]
    for file in files:
        file.touch()
    monkeypatch.setenv("AUKIT_PRNET", str(files[0]))
    monkeypatch.setenv("AUKIT_VGG16_WEIGHTS", "random")
    monkeypatch.setenv("AUKIT_FGNET_WEIGHTS", os.pathsep.join(map(str, files[1:])))
    status, said = report(capsys)
    assert status == 0, said
    files[2].unlink()
    monkeypatch.setenv("AUKIT_PRNET", str(tmp_path / "nothing"))
    status, said = report(capsys)
    assert status == 1
    assert f"{files[2]} does not exist" in said["AUKIT_FGNET_WEIGHTS"]
    assert "nothing does not exist" in said["AUKIT_PRNET"]


def test_what_a_process_is_granted_and_where_runs_go(installation, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    status, said = report(capsys)
    assert status == 0
    assert re.search(r"ok machine +\d+ of \d+ cores, \d+ GB of memory", said["machine"])
    assert "disabled: nothing is written" in said["wandb"]
    monkeypatch.setattr("aukit.cli.doctor.available_memory", lambda: 2 * 10**9)
    status, said = report(capsys)
    assert status == 1
    assert "--mem" in said["machine"]


# -------------------------------------------------------------------- could an experiment start?

START = ["fgnet", "--profile", "smoke"]


def test_an_experiment_that_could_start(installation, tmp_path, capsys):
    root = tmp_path / "bp4d"
    root.mkdir()
    status, said = report(capsys, *START, f"data.root={root}")
    assert status == 0, said
    assert said["experiment"].startswith("ok experiment   fgnet/bp4d, profile smoke")
    assert str(root) in said["corpus"]


@pytest.mark.parametrize(
    ("words", "thing", "message"),
    [
        (START, "corpus", "data: no release is named → data.root=FOLDER, or AUKIT_BP4D_ROOT"),
        ([*START, "data.root=nowhere"], "corpus", "nowhere: no such folder"),
        (["fgnet", "data.root=."], "experiment", "values are missing → model.weights=..."),
        (["fgnet", "data.root=.", "model.weights=[a.safetensors]"], "start", "a.safetensors: no such file"),
        ([*START, "data.root=.", "trainer.accelerator=gpu"], "device", "no GPU is seen"),
        (["fgnett"], "experiment", "no such configuration file; did you mean fgnet?"),
        ([*START, "model.lrr=1"], "experiment", "lrr"),
        ([*START, "model.lr=fast"], "experiment", "lr"),
        (
            ["pm2", "--profile=smoke"],
            "experiment",
            "data.source.root=... data.target.root=... data.avatars.root",
        ),
        (
            ["pm2", *(f"data.{part}.root=no" for part in ("source", "target", "avatars"))],
            "corpus",
            "no: no such",
        ),
    ],
)
def test_an_experiment_that_could_not_start(installation, capsys, words, thing, message):
    status, said = report(capsys, *words)
    assert status == 1
    assert "!!" in said[thing]
    assert message in " ".join(said[thing].split())


def test_values_without_an_experiment(installation, capsys):
    assert main(["doctor", "fold=1"]) == 2
    assert "name it" in capsys.readouterr().err
