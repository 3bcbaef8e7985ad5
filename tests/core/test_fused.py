"""Fused convolutions: the same bits in float32, close in bfloat16, and separate operations where those are needed."""

from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import BaseTorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from resizekit.nn import ResidualBlock, conv_add, conv_relu, fused, receptive_field
from resizekit.nn.blocks import conv

SIDES = [(1, 5), (20, 16), (21, 16), (64, 33), (97, 101)]


def inputs(side, dtype=torch.float32):
    draw = torch.Generator().manual_seed(side[0])
    x, other = (torch.randn(1, 64, *side, generator=draw).to(dtype) for _ in range(2))
    return x.contiguous(memory_format=torch.channels_last), other.contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(0)
    return conv(64, 64).eval()


@pytest.fixture
def fused_calls(monkeypatch):
    """Count the calls that find an operator, by wrapping the choice."""
    found, choose = [], fused._operator

    def counting(*args):
        operator = choose(*args)
        found.append(operator is not None)
        return operator

    monkeypatch.setattr(fused, "_operator", counting)
    return found


serves = pytest.mark.skipif(
    not (fused._X86 and torch.backends.mkldnn.is_available()), reason="oneDNN serves x86 CPUs only"
)


@pytest.mark.parametrize("side", SIDES)
def test_fused_float32_equals_separate_operations_bit_by_bit(layer, side):
    x, other = inputs(side)
    before = x.clone(), other.clone()
    with torch.no_grad():
        assert torch.equal(conv_relu(layer, x), F.relu(layer(x)))
        assert torch.equal(conv_add(layer, x, other), layer(x) + other)
    assert torch.equal(x, before[0])
    assert torch.equal(other, before[1])


@pytest.mark.parametrize("options", [{"bias": False}, {"stride": 2}, {"dilation": 2, "padding": 2}, {"groups": 4}])
def test_fused_convolution_keeps_every_option_of_the_layer(options):
    torch.manual_seed(1)
    layer = nn.Conv2d(64, 32, 3, **{"padding": 1} | options).eval()
    x, _ = inputs((40, 36))
    with torch.no_grad():
        plain = layer(x)
        assert torch.allclose(conv_relu(layer, x), F.relu(plain), atol=1e-5)
        other = torch.randn_like(plain)
        assert torch.allclose(conv_add(layer, x, other), plain + other, atol=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_fused_bfloat16_is_as_close_to_float32_as_separate_operations(layer, side):
    x, other = inputs(side, torch.bfloat16)
    with torch.no_grad():
        exact = layer(x.float()) + other.float()
        with torch.autocast("cpu", torch.bfloat16):
            result, separate = conv_add(layer, x, other), layer(x) + other
    assert result.dtype == torch.bfloat16
    assert (result - exact).square().mean() <= 1.05 * (separate - exact).square().mean()


@serves
def test_fused_operator_is_used_for_large_float32(layer, fused_calls):
    with torch.inference_mode():
        conv_relu(layer, inputs((64, 33))[0])
    assert fused_calls == [True]


def quantized():
    """Return a layer of a subclass that computes something else than a convolution."""
    return type("Quantized", (nn.Conv2d,), {"forward": lambda self, x: 2 * x})(64, 64, 3, padding=1)


def hooked():
    layer = conv(64, 64)
    layer.register_forward_hook(lambda module, args, output: 2 * output)
    return layer


@pytest.mark.parametrize("make", [quantized, hooked])
def test_layers_that_are_more_than_a_convolution_are_called(fused_calls, make):
    layer, (x, other) = make(), inputs((64, 33))
    with torch.no_grad():
        assert torch.equal(conv_add(layer, x, other), layer(x) + other)
    assert not any(fused_calls)


@contextmanager
def without_onednn():
    """Switch oneDNN off; `mkldnn.flags` would also set TF32, which warns."""
    (enabled, *_) = torch.backends.mkldnn.set_flags(False, _fp32_precision=None)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(enabled, _fp32_precision=None)


CONTEXTS = {
    "gradients": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "off": without_onednn,
    "function mode": BaseTorchFunctionMode,
}


@pytest.mark.parametrize("context", CONTEXTS)
def test_separate_operations_run_where_they_are_needed(layer, fused_calls, context):
    x, other = inputs((64, 33))
    with torch.no_grad(), CONTEXTS[context]():
        assert torch.equal(conv_add(layer, x, other), layer(x) + other)
    assert not any(fused_calls)


def test_separate_operations_run_for_small_inputs(layer, fused_calls):
    x, other = inputs((1, 5))
    with torch.no_grad():
        assert torch.equal(conv_add(layer, x, other), layer(x) + other)
    assert not any(fused_calls)


def test_operations_of_fused_layers_are_counted(layer, fused_calls):
    x, other = inputs((64, 33))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = conv_add(layer, x, other)
    assert counter.get_total_flops() == 2 * 64 * 64 * 9 * 64 * 33
    assert not any(fused_calls)
    with torch.no_grad():
        assert torch.equal(result, layer(x) + other)


def test_fused_layers_take_an_input_without_a_batch(layer):
    x, other = (each[0] for each in inputs((64, 33)))
    with torch.no_grad():
        assert torch.equal(conv_relu(layer, x), F.relu(layer(x)))
        assert torch.equal(conv_add(layer, x, other), layer(x) + other)


def test_fused_addition_broadcasts_like_a_sum(layer):
    x, _ = inputs((64, 33))
    with torch.no_grad():
        for other in (torch.randn(1, 64, 1, 1), torch.randn(2, 64, 64, 33), torch.tensor(1.0)):
            assert torch.equal(conv_add(layer, x, other), layer(x) + other)


def test_fused_layers_compile_to_one_graph(layer):
    x, other = inputs((64, 33))
    compiled = torch.compile(
        lambda x, other: conv_add(layer, conv_relu(layer, x), other), backend="eager", fullgraph=True
    )
    with torch.no_grad():
        assert torch.allclose(compiled(x, other), conv_add(layer, conv_relu(layer, x), other), atol=1e-4)


def test_receptive_field_sees_through_fused_layers():
    torch.manual_seed(2)
    block = ResidualBlock(64).eval()
    assert receptive_field(block, 64, (1, 1), (1, 1)) == 2
