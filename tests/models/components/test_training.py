from types import SimpleNamespace

import pytest
import torch
from torch import nn

from aukit.errors import ConfigError
from aukit.models.components.training import check_aus, frozen, is_logged


def module(data=None, **trainer):
    return SimpleNamespace(trainer=SimpleNamespace(datamodule=data, **trainer), hparams={"aus": (1, 4)})


def test_a_frozen_network_passes_gradients_and_gets_none_even_after_an_error():
    layer, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with frozen(layer):
        layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    with pytest.raises(RuntimeError), frozen(layer):
        layer(torch.ones(1, 3))
    assert layer.weight.requires_grad


def test_data_and_module_must_mean_the_same_action_units():
    data = SimpleNamespace(aus=[1, 4])
    assert check_aus(module(data)) is data
    assert check_aus(module()) is None
    with pytest.raises(ConfigError, match=r"the data have AUs \[4, 1\], the model \[1, 4\]"):
        check_aus(module(SimpleNamespace(aus=(4, 1))))


def test_the_last_step_of_each_interval_is_logged():
    assert [step for step in range(7) if is_logged(module(log_every_n_steps=3), step)] == [2, 5]
