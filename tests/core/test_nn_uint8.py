"""Modules between 8-bit values and floats: they pass all their arguments on to the ops, and show them."""

import copy

import pytest
import torch
from torch import nn

from resizekit import ops
from resizekit.nn import PixelShuffleUint8, PixelUnshuffleUint8, Quantize
from resizekit.testing.samples import random_bytes


def test_unshuffle_passes_its_arguments_on() -> None:
    options = {"dtype": torch.bfloat16, "shift": -0.5, "multiple": 16, "channels_last": True}
    module, x = PixelUnshuffleUint8(2, 3, **options), random_bytes(2, 3, 4, 6)
    got, expected = module(x), ops.unshuffle_codes(x, 2, 3, **options)
    assert torch.equal(got, expected)
    assert got.stride() == expected.stride()
    assert repr(module) == (
        "PixelUnshuffleUint8(s=2, r=3, dtype=torch.bfloat16, shift=-0.5, multiple=16, channels_last=True)"
    )


def test_shuffle_passes_its_arguments_on() -> None:
    module, x = PixelShuffleUint8(2, 3, shift=0.5), torch.rand(1, 12, 2, 2) - 0.5
    assert torch.equal(module(x), ops.shuffle_codes(x, 2, 3, shift=0.5))
    assert repr(module) == "PixelShuffleUint8(s=2, r=3, shift=0.5)"


@pytest.mark.parametrize("rule", ["identity_if_towards", "identity", "disconnected"])
def test_quantize_passes_its_arguments_on(rule: str) -> None:
    module, guide = Quantize(clamp_gradient=rule), torch.tensor([0.1, 0.2, 0.3])
    results = []
    for function in (module, lambda x, guide: ops.quantize(x, guide, clamp_gradient=rule)):
        x = torch.tensor([-0.5, 0.4, 1.2], requires_grad=True)
        low = function(x, guide)
        low.sum().backward()
        results.append((low.tolist(), x.grad.tolist()))
    assert results[0] == results[1]
    assert repr(module) == f"Quantize(clamp_gradient={rule!r})"


def test_modules_work_in_a_network() -> None:
    network = nn.Sequential(PixelUnshuffleUint8(2, 2), Quantize(), PixelShuffleUint8(2, 2))
    x = random_bytes(1, 3, 4, 4)
    assert not list(network.parameters())
    for same in (network, copy.deepcopy(network), torch.compile(network, backend="eager", fullgraph=True)):
        assert torch.equal(same(x), x)
