"""Ops: the dispatch to kernels and references."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from resizekit import ops
from resizekit.errors import KernelUnavailableError, PluginError, ResizeShapeError, UsageError
from resizekit.ops import Kernel, switches
from resizekit.ops import kernel as kernel_module
from resizekit.ops.switches import SWITCH


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
        for names in ((), ("shuffle",)):
            with ops.references(*names):
                assert compiled(x).item() == 0
            assert compiled(x).item() == 5
        with ops.references("unshuffle"):
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


def test_references_of_one_op(kernel: Kernel) -> None:
    x = numbered(1, 6, 1, 1)
    with ops.references("unshuffle"):
        assert torch.equal(ops.shuffle(x, 2, 3), x - 6), "other ops keep their kernels"
        with ops.references("shuffle", "unshuffle"), ops.references("shuffle"):
            assert ops.shuffle(x, 2, 3).shape == (1, 1, 2, 3)
    assert torch.equal(ops.shuffle(x, 2, 3), x - 6)
    with pytest.raises(PluginError, match="unknown op 'sharpen'"), ops.references("shuffle", "sharpen"):
        pass
    assert torch.equal(ops.shuffle(x, 2, 3), x - 6), "no block starts if a name is wrong"


class SlowCount(int):
    """A number whose sums take time, so that threads that change it without a lock lose changes."""

    def __add__(self, other: int) -> "SlowCount":
        time.sleep(0.001)
        return SlowCount(int(self) + other)


@pytest.mark.parametrize("names", [(), ("shuffle",)])
def test_blocks_of_several_threads_are_counted(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    x = numbered(1, 6, 1, 1)
    monkeypatch.setattr(switches, "_all_off", SlowCount(0))
    monkeypatch.setitem(switches._some_off, "shuffle", SlowCount(0))

    def shapes(_: int) -> list[torch.Size]:
        found = []
        for _ in range(5):
            with ops.references(*names):
                found.append(ops.shuffle(x, 2, 3).shape)
        return found

    with ThreadPoolExecutor(8) as threads:
        seen = {shape for shapes_of_thread in threads.map(shapes, range(8)) for shape in shapes_of_thread}
    assert seen == {(1, 1, 2, 3)}, "inside its block, each thread runs the reference"
    assert torch.equal(ops.shuffle(x, 2, 3), x - 6), "after all blocks, the kernel runs"


CODE = "import resizekit; resizekit.tasks(); from resizekit.ops.switches import is_off; print(*map(is_off, {}))"


@pytest.mark.parametrize(
    ("value", "off", "warning"),
    [
        ("off", (True, True), ""),
        ("OFF", (True, True), ""),
        ("0", (True, True), ""),
        ("on", (False, False), ""),
        ("", (False, False), ""),
        ("-shuffle", (True, False), ""),
        (" -unshuffle, -Shuffle,", (True, True), ""),
        ("-shuffle,-sharpen", (True, False), "no effect with '-sharpen': expected off, or ops to switch off such as"),
        ("shuffle", (False, False), "no effect with 'shuffle'"),
        ("of", (False, False), "no effect with 'of'"),
    ],
)
def test_environment_variable_switches_kernels_off(value: str, off: tuple[bool, bool], warning: str) -> None:
    code = CODE.format(("shuffle", "unshuffle"))
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, SWITCH: value}, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [str(flag) for flag in off]
    assert warning in run.stderr
    assert ("KernelWarning" in run.stderr) == bool(warning)
    assert ("quantize, quantize_codes, shuffle" in run.stderr) == bool(warning), "the warning names all ops"


# --- kernels that cannot be built ----------------------------------------------------------------


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the failures of a test."""
    monkeypatch.setattr(kernel_module, "_failures", {})


def raising(error: Exception) -> Kernel:
    def run(*_: Any) -> None:
        calls.append(type(error))
        raise error

    calls.clear()
    return Kernel(op="shuffle", device_type="cpu", run=run)


calls: list[type] = []


@pytest.mark.usefixtures("failures")
def test_kernel_that_cannot_be_built_gives_way_to_its_reference() -> None:
    x = numbered(1, 4, 1, 1)
    unbuilt = raising(KernelUnavailableError("no C compiler"))
    with ops.kernels_installed(unbuilt):
        with pytest.warns(ops.KernelWarning, match=r"shuffle for cpu cannot be built, .*: no C compiler") as warned:
            assert ops.shuffle(x, 2, 2).shape == (1, 1, 2, 2)
        assert len(warned) == 1
        for _ in range(3):  # warnings are errors in tests: there is no second one
            assert ops.shuffle(x, 2, 2).shape == (1, 1, 2, 2)
        assert len(calls) == 1, "it is not tried again"
        assert kernel_module.build_failure(unbuilt) == "no C compiler"
        with ops.kernels_installed(Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 5)):
            assert ops.shuffle(x, 2, 2).shape == x.shape, "another kernel of the op still runs"
        torch._dynamo.reset()
        compiled = torch.compile(lambda x: ops.shuffle(x, 2, 2), fullgraph=True, backend="eager")
        assert compiled(x).shape == (1, 1, 2, 2)


@pytest.mark.usefixtures("failures")
def test_several_threads_warn_once() -> None:
    x, all_called = numbered(1, 4, 1, 1), Barrier(8)

    def run(*_: Any) -> None:
        all_called.wait(10)
        raise KernelUnavailableError("no C compiler")

    with (
        ops.kernels_installed(Kernel(op="shuffle", device_type="cpu", run=run)),
        warnings.catch_warnings(record=True) as warned,
        ThreadPoolExecutor(8) as threads,
    ):
        warnings.simplefilter("always")
        assert set(threads.map(lambda _: ops.shuffle(x, 2, 2).shape, range(8))) == {(1, 1, 2, 2)}
    assert len(warned) == 1


@pytest.mark.usefixtures("failures")
@pytest.mark.parametrize("error", [ResizeShapeError("wrong factor"), RuntimeError("illegal memory access")])
def test_other_errors_of_a_kernel_are_not_hidden(error: Exception) -> None:
    with ops.kernels_installed(raising(error)):
        for _ in range(2):
            with pytest.raises(type(error), match=str(error)):
                ops.shuffle(numbered(1, 4, 1, 1), 2, 2)
    assert len(calls) == 2


# --- loading at the first use ----------------------------------------------------------------------


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch, base_table: ops.KernelTable) -> list[str]:
    """Simulate a process that has not loaded plugins; the list shows what loads them."""
    loads: list[str] = []
    module = ModuleType("registry_of_the_test")

    def installed() -> None:
        loads.append("loaded")
        ops.shuffle(torch.zeros(1, 4, 1, 1), 2, 2)  # a plugin that calls an op while it loads
        runs = {device: Kernel(op="shuffle", device_type=device, run=lambda x, s, r: x + 5) for device in DEVICES}
        ops.use_table({("shuffle", device): kernel for device, kernel in runs.items()})

    module.installed = installed  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(kernel_module, "_REGISTRY", module.__name__)
    monkeypatch.setattr(kernel_module, "_found", False)
    return loads


DEVICES = ("cpu", "cuda")


def test_first_call_on_another_device_loads_the_kernels(unloaded: list[str]) -> None:
    ops.shuffle(torch.zeros(1, 4, 1, 1), 2, 2)
    ops.shuffle(torch.zeros(1, 4, 1, 1, device="meta"), 2, 2)
    assert not unloaded, "the references on the CPU need no plugins"
    with FakeTensorMode():
        for _ in range(2):
            assert ops.shuffle(torch.zeros(1, 4, 1, 1, device="cuda"), 2, 2).shape == (1, 4, 1, 1), "the kernel runs"
    assert unloaded == ["loaded"]


def test_compiled_first_call_loads_the_kernels_too(unloaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: ops.shuffle(x, 2, 2), fullgraph=True, backend="eager")
    x = torch.zeros(1, 4, 1, 1)
    assert compiled(x).shape == (1, 1, 2, 2)
    assert not unloaded
    torch._dynamo.reset()
    monkeypatch.setattr(kernel_module, "_WITHOUT_PLUGINS", ())  # as on another device
    assert compiled(x).shape == (1, 4, 1, 1), "the kernel runs"
    assert unloaded == ["loaded"]


def test_loading_that_fails_is_tried_again(unloaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module, installed = sys.modules["registry_of_the_test"], sys.modules["registry_of_the_test"].installed
    monkeypatch.setattr(module, "installed", lambda: 1 // 0)
    with FakeTensorMode():
        x = torch.zeros(1, 4, 1, 1, device="cuda")
        with pytest.raises(ZeroDivisionError):
            ops.shuffle(x, 2, 2)
        monkeypatch.setattr(module, "installed", installed)
        assert ops.shuffle(x, 2, 2).shape == (1, 4, 1, 1)


def test_first_call_on_a_gpu_imports_the_installed_plugins() -> None:
    code = (
        "import sys, torch\n"
        "from torch._subclasses.fake_tensor import FakeTensorMode\n"
        "from resizekit import ops\n"
        "with FakeTensorMode():\n"
        "    x = torch.zeros(1, 4, 1, 1, device='cuda')\n"
        "    print('resizekit_kernels' in sys.modules)\n"
        "    ops.shuffle(x, 2, 2)\n"
        "print('resizekit_kernels' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


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
