"""Try our ops as the compiler meets them, on a machine without a GPU, and print what came of it as JSON.

    python tests/kernels/library_report.py [op...]

Not in Triton's interpreter: there an op's body would be run while it is traced.  On the CPU an op runs its reference,
so what is tried here is all that surrounds the kernels: schemas, shapes, gradients, and what a graph holds.
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
"""So many calls of each op are checked without a gradient, and as many with one."""

forced = False
really_traced = launch.traced
launch.traced = lambda: forced or really_traced()
torch.cuda.get_device_capability = lambda device=None: (9, 0)

from resizekit_kernels import kernels  # noqa: E402  (the families take `traced` when they are imported)

PLAIN, HIGH = floats(2, 3, 8, 6), channels_last(3 * floats(2, 3, 8, 6) - 1)
BYTES, LOW = channels_last(random_bytes(2, 3, 8, 6)), channels_last(floats(2, 12, 4, 3, dtype=torch.bfloat16))
NETWORK = {"dtype": torch.bfloat16, "shift": -0.5, "multiple": 16, "channels_last": True}
CALLS = {
    "to_uint8": [Call(PLAIN, PLAIN.half())],
    "quantize": [Call(3 * PLAIN - 1, PLAIN.half()), Call(HIGH, gradient="clipped"), Call(HIGH, gradient="plain")],
    "quantize_codes": [Call(HIGH, channels_last(PLAIN))],
    "shuffle": [Call(LOW, 2, 2), Call(floats(2, 12, 4, 3), 1, 3)],
    "shuffle_codes": [Call(LOW, 2, 2, shift=0.5)],
    "unshuffle": [Call(HIGH, 2, 2), Call(PLAIN.half(), 2, 3)],
    "unshuffle_codes": [Call(BYTES, 2, 2, **NETWORK), Call(BYTES, 2, 3)],
    "unshuffle_guide": [Call(BYTES, 2, 2, **NETWORK), Call(BYTES, 2, 3)],
    "unshuffle_quantize": [Call(HIGH, 2, 2), Call(PLAIN, 2, 3, gradient="clipped")],
}
"""What is compiled and exported: the height may vary."""


# --- opcheck -----------------------------------------------------------------------------------


def recorded() -> dict[str, dict[str, tuple[Any, ...]]]:
    """Call every kernel as the conformance suite does, and keep what its ops are called with."""
    global forced
    seen: dict[str, dict[str, tuple[Any, ...]]] = {}
    call_op = CustomOpDef.__call__

    def keep(self: CustomOpDef, *args: Any, **options: Any) -> Any:
        deriving = torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in args)
        told = f"({Call(*args, **options)}){' with a gradient' if deriving else ''}"
        calls = seen.setdefault(self._qualname, {})
        if told not in calls and sum(name.endswith("gradient") == deriving for name in calls) < SAMPLES:
            copy = differentiable if deriving else lambda x: x.detach().clone()
            calls[told] = tuple(copy(x) if isinstance(x, Tensor) else x for x in args)
        return call_op(self, *args, **options)

    CustomOpDef.__call__, forced = keep, True
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
        for told, args in calls.items():
            outcome = opcheck(op, args, raise_exception=False)
            report.setdefault(name, {}).update({f"{test}{told}": str(said) for test, said in outcome.items()})
    return report


# --- tracing -----------------------------------------------------------------------------------


def truth(kernel: Kernel) -> Callable[..., Any]:
    """The reference of an op, and of every op that it calls."""
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
    """Shapes, types and layouts are told for a GPU that is not there."""
    global forced
    forced = True
    try:
        with FakeTensorMode():
            fake = call.map(lambda x: torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="cuda"))
            got = named(fake(kernel.run))
    finally:
        forced = False
    for name, theirs in named(call(truth(kernel))).items():
        mine = got[name]
        assert mine.device.type == "cuda", f"{name} lies on {mine.device}"
        told, wanted = ((x.dtype, x.shape, x.stride()) for x in (mine, theirs))
        assert told == wanted, f"{name} is {told}, the reference's is {wanted}"


def compiled(kernel: Kernel, call: Call) -> None:
    """One graph, the same values and the same gradients."""
    torch._dynamo.reset()
    traced = torch.compile(Traced(kernel.op, call), fullgraph=True, backend="aot_eager")
    for deriving in (False, True):
        mine, theirs = (call.map(differentiable if deriving else Tensor.clone) for _ in range(2))
        got, wanted = traced(*mine.tensors()), theirs(truth(kernel))
        check_equal("compiled", got, wanted, exact=True)
        for one, other in zip(named(got).values(), named(wanted).values(), strict=True):
            assert one.requires_grad == other.requires_grad, "a gradient passes through one of both only"
            if other.requires_grad:
                upstream = torch.randn(other.shape, generator=torch.Generator().manual_seed(0)).to(other.dtype)
                torch.autograd.backward([one, other], [upstream, upstream])
        for one, other in zip(mine.tensors(), theirs.tensors(), strict=True):
            check_equal("the gradient when compiled", one.grad, other.grad, exact=True)


def exported(kernel: Kernel, call: Call) -> None:
    """One program for any height, which holds our ops by name."""
    tensors = tuple(call.tensors())
    varying = tuple({2: torch.export.Dim.DYNAMIC} for _ in tensors)
    program = torch.export.export(Traced(kernel.op, call), tensors, dynamic_shapes=(varying,))
    targets = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert any(target.startswith("resizekit.") for target in targets), f"the graph holds {targets}"
    for other in (call, call.map(lambda x: torch.cat([x, x, x], 2).contiguous(memory_format=lies(x)))):
        got, wanted = program.module()(*other.tensors()), other(truth(kernel))
        check_equal("exported", type(wanted)(*got) if isinstance(wanted, tuple) else got, wanted, exact=True)


def lies(x: Tensor) -> torch.memory_format:
    return torch.contiguous_format if x.is_contiguous() else torch.channels_last


# --- what has to fail --------------------------------------------------------------------------


@triton_op("resizekit_wrong::same", mutates_args={})
def same(x: Tensor) -> Tensor:
    """Gives its input back, which no op may."""
    return x


def one_off(x: Tensor, guide: Tensor | None = None) -> Tensor:
    """Holds no op of ours, gives other values, and gives them on the CPU."""
    return (reference("to_uint8")(x, guide) + 1).cpu()


LAWS = (fake_on_cuda, compiled, exported)


def tried(kernel: Kernel, law: Callable[[Kernel, Call], None], call: Call) -> str:
    """Give "ok" or what went wrong, with this one kernel serving on the CPU."""
    serving = Kernel(op=kernel.op, device_type="cpu", run=kernel.run)
    ops.install(serving)
    try:
        law(serving, call)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        ops.uninstall(serving)
    return "ok"


def wrong() -> dict[str, str]:
    kernel, call = Kernel(op="to_uint8", device_type="cpu", run=one_off), CALLS["to_uint8"][0]
    outcomes = {law.__name__: tried(kernel, law, call) for law in LAWS}
    return outcomes | {name: str(said) for name, said in opcheck(same, (PLAIN,), raise_exception=False).items()}


def main(wanted: set[str]) -> None:
    chosen = [kernel for kernel in kernels() if not wanted or kernel.op in wanted]
    report: dict[str, Any] = {"wrong": wrong(), "opcheck": checked()}
    for law in LAWS:
        report[law.__name__] = {
            kernel.op: {f"{kernel.op}({call})": tried(kernel, law, call) for call in CALLS[kernel.op]}
            for kernel in chosen
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(set(sys.argv[1:]))
