"""The rules for a kernel, checked on the kernels of resizekit and on an op of another plugin."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import SkipTest

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit import Kernel, ops
from resizekit.ops import kernel as table
from resizekit.ops import reference
from resizekit.testing import Call, Cases, KernelConformance
from resizekit_kernels import kernels


def conformance(kernel: Kernel, **members: Any) -> type[KernelConformance]:
    return type("Test", (KernelConformance,), {"kernel": kernel, **members})


for _kernel in kernels():
    # sums of products may be rounded in another order, on the tensor cores and in PyTorch
    globals()[f"TestKernel_{_kernel.op}"] = conformance(_kernel, exact=_kernel.op != "conv3x3")


@pytest.mark.parametrize("kernel", kernels(), ids=lambda kernel: kernel.op)
def test_bytes_moved_are_those_of_the_inputs_and_outputs(kernel: Kernel) -> None:
    for call in conformance(kernel)().cases().layouts:
        result = call(reference(kernel.op))
        moved = [*call.tensors(), *([result] if isinstance(result, Tensor) else result)]
        assert kernel.bytes_moved is not None
        assert call(kernel.bytes_moved) == sum(x.numel() * x.element_size() for x in moved), str(call)


@pytest.mark.parametrize("op", ops.op_names())
def test_reference_passes_its_own_rules(op: str) -> None:
    """So the calls are valid on any device, and every rule except the count of bytes tests something."""
    suite = conformance(Kernel(op=op, device_type="cpu", run=reference(op)))()
    for law in LAWS - {"test_bytes_moved"}:
        getattr(suite, law)()


LAWS = {name for name in vars(KernelConformance) if name.startswith("test_")}


# --- an op of another plugin -------------------------------------------------------------------


@pytest.fixture
def halve() -> Iterator[Callable[[Tensor], Tensor]]:
    """An op that is not part of resizekit."""

    def halve(x: Tensor) -> Tensor:
        if x.dim() != 2:
            raise ValueError(f"got {x.dim()} axes: expected 2")
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


def test_rule_without_calls_is_skipped(halve: object) -> None:
    suite = conformance(TestAStrangersKernel.kernel, cases=lambda self: Cases(layouts=[Call(torch.rand(2, 3))]))()
    suite.test_red_zones()
    with pytest.raises(SkipTest, match="has no ties"):
        suite.test_ties()


def test_unknown_op_needs_cases(halve: object) -> None:
    with pytest.raises(NotImplementedError, match=r"'halve': override `cases`"):
        conformance(TestAStrangersKernel.kernel)().test_equal_to_the_reference()


def test_inexact_kernel_can_differ_slightly(halve: object) -> None:
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


def test_kernel_runs_on_its_device_type_if_available(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its own type of device if available, else on the CPU, unless `device` is set."""
    seen: list[str] = []
    monkeypatch.setattr("resizekit.testing.kernel.placed", lambda x, device: seen.append(device.type) or x)
    accelerator = torch.device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: accelerator)
    for available, device_type, device in (
        (True, "cuda", None),
        (True, "xpu", None),
        (False, "cuda", None),
        (False, "cuda", "meta"),
    ):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda available=available: available)
        kernel = Kernel(op="unshuffle", device_type=device_type, run=reference("unshuffle"))
        conformance(kernel, device=device)()._place(torch.zeros(1))
    assert seen == ["cuda", "cpu", "cpu", "meta"]
