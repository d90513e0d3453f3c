"""Cores that a process may use: affinity and control groups of both versions."""

import math
import os
import subprocess
import sys

import pytest

from aukit.utils.cores import _group_limit, _memory, available_cores
from aukit.utils.gpus import visible_gpus


@pytest.mark.parametrize(
    ("files", "groups", "cores"),
    [
        ({"job/cpu.max": "150000 100000", "cpu.max": "max 100000"}, "0::/job", 1.5),
        ({"job/step/cpu.max": "max 100000", "job/cpu.max": "400000 100000"}, "0::/job/step", 4),
        (
            {"cpu.max": "200000 100000"},
            "0::/not/mounted/here",
            2,
        ),  # as in a container
        (
            {"cpu/job/cpu.cfs_quota_us": "50000", "cpu/job/cpu.cfs_period_us": "100000"},
            "3:memory:/other\n2:cpu:/job\n0::/",
            0.5,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/", math.inf),
        ({"job/cpu.max": "nonsense"}, "0::/job", math.inf),
        ({}, "0::/job\n4:cpuset,cpu:/x", math.inf),
        ({}, "", math.inf),
    ],
)
def test_limits_of_control_groups(files, groups, cores, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert _group_limit(tmp_path, groups) == cores


@pytest.mark.parametrize(
    ("files", "groups", "limit"),
    [
        ({"job/memory.max": "max", "memory.max": "1000"}, "0::/job", 1000),
        ({"memory/job/memory.limit_in_bytes": "2000"}, "5:memory:/job\n0::/", 2000),
        ({"job/memory.max": "nonsense"}, "0::/job", math.inf),
    ],
)
def test_limits_of_memory(files, groups, limit, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert _group_limit(tmp_path, groups, "memory", _memory) == limit


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has affinities")
def test_an_affinity_limits_the_cores():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from aukit.utils.cores import available_cores; print(available_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("variable", "count", "gpus"),
    [
        (None, 2, ["0", "1"]),
        ("3,5", 2, ["3", "5"]),
        ("GPU-7f3a, 1,9", 2, ["GPU-7f3a", "1"]),  # the last does not exist
        ("", 0, []),
        ("0", 0, []),  # no driver
    ],
)
def test_gpus_are_named_as_the_variable_names_them(variable, count, gpus, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == gpus
