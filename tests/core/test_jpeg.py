"""JPEG as a compression: the value is a real file's, the gradient one that learns."""

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
    """Through Pillow, spelt out."""
    array = (low[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    file = BytesIO()
    PIL.Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(
        file, "JPEG", quality=quality, subsampling=subsampling
    )
    return to_tensor(np.array(PIL.Image.open(file)))


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 32), (33, 50)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("quality", "subsampling"), [(1, "4:2:0"), (75, "4:2:0"), (75, "4:4:4"), (100, "4:4:4")])
def test_low_is_what_pillow_reads_back(size, channels, quality, subsampling):
    low = smooth(*size, channels) * 1.2 - 0.1
    module, wanted = jpeg(quality, subsampling), by_pillow(low, quality, subsampling)
    assert torch.equal(module.eval()(low), wanted)
    trained = module.train()(low.requires_grad_())
    assert torch.equal(trained, wanted)
    trained.sum().backward()
    assert low.grad.isfinite().all()


def test_the_guide_is_added_first_and_each_picture_is_a_file_of_its_own():
    low, guide = smooth(16, 24, batch=3), smooth(16, 24, batch=3, seed=1)
    both = jpeg()(low / 2, guide / 2)
    assert torch.equal(
        both,
        torch.cat([by_pillow((one + other)[None] / 2, 75, "4:2:0") for one, other in zip(low, guide, strict=True)]),
    )


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("channels", [1, 3])
def test_steps_against_the_gradient_go_downhill_through_the_file(channels, subsampling):
    module, wanted = jpeg(50, subsampling), smooth(32, 32, channels)
    low = torch.full_like(wanted, 0.5).requires_grad_()
    losses = []
    for _ in range(20):
        loss = (module(low) - wanted).square().sum()
        (slope,) = torch.autograd.grad(loss, low)
        low = (low - 0.2 * slope).detach().requires_grad_()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("size", [(32, 48), (33, 47)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", [30, 75])
def test_the_gradients_path_does_what_the_format_does(quality, subsampling, channels, size):
    """On noise nearly everything is lost; tables, cosines or colours that were wrong would lose other things."""
    module = jpeg(quality, subsampling)
    noise = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0))
    low = to_uint8(0.3 + 0.4 * noise) * SCALE
    imitated, read = module.smooth(low), module(low)

    def off(x):
        return (x - read).square().mean().sqrt().item() * 255

    assert off(imitated) < 0.35 * off(low)


def test_a_frequency_that_no_file_keeps_has_little_gradient():
    """A faint checkerboard is rounded away whole; a strong one and a plain shade are not."""
    module, board = jpeg(50), (torch.arange(8)[:, None] + torch.arange(8)) % 2 - 0.5
    board = board[None, None]

    def slope(strength, along):
        low = (0.3 + strength * board).requires_grad_()
        (gradient,) = torch.autograd.grad((module(low) * along).sum(), low)
        return (gradient * along).sum().item() / along.square().sum().item()

    assert 0 < slope(0.01, board) < 0.5
    assert slope(0.5, board) > 0.8
    assert slope(0.01, torch.ones_like(board)) > 0.9


def test_memory_holds_what_the_file_would_in_every_kind_of_image():
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
        "nothing was lost, so nothing was tested"
    )


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"compression": {"name": "jpeg", "quality": 0}}, "quality = 0: should be greater"),
        ({"compression": {"name": "jpeg", "quality": 101}}, "quality = 101"),
        ({"compression": {"name": "jpeg", "subsampling": "4:2:2"}}, "'4:2:0' or '4:4:4'"),
        ({"compression": {"name": "jpeg", "speed": 1}}, "known here: quality, subsampling"),
        ({"compression": "jpeg", "channels": 4}, "1 or 3 channel(s), not 4"),
        ({"compression": "jpeg", "channels": 2}, "set channels to 1 or 3"),
    ],
)
def test_what_no_jpeg_is_is_refused_before_anything_is_built(config, says):
    with pytest.raises(ConfigError) as refusal:
        resizekit.build("sr", **config)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_the_format_cannot_hold_is_refused_in_one_line():
    with pytest.raises(ImageError, match=r"a JPEG cannot hold 65536x1 pixels of 1 channel\(s\)"):
        jpeg()(torch.zeros(1, 1, 1, 65536))
    with pytest.raises(ImageError, match="4 channel"):
        jpeg()(torch.zeros(1, 4, 8, 8))
    grey_as_colour = Lossy(resizekit.Storage(format="WEBP", suffixes=(".webp",)))
    with pytest.raises(ImageError, match=r"gives 1 channel\(s\) back as 3"):
        grey_as_colour(torch.zeros(1, 1, 8, 8))
