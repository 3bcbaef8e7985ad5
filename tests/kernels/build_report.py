"""Launch a kernel on a machine where Triton cannot build or run it, and print what the op does as JSON.

    python tests/kernels/build_report.py no-compiler|no-header|other-gpu|earlier-fault|fault

A driver that knows the name of a GPU replaces that of CUDA; it builds the launcher of a kernel with Triton's own build
functions, and a launch is an error.
"""

import json
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import build
from triton.runtime.driver import driver

from resizekit import Kernel, ops
from resizekit_kernels import kernels

CASE = sys.argv[1]
os.environ["PATH"] = ""
if CASE == "no-header":
    compiler = Path(os.environ["TRITON_CACHE_DIR"]) / "cc"
    compiler.write_text("#!/bin/sh\nexit 1\n")  # what a compiler does that does not find Python.h
    compiler.chmod(0o755)
    os.environ["CC"] = str(compiler)
else:
    os.environ.pop("CC", None)


def fault(*_: Any) -> None:
    raise RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered")


def load_binary(*_: Any) -> tuple[object, object, int, int, int]:
    if CASE == "other-gpu":
        raise RuntimeError("Triton Error [CUDA]: device kernel image is invalid")
    if CASE == "earlier-fault":  # the driver reports it at its next call
        fault()
    return object(), object(), 32, 0, 1024


def launcher(source: Any, metadata: Any) -> Any:
    if CASE.startswith("no-"):
        build.compile_module_from_src(src="int main() { return 0; }", name="launcher")
    return fault


driver.set_active(
    SimpleNamespace(
        get_current_device=lambda: 0,
        get_current_stream=lambda device=None: 0,
        get_current_target=lambda: GPUTarget("cuda", 90, 32),
        get_device_capability=lambda device=None: (9, 0),
        launcher_cls=launcher,
        utils=SimpleNamespace(
            get_device_properties=lambda device: {"max_shared_mem": 1 << 17},
            load_binary=load_binary,
        ),
    )
)

kernel = next(kernel for kernel in kernels() if kernel.op == "to_uint8")
here = Kernel(op=kernel.op, device_type="cpu", run=kernel.run)
outcome: dict[str, Any] = {}
with warnings.catch_warnings(record=True) as warned, ops.kernels_installed(here):
    warnings.simplefilter("always", ops.KernelWarning)
    try:
        outcome["results"] = [ops.to_uint8(torch.tensor([0.0, 0.5, 1.0])).tolist() for _ in range(2)]
        try:
            ops.to_uint8(torch.tensor([1]))
        except Exception as error:
            outcome["refused"] = str(error)
    except RuntimeError as error:
        outcome["error"] = str(error)
outcome["warnings"] = [str(item.message) for item in warned if item.category is ops.KernelWarning]
print(json.dumps(outcome))
