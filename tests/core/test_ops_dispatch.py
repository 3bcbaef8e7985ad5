"""Ops: the dispatch to kernels and references."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from resizekit import ops
from resizekit.errors import PluginError, UsageError
from resizekit.ops import Kernel
from resizekit.ops import kernel as kernel_module
from resizekit.ops.kernel import SWITCH


def numbered(*shape: int) -> Tensor:
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    fake = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x - s * r)
    with ops.kernels_installed(fake):
        yield fake


def test_kernel_serves_its_op_and_device_inside_the_block() -> None:
    x = numbered(1, 6, 1, 1)
    with ops.kernels_installed(Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x - s * r)):
        assert torch.equal(ops.shuffle(x, 2, 3), x - 6)
        assert torch.equal(ops.shuffle(x, s=2, r=3), x - 6)
        assert ops.unshuffle(x, 1, 1).equal(x), "other ops are unchanged"
        assert ops.shuffle(x.to("meta"), 2, 3).shape == (1, 1, 2, 3), "other devices are unchanged"
    assert torch.equal(ops.shuffle(x, 2, 3), x.reshape(1, 1, 2, 3))


def test_kernel_installed_later_replaces_the_earlier_one(kernel: Kernel) -> None:
    x = torch.zeros(1, 1, 1, 1)
    with ops.kernels_installed(Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 5)):
        assert ops.shuffle(x, 1, 1).item() == 5
    assert ops.shuffle(x, 1, 1).item() == -1


def test_kernel_for_an_unknown_op_is_refused() -> None:
    fine = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 5)
    names = r"unknown op 'sharpen'.*quantize, .*shuffle, .*to_uint8, unshuffle"
    with (
        pytest.raises(PluginError, match=names),
        ops.kernels_installed(fine, Kernel(op="sharpen", device_type="cpu", run=lambda x: x)),
    ):
        pass
    assert ops.shuffle(torch.zeros(1, 1, 1, 1), 1, 1).item() == 0, "all kernels are installed or none"


@pytest.fixture
def base_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[ops.KernelTable]:
    """An empty table in the place of the one of the process, until the end of the test."""
    before = kernel_module._base
    table: ops.KernelTable = {}
    ops.use_table(table)
    yield table
    ops.use_table(before)


def test_active_table_is_read_at_each_call(base_table: ops.KernelTable) -> None:
    x = torch.zeros(1, 1, 1, 1)
    assert ops.shuffle(x, 1, 1).item() == 0
    base_table["shuffle", "cpu"] = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 2)
    assert ops.shuffle(x, 1, 1).item() == 2
    del base_table["shuffle", "cpu"]
    assert ops.shuffle(x, 1, 1).item() == 0


def test_table_activated_inside_a_block_stays_after_it(base_table: ops.KernelTable, kernel: Kernel) -> None:
    table = {("unshuffle", "cpu"): Kernel(op="unshuffle", device_type="cpu", run=lambda x, s, r: x + 3)}
    x = torch.zeros(1, 1, 1, 1)
    with ops.kernels_installed():
        ops.use_table(table)
        assert (ops.shuffle(x, 1, 1).item(), ops.unshuffle(x, 1, 1).item()) == (-1, 3)
    assert (ops.shuffle(x, 1, 1).item(), ops.unshuffle(x, 1, 1).item()) == (-1, 3)


def test_compiled_dispatch_follows_the_table_and_references() -> None:
    """Compiled code is one graph, and a change of the table or `references()` leads to a new one."""
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: ops.shuffle(x, 1, 1), fullgraph=True, backend="eager")
    x = torch.zeros(1, 1, 1, 1)
    assert compiled(x).item() == 0
    with ops.kernels_installed(Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 5)):
        assert compiled(x).item() == 5
        with ops.references():
            assert compiled(x).item() == 0
        assert compiled(x).item() == 5
    assert compiled(x).item() == 0


def test_references_block_bypasses_kernels(kernel: Kernel) -> None:
    x = numbered(1, 6, 1, 1)
    with ops.references():
        assert ops.shuffle(x, 2, 3).shape == (1, 1, 2, 3)
        with ops.references():
            pass
        assert ops.shuffle(x, 2, 3).shape == (1, 1, 2, 3), "the end of the inner block must not end the outer block"
    assert torch.equal(ops.shuffle(x, 2, 3), x - 6)
    assert ops.reference("shuffle")(x, 2, 3).shape == (1, 1, 2, 3)


@pytest.mark.parametrize(("value", "forced"), [("off", True), ("OFF", True), ("0", True), ("on", False), ("", False)])
def test_environment_variable_forces_references(value: str, forced: bool) -> None:
    code = "from resizekit.ops import kernel; print(bool(kernel._forced))"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, SWITCH: value}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(forced)


def test_dispatch_accepts_named_arguments_in_any_order(kernel: Kernel) -> None:
    x = numbered(1, 6, 1, 1)
    assert torch.equal(ops.shuffle(s=2, r=3, x=x), x - 6)


def test_call_without_a_tensor_is_refused() -> None:
    for call in (ops.to_uint8, lambda: ops.unshuffle([[1.0]], 1, 1)):
        with pytest.raises(UsageError, match=r"expects a torch\.Tensor"):
            call()


def test_op_name_is_unique() -> None:
    def to_uint8(x: Tensor) -> Tensor:
        return x

    with pytest.raises(PluginError, match="there is already an op 'to_uint8'"):
        ops.op(to_uint8)
    assert ops.to_uint8(torch.ones(1)).item() == 255


def test_every_op_dispatches_to_its_kernel() -> None:
    assert {"to_uint8", "quantize", "shuffle", "unshuffle"} <= set(ops.op_names())
    for name in ops.op_names():
        with ops.kernels_installed(Kernel(op=name, device_type="cpu", run=lambda *args, **kwargs: 7)):
            assert getattr(ops, name)(torch.zeros(1, 1, 2, 2)) == 7, name
