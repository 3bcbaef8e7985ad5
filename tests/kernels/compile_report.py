"""Compile every kernel for GPUs of NVIDIA or AMD without a GPU, and print properties of the code as JSON.

    python tests/kernels/compile_report.py cuda|rocm [op...]

The launchers compile: they get CPU tensors, and a driver that only knows the name of a GPU replaces that of CUDA.  A
launch compiles the kernel and stops.  Types, strides and alignment are therefore those of real calls.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch._higher_order_ops import triton_kernel_wrap
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

PLATFORM = sys.argv[1]
if PLATFORM == "rocm":
    torch.version.hip = "7.0"  # what kernels ask for; a build of PyTorch for AMD sets it
knobs.language.default_fp_fusion = True  # the harder case: Triton 3.10 turns it off by default

from resizekit_kernels import launch  # noqa: E402  (kernels ask for `torch.version.hip` when they are defined)

TARGETS = {
    "cuda": {
        "sm_80": GPUTarget("cuda", 80, 32),
        "sm_90a": GPUTarget("cuda", 90, 32),
        "sm_100a": GPUTarget("cuda", 100, 32),
    },
    "rocm": {"gfx942": GPUTarget("hip", "gfx942", 64), "gfx1100": GPUTarget("hip", "gfx1100", 32)},
}[PLATFORM]
DETAILED = {"cuda": "sm_90a", "rocm": "gfx942"}[PLATFORM]
"""The target for which all calls are compiled, and for others only the first."""


class Stub:
    """The part of a driver that compiling needs; its devices are numbered as the targets are."""

    target = DETAILED

    def get_current_device(self) -> int:
        return list(TARGETS).index(self.target)

    def get_current_stream(self, device: int | None = None) -> int:
        return 0

    def get_current_target(self) -> GPUTarget:
        return TARGETS[self.target]

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cuda", 0)

    def get_device_capability(self, device: int | None = None) -> tuple[int, int]:
        return divmod(TARGETS[self.target].arch, 10)


class Compiled(NamedTuple):
    function: Any
    arguments: dict[str, Any]
    axes: int
    made: Any


STUB = Stub()
COMPILED: list[Compiled] = []
compile_or_launch = JITFunction.run


def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
    made = compile_or_launch(self, *args, grid=grid, warmup=True, **options)
    arguments = dict(zip(self.arg_names, args, strict=False)) | options
    COMPILED.append(Compiled(self, {name: arguments[name] for name in self.arg_names}, len(grid), made))
    return made


driver.set_active(STUB)
JITFunction.run = compile_only
launch.block_for = lambda x, table: table.get(STUB.get_device_capability()[0] if PLATFORM == "cuda" else 0, table[0])

from resizekit_kernels import kernels  # noqa: E402  (the launchers import `block_for` by name)


@triton.jit
def wrong_kernel(x, y, n, size: tl.constexpr):
    """A kernel that spills, fuses a product with a sum and stores single floats, which a report must show."""
    v = tl.load(x + tl.arange(0, size))
    tl.store(y + tl.arange(0, size) * n, v * tl.sum(v) + 1.0)


def wrong() -> None:
    few_registers = {"maxnreg": 32} if PLATFORM == "cuda" else {}
    wrong_kernel[(1,)](torch.zeros(4096), torch.zeros(4096), 3, size=4096, num_warps=1, **few_registers)


def floats(b: int, c: int, h: int, w: int, dtype: torch.dtype = torch.bfloat16, channels_last: bool = False) -> Tensor:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return torch.zeros(b, c, h, w, dtype=dtype).contiguous(memory_format=layout)


def image(h: int = 32, w: int = 1920) -> Tensor:
    return torch.zeros(1, h, w, 3, dtype=torch.uint8).permute(0, 3, 1, 2)


def forward_and_backward(run: Callable[..., Any], *args: Any, **options: Any) -> None:
    args = tuple(x.requires_grad_() if isinstance(x, Tensor) else x for x in args)
    result = run(*args, **options)
    first = result if isinstance(result, Tensor) else result[0]
    torch.autograd.grad(first, args[0], torch.zeros_like(first))


Calls = dict[str, Callable[[], object]]


def calls(op: str, run: Callable[..., Any]) -> Calls:
    """Return representative calls, the first for every architecture: rows of a full HD image, as a codec makes them."""
    low, f32, last = (
        floats(1, 3, 16, 960),
        floats(1, 3, 16, 960, torch.float32),
        floats(1, 12, 16, 960, channels_last=True),
    )
    network = {"dtype": torch.bfloat16, "shift": -0.5, "multiple": 16, "channels_last": True}
    features = floats(1, 64, 16, 960, channels_last=True)
    weight, bias = floats(64, 64, 3, 3, channels_last=True), torch.zeros(64, dtype=torch.bfloat16)
    calls_of_op: dict[str, Calls] = {
        "conv3x3": {
            "sum": lambda: run(features, weight, bias, features),
            "relu": lambda: run(features, weight, bias, relu=True),
            "tail": lambda: run(features, weight[:12], bias[:12]),
        },
        "to_uint8": {"bfloat16 + guide": lambda: run(low, f32), "odd": lambda: run(floats(1, 3, 17, 31))},
        "quantize": {
            "bfloat16 + guide": lambda: forward_and_backward(run, low, f32),
            "disconnected": lambda: forward_and_backward(run, f32, clamp_gradient="disconnected"),
        },
        "quantize_codes": {"bfloat16 + guide": lambda: run(low, f32)},
        "unshuffle": {
            "channels last": lambda: forward_and_backward(run, floats(1, 3, 32, 1920, channels_last=True), 2, 2),
            "float32": lambda: run(floats(1, 3, 32, 1920, torch.float32), 2, 2),
        },
        "shuffle": {
            "channels last": lambda: forward_and_backward(run, last, 2, 2),
            "float32": lambda: run(floats(1, 12, 16, 960, torch.float32), 2, 2),
        },
        "unshuffle_codes": {
            "network input": lambda: run(image(), 2, 2, **network),
            "float32": lambda: run(image(), 2, 2),
        },
        "unshuffle_guide": {
            "network input": lambda: run(image(), 2, 2, **network),
            "float32 by 2x3": lambda: run(image(), 2, 3),
        },
        "shuffle_codes": {
            "channels last": lambda: run(last, 2, 2, shift=0.5),
            "float32": lambda: run(floats(1, 12, 16, 960, torch.float32), 2, 2),
        },
        "unshuffle_quantize": {
            "float32": lambda: forward_and_backward(run, floats(1, 3, 32, 1920, torch.float32), 2, 2)
        },
    }
    return calls_of_op[op]


def read(made: Any) -> dict[str, Any]:
    """Read properties of the compiled code: registers, memory, widths of access, fused products."""
    return read_nvidia(made) if PLATFORM == "cuda" else read_amd(made)


def read_amd(made: Any) -> dict[str, Any]:
    code = made.asm["amdgcn"]
    counts = dict(re.findall(r"^\s*\.(\w+): +(\d+)$", code, flags=re.MULTILINE))
    accesses = set(re.findall(r"\b(?:global|buffer)_(?:load|store)_\w+", code))
    return {
        "target": re.search(r"\.amdgcn_target .*(gfx\w+)", code)[1],
        "reg": int(counts["vgpr_count"]),
        "stack": int(counts["private_segment_fixed_size"]),
        "local": 0,
        "shared": made.metadata.shared,
        "spills": int(counts["vgpr_spill_count"]) + int(counts["sgpr_spill_count"]),
        "fma": len(re.findall(r"\bv_\w*(?:fma|mac|mad)\w*f(?:16|32|64)", code)),
        **{kind: sorted(name for name in accesses if word in name) for kind, word in (("ld", "load"), ("st", "store"))},
    }


def read_nvidia(made: Any) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", "-sass", file.name]
        machine = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ptx = made.asm["ptx"]
    accesses = Counter(re.findall(r"\b(?:ld|st)\.global(?:\.\w+)*", ptx))
    return {
        "target": re.search(r"\.target (\w+)", ptx)[1],
        **{name.lower(): int(n) for name, n in re.findall(r"(REG|STACK|LOCAL):(\d+)", machine)},
        "shared": made.metadata.shared,
        "spills": len(re.findall(r"\b(?:LDL|STL)\b", machine)),
        "fma": len(re.findall(r"\bfma\.rn\S*f32", ptx)) + len(re.findall(r"\bFFMA\b", machine)),
        **{kind: sorted(name for name in accesses if name.startswith(kind)) for kind in ("ld", "st")},
    }


def written(compiled: Compiled) -> list[str]:
    """Name the arguments that torch.compile considers written; if it cannot tell, these are all tensors."""
    if hasattr(triton_kernel_wrap, "identify_accessed_tensors"):  # torch 2.12 and later
        accessed = triton_kernel_wrap.identify_accessed_tensors(compiled.function, compiled.arguments, {})
        return sorted(dependency.name for dependency in accessed.read_writes.writes)
    return sorted(triton_kernel_wrap.identify_mutated_tensors(compiled.function, compiled.arguments, {}))


def reports(op: str, call: str, run: Callable[[], object], targets: Iterable[str]) -> Iterator[dict[str, Any]]:
    for STUB.target in targets:
        COMPILED.clear()
        run()
        for compiled in COMPILED:
            row = {"op": op, "call": call, "kernel": compiled.function.__name__}
            row |= {"axes": compiled.axes, **read(compiled.made)}
            if STUB.target == DETAILED:
                tensors = sorted(name for name, value in compiled.arguments.items() if isinstance(value, Tensor))
                row |= {"tensors": tensors, "written": written(compiled)}
            yield row


def main(selected: set[str]) -> None:
    report = list(reports("wrong", "", wrong, (DETAILED,)))
    for kernel in kernels():
        calls_of_kernel = calls(kernel.op, kernel.run) if not selected or kernel.op in selected else {}
        for i, (name, call) in enumerate(calls_of_kernel.items()):
            report += reports(kernel.op, name, call, (DETAILED,) if i else TARGETS)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(set(sys.argv[2:]))
