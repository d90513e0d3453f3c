"""The command that looks at an installation: what is there, what is wrong, what mends it.

It reads what packages say of themselves and imports none of them, so it answers within a second (two where
the driver of a GPU sleeps), and also where an import would fail. An experiment that is named is read as it
would be trained, which takes the seconds of those imports.
"""

from __future__ import annotations

import argparse
import ctypes
import difflib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from aukit import __version__
from aukit.cli.grammar import Commands, Parser, add_command
from aukit.cli.startable import Check, start_checks
from aukit.datasets.registry import corpus_entry, corpus_names
from aukit.errors import ConfigError
from aukit.models.weights import HOME as WEIGHTS
from aukit.models.weights import RANDOM
from aukit.training.wandb_mode import wandb_mode
from aukit.utils.cores import available_cores, available_memory
from aukit.utils.experiments import experiments_folder

DISTRIBUTION = "aukit-facs"
"""Name of the package that is installed; `aukit` on the public index is an audio toolkit."""

AGAIN = "install this project again, from its wheel or its checkout"

COMPROMISED = ("2.6.2", "2.6.3")
"""Releases of Lightning that an attacker published."""

OPENCV = "opencv-contrib-python-headless"
"""The build of OpenCV that stays: its cv2 needs no libGL."""

OPENCV_BUILDS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", OPENCV)

LEAST_FREE = 5e9
"""Bytes: less is a finding; `docs/costs.md` has what each table takes."""

LEAST_MEMORY = 4e9
"""Bytes: with less, a training of the size `mini` beside its loader may be killed."""

PATHS = ("_ROOT", "_GENDERS", "_WEIGHTS", "_BASIS", "_SAMPLE", "_PRNET")
"""Ends of the environment variables that name a file or a folder; of weights also several files."""


def add_doctor(commands: Commands[Parser]) -> None:
    """Add the command."""
    text = "what is wrong here, and what mends it"
    command = add_command(commands, "doctor", _doctor, text, keys=True)
    command.usage = f"{command.prog} [FILE|NAME [--profile PROFILE] [key=value ...]]"
    command.add_argument("config", nargs="?", metavar="FILE|NAME", help="an experiment: could it start here?")
    command.add_argument("--profile", help="its size")


def _doctor(given: argparse.Namespace) -> int:
    findings = 0
    wanted = (
        ()
        if given.config is None
        else start_checks(given.config, given.profile, given.overrides, len(_gpus()))
    )
    if given.config is None and (given.profile or given.overrides):
        raise ConfigError("--profile and key=value are of an experiment; name it: aukit doctor fgnet ...")
    for check in (*checks(), *wanted):
        print(f"{'ok' if check.remedy is None else '!!'}  {check.name:<12} {check.found}")
        if check.remedy is not None:
            findings += 1
            print(f"    {'':<12} → {check.remedy}")
    print({0: "nothing to mend", 1: "1 finding"}.get(findings, f"{findings} findings"))
    return int(findings > 0)


def checks() -> Iterator[Check]:
    """Every check, in the order in which a remedy may depend on another."""
    yield Check(
        "Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}, {sys.executable}"
    )
    yield _aukit()
    yield _packages()
    yield _lightning()
    yield _torch()
    yield _torchvision()
    yield _gpu()
    yield _machine()
    yield _slurm()
    yield _wandb()
    yield _opencv()
    yield _experiments()
    yield _weights()
    yield from _variables()
    yield _disk()


# --------------------------------------------------------------------------------------- packages


def _aukit() -> Check:
    ours = _distribution(DISTRIBUTION)
    named = f"{DISTRIBUTION} {ours.version}" if ours else f"not installed as {DISTRIBUTION}, only on the path"
    found = f"{__version__} from {WEIGHTS.parents[1]} ({named})"
    other = _distribution("aukit")
    if other is None or not any(file.parts[0] == "aukit" for file in other.files or ()):
        return Check("aukit", found)
    return Check(
        "aukit",
        f"{found}; the project aukit {other.version} has its files in the same folder",
        f"{_pip('uninstall -y aukit')}, then {AGAIN}",
    )


def _packages() -> Check:
    ours = _distribution(DISTRIBUTION)
    if ours is None:
        return Check("packages", "not looked at: only an installed aukit says what it needs")
    names = [re.split(r"[^\w.-]", each)[0] for each in ours.requires or () if "extra ==" not in each]
    missing = [name for name in names if _distribution(name) is None]
    if missing:
        return Check("packages", f"missing: {', '.join(missing)}", _pip(f"install {' '.join(missing)}"))
    return Check("packages", f"all {len(names)} that aukit needs are installed")


def _lightning() -> Check:
    installed = [
        each for name in ("lightning", "pytorch-lightning") if (each := _distribution(name)) is not None
    ]
    found = ", ".join(f"{each.name} {each.version}" for each in installed) or "not installed"
    if any(each.version in COMPROMISED for each in installed):
        mend = _pip(f"install 'lightning>{COMPROMISED[-1]}' 'pytorch-lightning>{COMPROMISED[-1]}'")
        return Check(
            "lightning",
            f"{found}: a compromised release",
            f"{mend}, and renew every key that this account can read",
        )
    return Check("lightning", found)


def _torch() -> Check:
    torch = _distribution("torch")
    if torch is None:
        return Check("torch", "not installed", _pip("install torch torchvision"))
    return Check("torch", f"{torch.version}, built for {_built_for()}")


def _torchvision() -> Check:
    torch, torchvision = _distribution("torch"), _distribution("torchvision")
    if torch is None or torchvision is None:
        return Check("torchvision", torchvision.version if torchvision else "not installed")
    found = f"{torchvision.version} beside torch {torch.version}"
    release, _, build = torch.version.partition("+")
    wanted = re.search(r"torch==([\w.]+)", " ".join(torchvision.requires or ()))
    if wanted and wanted[1] != release:
        trouble = f"is made for torch {wanted[1]}"
    elif build != torchvision.version.partition("+")[2]:
        trouble = "is of another build"
    else:
        return Check("torchvision", found)
    mend = _pip("install --force-reinstall torch torchvision")
    return Check("torchvision", f"{found} {trouble}: timm will not import", f"{mend}, from one index")


def _opencv() -> Check:
    """Every build of OpenCV writes the folder cv2: the files are those of the one that was written last."""
    builds = [f"{name} {one.version}" for name in OPENCV_BUILDS if (one := _distribution(name))]
    mend = _pip(f"install --force-reinstall --no-deps {OPENCV}")
    said = _text("cv2", "version.py")
    if not builds or said is None:
        return Check("cv2", f"no cv2 ({', '.join(builds) or 'no build of OpenCV'} installed)", mend)
    headless = re.search(r"^headless = True", said, re.M) is not None
    contrib = re.search(r"^contrib = True", said, re.M) is not None
    owner = f"opencv{'-contrib' * contrib}-python{'-headless' * headless}"
    found = f"the files in cv2/ are those of {owner}"
    if len(builds) > 1:
        found += f"; installed are {', '.join(builds)}"
    if headless:
        return Check("cv2", found)
    if len(builds) > 1:
        return Check("cv2", f"{found}: a clash, cv2 needs libGL", mend)
    if sys.platform == "linux" and not _loads("libGL.so.1"):
        return Check("cv2", f"{found}, which needs libGL, and there is none", mend)
    return Check("cv2", found)


# ---------------------------------------------------------------------------------------- machine


def _gpu() -> Check:
    if sys.platform == "darwin":
        return Check(
            "GPU", "Apple silicon (trainer.accelerator=mps)" if platform.machine() == "arm64" else "none"
        )
    names = _gpus()
    if not names:
        return Check("GPU", "none seen; trainings run on the CPU")
    driver = re.search(r"CUDA (?:UMD )?Version: *(\d+)\.(\d+)", _output("nvidia-smi"))
    found = f"{len(names)} × {names[0]}" + (
        f", its driver knows CUDA {driver[1]}.{driver[2]}" if driver else ""
    )
    built = _built_for()
    if built == "the CPU":
        return Check(
            "GPU",
            f"{found}, but torch is built for the CPU",
            _pip("install --force-reinstall torch torchvision"),
        )
    needed = re.search(r"CUDA (\d+)", built)
    if driver and needed and int(driver[1]) < int(needed[1]):
        return Check(
            "GPU",
            f"{found}; torch needs CUDA {needed[1]} or newer",
            f"a newer driver, or torch built for CUDA {driver[1]}",
        )
    return Check("GPU", found)


def _gpus() -> list[str]:
    """Names of the GPUs that the driver shows."""
    return re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", _output("nvidia-smi", "-L"), re.M)


def _machine() -> Check:
    """Cores and memory that this process is granted, which on a shared machine are less than there are."""
    cores, memory = available_cores(), available_memory()
    found = f"{cores} of {os.cpu_count()} cores" + (
        "" if memory is None else f", {memory / 1e9:.0f} GB of memory"
    )
    if memory is not None and memory < LEAST_MEMORY:
        return Check(
            "machine", found, "ask for more memory (of SLURM: --mem), or use smaller batches and images"
        )
    return Check("machine", found)


def _wandb() -> Check:
    mode = wandb_mode()
    how = {
        "online": "runs are sent",
        "offline": "runs stay in their folders until `wandb sync`; `wandb login` sends them",
        "disabled": "nothing is written",
    }
    return Check("wandb", f"{mode}: {how[mode]}")


def _slurm() -> Check:
    if shutil.which("sbatch") is None:
        return Check("SLURM", "not here; --launcher slurm is for the machines of a cluster")
    listed = _output("sinfo", "--noheader", "--format=%P|%D|%G|%l").split()
    if not listed:
        return Check("SLURM", "its commands are here, and no cluster answers them")
    rows = [row.split("|") for row in listed]
    shown = [f"{name} ({nodes} nodes, GPUs {gpus}, up to {limit})" for name, nodes, gpus, limit in rows[:4]]
    more = f" and {len(rows) - 4} more" if len(rows) > 4 else ""
    return Check("SLURM", f"{_output('sinfo', '--version').strip()}: partitions {', '.join(shown)}{more}")


def _disk() -> Check:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    found = f"{free / 1e9:.0f} GB free in {here}, where runs are written"
    if not os.access(here, os.W_OK):
        return Check("disk", f"{here} cannot be written to", "work in a folder of your own")
    if free < LEAST_FREE:
        return Check("disk", found, "free some, or work in a folder on another disk")
    return Check("disk", found)


# ------------------------------------------------------------------------------------ what is set


def _experiments() -> Check:
    try:
        folder = experiments_folder()
    except ConfigError as error:
        return Check("experiments", str(error), AGAIN)
    names = sorted(path.stem for path in folder.glob("*.yaml") if path.stem != "base")
    return Check("experiments", f"{', '.join(names)} in {folder}")


def _weights() -> Check:
    names = sorted(path.stem for path in WEIGHTS.glob("*.safetensors") if path.stat().st_size)
    if names:
        return Check("weights", f"{', '.join(names)} come along")
    return Check("weights", f"none in {WEIGHTS}", AGAIN)


def _variables() -> Iterator[Check]:
    """Variables that are set, each with what it names; roots that are not set, on one line."""
    from aukit.datasets.genders import gender_variable

    roots = {name: corpus_entry(name).root_variable for name in corpus_names()}
    corpora = {*roots.values(), *map(gender_variable, roots)}
    for name, value in sorted(os.environ.items()):
        if not name.startswith("AUKIT_") or name == "AUKIT_DEBUG":
            continue
        if not name.endswith(PATHS) or (name.endswith(("_ROOT", "_GENDERS")) and name not in corpora):
            near = difflib.get_close_matches(name, corpora, n=1)
            yield Check(
                name, "set, but nothing reads it", f"did you mean {near[0]}?" if near else f"unset {name}"
            )
        elif missing := [path for path in _paths(name, value) if not Path(path).exists()]:
            yield Check(name, f"{missing[0]} does not exist", f"correct it, or unset {name}")
        else:
            yield Check(name, value)
    unset = [roots[name] for name in corpus_names(released=True) if roots[name] not in os.environ]
    if unset:
        yield Check("corpora", f"not set: {', '.join(unset)}; stand-ins need none")


def _paths(name: str, value: str) -> list[str]:
    """What a variable names; of weights none where it is said that a start is random."""
    if not name.endswith("_WEIGHTS"):
        return [value]
    return [] if value == RANDOM else value.split(os.pathsep)


# ---------------------------------------------------------------------------------------- reading


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _text(package: str, file: str) -> str | None:
    """A file of a package that is not imported; None if there is none."""
    spec = PathFinder.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            return (Path(folder) / file).read_text(encoding="utf-8")
        except OSError:
            continue
    return None


def _built_for() -> str:
    said = _text("torch", "version.py") or ""
    for key, name in (("cuda", "CUDA"), ("hip", "ROCm")):
        version = re.search(rf"^{key}\b[^=]*= '([\d.]+)", said, re.M)
        if version:
            return f"{name} {version[1]}"
    return "the CPU"


def _pip(words: str) -> str:
    """A command of the installer that this environment has: uv takes pip's words where there is no pip."""
    return f"{'python -m pip' if find_spec('pip') else 'uv pip'} {words}"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _output(*words: str) -> str:
    """What a program prints; nothing if it is missing, fails or hangs."""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
