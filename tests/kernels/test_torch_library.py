"""The ops under `torch.compile`, `torch.export` and autograd; see `library_report.py`."""

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
    run = subprocess.run([sys.executable, str(script)], env=compiling, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    outcome: dict[str, Any] = json.loads(run.stdout)
    return outcome


@pytest.mark.parametrize("op", REGISTERED)
def test_op_passes_opcheck(report: dict[str, Any], op: str) -> None:
    outcomes = report["opcheck"][op]
    assert {name.split("(")[0] for name in outcomes} == CHECKS
    assert not {label: outcome for label, outcome in outcomes.items() if outcome != "SUCCESS"}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("law", ["fake_on_cuda", "compiled", "exported"])
def test_op_can_be_traced(report: dict[str, Any], op: str, law: str) -> None:
    outcomes = report[law][op]
    assert outcomes
    assert not {label: outcome for label, outcome in outcomes.items() if outcome != "ok"}


def test_opcheck_includes_gradients(report: dict[str, Any]) -> None:
    with_gradient = {
        op for op, outcomes in report["opcheck"].items() if any("with a gradient" in label for label in outcomes)
    }
    assert "resizekit::quantize" in with_gradient


def test_wrong_kernel_is_detected(report: dict[str, Any]) -> None:
    outcome = report["wrong"]
    assert "the result is on cpu" in outcome["fake_on_cuda"]
    assert "compiled: the result differs" in outcome["compiled"]
    assert "the graph contains ['aten." in outcome["exported"]
    assert outcome["test_schema"] != "SUCCESS"
