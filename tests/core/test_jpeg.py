"""JPEG as a compression: the values are those of a real file, and the gradient trains."""

from io import BytesIO

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit.codec.convert import to_tensor
from resizekit.errors import ConfigError, ImageError
from resizekit.ops import to_uint8
from resizekit.ops.quantize import SCALE
from resizekit.storage.compressions import Lossy
from resizekit.storage.jpeg import Jpeg, JpegOptions


def jpeg(quality=75, subsampling="4:2:0"):
    return Jpeg(JpegOptions(quality=quality, subsampling=subsampling))


def smooth(h, w, channels=3, seed=0, batch=1):
    noise = torch.rand(batch, channels, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, (h, w), mode="bicubic").clamp(0, 1)


def by_pillow(low, quality, subsampling):
    """Write and read with Pillow directly."""
    array = (low[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    file = BytesIO()
    PIL.Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(
        file, "JPEG", quality=quality, subsampling=subsampling
    )
    return to_tensor(np.array(PIL.Image.open(file)))


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 32), (33, 50)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("quality", "subsampling"), [(1, "4:2:0"), (75, "4:2:0"), (75, "4:4:4"), (100, "4:4:4")])
def test_low_is_read_back_from_a_pillow_file(size, channels, quality, subsampling):
    low = smooth(*size, channels) * 1.2 - 0.1
    module, expected = jpeg(quality, subsampling), by_pillow(low, quality, subsampling)
    assert torch.equal(module.eval()(low), expected)
    trained = module.train()(low.requires_grad_())
    assert torch.equal(trained, expected)
    trained.sum().backward()
    assert low.grad.isfinite().all()


def test_guide_is_added_first_and_each_image_is_one_file():
    low, guide = smooth(16, 24, batch=3), smooth(16, 24, batch=3, seed=1)
    both = jpeg()(low / 2, guide / 2)
    assert torch.equal(
        both,
        torch.cat([by_pillow((x + y)[None] / 2, 75, "4:2:0") for x, y in zip(low, guide, strict=True)]),
    )


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_descent_through_the_file_reduces_the_loss(channels, subsampling):
    module, expected = jpeg(50, subsampling), smooth(32, 32, channels)
    low = torch.full_like(expected, 0.5).requires_grad_()
    losses = []
    for _ in range(20):
        loss = (module(low) - expected).square().sum()
        (slope,) = torch.autograd.grad(loss, low)
        low = (low - 0.2 * slope).detach().requires_grad_()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("size", [(32, 48), (33, 47)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", [30, 75])
def test_smooth_approximates_the_format(quality, subsampling, channels, size):
    """Noise loses nearly everything: wrong tables, cosines or colours would lose other parts of it."""
    module = jpeg(quality, subsampling)
    noise = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0))
    low = to_uint8(0.3 + 0.4 * noise) * SCALE
    smooth, read = module.smooth(low), module(low)

    def error(x):
        return (x - read).square().mean().sqrt().item() * 255

    assert error(smooth) < 0.35 * error(low)


def test_frequency_that_is_rounded_to_zero_has_little_gradient():
    """A faint checkerboard is rounded to nothing; a strong one and a constant are not."""
    module, board = jpeg(50), (torch.arange(8)[:, None] + torch.arange(8)) % 2 - 0.5
    board = board[None, None]

    def slope(strength, along):
        low = (0.3 + strength * board).requires_grad_()
        (gradient,) = torch.autograd.grad((module(low) * along).sum(), low)
        return (gradient * along).sum().item() / along.square().sum().item()

    assert 0 < slope(0.01, board) < 0.5
    assert slope(0.5, board) > 0.8
    assert slope(0.01, torch.ones_like(board)) > 0.9


def test_codec_in_memory_equals_the_file_for_every_image_kind():
    torch.manual_seed(0)
    codec = resizekit.build("sr", compression={"name": "jpeg", "quality": 60}, network={"width": 4, "blocks": 0}).eval()
    array = to_uint8(smooth(40, 56))[0].permute(1, 2, 0).numpy()
    low = codec.down(array)
    with torch.no_grad():
        tensor = codec.down(to_tensor(array))
        before = codec.encode(to_tensor(array))
    assert torch.equal(to_tensor(low), tensor)
    assert torch.equal(tensor, by_pillow(before, 60, "4:2:0"))
    assert np.array_equal(np.asarray(codec.down(PIL.Image.fromarray(array))), low)
    assert not np.array_equal(low, to_uint8(before)[0].permute(1, 2, 0).numpy()), (
        "the file lost nothing, so the test proves nothing"
    )


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"compression": {"name": "jpeg", "quality": 0}}, "quality = 0: should be greater"),
        ({"compression": {"name": "jpeg", "quality": 101}}, "quality = 101"),
        ({"compression": {"name": "jpeg", "subsampling": "4:2:2"}}, "'4:2:0' or '4:4:4'"),
        ({"compression": {"name": "jpeg", "speed": 1}}, "known keys: quality, subsampling, training_qualities"),
        ({"compression": "jpeg", "channels": 4}, "1 or 3 channel(s), not 4"),
        ({"compression": "jpeg", "channels": 2}, "set channels to 1 or 3"),
    ],
)
def test_invalid_options_are_refused_before_building(config, text):
    with pytest.raises(ConfigError) as refusal:
        resizekit.build("sr", **config)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_images_that_the_format_cannot_hold_are_refused():
    with pytest.raises(ImageError, match=r"a JPEG cannot hold 65536x1 pixels of 1 channel\(s\)"):
        jpeg()(torch.zeros(1, 1, 1, 65536))
    with pytest.raises(ImageError, match="4 channel"):
        jpeg()(torch.zeros(1, 4, 8, 8))
    grey_as_colour = Lossy(resizekit.Storage(format="WEBP", suffixes=(".webp",)))
    with pytest.raises(ImageError, match=r"returns 3 channel\(s\) for 1"):
        grey_as_colour(torch.zeros(1, 1, 8, 8))
