"""The baseline of the benchmark takes the steps that the module takes."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch

_PATH = Path(__file__).parents[4] / "benchmarks" / "gan.py"
_SPEC = importlib.util.spec_from_file_location("gan_benchmark", _PATH)
benchmark = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(benchmark)


def test_the_baseline_computes_the_same():
    torch.manual_seed(0)
    module = benchmark.Ours(
        (1, 2, 4), 32, generator_width=8, generator_blocks=1, critic_width=8, critic_layers=5
    )
    generator, discriminator = (benchmark.as_published(n) for n in (module.generator, module.discriminator))
    before = copy.deepcopy(generator.state_dict())
    optimizers = [torch.optim.SGD(n.parameters(), 1e-3) for n in (module.generator, module.discriminator)]
    theirs = [torch.optim.SGD(n.parameters(), 1e-3) for n in (generator, discriminator)]
    batch = {
        "input_frame": torch.rand(2, 3, 32, 32) * 2 - 1,
        "target": torch.rand(2, 3, 32, 32) * 2 - 1,
        "input_aus": torch.rand(2, 3),
        "target_aus": torch.rand(2, 3),
        "same_person": torch.zeros(2, dtype=torch.bool),
    }
    for index in range(2):
        torch.manual_seed(index)
        mine = module._full_step(optimizers, batch, index, 1.0)
        torch.manual_seed(index)
        wanted = benchmark.replicate_step(generator, discriminator, theirs, batch, index)
        assert ("identity" in wanted) == (index == 0)
        for name, value in wanted.items():
            assert float(mine[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    assert any(not torch.equal(before[name], value) for name, value in generator.state_dict().items())
    for one, other in ((module.generator, generator), (module.discriminator, discriminator)):
        for (name, mine), wanted in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4, msg=name)
