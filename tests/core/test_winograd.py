"""Precision "winograd": close to float32, and separate layers of PyTorch wherever ncnn cannot serve."""

import copy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import resizekit
from resizekit.codec.tile_memory import bytes_per_pixel
from resizekit.errors import MissingExtraError, UsageError
from resizekit.nn import ResidualBlock, ResidualBlocks
from resizekit.nn import winograd as module
from resizekit.nn.winograd import winograd
from resizekit.system import device

pytest.importorskip("ncnn", reason="needs the extra ncnn")

SIZES = [(1, 1, 1), (1, 5, 7), (2, 33, 31), (1, 64, 65), (1, 129, 66)]


@pytest.fixture
def blocks():
    torch.manual_seed(0)
    return ResidualBlocks(3, 64, scale=0.5).eval()


@pytest.fixture
def runs(monkeypatch):
    """Count the images that ncnn computes."""
    seen, run = [], module._Network.run

    def counting(self, image):
        seen.append(image.shape)
        return run(self, image)

    monkeypatch.setattr(module._Network, "run", counting)
    return seen


def images(*size, channels=64):
    draw = torch.Generator().manual_seed(sum(size))
    count, *side = size
    return torch.randn(count, channels, *side, generator=draw).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [48, 50, 64])
def test_winograd_is_as_exact_as_float32(channels, size, runs):
    torch.manual_seed(1)
    blocks, x = ResidualBlocks(2, channels).eval(), images(*size, channels=channels)
    before = x.clone()
    with torch.inference_mode():
        exact = copy.deepcopy(blocks).double()(x.double())
        plain = blocks(x)
        with winograd():
            fast = blocks(x)
    assert len(runs) == size[0]
    assert fast.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)
    error, of_plain = ((y - exact).abs().max() for y in (fast, plain))
    assert error <= max(8 * of_plain, 1e-6 * exact.abs().max())


def test_winograd_follows_changed_weights(blocks, runs):
    x = images(1, 20, 30)
    with torch.no_grad(), winograd():
        before = blocks(x)
        blocks[2].second.bias.add_(1.0)
        after = blocks(x)
    assert len(runs) == 2
    assert torch.allclose(after - before, torch.full_like(x, 0.5), atol=1e-4)  # the scale


def test_winograd_runs_in_several_threads_at_once(blocks):
    x = [images(1, 24 + i, 40) for i in range(8)]

    def run(image):
        with torch.inference_mode(), winograd():
            return blocks(image)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, x))
    assert all(torch.equal(run(image), result) for image, result in zip(x, together, strict=True))


def test_winograd_ends_with_its_block_of_code(blocks, runs):
    with torch.inference_mode():
        with winograd(), winograd():
            pass
        blocks(images(1, 20, 30))
    assert not runs


@pytest.mark.parametrize("case", ["gradients", "float64", "narrow", "autocast", "hook", "counter", "empty"])
def test_winograd_leaves_to_pytorch(case, blocks, runs):
    x = images(1, 20, 30)
    context = {
        "gradients": torch.enable_grad,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "counter": lambda: FlopCounterMode(display=False),
    }.get(case, torch.no_grad)
    calls = []
    if case == "float64":
        blocks, x = blocks.double(), x.double()
    elif case == "narrow":
        blocks, x = ResidualBlocks(2, 32).eval(), images(1, 20, 30, channels=32)
    elif case == "hook":
        blocks[0].register_forward_hook(lambda *_: calls.append(1))
    elif case == "empty":
        x = x[:0]
    with torch.no_grad():
        expected = blocks(x)
    with torch.no_grad(), context() as counter, winograd():
        if case == "gradients":
            x = x.requires_grad_()
        result = blocks(x)
    assert not runs
    assert result.shape == expected.shape
    assert len(calls) == (2 if case == "hook" else 0)
    if case == "counter":
        assert counter.get_total_flops() > 0


def test_residual_blocks_name_their_weights_as_a_sequence_does():
    sequence = nn.Sequential(ResidualBlock(8), ResidualBlock(8))
    assert list(ResidualBlocks(2, 8).state_dict()) == list(sequence.state_dict())


@pytest.fixture(scope="module")
def codecs():
    return {name: resizekit.load("sr-x4-fast", precision=name) for name in ("float32", "winograd")}


def test_winograd_codec_differs_by_one_level_at_most(codecs, runs):
    high = np.random.default_rng(0).integers(0, 256, (96, 132, 3), np.uint8)
    exact, fast = (codecs[name].down(high).astype(int) for name in ("float32", "winograd"))
    restored = [codecs[name].up(exact.astype(np.uint8)).astype(int) for name in ("float32", "winograd")]
    assert len(runs) == 2
    for a, b in ((exact, fast), tuple(restored)):
        assert np.abs(a - b).max() <= 1
        assert np.count_nonzero(a != b) <= a.size / 1000


def test_winograd_codec_can_be_copied_after_use(codecs):
    low = np.zeros((8, 9, 3), np.uint8)
    expected = codecs["winograd"].up(low)
    other = copy.deepcopy(codecs["winograd"])
    assert other.precision == "winograd"
    assert np.array_equal(other.up(low), expected)


def test_winograd_counts_the_memory_of_ncnn(codecs):
    """Without it, a budget of memory would choose tiles that are too large."""
    assert bytes_per_pixel(codecs["winograd"]) > 2 * bytes_per_pixel(codecs["float32"])


def test_winograd_file_records_its_precision(tmp_path):
    options = resizekit.RunOptions(precision="winograd")
    small = tmp_path / "small.png"
    resizekit.down_file("examples/astronaut.png", small, weights="sr-x4-fast", options=options)
    command = [sys.executable, "-m", "resizekit", "info", str(small), "--json"]
    assert '"precision": "winograd"' in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    resizekit.up_file(small, tmp_path / "restored.png", options=options)


@pytest.mark.parametrize(
    ("bfloat16", "installed", "expected"),
    [(True, True, "bfloat16"), (False, True, "winograd"), (False, False, "float32")],
)
def test_precision_auto_is_the_fastest_that_works(monkeypatch, bfloat16, installed, expected):
    monkeypatch.setattr(device, "_multiplies_bfloat16", lambda _: bfloat16)
    monkeypatch.setattr(device, "_has_ncnn", lambda: installed)
    assert device.pick_precision("auto", torch.device("cpu")) == expected


def test_precision_winograd_names_what_is_missing(monkeypatch):
    with pytest.raises(UsageError, match=r"winograd is for CPUs, and the device is cuda:1; use bfloat16 or float16"):
        device.pick_precision("winograd", torch.device("cuda:1"))
    monkeypatch.setattr(device, "_has_ncnn", lambda: False)
    with pytest.raises(MissingExtraError, match=r'pip install "resizekit\[ncnn\]"'):
        device.pick_precision("winograd", torch.device("cpu"))
