"""How kernels are launched: on the device of their tensors, and with their reference where Triton cannot build them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit.errors import KernelUnavailableError
from resizekit_kernels.launch import direct, or_reference


class Devices:
    """GPUs that do not exist, and a kernel that records on which of them it is launched."""

    def __init__(self) -> None:
        self.current, self.launched, self.guards = 0, [], 0

    @contextmanager
    def guard(self, device: torch.device) -> Iterator[None]:
        self.guards += 1
        before, self.current = self.current, device.index
        try:
            yield
        finally:
            self.current = before

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        return lambda x, *args, **options: self.launched.append((self.current, grid, x.device.index, args, options))


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Devices:
    gpus = Devices()
    monkeypatch.setattr(torch.cuda, "current_device", lambda: gpus.current)
    monkeypatch.setattr(torch.cuda, "device", gpus.guard)
    return gpus


@pytest.mark.parametrize(("index", "current"), [(1, 0), (0, 1), (0, 0), (1, 1)])
def test_kernel_is_launched_on_the_device_of_its_tensor(devices: Devices, index: int, current: int) -> None:
    devices.current = current
    with FakeTensorMode():
        x = torch.zeros(2, device=f"cuda:{index}")
        direct(devices)[(3,)](x, 7, BLOCK=8)
    assert devices.launched == [(index, (3,), index, (7,), {"BLOCK": 8})]
    assert devices.current == current
    assert devices.guards == (index != current), "equal devices cost nothing"


def test_device_is_restored_after_an_error(devices: Devices) -> None:
    class Broken(Devices):
        def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
            return lambda x: 1 // 0

    with FakeTensorMode(), pytest.raises(ZeroDivisionError):
        direct(Broken())[(1,)](torch.zeros(2, device="cuda:1"))
    assert devices.current == 0


def report(case: str, folder: Path) -> dict[str, Any]:
    script = [sys.executable, str(Path(__file__).with_name("build_report.py")), case]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(folder)
    run = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    outcome: dict[str, Any] = json.loads(run.stdout)
    return outcome


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("no-compiler", "Failed to find C compiler"),
        ("no-header", "it needs Python.h"),
        ("other-gpu", "device kernel image is invalid"),
    ],
)
def test_reference_runs_where_triton_cannot_build_its_kernel(case: str, reason: str, tmp_path: Path) -> None:
    outcome = report(case, tmp_path)
    assert outcome["results"] == [[0, 128, 255]] * 2
    (warning,) = outcome["warnings"]
    assert "the kernel of to_uint8 for cpu cannot be built, so its reference runs: " in warning
    assert reason in warning
    assert "expected floating values" in outcome["refused"], "wrong arguments are the error of the reference"


@pytest.mark.parametrize("case", ["fault", "earlier-fault"])
def test_error_of_a_kernel_that_runs_is_not_hidden(case: str, tmp_path: Path) -> None:
    outcome = report(case, tmp_path)
    assert outcome == {"error": "Triton Error [CUDA]: an illegal memory access was encountered", "warnings": []}


def test_backward_pass_uses_the_reference_where_its_kernel_cannot_be_built() -> None:
    def unbuilt(x: int, y: int) -> int:
        raise KernelUnavailableError("no C compiler")

    assert or_reference(unbuilt, lambda x, y: x + y)(1, 2) == 3
    assert or_reference(lambda x, y: x * y, unbuilt)(1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        or_reference(lambda x, y: x // y, unbuilt)(1, 0)
