"""The bytes that a plan counts for several processes are those that two processes exchange."""

import copy
import json

import pytest
import torch

from aukit.training.cost import exchange, step_passes
from aukit.training.processes import GlobalLayers, strategy_of
from tests.distributed.systems import build
from tests.distributed.traffic import Traffic
from tests.trainers import quiet_trainer

pytestmark = pytest.mark.filterwarnings("ignore")

OFTEN = "pm2_pm2"
HEAVY = ("fgnet", "baseline", "intensity", "synthesis", "pm2_source", "pm2_dann")


@pytest.mark.parametrize("name", [OFTEN, *[pytest.param(name, marks=pytest.mark.heavy) for name in HEAVY]])
def test_two_processes_exchange_what_is_counted(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    module, data = build(name, tmp_path, noise=0.0)
    on_meta = copy.deepcopy(module).to("meta").train()
    images = torch.empty(data.batch_size // 2, 3, 32, 32, device="meta")
    work = step_passes(on_meta, images)
    counted = exchange(on_meta, work, 2)

    strategy = strategy_of(type(module))
    parallel = {"devices": 2, "strategy": strategy.replace("ddp", "ddp_fork", 1), "plugins": [GlobalLayers()]}
    unwatched = {"limit_val_batches": 0, "num_sanity_val_steps": 0}
    traffic = Traffic(tmp_path / "traffic.json")
    quiet_trainer(tmp_path, [traffic], **parallel, **unwatched).fit(module, data)
    steps = json.loads(traffic.path.read_text())

    def mean(kind, index=0):
        return sum(step.get(kind, [0, 0])[index] for step in steps) / len(steps)

    # All gradients fit into one bucket; a share of the run may end amid a step.
    assert mean("gradients", 1) == pytest.approx(work.backwards, abs=1 / len(steps))
    tensors = sum(p.requires_grad for p in on_meta.parameters()) if "find_unused" in strategy else 0
    each = mean("gradients") / mean("gradients", 1)
    assert counted.gradients == pytest.approx(work.backwards * (each + 4 * tensors))  # the hook sees no flags
    assert (counted.norms, work.norms) == (mean("norms"), mean("norms", 1))
    assert counted.buffers == steps[-1].get("buffers", [0, 0])[0]
    assert 2 <= mean("losses", 1) / work.backwards <= 12
