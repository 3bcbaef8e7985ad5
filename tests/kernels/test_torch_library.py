"""Our ops as `torch.compile`, `torch.export` and autograd meet them; `library_report.py` says how."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit_kernels import kernels

OPS = [kernel.op for kernel in kernels()]
REGISTERED = sorted(name for name in torch._C._dispatch_get_all_op_names() if name.startswith("resizekit::"))
CHECKS = {"test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"}


@pytest.fixture(scope="module")
def report() -> dict[str, dict[str, dict[str, str]]]:
    script = Path(__file__).with_name("library_report.py")
    compiling = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, str(script)], env=compiling, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.mark.parametrize("op", REGISTERED)
def test_each_op_is_registered_as_torch_wants_it(report: dict[str, Any], op: str) -> None:
    outcomes = report["opcheck"][op]
    assert {name.split("(")[0] for name in outcomes} == CHECKS
    assert not {told: said for told, said in outcomes.items() if said != "SUCCESS"}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("law", ["fake_on_cuda", "compiled", "exported"])
def test_each_op_can_be_traced(report: dict[str, Any], op: str, law: str) -> None:
    outcomes = report[law][op]
    assert outcomes
    assert not {told: said for told, said in outcomes.items() if said != "ok"}


def test_gradients_are_checked_too(report: dict[str, Any]) -> None:
    deriving = {op for op, outcomes in report["opcheck"].items() if any("with a gradient" in told for told in outcomes)}
    assert "resizekit::quantize" in deriving


def test_a_wrong_kernel_is_found_out(report: dict[str, Any]) -> None:
    said = report["wrong"]
    assert "the result lies on cpu" in said["fake_on_cuda"]
    assert "compiled: the result differs" in said["compiled"]
    assert "the graph holds ['aten." in said["exported"]
    assert said["test_schema"] != "SUCCESS"
