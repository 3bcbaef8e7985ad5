"""Precision "int8": residual blocks of decoders on 8-bit integers, close to float32."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

import resizekit
from resizekit.codec.calibration import dead_leaves
from resizekit.errors import UsageError
from resizekit.nn import ResidualBlocks
from resizekit.nn.int8 import _Block, int8, recording
from resizekit.spec import HW
from resizekit.system import device

CPU = torch.device("cpu")
serves = pytest.mark.skipif(not device._multiplies_int8(CPU), reason="needs a CPU with VNNI instructions")


@pytest.fixture
def runs(monkeypatch):
    """Count the blocks that run on integers."""
    seen, run = [], _Block.run

    def counting(self, x):
        seen.append(x.shape)
        return run(self, x)

    monkeypatch.setattr(_Block, "run", counting)
    return seen


def recorded(width=64, count=3, scale=1.0):
    torch.manual_seed(0)
    blocks = ResidualBlocks(count, width, scale=scale).eval()
    with torch.no_grad(), recording():
        blocks(2 * images(2, 40, 40, width=width))  # larger than what the tests use: values beyond are clamped
    return blocks


def images(*size, width=64):
    count, *side = size
    draw = torch.Generator().manual_seed(sum(size))
    return torch.randn(count, width, *side, generator=draw).contiguous(memory_format=torch.channels_last)


def rms(x):
    return float(x.square().mean().sqrt())


@serves
@pytest.mark.parametrize(("width", "scale"), [(64, 1.0), (20, 0.1)])
def test_int8_is_close_to_float32(width, scale, runs):
    blocks = recorded(width, scale=scale)
    for size in [(1, 1, 1), (1, 7, 5), (2, 33, 31), (1, 64, 65)]:
        x = images(*size, width=width)
        before = x.clone()
        runs.clear()
        with torch.inference_mode():
            exact = blocks(x)
            with int8():
                fast = blocks(x)
        assert len(runs) == 2  # the first block stays in floats
        assert fast.dtype == torch.float32
        assert torch.equal(x, before)
        assert rms(fast - exact) < 0.08 * rms(exact - x)


@serves
def test_int8_borders_are_as_exact_as_the_middle():
    """Padding has the value 0, which is 128 in 8 bits."""
    blocks = recorded()
    with torch.inference_mode():
        x = images(1, 40, 40) + 1.5
        exact = blocks(x)
        with int8():
            error = blocks(x) - exact
    assert rms(error[:, :, 0]) < 2 * rms(error[:, :, 15:25])


@pytest.mark.parametrize("case", ["gradients", "not recorded", "empty"])
def test_int8_leaves_to_pytorch(case, runs):
    blocks, x = recorded(), images(1, 8, 8)
    if case == "not recorded":
        blocks.ranges = None
    elif case == "empty":
        x = x[:0]
    with torch.set_grad_enabled(case == "gradients"):
        expected = blocks(x)
        with int8():
            assert torch.equal(blocks(x), expected)
    assert not runs


@serves
def test_int8_follows_changed_weights():
    blocks, x = recorded(), images(1, 12, 12)
    with torch.no_grad(), int8():
        before = blocks(x)
        blocks[2].second.bias.add_(0.25)
        assert torch.allclose(blocks(x) - before, torch.full_like(x, 0.25), atol=1e-5)


def test_recording_keeps_the_largest_values():
    blocks = recorded()
    ranges = copy.deepcopy(blocks.ranges)
    with torch.no_grad(), recording():
        blocks(0.1 * images(1, 9, 9))
        assert blocks.ranges == ranges
        blocks(10 * images(1, 9, 9))
    for new, old in zip(blocks.ranges, ranges, strict=True):
        assert new.input > old.input
        assert new.hidden > old.hidden
    assert "ranges" not in str(list(blocks.state_dict()))


@pytest.fixture(scope="module")
def photo():
    return np.asarray(Image.open("examples/astronaut.png").convert("RGB"))[:256, :256].copy()


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@serves
@pytest.mark.parametrize("weights", ["sr-x2-fast", "sr-x4"])
def test_int8_decoder_loses_little(weights, photo, runs):
    """The small picture is that of the precision "auto"."""
    plain = resizekit.load(weights, precision="auto")
    fast = resizekit.load(weights, precision="int8")
    runs.clear()
    low = fast.down(photo)
    assert not runs
    if plain.precision == "bfloat16":
        assert np.array_equal(low, plain.down(photo))
    loss = psnr(resizekit.load(weights).up(low), photo) - psnr(fast.up(low), photo)
    assert runs
    assert loss < 0.1  # a picture; the mean of Set5 and Set14 is below 0.05 (benchmarks/NOTEBOOK.md)


@serves
def test_int8_codec_can_be_copied(photo):
    fast = resizekit.load("sr-x4-fast", precision="int8")
    low = fast.down(photo)
    for other in (copy.deepcopy(fast), fast.replace(times=1)):
        assert other.precision == "int8"
        assert np.array_equal(other.up(low), fast.up(low))


def test_int8_is_refused_without_its_instructions(monkeypatch):
    monkeypatch.setattr(device, "_multiplies_int8", lambda place: False)
    with pytest.raises(UsageError, match=r"precision int8 needs a CPU with VNNI instructions, .* has none"):
        device.pick_precision("int8", CPU)


def test_dead_leaves_are_a_picture_with_contrast_at_every_scale():
    picture = dead_leaves(HW(96, 128), 3)
    assert picture.shape == (3, 96, 128)
    assert 0 <= picture.min() < 0.05 < 0.95 < picture.max() <= 1
    for step in (1, 4, 16):
        assert np.abs(picture[..., step:] - picture[..., :-step]).mean() > 0.02
    assert np.array_equal(picture, dead_leaves(HW(96, 128), 3))
