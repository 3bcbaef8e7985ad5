"""The laws of a kernel, held against all of ours, against kernels that break them, and against a stranger's."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import SkipTest

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit import Kernel, ops
from resizekit.errors import ResizeShapeError
from resizekit.ops import kernel as table
from resizekit.ops import reference
from resizekit.ops.quantize import Quantized
from resizekit.testing import Call, Cases, KernelConformance
from resizekit.testing.memory import RedZones
from resizekit_kernels import kernels


def conformance(kernel: Kernel, **members: Any) -> type[KernelConformance]:
    return type("Test", (KernelConformance,), {"kernel": kernel, **members})


for _kernel in kernels():
    globals()[f"TestOurs_{_kernel.op}"] = conformance(_kernel)


@pytest.mark.parametrize("kernel", kernels(), ids=lambda kernel: kernel.op)
def test_bytes_are_those_of_the_inputs_and_outputs(kernel: Kernel) -> None:
    for call in conformance(kernel)().cases().layouts:
        result = call(reference(kernel.op))
        moved = [*call.tensors(), *([result] if isinstance(result, Tensor) else result)]
        assert kernel.bytes_moved is not None
        assert call(kernel.bytes_moved) == sum(x.numel() * x.element_size() for x in moved), str(call)


@pytest.mark.parametrize("op", ops.ops())
def test_a_reference_keeps_its_own_laws(op: str) -> None:
    """On any device: the calls themselves are in order, and every law but the count of bytes tries something."""
    suite = conformance(Kernel(op=op, device_type="cpu", run=reference(op)))()
    for law in LAWS - {"test_bytes_moved"}:
        getattr(suite, law)()


LAWS = {name for name in vars(KernelConformance) if name.startswith("test_")}


# --- the laws can fail -------------------------------------------------------------------------


def wrong(op: str, law: str, told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Note which law a wrong kernel breaks, and what the message has to say."""

    def note(run: Callable[..., Any]) -> Callable[..., Any]:
        WRONG.append(pytest.param(op, run, f"test_{law}", told, id=f"{law}-{run.__name__}"))
        return run

    return note


WRONG: list[Any] = []


def right(op: str) -> Callable[..., Any]:
    return reference(op)


@wrong(
    "to_uint8", "equal_to_the_reference", r"differs in \d+ of 144 elements, first at \(0, 0, 0, 0\): 0 instead of 255"
)
def one_code_off(x: Tensor, guide: Tensor | None = None) -> Tensor:
    return right("to_uint8")(x, guide) + 1


@wrong("to_uint8", "equal_to_the_reference", "dtype of the result is torch.int32")
def another_type(x: Tensor, guide: Tensor | None = None) -> Tensor:
    return right("to_uint8")(x, guide).int()


@wrong("quantize_codes", "equal_to_the_reference", "a tuple where the reference has a Quantized")
def a_plain_tuple(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> tuple[Tensor, Tensor]:
    return tuple(right("quantize_codes")(x, guide, gradient=gradient))


@wrong("unshuffle", "equal_to_the_reference", "lies in memory by strides")
def another_layout(x: Tensor, s: int, r: int) -> Tensor:
    return right("unshuffle")(x, s, r).contiguous()


@wrong("shuffle_codes", "equal_to_the_reference", r"float32 2x12x3x5 strides.*lies in memory by strides")
def a_layout_that_follows_a_crop(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    stored = right("shuffle_codes")(x, s, r, shift=shift)
    return stored if x.is_contiguous(memory_format=torch.channels_last) or x.is_contiguous() else stored.contiguous()


@wrong("shuffle", "equal_to_the_reference", "unexpected keyword")
def other_names(values: Tensor, s: int, r: int) -> Tensor:
    return right("shuffle")(values, s, r)


@wrong("to_uint8", "equal_to_the_reference", "float16 .*differs")
def computed_in_half_precision(x: Tensor, guide: Tensor | None = None) -> Tensor:
    total = x if guide is None else x + guide
    return (total.clamp(0, 1) * 255).round().to(torch.uint8)


@wrong("unshuffle", "equal_to_the_reference", r"float32 2x3x4x6 strides \(231, 77, 11, 1\).*differs")
def gaps_overlooked(x: Tensor, s: int, r: int) -> Tensor:
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    return right("unshuffle")(x if dense else x.as_strided(x.shape, torch.empty(x.shape).stride()), s, r)


@wrong("shuffle", "odd_sizes_and_factors", r"3, 1\): the shape of the result is .*2, 3, 3, 15.*2, 3, 9, 5")
def factors_swapped(x: Tensor, s: int, r: int) -> Tensor:
    return right("shuffle")(x, r, s)


@wrong(
    "to_uint8", "odd_sizes_and_factors", r"float32 2x3x25x29.*differs in 1 of 4350 elements, first at \(1, 2, 24, 28\)"
)
def a_tail_forgotten(x: Tensor, guide: Tensor | None = None) -> Tensor:
    stored = right("to_uint8")(x, guide).contiguous()
    if stored.numel() > 2048:
        stored.view(-1)[-1] ^= 1
    return stored


@wrong("quantize", "empty_batch", "index 0 is out of bounds|IndexError")
def no_pictures_no_luck(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    _ = x[0]
    return right("quantize")(x, guide, gradient=gradient)


@wrong("quantize", "nan_and_infinity", "nan")
def nan_becomes_black(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    return right("quantize")(x, guide, gradient=gradient).nan_to_num(0)


@wrong("shuffle_codes", "nan_and_infinity", "differs")
def nan_becomes_white(x: Tensor, s: int, r: int, *, shift: float = 0.0) -> Tensor:
    return right("shuffle_codes")(x.nan_to_num(1, torch.inf, -torch.inf), s, r, shift=shift)


@wrong("to_uint8", "ties", "differs")
def half_rounded_up(x: Tensor, guide: Tensor | None = None) -> Tensor:
    total = x.float() if guide is None else x.float() + guide.float()
    return (total.nan_to_num(0).clamp(0, 1) * 255 + 0.5).floor().to(torch.uint8)


@wrong("unshuffle_codes", "ties", "differs")
def divided_by_255(x: Tensor, s: int, r: int, **options: Any) -> Tensor:
    kind, shift = options.get("dtype", torch.float32), options.get("shift", 0)
    return right("unshuffle")(x.float() / 255 + shift, s, r).to(kind)


class Straight(torch.autograd.Function):
    """The rule "plain", whatever was asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, guide: Tensor | None) -> Tensor:
        return right("quantize")(x, guide)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return gradients[0], gradients[0] if ctx.needs_input_grad[1] else None


@wrong("quantize", "gradients", "the gradient of tensor 0 from a random one.*differs")
def one_rule_for_all(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    return Straight.apply(x, guide)


@wrong("quantize", "gradients", r"gradient passes through \(\), the reference's through \('the result',\)")
def no_gradient(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    return right("quantize")(x.detach(), None if guide is None else guide.detach(), gradient=gradient)


@wrong("quantize", "gradients", r"derived for tensor 0 and 1|NoneType where the reference has a Tensor")
def no_gradient_for_the_guide(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    return right("quantize")(x, None if guide is None else guide.detach(), gradient=gradient)


class Scattered(torch.autograd.Function):
    """Reads the gradient that arrives as if it had no gaps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: int, r: int) -> Tensor:
        ctx.factors = s, r
        return right("unshuffle")(x, s, r)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        dense = torch.empty(gradients[0].shape).stride()
        return right("shuffle")(gradients[0].as_strided(gradients[0].shape, dense), *ctx.factors), None, None


@wrong("unshuffle", "gradients", "from (one in another layout|that of a sum).*(differs|out of bounds)")
def gradients_without_strides(x: Tensor, s: int, r: int) -> Tensor:
    return Scattered.apply(x, s, r)


def copied(result: Tensor, extra: int = 0, short: int = 0, early: int = 0) -> Tensor:
    """Write a result as a kernel would, by address: so many elements too many, too few, or too early."""
    out = torch.empty_like(result, memory_format=torch.contiguous_format)
    n = out.numel()
    if n > 1:
        there = out.as_strided((n + extra - short,), (1,), out.storage_offset() - early)
        there.copy_(torch.cat([result.reshape(-1), result.new_zeros(extra)])[: n + extra - short])
    return out


@wrong("to_uint8", "red_zones", r"3 bytes were written after an output of shape \(2, 3, 4, 6\)")
def past_the_end(x: Tensor, guide: Tensor | None = None) -> Tensor:
    return copied(right("to_uint8")(x, guide), extra=3)


@wrong("quantize", "red_zones", r"4 bytes were written before an output of shape \(2, 3, 4, 6\)")
def before_the_beginning(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    return copied(right("quantize")(x, guide).float(), early=1)


@wrong(
    "shuffle", "red_zones", r"was not written in 1 of 144 elements, first at \(1, 1, 5, 14\)|was not written in 1 of"
)
def the_last_left_out(x: Tensor, s: int, r: int) -> Tensor:
    return copied(right("shuffle")(x, s, r), short=1)


class Unfinished(torch.autograd.Function):
    """Leaves the last gradient as memory was."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: int, r: int) -> Tensor:
        ctx.factors = s, r
        return right("shuffle")(x, s, r)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return copied(right("unshuffle")(gradients[0], *ctx.factors), short=1), None, None


@wrong("shuffle", "red_zones", "derived for tensor 0: the gradient of tensor 0 .* was not written in 1 of 360 elements")
def the_last_gradient_left_out(x: Tensor, s: int, r: int) -> Tensor:
    return Unfinished.apply(x, s, r)


@wrong("quantize", "inputs_are_left_unchanged", "bytes of or around its input of shape")
def clamped_in_place(x: Tensor, guide: Tensor | None = None, *, gradient: str = "inward") -> Tensor:
    x.data.clamp_(0, 1)
    return right("quantize")(x, guide, gradient=gradient)


@wrong("to_uint8", "inputs_are_left_unchanged", "1 bytes of or around its input of shape")
def a_byte_beside_the_input(x: Tensor, guide: Tensor | None = None) -> Tensor:
    if x.numel():
        torch.empty(0, dtype=torch.uint8).set_(x.untyped_storage())[0] = 1
    return right("to_uint8")(x, guide)


class Greedy(torch.autograd.Function):
    """Scales the gradient that arrives in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: int, r: int) -> Tensor:
        ctx.factors = s, r
        return right("shuffle")(x, s, r)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return right("unshuffle")(gradients[0].mul_(2), *ctx.factors), None, None


@wrong("shuffle", "inputs_are_left_unchanged", "derived for tensor 0: .* bytes of or around its input of shape")
def gradients_changed_in_place(x: Tensor, s: int, r: int) -> Tensor:
    return Greedy.apply(x, s, r)


@wrong("unshuffle", "bad_input", "was taken; the reference says ResizeShapeError.*crop to 2x6")
def what_does_not_divide_is_cut(x: Tensor, s: int, r: int) -> Tensor:
    if x.dim() == 4 and s > 0 and r > 0:
        x = x[:, :, : x.shape[2] // s * s, : x.shape[3] // r * r]
    return right("unshuffle")(x, s, r)


@wrong("unshuffle_quantize", "bad_input", "said ValueError.*the reference says ResizeShapeError")
def other_words(x: Tensor, s: int, r: int, *, gradient: str = "inward") -> Quantized:
    try:
        return right("unshuffle_quantize")(x, s, r, gradient=gradient)
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
def test_every_new_tensor_has_its_red_zones(make: Callable[[Tensor], Tensor]) -> None:
    with RedZones() as zones:
        x = make(torch.ones(2, 3, dtype=torch.float32))
    assert x.isnan().all() or not x.any()
    x.fill_(1)
    assert zones.overrun() is None
    x.as_strided((7,), (1,), x.storage_offset())[-1] = 1
    assert zones.overrun() == "4 bytes were written after an output of shape (2, 3)"


@pytest.mark.parametrize(("op", "run", "law", "told"), WRONG)
def test_a_wrong_kernel_fails(op: str, run: Callable[..., Any], law: str, told: str) -> None:
    suite = conformance(Kernel(op=op, device_type="cpu", run=run))()
    with pytest.raises((AssertionError, IndexError, TypeError, RuntimeError), match=f"(?s){told}"):
        getattr(suite, law)()


def test_a_reference_asks_no_kernel_for_its_parts() -> None:
    """With a wrong kernel in the table for a part, the whole would be as wrong on both sides."""
    wrong_part = Kernel(op="to_uint8", device_type="cpu", run=one_code_off)
    ops.install(wrong_part)
    try:
        with pytest.raises(AssertionError, match="differs in 768 of 768"):
            conformance(Kernel(op="shuffle_codes", device_type="cpu", run=right("shuffle_codes")))().test_ties()
    finally:
        ops.uninstall(wrong_part)


def test_every_law_is_seen_to_fail() -> None:
    assert {param.values[2] for param in WRONG} | {"test_bytes_moved"} == LAWS


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (lambda x, s, r: 1.0 * x.numel(), r"144.0 is no integer"),
        (lambda x, s, r: 0, "0 bytes are none"),
        (lambda x, s, r: x.numel() + 8, "152 bytes, but 296 for twice the batch"),
        (lambda x, s, r: x[0].numel(), "72 bytes, but 72 for twice"),
    ],
)
def test_a_wrong_count_of_bytes_fails(count: Callable[..., Any], told: str) -> None:
    kernel = Kernel(op="unshuffle", device_type="cpu", run=right("unshuffle"), bytes_moved=count)
    with pytest.raises(AssertionError, match=told):
        conformance(kernel)().test_bytes_moved()


def test_a_kernel_need_not_count() -> None:
    with pytest.raises(SkipTest, match="does not say"):
        conformance(Kernel(op="unshuffle", device_type="cpu", run=right("unshuffle")))().test_bytes_moved()


# --- a stranger's op ---------------------------------------------------------------------------


@pytest.fixture
def halve() -> Iterator[Callable[[Tensor], Tensor]]:
    """An op that is not ours."""

    def halve(x: Tensor) -> Tensor:
        if x.dim() != 2:
            raise ValueError(f"got {x.dim()} axes, takes 2")
        return x / 2

    yield ops.op(halve)
    del table._references["halve"]


def half(x: Tensor) -> Tensor:
    return x * 0.5 if x.dim() == 2 else reference("halve")(x)


class TestAStrangersKernel(KernelConformance):
    kernel = Kernel(op="halve", device_type="cpu", run=half, bytes_moved=lambda x: 8 * x.numel())

    @pytest.fixture(autouse=True)
    def _known(self, halve: object) -> None:
        pass

    def cases(self) -> Cases:
        some, odd = [Call(torch.rand(2, 3))], [Call(torch.tensor([[torch.nan, torch.inf, 1e-45]]))]
        return Cases(layouts=some, sizes=odd, specials=odd, ties=odd, gradients=some, refused=[Call(torch.rand(2))])


def test_a_law_without_calls_is_skipped(halve: object) -> None:
    suite = conformance(TestAStrangersKernel.kernel, cases=lambda self: Cases(layouts=[Call(torch.rand(2, 3))]))()
    suite.test_red_zones()
    with pytest.raises(SkipTest, match="gives no ties"):
        suite.test_ties()


def test_an_op_of_which_nothing_is_known(halve: object) -> None:
    with pytest.raises(NotImplementedError, match=r"'halve'.*overriding `cases`"):
        conformance(TestAStrangersKernel.kernel)().test_equal_to_the_reference()


def test_a_kernel_that_says_so_may_be_a_little_off(halve: object) -> None:
    calls = [Call(torch.rand(2, 3, dtype=kind)) for kind in (torch.float64, torch.float32, torch.bfloat16)]
    for off, fine in ((1e-13, True), (1e-3, False)):
        kernel = Kernel(op="halve", device_type="cpu", run=lambda x, off=off: (x / 2).double().add(off).to(x.dtype))
        for exact in (True, False):
            suite = conformance(kernel, exact=exact, cases=lambda self: Cases(layouts=calls))()
            if fine and not exact:
                suite.test_equal_to_the_reference()
            else:
                with pytest.raises(AssertionError, match=r"differs in [1-6] of 6 elements"):
                    suite.test_equal_to_the_reference()


def test_where_a_kernel_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its own kind of device if there is one, else on the CPU, unless it is told."""
    seen: list[str] = []
    monkeypatch.setattr("resizekit.testing.kernel.placed", lambda x, device: seen.append(device.type) or x)
    accelerator = torch.device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: accelerator)
    for there, kind, told in (
        (True, "cuda", None),
        (True, "xpu", None),
        (False, "cuda", None),
        (False, "cuda", "meta"),
    ):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
        kernel = Kernel(op="unshuffle", device_type=kind, run=right("unshuffle"))
        conformance(kernel, device=told)()._place(torch.zeros(1))
    assert seen == ["cuda", "cpu", "cpu", "meta"]
