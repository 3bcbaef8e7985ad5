"""From bytes to floats: both forms of the kernel, and which pictures may be read by whole words."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.ops import reference
from resizekit_kernels import unshuffle_codes as family
from resizekit_kernels.launch import direct


def picture(device: torch.device, b: int, c: int, h: int, w: int) -> Tensor:
    generator = torch.Generator().manual_seed(b * c * h * w)
    codes = torch.randint(0, 256, (b, h, w, c), dtype=torch.uint8, generator=generator)
    return codes.to(device).permute(0, 3, 1, 2)


def steps(x: Tensor) -> list[int]:
    return [step for step, length in zip(x.stride(), x.shape, strict=True) if length > 1]


def check(x: Tensor, s: int, r: int, **options: Any) -> None:
    got, wanted = family.unshuffle_codes(x, s, r, **options), reference("unshuffle_codes")(x, s, r, **options)
    assert got.dtype == wanted.dtype
    assert steps(got) == steps(wanted)
    assert torch.equal(got, wanted)


PACKED = [
    (1, 1, 3),
    (2, 2, 3),
    (2, 2, 1),
    (1, 4, 3),
    (3, 2, 4),
    (4, 4, 3),
]


@pytest.mark.parametrize(("s", "r", "c"), PACKED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_whole_words(kernel_device: torch.device, s: int, r: int, c: int, dtype: torch.dtype) -> None:
    x = picture(kernel_device, 2, c, 2 * s, 12 * r)
    assert family._words(x, r, direct) is not None
    check(x, s, r, dtype=dtype)
    check(x, s, r, dtype=dtype, shift=-0.5, multiple=16)


def test_many_groups_of_words(kernel_device: torch.device) -> None:
    check(picture(kernel_device, 1, 3, 2, 4 * 2 * 131), 2, 2)


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
    ):
        assert (family._words(view, 2, direct) is not None) == can, view.stride()
        check(view, 2, 2)


def test_rows_that_begin_between_words(kernel_device: torch.device) -> None:
    x = picture(kernel_device, 2, 3, 4, 18)[:, :, :, :16]  # rows of 54 bytes
    assert family._words(x, 2, direct) is None
    check(x, 2, 2)


def test_memory_that_begins_between_words(kernel_device: torch.device) -> None:
    raw = torch.arange(1 + 4 * 16 * 3, dtype=torch.int64).to(torch.uint8).to(kernel_device)
    x = raw[1:].view(1, 4, 16, 3).permute(0, 3, 1, 2)
    assert family._words(x, 2, direct) is None
    check(x, 2, 2)


def test_every_code_in_every_type(kernel_device: torch.device) -> None:
    x = torch.arange(256, dtype=torch.uint8, device=kernel_device).reshape(1, 1, 16, 16)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for shift in (0.0, -0.5, 0.1):
            check(x, 1, 1, dtype=dtype, shift=shift)
            check(x, 2, 2, dtype=dtype, shift=shift, channels_last=True)


sizes = st.integers(1, 3)


@given(sizes, st.integers(1, 4), sizes, st.integers(1, 9), sizes, sizes, st.sampled_from([1, 16]), st.booleans())
@settings(max_examples=25)
def test_any_shape(b: int, c: int, h: int, w: int, s: int, r: int, multiple: int, channels_last: bool) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check(picture(device, b, c, h * s, w * r), s, r, shift=-0.5, multiple=multiple, channels_last=channels_last)


def test_what_it_does_not_serve_goes_to_the_reference(kernel_device: torch.device) -> None:
    check(picture(kernel_device, 1, 3, 4, 4), 2, 2, dtype=torch.float64)
    check(picture(kernel_device, 1, 1, 40, 40), 40, 40)


def test_two_thousand_million_elements_are_addressed_in_64_bits(kernel_device: torch.device) -> None:
    """A picture whose planes lie further apart than 32 bits reach, without the memory for it: all planes are one."""
    far = 2**31
    x = picture(kernel_device, 1, 1, 4, 8)
    apart = x.as_strided((1, 1, 4, 8), (far, far, 8, 1))
    check(apart, 2, 2)
