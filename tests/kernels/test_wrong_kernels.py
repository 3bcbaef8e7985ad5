"""Every rule for a kernel fails for kernels that break it, with the right message."""

from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import pytest
import torch
from torch import Tensor

from resizekit import Kernel, ops
from resizekit.errors import ResizeShapeError
from resizekit.ops import reference
from resizekit.ops.quantize import Quantized
from resizekit.testing import KernelConformance
from resizekit.testing.memory import RedZones

LAWS = {name for name in vars(KernelConformance) if name.startswith("test_")}

Run = Callable[..., Any]


def conformance(kernel: Kernel, **members: Any) -> type[KernelConformance]:
    return type("Test", (KernelConformance,), {"kernel": kernel, **members})


def wrong(
    op: str, law: str, message: str, error: type[Exception] = AssertionError
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a wrong kernel with the rule that it breaks and the expected message."""

    def note(run: Run) -> Run:
        WRONG.append(pytest.param(op, run, f"test_{law}", error, message, id=f"{law}-{run.__name__}"))
        return run

    return note


WRONG: list[Any] = []


@wrong(
    "to_uint8", "equal_to_the_reference", r"differs in \d+ of 144 elements, first at \(0, 0, 0, 0\): 0 instead of 255"
)
def one_code_off(x: Tensor, guide: Tensor | None = None) -> Tensor:
    return reference("to_uint8")(x, guide) + 1


@wrong("to_uint8", "equal_to_the_reference", "dtype of the result is torch.int32")
def another_type(x: Tensor, guide: Tensor | None = None) -> Tensor:
    return reference("to_uint8")(x, guide).int()


@wrong("quantize_codes", "equal_to_the_reference", "returned a tuple, the reference a Quantized")
def a_plain_tuple(
    x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards"
) -> tuple[Tensor, Tensor]:
    return tuple(reference("quantize_codes")(x, guide, clamp_gradient=clamp_gradient))


@wrong("unshuffle", "equal_to_the_reference", "has the strides")
def another_layout(x: Tensor, s: int, r: int) -> Tensor:
    return reference("unshuffle")(x, s, r).contiguous()


@wrong("shuffle_codes", "equal_to_the_reference", r"float32 2x12x3x5 strides.*has the strides")
def a_layout_that_follows_a_crop(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    stored = reference("shuffle_codes")(x, s, r, shift=shift)
    return stored if x.is_contiguous(memory_format=torch.channels_last) or x.is_contiguous() else stored.contiguous()


@wrong("shuffle", "equal_to_the_reference", "unexpected keyword", TypeError)
def other_names(values: Tensor, s: int, r: int) -> Tensor:
    return reference("shuffle")(values, s, r)


@wrong("to_uint8", "equal_to_the_reference", "float16 .*differs")
def computed_in_half_precision(x: Tensor, guide: Tensor | None = None) -> Tensor:
    total = x if guide is None else x + guide
    return (total.clamp(0, 1) * 255).round().to(torch.uint8)


@wrong("unshuffle", "equal_to_the_reference", r"float32 2x3x4x6 strides \(231, 77, 11, 1\).*differs")
def gaps_overlooked(x: Tensor, s: int, r: int) -> Tensor:
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    return reference("unshuffle")(x if dense else x.as_strided(x.shape, torch.empty(x.shape).stride()), s, r)


@wrong("shuffle", "odd_sizes_and_factors", r"3, 1\): the shape of the result is .*2, 3, 3, 15.*2, 3, 9, 5")
def factors_swapped(x: Tensor, s: int, r: int) -> Tensor:
    return reference("shuffle")(x, r, s)


@wrong(
    "to_uint8", "odd_sizes_and_factors", r"float32 2x3x25x29.*differs in 1 of 4350 elements, first at \(1, 2, 24, 28\)"
)
def a_tail_forgotten(x: Tensor, guide: Tensor | None = None) -> Tensor:
    stored = reference("to_uint8")(x, guide).contiguous()
    if stored.numel() > 2048:
        stored.view(-1)[-1] ^= 1
    return stored


@wrong("quantize", "empty_batch", "index 0 is out of bounds", IndexError)
def no_pictures_no_luck(
    x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards"
) -> Tensor:
    _ = x[0]
    return reference("quantize")(x, guide, clamp_gradient=clamp_gradient)


@wrong("quantize", "nan_and_infinity", "nan")
def nan_becomes_black(x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards") -> Tensor:
    return reference("quantize")(x, guide, clamp_gradient=clamp_gradient).nan_to_num(0)


@wrong("shuffle_codes", "nan_and_infinity", "differs")
def nan_becomes_white(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    return reference("shuffle_codes")(x.nan_to_num(1, torch.inf, -torch.inf), s, r, shift=shift)


@wrong("to_uint8", "ties", "differs")
def half_rounded_up(x: Tensor, guide: Tensor | None = None) -> Tensor:
    total = x.float() if guide is None else x.float() + guide.float()
    return (total.nan_to_num(0).clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)


@wrong("unshuffle_codes", "ties", "differs")
def divided_by_255(x: Tensor, s: int, r: int, **options: Any) -> Tensor:
    kind, shift = options.get("dtype", torch.float32), options.get("shift", 0)
    return reference("unshuffle")(x.float() / 255 + shift, s, r).to(kind)


class Straight(torch.autograd.Function):
    """The gradient of "identity", whatever `clamp_gradient` says."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, guide: Tensor | None) -> Tensor:
        return reference("quantize")(x, guide)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return gradients[0], gradients[0] if ctx.needs_input_grad[1] else None


@wrong("quantize", "gradients", "the gradient of tensor 0 from a random gradient.*differs")
def one_rule_for_all(x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards") -> Tensor:
    return Straight.apply(x, guide)


@wrong("quantize", "gradients", r"results with a gradient: \(\), those of the reference: \('the result',\)")
def no_gradient(x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards") -> Tensor:
    return reference("quantize")(x.detach(), None if guide is None else guide.detach(), clamp_gradient=clamp_gradient)


@wrong("quantize", "gradients", r"differentiated for tensor 0 and 1|returned a NoneType, the reference a Tensor")
def no_gradient_for_the_guide(
    x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards"
) -> Tensor:
    return reference("quantize")(x, None if guide is None else guide.detach(), clamp_gradient=clamp_gradient)


class Scattered(torch.autograd.Function):
    """Reads the upstream gradient as if it had no gaps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: int, r: int) -> Tensor:
        ctx.factors = s, r
        return reference("unshuffle")(x, s, r)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        dense = torch.empty(gradients[0].shape).stride()
        return reference("shuffle")(gradients[0].as_strided(gradients[0].shape, dense), *ctx.factors), None, None


@wrong("unshuffle", "gradients", "from (a gradient in another layout|the gradient of a sum).*(differs|out of bounds)")
def gradients_without_strides(x: Tensor, s: int, r: int) -> Tensor:
    return Scattered.apply(x, s, r)


def copied(result: Tensor, extra: int = 0, short: int = 0, early: int = 0) -> Tensor:
    """Write a result by address, as a kernel does, with too many or too few elements or too early."""
    out = torch.empty_like(result, memory_format=torch.contiguous_format)
    n = out.numel()
    if n > 1:
        there = out.as_strided((n + extra - short,), (1,), out.storage_offset() - early)
        there.copy_(torch.cat([result.reshape(-1), result.new_zeros(extra)])[: n + extra - short])
    return out


@wrong("to_uint8", "red_zones", r"3 bytes were written after an output of shape \(2, 3, 4, 6\)")
def past_the_end(x: Tensor, guide: Tensor | None = None) -> Tensor:
    return copied(reference("to_uint8")(x, guide), extra=3)


@wrong("quantize", "red_zones", r"4 bytes were written before an output of shape \(2, 3, 4, 6\)")
def before_the_beginning(
    x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards"
) -> Tensor:
    return copied(reference("quantize")(x, guide).float(), early=1)


@wrong(
    "shuffle", "red_zones", r"was not written in 1 of 144 elements, first at \(1, 1, 5, 14\)|was not written in 1 of"
)
def the_last_left_out(x: Tensor, s: int, r: int) -> Tensor:
    return copied(reference("shuffle")(x, s, r), short=1)


class Unfinished(torch.autograd.Function):
    """Does not write the last gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: int, r: int) -> Tensor:
        ctx.factors = s, r
        return reference("shuffle")(x, s, r)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return copied(reference("unshuffle")(gradients[0], *ctx.factors), short=1), None, None


@wrong(
    "shuffle",
    "red_zones",
    "differentiated for tensor 0: the gradient of tensor 0 .* was not written in 1 of 360 elements",
)
def the_last_gradient_left_out(x: Tensor, s: int, r: int) -> Tensor:
    return Unfinished.apply(x, s, r)


@wrong("quantize", "inputs_are_left_unchanged", "bytes of or around its input of shape")
def clamped_in_place(x: Tensor, guide: Tensor | None = None, *, clamp_gradient: str = "identity_if_towards") -> Tensor:
    x.data.clamp_(0, 1)
    return reference("quantize")(x, guide, clamp_gradient=clamp_gradient)


@wrong("to_uint8", "inputs_are_left_unchanged", "1 bytes of or around its input of shape")
def a_byte_beside_the_input(x: Tensor, guide: Tensor | None = None) -> Tensor:
    if x.numel():
        torch.empty(0, dtype=torch.uint8).set_(x.untyped_storage())[0] = 1
    return reference("to_uint8")(x, guide)


class Greedy(torch.autograd.Function):
    """Scales the upstream gradient in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: int, r: int) -> Tensor:
        ctx.factors = s, r
        return reference("shuffle")(x, s, r)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return reference("unshuffle")(gradients[0].mul_(2), *ctx.factors), None, None


@wrong("shuffle", "inputs_are_left_unchanged", "differentiated for tensor 0: .* bytes of or around its input of shape")
def gradients_changed_in_place(x: Tensor, s: int, r: int) -> Tensor:
    return Greedy.apply(x, s, r)


@wrong("unshuffle", "bad_input", "was accepted; the reference raises ResizeShapeError.*crop to 2x6")
def what_does_not_divide_is_cut(x: Tensor, s: int, r: int) -> Tensor:
    if x.dim() == 4 and s > 0 and r > 0:
        x = x[:, :, : x.shape[2] // s * s, : x.shape[3] // r * r]
    return reference("unshuffle")(x, s, r)


@wrong("unshuffle_quantize", "bad_input", "raised ValueError.*the reference raises ResizeShapeError")
def other_words(x: Tensor, s: int, r: int, *, clamp_gradient: str = "identity_if_towards") -> Quantized:
    try:
        return reference("unshuffle_quantize")(x, s, r, clamp_gradient=clamp_gradient)
    except ResizeShapeError as error:
        raise ValueError(str(error)) from None


@pytest.mark.parametrize(
    "make",
    [
        lambda like: torch.empty(2, 3),
        lambda like: torch.empty(3, 2).t().new_empty((2, 3)),
        lambda like: torch.empty_like(like),
        lambda like: torch.empty_strided((2, 3), (1, 2)),
        lambda like: torch.zeros(2, 3),
        lambda like: torch.zeros_like(like),
        lambda like: like.new_full((2, 3), 0),
    ],
)
def test_every_new_tensor_has_red_zones(make: Callable[[Tensor], Tensor]) -> None:
    with RedZones() as zones:
        x = make(torch.ones(2, 3, dtype=torch.float32))
    assert x.isnan().all() or not x.any()
    x.fill_(1)
    assert zones.overrun() is None
    x.as_strided((7,), (1,), x.storage_offset())[-1] = 1
    assert zones.overrun() == "4 bytes were written after an output of shape (2, 3)"


@pytest.mark.parametrize(("op", "run", "law", "error", "message"), WRONG)
def test_wrong_kernel_fails(op: str, run: Callable[..., Any], law: str, error: type[Exception], message: str) -> None:
    suite = conformance(Kernel(op=op, device_type="cpu", run=run))()
    with pytest.raises(error, match=f"(?s){message}"):
        getattr(suite, law)()


def test_reference_uses_no_kernel_for_its_parts() -> None:
    """Otherwise a wrong kernel for a part would make both sides equally wrong."""
    wrong_part = Kernel(op="to_uint8", device_type="cpu", run=one_code_off)
    suite = conformance(Kernel(op="shuffle_codes", device_type="cpu", run=reference("shuffle_codes")))()
    with ops.kernels_installed(wrong_part), pytest.raises(AssertionError, match="differs in 768 of 768"):
        suite.test_ties()


def test_every_rule_has_a_failing_case() -> None:
    assert {param.values[2] for param in WRONG} | {"test_bytes_moved"} == LAWS


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (lambda x, s, r: 1.0 * x.numel(), r"144.0 is not an integer"),
        (lambda x, s, r: 0, "0 bytes: expected at least 1"),
        (lambda x, s, r: x.numel() + 8, "152 bytes, but 296 for twice the batch"),
        (lambda x, s, r: x[0].numel(), "72 bytes, but 72 for twice"),
    ],
)
def test_wrong_count_of_bytes_fails(count: Callable[..., Any], message: str) -> None:
    kernel = Kernel(op="unshuffle", device_type="cpu", run=reference("unshuffle"), bytes_moved=count)
    with pytest.raises(AssertionError, match=message):
        conformance(kernel)().test_bytes_moved()


def test_kernel_without_a_count_skips_the_rule() -> None:
    with pytest.raises(SkipTest, match="has no bytes_moved"):
        conformance(Kernel(op="unshuffle", device_type="cpu", run=reference("unshuffle")))().test_bytes_moved()
