"""Graphs of a codec, with a simulation of CUDA graphs on the CPU."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import _disable_current_modes

import resizekit
from resizekit.codec import graphs
from resizekit.errors import UsageError
from resizekit.nn import fused
from resizekit.nn.fused import conv_add, conv_relu, one_pass
from resizekit.ops import Kernel, kernels_installed, reference, references
from tests.core.tape import Tape, simulate


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


def picture(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def test_graphed_codec_gives_the_same_pixels(codec, monkeypatch):
    tapes = simulate(monkeypatch)
    fast = codec.graphed()
    for seed in range(3):  # later pictures replay the recording of the first
        high = picture(32, 48, seed=seed)
        low = codec.down(high)
        assert np.array_equal(fast.down(high), low)
        assert np.array_equal(fast.up(low), codec.up(low))
    assert len(tapes) == 4  # two ways for each direction


def test_graphed_results_stay_unchanged_by_later_calls(codec, monkeypatch):
    simulate(monkeypatch)
    fast = codec.graphed()
    first = fast.up(picture(8, 9))
    before = first.copy()
    fast.up(picture(8, 9, seed=1))
    assert np.array_equal(first, before)


def test_graphs_record_each_size_and_type_once(codec, monkeypatch):
    tapes = simulate(monkeypatch)
    fast = codec.graphed()
    for size in [(8, 8), (8, 10), (8, 8)]:
        fast.up(picture(*size))
    assert len(tapes) == 4
    with torch.inference_mode():
        fast.up_codes(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.float32)
    assert len(tapes) == 6


def test_graphs_drop_the_least_recently_used(codec, monkeypatch):
    tapes = simulate(monkeypatch)
    monkeypatch.setattr(graphs, "_MOST", 2)
    fast = codec.graphed()
    for width in (8, 10, 8, 12, 8, 10):  # 12 replaces 10
        fast.up(picture(8, width))
    assert len(tapes) == 2 * 4


@pytest.mark.parametrize(("slow", "fastest"), [((0,), 1), ((1,), 0)])
def test_graphs_keep_the_fastest_way(codec, monkeypatch, slow, fastest):
    tapes = simulate(monkeypatch, slow)
    fast = codec.graphed()
    fast.up(picture(8, 8))
    monkeypatch.setattr(tapes[fastest], "replay", lambda: (_ for _ in ()).throw(KeyError("replayed")))
    with pytest.raises(KeyError, match="replayed"):
        fast.up(picture(8, 8))


def test_graphed_codec_with_effort_or_gradients_runs_directly(codec, monkeypatch):
    tapes = simulate(monkeypatch)
    fast = codec.graphed()
    assert np.array_equal(fast.down(picture(16, 16), effort=1), codec.down(picture(16, 16), effort=1))
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    fast.down_tensor(x).sum().backward()
    assert x.grad is not None
    assert not tapes


def test_graphed_copies_record_their_own_graphs(codec, monkeypatch):
    tapes = simulate(monkeypatch)
    fast = codec.graphed()
    fast.up(picture(8, 8))
    copy.deepcopy(fast).up(picture(8, 8))
    assert len(tapes) == 4


def test_graphed_needs_cuda(codec):
    with pytest.raises(UsageError, match="need a CUDA device, and the codec is on cpu: load it with device='cuda'"):
        codec.graphed()


def launches(codec, x, context):
    """Count operations that are not views; an op with a kernel for GPUs counts as one."""
    tape = Tape()

    def counted(name):
        def run(*args, **options):
            with _disable_current_modes(), references():
                result = reference(name)(*args, **options)
            tape.steps.append((name, None, (), {}, result))
            return result

        return Kernel(op=name, device_type="cpu", run=run)

    names = ("conv3x3", "shuffle", "shuffle_codes", "to_uint8", "unshuffle", "unshuffle_codes", "unshuffle_guide")
    with torch.no_grad(), context(), kernels_installed(*map(counted, names)):
        codec.up_codes(x)  # weights in half precision are kept from now on
        tape.steps.clear()
        with tape:
            codec.up_codes(x)
    return tape.launches


def test_one_pass_starts_few_kernels(monkeypatch):
    monkeypatch.setattr(fused, "_operator", lambda layer, x: None)  # fused operations of CPUs
    codec = resizekit.load("sr-x2", precision="float16")
    x = torch.zeros(1, 16, 16, 3, dtype=torch.uint8).permute(0, 3, 1, 2)  # the order of files
    names, separate = launches(codec, x, one_pass), launches(codec, x, nullcontext)
    assert names.count("conv3x3") == 12  # six residual blocks
    assert len(names) <= 20, names
    assert len(separate) >= 50, separate


def test_one_pass_is_close_to_separate_operations():
    torch.manual_seed(0)
    layer, x = torch.nn.Conv2d(32, 32, 3, padding=1).eval(), torch.randn(1, 32, 9, 11)
    with torch.inference_mode():
        for run, expected in (
            (lambda y: conv_relu(layer, y), torch.relu(layer(x))),
            (lambda y: conv_add(layer, y, y), layer(x) + x),
        ):
            with one_pass():
                result = run(x.half())
            assert result.dtype == torch.float16
            assert (result - expected).abs().max() < 0.01


@pytest.mark.parametrize("layer", [
    torch.nn.Conv2d(8, 8, 3), torch.nn.Conv2d(8, 8, 1, padding=1), torch.nn.Conv2d(8, 8, 3, padding=1, bias=False),
    torch.nn.Conv2d(8, 8, 3, padding=1, stride=2), torch.nn.Conv2d(8, 8, 3, padding=1, groups=2),
    torch.nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
], ids=str)  # fmt: skip
def test_one_pass_leaves_other_layers_to_pytorch(layer):
    layer, x = layer.half().eval(), torch.randn(1, 8, 6, 7).half()
    with torch.inference_mode():
        expected = conv_relu(layer, x)
        with one_pass():
            assert torch.equal(conv_relu(layer, x), expected)
