"""Test the ops as the compiler sees them, without a GPU, and print the outcomes as JSON.

    python tests/kernels/library_report.py [op...]

This does not use Triton's interpreter, which would run the body of an op while it is traced.  On the CPU an op runs its
reference, so this tests everything around the kernels: schemas, shapes, gradients and the contents of graphs.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._library.custom_ops import CustomOpDef
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.library import opcheck, triton_op

from resizekit import Kernel, ops
from resizekit.ops import reference
from resizekit.testing import Call
from resizekit.testing.cases import cases_of
from resizekit.testing.results import check_equal, named
from resizekit.testing.samples import channels_last, floats, random_bytes
from resizekit_kernels import launch

SAMPLES = 2
"""Calls of each op to check without a gradient, and again with one."""

forced = False
really_compiling = launch.is_compiling
launch.is_compiling = lambda: forced or really_compiling()
torch.cuda.get_device_capability = lambda device=None: (9, 0)

from resizekit_kernels import kernels  # noqa: E402  (the kernel modules import `is_compiling` by name)

PLAIN, HIGH = floats(2, 3, 8, 6), channels_last(3 * floats(2, 3, 8, 6) - 1)
BYTES, LOW = channels_last(random_bytes(2, 3, 8, 6)), channels_last(floats(2, 12, 4, 3, dtype=torch.bfloat16))
NETWORK = {"dtype": torch.bfloat16, "shift": -0.5, "multiple": 16, "channels_last": True}
FEATURES = channels_last(floats(2, 16, 8, 6, dtype=torch.float16))
WEIGHT, BIAS = channels_last(floats(16, 16, 3, 3, dtype=torch.float16)), floats(16, dtype=torch.float16)
CALLS = {
    "conv3x3": [Call(FEATURES, WEIGHT, BIAS, FEATURES), Call(FEATURES, WEIGHT, BIAS, relu=True)],
    "to_uint8": [Call(PLAIN, PLAIN.half())],
    "quantize": [
        Call(3 * PLAIN - 1, PLAIN.half()),
        Call(HIGH, clamp_gradient="disconnected"),
        Call(HIGH, clamp_gradient="identity"),
    ],
    "quantize_codes": [Call(HIGH, channels_last(PLAIN))],
    "shuffle": [Call(LOW, 2, 2), Call(floats(2, 12, 4, 3), 1, 3)],
    "shuffle_codes": [Call(LOW, 2, 2, shift=0.5)],
    "unshuffle": [Call(HIGH, 2, 2), Call(PLAIN.half(), 2, 3)],
    "unshuffle_codes": [Call(BYTES, 2, 2, **NETWORK), Call(BYTES, 2, 3)],
    "unshuffle_guide": [Call(BYTES, 2, 2, **NETWORK), Call(BYTES, 2, 3)],
    "unshuffle_quantize": [Call(HIGH, 2, 2), Call(PLAIN, 2, 3, clamp_gradient="disconnected")],
}
"""Calls to compile and export with a dynamic height."""


# --- opcheck -----------------------------------------------------------------------------------


def recorded() -> dict[str, dict[str, tuple[Any, ...]]]:
    """Call every kernel as the conformance tests do, and record the arguments of its ops."""
    global forced
    seen: dict[str, dict[str, tuple[Any, ...]]] = {}
    call_op = CustomOpDef.__call__

    def record(self: CustomOpDef, *args: Any, **options: Any) -> Any:
        with_gradient = torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in args)
        label = f"({Call(*args, **options)}){' with a gradient' if with_gradient else ''}"
        calls = seen.setdefault(self._qualname, {})
        if label not in calls and sum(name.endswith("gradient") == with_gradient for name in calls) < SAMPLES:
            copy = differentiable if with_gradient else lambda x: x.detach().clone()
            calls[label] = tuple(copy(x) if isinstance(x, Tensor) else x for x in args)
        return call_op(self, *args, **options)

    CustomOpDef.__call__, forced = record, True
    for kernel in kernels():
        cases = cases_of(kernel.op)
        for call in (*cases.layouts[::5], *cases.gradients):
            call(kernel.run)
            result = call.map(differentiable)(kernel.run)
            for y in named(result).values():
                if y.requires_grad:
                    y.sum().backward()
    CustomOpDef.__call__, forced = call_op, False
    return seen


def differentiable(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_(x.is_floating_point())


def checked() -> dict[str, dict[str, str]]:
    report: dict[str, dict[str, str]] = {}
    for name, calls in recorded().items():
        op = getattr(torch.ops.resizekit, name.split("::")[1]).default
        for label, args in calls.items():
            outcomes = opcheck(op, args, raise_exception=False)
            report.setdefault(name, {}).update({f"{test}{label}": str(outcome) for test, outcome in outcomes.items()})
    return report


# --- tracing -----------------------------------------------------------------------------------


def full_reference(kernel: Kernel) -> Callable[..., Any]:
    """Return the reference of an op, which also calls the references of other ops."""
    return ops.references()(reference(kernel.op))


class Traced(torch.nn.Module):
    """A call of an op as a function of its tensors."""

    def __init__(self, op: str, call: Call) -> None:
        super().__init__()
        self.op, self.options = getattr(ops, op), call.options
        self.others = [value for value in call.args if not isinstance(value, Tensor)]

    def forward(self, *tensors: Tensor) -> Any:
        return self.op(*tensors, *self.others, **self.options)


def fake_on_cuda(kernel: Kernel, call: Call) -> None:
    """Shapes, dtypes and strides are correct for a GPU that does not exist."""
    global forced
    forced = True
    try:
        with FakeTensorMode():
            fake = call.map(lambda x: torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="cuda"))
            got = named(fake(kernel.run))
    finally:
        forced = False
    for name, expected in named(call(full_reference(kernel))).items():
        actual = got[name]
        assert actual.device.type == "cuda", f"{name} is on {actual.device}"
        found, required = ((x.dtype, x.shape, x.stride()) for x in (actual, expected))
        assert found == required, f"{name} is {found}, that of the reference {required}"


def compiled(kernel: Kernel, call: Call) -> None:
    """The compiled call is one graph with equal values and equal gradients."""
    torch._dynamo.reset()
    traced = torch.compile(Traced(kernel.op, call), fullgraph=True, backend="aot_eager")
    for with_gradient in (False, True):
        actual, reference_call = (call.map(differentiable if with_gradient else Tensor.clone) for _ in range(2))
        got, expected = traced(*actual.tensors()), reference_call(full_reference(kernel))
        check_equal("compiled", got, expected, exact=True)
        for first, second in zip(named(got).values(), named(expected).values(), strict=True):
            assert first.requires_grad == second.requires_grad, "a gradient passes through first of both only"
            if second.requires_grad:
                upstream = torch.randn(second.shape, generator=torch.Generator().manual_seed(0)).to(second.dtype)
                torch.autograd.backward([first, second], [upstream, upstream])
        for first, second in zip(actual.tensors(), reference_call.tensors(), strict=True):
            check_equal("the gradient when compiled", first.grad, second.grad, exact=True)


def exported(kernel: Kernel, call: Call) -> None:
    """The exported call is one program for any height and contains the ops of resizekit by name."""
    tensors = tuple(call.tensors())
    images = tensors[0].shape[:1]  # other tensors are weights
    varying = tuple({2: torch.export.Dim.DYNAMIC} if x.shape[:1] == images else None for x in tensors)
    program = torch.export.export(Traced(kernel.op, call), tensors, dynamic_shapes=(varying,))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert any(target.startswith("resizekit.") for target in targets), f"the graph contains {targets}"

    def three_times_as_high(x: Tensor) -> Tensor:
        return torch.cat([x, x, x], 2).contiguous(memory_format=memory_format(x)) if x.shape[:1] == images else x

    for other_call in (call, call.map(three_times_as_high)):
        got, expected = program.module()(*other_call.tensors()), other_call(full_reference(kernel))
        check_equal("exported", type(expected)(*got) if isinstance(expected, tuple) else got, expected, exact=True)


def memory_format(x: Tensor) -> torch.memory_format:
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


# --- what has to fail --------------------------------------------------------------------------


@triton_op("resizekit_wrong::same", mutates_args={})
def same(x: Tensor) -> Tensor:
    """Return its input, which no op may do."""
    return x


def off_by_one(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Use no op of resizekit, return other values, and return them on the CPU."""
    return (reference("to_uint8")(x, guide) + 1).cpu()


LAWS = (fake_on_cuda, compiled, exported)


def outcome_of(kernel: Kernel, law: Callable[[Kernel, Call], None], call: Call) -> str:
    """Return "ok" or the error, with this kernel alone serving on the CPU."""
    serving = Kernel(op=kernel.op, device_type="cpu", run=kernel.run)
    try:
        with ops.kernels_installed(serving):
            law(serving, call)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def wrong() -> dict[str, str]:
    kernel, call = Kernel(op="to_uint8", device_type="cpu", run=off_by_one), CALLS["to_uint8"][0]
    outcomes = {law.__name__: outcome_of(kernel, law, call) for law in LAWS}
    return outcomes | {name: str(outcome) for name, outcome in opcheck(same, (PLAIN,), raise_exception=False).items()}


def main(selected: set[str]) -> None:
    chosen = [kernel for kernel in kernels() if not selected or kernel.op in selected]
    report: dict[str, Any] = {"wrong": wrong(), "opcheck": checked()}
    for law in LAWS:
        report[law.__name__] = {
            kernel.op: {f"{kernel.op}({call})": outcome_of(kernel, law, call) for call in CALLS[kernel.op]}
            for kernel in chosen
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(set(sys.argv[1:]))
