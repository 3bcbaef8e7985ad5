"""From bytes to floats: both kernels, and which images the packed kernel can read by words."""

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import ResizeShapeError
from resizekit.ops import reference
from resizekit.testing.memory import RedZones
from resizekit.testing.results import strides
from resizekit_kernels import unshuffle_codes as module
from resizekit_kernels.launch import direct, wrap_triton

FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def image(device: torch.device, b: int, c: int, h: int, w: int) -> Tensor:
    generator = torch.Generator().manual_seed(b * c * h * w)
    codes = torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, generator=generator)
    return codes.to(device).permute(0, 3, 1, 2)


def check(x: Tensor, s: int, r: int, **options: Any) -> None:
    """Compare one call with the reference; poison around the outputs reveals missing and stray writes."""
    with RedZones() as zones:
        got = module.unshuffle_codes(x, s, r, **options)
    expected = reference("unshuffle_codes")(x, s, r, **options)
    assert got.dtype == expected.dtype
    assert strides(got) == strides(expected)
    assert torch.equal(got, expected), (x.shape, x.stride(), s, r, options)
    assert zones.overrun() is None


def packed(x: Tensor, s: int, r: int) -> bool:
    return module._whole_words(x, s, r, direct)


@pytest.mark.parametrize("c", [1, 3, 4])
@pytest.mark.parametrize(("s", "r"), [(1, 1), (2, 2), (2, 1), (1, 4), (3, 2)])
def test_dtypes_and_layouts_equal_the_reference(kernel_device: torch.device, s: int, r: int, c: int) -> None:
    x = image(kernel_device, 2, c, s, 8 * r)
    crop = image(kernel_device, 2, c, 3 * s, 9 * r + 1)[:, :, s : 2 * s, 1:]
    assert packed(x, s, r)
    assert not packed(crop, s, r)
    for dtype, last in product(FLOATS, (False, True)):
        check(x, s, r, dtype=dtype, channels_last=last)
        check(crop, s, r, dtype=dtype, channels_last=last)
    for multiple, last in product((5, 16), (False, True)):
        check(x, s, r, shift=-0.5, multiple=multiple, channels_last=last)
        check(x.contiguous(), s, r, shift=-0.5, multiple=multiple, channels_last=last)


@pytest.mark.parametrize("last", [False, True])
def test_several_rows_and_blocks_equal_the_reference(kernel_device: torch.device, last: bool) -> None:
    check(image(kernel_device, 2, 3, 3 * 2, 8), 2, 1, channels_last=last)
    wide = image(kernel_device, 1, 3, 2, 4 * 131)  # two full blocks of groups and three more groups
    assert packed(wide, 2, 1)
    check(wide, 2, 1, channels_last=last)
    check(wide[..., 1:], 2, 1, channels_last=last)


def test_largest_groups_of_words_equal_the_reference(kernel_device: torch.device) -> None:
    x = image(kernel_device, 1, 3, 4, 16)
    assert packed(x, 4, 4)
    check(x, 4, 4, multiple=32, channels_last=True)
    assert not packed(image(kernel_device, 1, 4, 4, 16), 4, 4)
    check(x, 4, 4, multiple=65)  # more channels than the packed kernel takes


def test_crops_are_read_by_words_if_aligned(kernel_device: torch.device) -> None:
    x = image(kernel_device, 3, 3, 12, 32)
    for view, by_words in (
        (x[:, :, 2:10, 4:28], True),
        (x[1:, :, :8], True),
        (x[:, :, :, 1:25], False),  # starts between two words
        (x[:, :, :, :20], False),  # a group would extend beyond the row
        (x[:, :2, :, :24], False),  # gaps between pixels
        (x.contiguous(), False),
        (image(kernel_device, 1, 3, 4, 24)[:, :, :, :16], True),
        (image(kernel_device, 2, 3, 4, 18)[:, :, :, :16], False),  # rows of 54 bytes
        (image(kernel_device, 1, 3, 4, 16).expand(2, 3, 4, 16), True),
    ):
        assert packed(view, 2, 2) == by_words, view.stride()
        check(view, 2, 2)


def test_images_that_start_between_words_equal_the_reference(kernel_device: torch.device) -> None:
    """The bytes between two images can be odd, and the memory can start anywhere."""
    raw = torch.arange(2 * (4 * 16 * 3 + 1), dtype=torch.int64).to(torch.uint8).to(kernel_device)
    apart = raw.view(2, -1)[:, :-1].view(2, 4, 16, 3).permute(0, 3, 1, 2)
    assert not packed(apart, 2, 2)
    check(apart, 2, 2)
    assert packed(apart[:1], 2, 2)
    check(apart[:1], 2, 2)
    shifted = torch.empty(0, dtype=torch.uint8, device=kernel_device).set_(raw.untyped_storage(), 1, (1, 3, 4, 16))
    shifted = shifted.reshape(-1).as_strided((1, 3, 4, 16), (192, 1, 48, 3))
    assert not packed(shifted, 2, 2)
    assert not module._whole_words(shifted, 2, 2, wrap_triton)
    check(shifted, 2, 2)


def test_every_value_in_every_dtype_equals_the_reference(kernel_device: torch.device) -> None:
    x = torch.arange(256, dtype=torch.uint8, device=kernel_device).reshape(1, 1, 4, 64)
    for dtype, shift in product(FLOATS, (0.0, -0.5, 0.1)):
        check(x, 2, 2, dtype=dtype, shift=shift)
        check(x.mT, 1, 1, dtype=dtype, shift=shift, channels_last=True)


sizes = st.integers(1, 3)


@given(sizes, st.integers(1, 4), sizes, st.integers(1, 9), sizes, sizes, st.sampled_from([1, 16]), st.booleans())
@settings(max_examples=25)
def test_any_shape_equals_the_reference(
    b: int, c: int, h: int, w: int, s: int, r: int, multiple: int, channels_last: bool
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check(image(device, b, c, h * s, w * r), s, r, shift=-0.5, multiple=multiple, channels_last=channels_last)


def test_unsupported_calls_go_to_the_reference(kernel_device: torch.device, no_launch: None) -> None:
    x = image(kernel_device, 1, 3, 4, 8)
    check(x, 2, 2, dtype=torch.float64)
    check(image(kernel_device, 1, 1, 40, 40), 40, 40)


def test_refused_calls_are_never_launched(kernel_device: torch.device, no_launch: None) -> None:
    x = image(kernel_device, 1, 3, 4, 8)
    for y, factors, options in (
        (x, (2, 3), {}),
        (x, (3, 2), {}),
        (x, (0, 2), {}),
        (x[0], (2, 2), {}),
        (x.short(), (2, 2), {}),
        (x, (2, 2), {"dtype": torch.int32}),
        (x, (2, 2), {"multiple": 0}),
    ):
        with pytest.raises(ResizeShapeError) as expected:
            reference("unshuffle_codes")(y, *factors, **options)
        with pytest.raises(ResizeShapeError) as got:
            module.unshuffle_codes(y, *factors, **options)
        assert str(got.value) == str(expected.value)


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((3, 1, 1, 2), (1, 1)), ((1, 3, 1, 2), (1, 1)), ((1, 1, 3, 2), (1, 1)), ((1, 1, 3, 2), (3, 1)),
     ((1, 1, 1, 3), (1, 1)), ((1, 1, 1, 3), (1, 3))],
)  # fmt: skip
def test_offsets_have_64_bits(kernel_device: torch.device, shape: tuple[int, ...], factors: tuple[int, int]) -> None:
    """The third element along an axis is 2**31 bytes from the first.

    Untouched memory costs nothing on the CPU; a 32-bit offset would be negative and lead to zeros before the first
    element.
    """
    memory = torch.empty(2**32 + 16, dtype=torch.uint8, device=kernel_device)
    x = memory.as_strided(shape, [2**30 if n == 3 else 1 for n in shape], 2**31)
    x.copy_(torch.arange(1, x.numel() + 1).reshape(shape))
    assert not packed(x, *factors)  # its strides are a quarter of these
    check(x, *factors)
