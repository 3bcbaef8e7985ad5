"""From bytes to floats: both forms of the kernel, and which pictures may be read by whole words."""

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
from resizekit_kernels import unshuffle_codes as family
from resizekit_kernels.launch import direct, wrap_triton

FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def picture(device: torch.device, b: int, c: int, h: int, w: int) -> Tensor:
    generator = torch.Generator().manual_seed(b * c * h * w)
    codes = torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, generator=generator)
    return codes.to(device).permute(0, 3, 1, 2)


def check(x: Tensor, s: int, r: int, **options: Any) -> None:
    """Hold one call to the reference; each output lies in poison, so that what is left out or written beside shows."""
    with RedZones() as zones:
        got = family.unshuffle_codes(x, s, r, **options)
    wanted = reference("unshuffle_codes")(x, s, r, **options)
    assert got.dtype == wanted.dtype
    assert strides(got) == strides(wanted)
    assert torch.equal(got, wanted), (x.shape, x.stride(), s, r, options)
    assert zones.overrun() is None


def packed(x: Tensor, s: int, r: int) -> bool:
    return family._whole_words(x, s, r, direct)


@pytest.mark.parametrize("c", [1, 3, 4])
@pytest.mark.parametrize(("s", "r"), [(1, 1), (2, 2), (2, 1), (1, 4), (3, 2)])
def test_types_and_layouts(kernel_device: torch.device, s: int, r: int, c: int) -> None:
    x = picture(kernel_device, 2, c, s, 8 * r)
    crop = picture(kernel_device, 2, c, 3 * s, 9 * r + 1)[:, :, s : 2 * s, 1:]
    assert packed(x, s, r)
    assert not packed(crop, s, r)
    for dtype, last in product(FLOATS, (False, True)):
        check(x, s, r, dtype=dtype, channels_last=last)
        check(crop, s, r, dtype=dtype, channels_last=last)
    for multiple, last in product((5, 16), (False, True)):
        check(x, s, r, shift=-0.5, multiple=multiple, channels_last=last)
        check(x.contiguous(), s, r, shift=-0.5, multiple=multiple, channels_last=last)


@pytest.mark.parametrize("last", [False, True])
def test_several_rows_and_blocks(kernel_device: torch.device, last: bool) -> None:
    check(picture(kernel_device, 2, 3, 3 * 2, 8), 2, 1, channels_last=last)
    wide = picture(kernel_device, 1, 3, 2, 4 * 131)  # two full blocks of groups, and three groups more
    assert packed(wide, 2, 1)
    check(wide, 2, 1, channels_last=last)
    check(wide[..., 1:], 2, 1, channels_last=last)


def test_the_largest_groups_of_words(kernel_device: torch.device) -> None:
    x = picture(kernel_device, 1, 3, 4, 16)
    assert packed(x, 4, 4)
    check(x, 4, 4, multiple=32, channels_last=True)
    assert not packed(picture(kernel_device, 1, 4, 4, 16), 4, 4)
    check(x, 4, 4, multiple=65)  # more channels than are written out


def test_crops_are_read_by_words_where_they_can_be(kernel_device: torch.device) -> None:
    x = picture(kernel_device, 3, 3, 12, 32)
    for view, can in (
        (x[:, :, 2:10, 4:28], True),
        (x[1:, :, :8], True),
        (x[:, :, :, 1:25], False),  # begins between two words
        (x[:, :, :, :20], False),  # a group would reach beyond the row
        (x[:, :2, :, :24], False),  # gaps between pixels
        (x.contiguous(), False),
        (picture(kernel_device, 1, 3, 4, 24)[:, :, :, :16], True),
        (picture(kernel_device, 2, 3, 4, 18)[:, :, :, :16], False),  # rows of 54 bytes
        (picture(kernel_device, 1, 3, 4, 16).expand(2, 3, 4, 16), True),
    ):
        assert packed(view, 2, 2) == can, view.stride()
        check(view, 2, 2)


def test_pictures_that_begin_between_words(kernel_device: torch.device) -> None:
    """The byte between two images may be the odd one, and memory itself may begin anywhere."""
    raw = torch.arange(2 * (4 * 16 * 3 + 1), dtype=torch.int64).to(torch.uint8).to(kernel_device)
    apart = raw.view(2, -1)[:, :-1].view(2, 4, 16, 3).permute(0, 3, 1, 2)
    assert not packed(apart, 2, 2)
    check(apart, 2, 2)
    assert packed(apart[:1], 2, 2)
    check(apart[:1], 2, 2)
    shifted = torch.empty(0, dtype=torch.uint8, device=kernel_device).set_(raw.untyped_storage(), 1, (1, 3, 4, 16))
    shifted = shifted.reshape(-1).as_strided((1, 3, 4, 16), (192, 1, 48, 3))
    assert not packed(shifted, 2, 2)
    assert not family._whole_words(shifted, 2, 2, wrap_triton)
    check(shifted, 2, 2)


def test_every_code_in_every_type(kernel_device: torch.device) -> None:
    x = torch.arange(256, dtype=torch.uint8, device=kernel_device).reshape(1, 1, 4, 64)
    for dtype, shift in product(FLOATS, (0.0, -0.5, 0.1)):
        check(x, 2, 2, dtype=dtype, shift=shift)
        check(x.mT, 1, 1, dtype=dtype, shift=shift, channels_last=True)


sizes = st.integers(1, 3)


@given(sizes, st.integers(1, 4), sizes, st.integers(1, 9), sizes, sizes, st.sampled_from([1, 16]), st.booleans())
@settings(max_examples=25)
def test_any_shape(b: int, c: int, h: int, w: int, s: int, r: int, multiple: int, channels_last: bool) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check(picture(device, b, c, h * s, w * r), s, r, shift=-0.5, multiple=multiple, channels_last=channels_last)


def test_what_it_does_not_serve_goes_to_the_reference(kernel_device: torch.device, no_launch: None) -> None:
    x = picture(kernel_device, 1, 3, 4, 8)
    check(x, 2, 2, dtype=torch.float64)
    check(picture(kernel_device, 1, 1, 40, 40), 40, 40)


def test_what_the_reference_refuses_is_never_launched(kernel_device: torch.device, no_launch: None) -> None:
    x = picture(kernel_device, 1, 3, 4, 8)
    for y, factors, options in (
        (x, (2, 3), {}),
        (x, (3, 2), {}),
        (x, (0, 2), {}),
        (x[0], (2, 2), {}),
        (x.short(), (2, 2), {}),
        (x, (2, 2), {"dtype": torch.int32}),
        (x, (2, 2), {"multiple": 0}),
    ):
        with pytest.raises(ResizeShapeError) as wanted:
            reference("unshuffle_codes")(y, *factors, **options)
        with pytest.raises(ResizeShapeError) as got:
            family.unshuffle_codes(y, *factors, **options)
        assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((3, 1, 1, 2), (1, 1)), ((1, 3, 1, 2), (1, 1)), ((1, 1, 3, 2), (1, 1)), ((1, 1, 3, 2), (3, 1)),
     ((1, 1, 1, 3), (1, 1)), ((1, 1, 1, 3), (1, 3))],
)  # fmt: skip
def test_offsets_have_64_bits(kernel_device: torch.device, shape: tuple[int, ...], factors: tuple[int, int]) -> None:
    """The third along an axis lies 2**31 bytes from the first.

    What is not touched of the memory costs nothing on the CPU; in 32 bits the offset would be negative, and lead to the
    zeros before the first.
    """
    memory = torch.empty(2**32 + 16, dtype=torch.uint8, device=kernel_device)
    x = memory.as_strided(shape, [2**30 if n == 3 else 1 for n in shape], 2**31)
    x.copy_(torch.arange(1, x.numel() + 1).reshape(shape))
    assert not packed(x, *factors)  # whose strides are a quarter of these
    check(x, *factors)
