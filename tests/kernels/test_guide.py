"""From bytes to the inputs of an encoder: bit-equal for every order of the axes, every layout, and at borders."""

from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import ResizeShapeError
from resizekit.ops import reference
from resizekit.ops.quantize import SCALE
from resizekit.testing.memory import RedZones, placed
from resizekit.testing.samples import all_values, channels_last, crop, odd_layouts, random_bytes
from resizekit_kernels import guide as module

FACTORS = [
    (1, 1),
    (2, 2),
    (2, 1),
    (1, 4),
    (3, 2),  # s * r is no power of two; the height goes first
    (2, 3),  # the width goes first
    (3, 3),  # one output per cell, and weights of 0 between others
    (4, 4),
]


def as_integers(x: Tensor) -> Tensor:
    return x.contiguous().view(torch.int32 if x.element_size() == 4 else torch.int16)


def check(device: torch.device, x: Tensor, s: int, r: int, **options: Any) -> None:
    x = placed(x, device)
    with RedZones() as zones:
        got = module.unshuffle_guide(x, s, r, **options)
    assert zones.overrun() is None
    expected = reference("unshuffle_guide")(x, s, r, **options)
    for actual, reference_result in zip(got, expected, strict=True):
        assert actual.dtype == reference_result.dtype
        assert actual.shape == reference_result.shape
        for layout in (torch.contiguous_format, torch.channels_last):
            assert actual.is_contiguous(memory_format=layout) == reference_result.is_contiguous(memory_format=layout)
        assert torch.equal(as_integers(actual), as_integers(reference_result))


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that the kernel runs, and not the reference."""
    monkeypatch.setattr(module, "reference", lambda op: pytest.fail(f"{op} ran its reference"))


def test_image_with_too_many_cells_for_int32_runs_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size alone decides: the image is a single byte, repeated."""
    monkeypatch.setattr(module, "reference", lambda op: lambda x, s, r, **options: op)
    monkeypatch.setattr(module, "_launch", lambda x, *args: ("launched", ""))
    for side, expected in ((26_700, "launched"), (26_800, "unshuffle_guide")):  # 3 * side**2 around 2**31
        x = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(5, 3, side, side)
        result = module.unshuffle_guide(x, 1, 1)
        assert (result if isinstance(result, str) else result[0]) == expected


@pytest.mark.usefixtures("no_reference")
class TestTheKernel:
    @pytest.mark.parametrize(("s", "r"), FACTORS)
    @pytest.mark.parametrize("c", [1, 3])
    def test_every_factor_equals_the_reference(self, kernel_device: torch.device, s: int, r: int, c: int) -> None:
        x = random_bytes(1, c, 5 * s, 7 * r)
        check(kernel_device, x, s, r, dtype=torch.bfloat16, shift=-0.5, channels_last=True)
        check(kernel_device, channels_last(x), s, r)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("last", [False, True])
    def test_every_dtype_equals_the_reference(
        self, kernel_device: torch.device, dtype: torch.dtype, last: bool
    ) -> None:
        x = random_bytes(1, 3, 4, 6)
        for y in (x, channels_last(x)):
            check(kernel_device, y, 2, 2, dtype=dtype, shift=0.1, multiple=16, channels_last=last)

    def test_every_value_equals_the_reference(self, kernel_device: torch.device) -> None:
        for shift in (0.0, -0.5, -0.45):
            check(kernel_device, all_values(), 1, 1, dtype=torch.bfloat16, shift=shift)

    def test_any_strides_equal_the_reference(self, kernel_device: torch.device) -> None:
        x = random_bytes(1, 3, 4, 6)
        for y in (crop(x), crop(channels_last(x)), *odd_layouts(x), x.flip(1)):
            check(kernel_device, y, 2, 3)

    @pytest.mark.parametrize(("s", "r"), [(2, 2), (1, 4), (4, 4)])
    def test_images_smaller_than_the_taps_equal_the_reference(
        self, kernel_device: torch.device, s: int, r: int
    ) -> None:
        check(kernel_device, random_bytes(1, 3, s, r), s, r)
        check(kernel_device, random_bytes(1, 1, 3 * s, r), s, r, channels_last=True)
        check(kernel_device, random_bytes(1, 1, s, 3 * r), s, r)

    def test_several_programs_equal_the_reference(self, kernel_device: torch.device) -> None:
        check(kernel_device, random_bytes(2, 3, 30, 30), 2, 2)
        check(kernel_device, channels_last(random_bytes(2, 3, 31, 60)), 1, 2, dtype=torch.float16, channels_last=True)

    @pytest.mark.parametrize("last", [False, True])
    @pytest.mark.parametrize("multiple", [5, 8, 64])
    def test_padding_beyond_the_channels_is_zero(self, kernel_device: torch.device, multiple: int, last: bool) -> None:
        check(kernel_device, random_bytes(1, 3, 3, 10), 1, 2, multiple=multiple, shift=-0.5, channels_last=last)

    def test_guide_overshoots_at_edges_without_clamping(self, kernel_device: torch.device) -> None:
        x = (random_bytes(1, 1, 4, 4) // 128 * 255).repeat_interleave(6, 2).repeat_interleave(6, 3)
        check(kernel_device, x, 2, 2)
        guide = module.unshuffle_guide(x.to(kernel_device), 2, 2).guide
        assert guide.min() < 0
        assert guide.max() > 1

    @pytest.mark.parametrize(("s", "r"), [(2, 2), (3, 2), (1, 4)])
    def test_constant_image_has_a_constant_guide(self, kernel_device: torch.device, s: int, r: int) -> None:
        for code in (0, 77, 255):
            x = torch.full((1, 1, 4 * s, 4 * r), code, dtype=torch.uint8, device=kernel_device)
            guide = module.unshuffle_guide(x, s, r).guide
            assert guide.unique().numel() == 1
            torch.testing.assert_close(guide, torch.full_like(guide, code * SCALE))

    def test_order_of_the_axes_is_that_of_resample(self, kernel_device: torch.device) -> None:
        """The other order gives other bits; otherwise this test could not distinguish them."""
        x = random_bytes(1, 1, 16, 16).to(kernel_device)
        upright, turned = (module.unshuffle_guide(y, 2, 2).guide for y in (x, x.mT))
        assert not torch.equal(upright, turned.mT)
        torch.testing.assert_close(upright, turned.mT)
        assert torch.equal(*(as_integers(g) for g in (module.unshuffle_guide(x, 2, 4).guide, _turned(x, 4, 2))))

    def test_offsets_have_more_than_32_bits(self, kernel_device: torch.device) -> None:
        """Only the pages that contain values use memory."""
        memory, far = torch.empty(2**31 + 64, dtype=torch.uint8, device=kernel_device), 2**30
        for s, r, shape, strides in (
            (2, 2, (1, 3, 4, 8), (0, far, 8, 1)),
            (1, 2, (1, 1, 3, 8), (0, 0, far, 1)),
            (2, 1, (1, 1, 8, 3), (0, 0, 1, far)),
            (2, 2, (3, 1, 4, 8), (far, 0, 8, 1)),
        ):
            x = random_bytes(*shape).to(kernel_device)
            got = module.unshuffle_guide(memory.as_strided(shape, strides).copy_(x), s, r)
            for actual, reference_result in zip(got, module.unshuffle_guide(x, s, r), strict=True):
                assert torch.equal(actual, reference_result)

    def test_invalid_arguments_are_refused(self) -> None:
        x = random_bytes(1, 3, 4, 6)
        for args, options, message in (
            ((x.float(), 2, 2), {}, "uint8"),
            ((x, 2, 4), {}, "crop to 4x4"),
            ((x[0], 2, 2), {}, "b c h w"),
            ((x, 2, 2), {"multiple": 0}, "1 or more"),
            ((x, 2, 2), {"dtype": torch.int32}, "choose a floating type"),
        ):
            with pytest.raises(ResizeShapeError, match=message):
                module.unshuffle_guide(*args, **options)


def _turned(x: Tensor, s: int, r: int) -> Tensor:
    return module.unshuffle_guide(x.mT, s, r).guide.mT


def test_unsupported_calls_go_to_the_reference(kernel_device: torch.device) -> None:
    check(kernel_device, random_bytes(1, 1, 10, 14), 5, 7, dtype=torch.bfloat16, channels_last=True)
    check(kernel_device, random_bytes(1, 1, 4, 6), 2, 2, dtype=torch.float64)
    check(kernel_device, random_bytes(0, 3, 4, 6), 2, 2, multiple=16, channels_last=True)
    for shape in ((1, 3, 0, 6), (1, 3, 4, 0)):
        x = torch.zeros(shape, dtype=torch.uint8, device=kernel_device)
        with pytest.raises(ResizeShapeError) as error_of_kernel:
            module.unshuffle_guide(x, 2, 2)
        with pytest.raises(ResizeShapeError) as error_of_reference:
            reference("unshuffle_guide")(x, 2, 2)
        assert str(error_of_kernel.value) == str(error_of_reference.value)


def test_bytes_moved_counts_inputs_and_outputs() -> None:
    """The input once, the padded unshuffled values in their dtype, four bytes per value of the guide."""
    (kernel,) = module.KERNELS
    assert kernel.bytes_moved is not None
    x = random_bytes(2, 3, 8, 6)
    cells = 2 * 4 * 3
    assert kernel.bytes_moved(x, 2, 2) == x.numel() + cells * (12 * 4 + 3 * 4)
    assert kernel.bytes_moved(x, 2, 2, dtype=torch.bfloat16, multiple=16) == x.numel() + cells * (16 * 2 + 3 * 4)
