"""The list of kernels: which of them run, and why the others do not."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from resizekit import hookimpl, ops
from resizekit.errors import KernelUnavailableError
from resizekit.ops import Kernel, KernelInfo, switches
from resizekit.ops import kernel as kernel_module
from resizekit.plugin import registry
from resizekit.plugin.registry import Registry

Run = Callable[[Tensor, int, int], Tensor]


def add_five(x: Tensor, s: int, r: int) -> Tensor:
    return x + 5


def unbuilt(x: Tensor, s: int, r: int) -> Tensor:
    raise KernelUnavailableError("no C compiler")


class Plugin:
    """A plugin with a kernel of `shuffle` for the CPU."""

    def __init__(self, run: Run, unavailable: str | None = None) -> None:
        self.kernel = Kernel(op="shuffle", device_type="cpu", run=run, unavailable=unavailable)

    @hookimpl
    def resizekit_register_kernels(self) -> list[Kernel]:
        return [self.kernel]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry in the place of that of the process."""
    table, empty = kernel_module._base, Registry()
    monkeypatch.setattr(registry, "installed", lambda: empty)
    monkeypatch.setattr(kernel_module, "_failures", {})
    ops.use_table(empty.kernel_table)
    yield empty
    ops.use_table(table)


def test_kernel_that_runs(installed: Registry) -> None:
    assert ops.kernels() == []
    installed.add(Plugin(add_five), "mine", "my-plugin 1.0")
    info = KernelInfo(
        op="shuffle", device_type="cpu", provider="my-plugin 1.0", plugin="mine", module=__name__, serves=True
    )
    assert ops.kernels() == [info]
    assert hash(info) == hash(ops.kernels()[0])


def reasons() -> dict[str, str]:
    found = ops.kernels()
    assert all(kernel.serves == (not kernel.reason) for kernel in found)
    return {kernel.plugin: kernel.reason for kernel in found}


def test_every_reason_is_named(installed: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.add(Plugin(unbuilt), "own", "resizekit 0.1.0")
    with ops.references("shuffle"):
        assert reasons() == {"own": "resizekit.ops.references is in use"}
    with ops.kernels_installed(Plugin(add_five).kernel):
        assert reasons() == {"own": "resizekit.ops.kernels_installed replaces it"}
    assert reasons() == {"own": ""}, "that it cannot be built shows at the first call"
    with pytest.warns(ops.KernelWarning):
        ops.shuffle(torch.zeros(1, 4, 1, 1), 2, 2)
    assert reasons() == {"own": "it cannot be built: no C compiler"}
    installed.add(Plugin(add_five, "no such GPU"), "missing", "my-plugin 1.0")
    assert reasons() == {"own": "it cannot be built: no C compiler", "missing": "no such GPU"}
    installed.remove("missing")
    installed.add(Plugin(add_five), "mine", "my-plugin 1.0")
    assert reasons() == {"own": "replaced by plugin 'mine' of my-plugin 1.0", "mine": ""}
    monkeypatch.setattr(switches, "_value", "-shuffle")
    monkeypatch.setattr(switches, "_ops_off", frozenset({"shuffle"}))
    monkeypatch.setitem(switches._some_off, "shuffle", 1)
    assert reasons()["mine"] == "RESIZEKIT_KERNELS=-shuffle"


def test_kernels_of_resizekit_are_listed_on_every_machine() -> None:
    found = [kernel for kernel in ops.kernels() if kernel.plugin == "kernels"]
    assert {kernel.op for kernel in found} >= {"quantize", "shuffle_codes", "unshuffle_guide"}
    for kernel in found:
        assert kernel.serves == torch.cuda.is_available() or kernel.reason
        assert kernel.module.startswith("resizekit_kernels")
