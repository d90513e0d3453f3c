"""The recipe for weights and inputs gives the very numbers that the references ran with."""

import pytest
import torch

from tests.parity.loader import check_weights, draw_weights, load_weights, manifest


@pytest.mark.parametrize("network", ["latent_avg", "ganimation_generator"])
def test_weights_pass_the_checks_of_the_manifest(network):
    entry = manifest(network)
    weights = draw_weights({name: shape for name, (shape, _) in entry["entries"].items()}, entry)
    check_weights(weights, entry)


def test_a_network_with_other_names_or_shapes_is_refused():
    entry = {"entries": {"weight": [[2, 3], "x"], "bias": [[2], "0.1x"]}}
    linear = torch.nn.Linear(3, 2)
    load_weights(linear, entry)
    assert torch.equal(linear.bias, draw_weights(linear.state_dict(), entry)["bias"])
    with pytest.raises(AssertionError, match="shape"):
        load_weights(torch.nn.Linear(4, 2), entry)
    with pytest.raises(AssertionError, match="lacks"):
        load_weights(torch.nn.Linear(3, 2, bias=False), entry)
