"""Shared by every test: one thread, no network off loopback, no display, no library that phones home."""

import os

# Before numpy, torch or numba are imported: they read these once.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["MPLBACKEND"] = "Agg"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"

import gc  # noqa: E402
import ipaddress  # noqa: E402
import shutil  # noqa: E402
import socket  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from aukit.simulation import Standin  # noqa: E402
from tests.standins import smoke_fera2017  # noqa: E402

# The same examples in every run, however busy the machine is.
settings.register_profile("aukit", deadline=None, derandomize=True)
settings.load_profile("aukit")


def _keep_garbage_here() -> None:
    gc.collect()
    gc.freeze()


# What there is now is never collected in a fork: a picture that PyAV decoded waits, when it is freed, for
# threads that a fork does not have, and the test would hang.
os.register_at_fork(before=_keep_garbage_here, after_in_parent=gc.unfreeze)


class NetworkBlockedError(RuntimeError):
    """A test tried to reach something that is not this machine."""


def _is_loopback(address: Any) -> bool:
    if not isinstance(address, tuple):  # a Unix socket path
        return True
    host = str(address[0])
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def _guard(name: str, position: int) -> None:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[position] if position >= 0 or len(args) > 1 else None
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address):
            raise NetworkBlockedError(f"a test tried to reach {address!r}; tests run without network")
        return original(self, *args)

    setattr(socket.socket, name, guarded)


# For the whole process and before any test module is imported, so that nothing slips through at import.
_guard("connect", 0)
_guard("connect_ex", 0)
_guard("sendto", -1)

_getaddrinfo = socket.getaddrinfo


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and name != socket.gethostname() and not _is_loopback((name,)):
        raise NetworkBlockedError(f"a test tried to look up {name!r}; tests run without network")
    return _getaddrinfo(host, *args, **kwargs)


socket.getaddrinfo = _guarded_getaddrinfo


@pytest.fixture(autouse=True)
def _restored_environment() -> Iterator[None]:
    """Lightning writes seeds and ranks into os.environ; no test may see another's."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Standin:
    return smoke_fera2017(tmp_path_factory)


@pytest.fixture
def copied(standin: Standin, tmp_path: Path) -> Path:
    """A copy of the stand-in that a test may damage."""
    return Path(shutil.copytree(standin.root, tmp_path / "fera2017"))
