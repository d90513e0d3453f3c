"""Two processes are one process, larger: the steps of every system, compared number by number."""

import pytest
import torch

from tests.distributed.systems import SYSTEMS, build
from tests.distributed.together import apart, fit

pytestmark = pytest.mark.filterwarnings("ignore")


#: Of every class of modules one, on each run of the tests; the others when all of them are run.
OFTEN = (*[name for name in SYSTEMS if not name.startswith("pm2")], "pm2_pm2")
NOISY = ("fgnet", "baseline", "intensity", "synthesis", "pretrain_gan", "pretrain_backbone")


def some(names, often):
    """Parameters of a test, those that are not `often` heavy."""
    heavy = pytest.mark.heavy
    return [name if name in often else pytest.param(name, marks=heavy) for name in names]


def compare(name, folder, noise, precision, tolerance):
    """Fit on one and two processes; all that two compute must be within `tolerance` of what one does."""
    runs = [fit(folder / "run", *build(name, folder, noise), n, precision=precision) for n in (1, 2)]
    for other in runs[1]:
        for kind, (difference, which) in apart(runs[0][0], other).items():
            assert difference < tolerance, (kind, which)
    return runs


@pytest.mark.parametrize("name", some(SYSTEMS, OFTEN))
def test_steps_of_two_processes_are_those_of_one(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    compare(name, tmp_path, 0.0, "64-true", 1e-8)


@pytest.mark.parametrize("name", some(NOISY, ("intensity", "pretrain_gan")))
def test_dropout_and_augmentation_are_those_of_the_whole_batch(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    compare(name, tmp_path, 0.3, "64-true", 1e-8)


@pytest.mark.parametrize("name", some(SYSTEMS, ("fgnet",)))
def test_single_precision(name, tmp_path, monkeypatch):
    """The processes hold the same bits; losses are those of one process but for rounding."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    alone, (first, second) = (
        fit(tmp_path / "run", *build(name, tmp_path, noise=0.0), n, precision="32-true") for n in (1, 2)
    )
    for one, two in zip(first, second, strict=True):
        for key in one.get("state", ()):
            assert torch.equal(one["state"][key], two["state"][key]), key
    for one, two in zip(alone[0], first, strict=True):
        for key, value in one.get("logged", {}).items():
            torch.testing.assert_close(two["logged"][key], value, rtol=1e-5, atol=1e-5, msg=key)
