"""`resizekit kernels`: the list, and the compilation before the first use."""

import json

import pytest
import torch

from resizekit import hookimpl, ops
from resizekit.ops import Kernel
from resizekit.plugin.registry import installed


class Plugin:
    """A plugin with kernels for the CPU that count their calls."""

    def __init__(self):
        self.calls = []

    def kernel(self, op):
        def run(x, *args, **options):
            self.calls.append((op, tuple(x.shape)))
            return ops.reference(op)(x, *args, **options)

        return Kernel(op=op, device_type="cpu", run=run)

    @hookimpl
    def resizekit_register_kernels(self):
        return [self.kernel("shuffle_codes"), self.kernel("unshuffle_codes")]


@pytest.fixture
def plugin():
    added = Plugin()
    installed().add(added, "mine", "my-plugin 1.0")
    yield added
    installed().remove("mine")


def test_list_of_kernels(cli, plugin):
    run = cli("kernels", "--json")
    assert (run.code, run.err) == (0, "")
    result = json.loads(run.out)
    (mine,) = (row for row in result["kernels"] if row["op"] == "shuffle_codes" and row["device_type"] == "cpu")
    assert mine == {
        "op": "shuffle_codes", "device_type": "cpu", "provider": "my-plugin 1.0", "plugin": "mine",
        "module": __name__, "serves": True, "reason": "",
    }  # fmt: skip
    assert "shuffle_codes" not in result["references_only"]
    with ops.references("shuffle_codes"):
        lines = cli("kernels").out.splitlines()
    (line,) = (line for line in lines if line.split()[:3] == ["shuffle_codes", "cpu", "mine"])
    assert line.split("my-plugin 1.0")[1].split() == [__name__, "no", "resizekit.ops.references", "is", "in", "use"]
    assert len(lines) >= 1 + len(result["kernels"])


def test_warm_up_runs_both_directions_at_each_size(cli, plugin, weights):
    run = cli("kernels", "--warm-up", "--weights", weights, "--size", "8x4", "--size", "6x10", "--device", "cpu")
    assert run.code == 0, run.err
    assert [line.split(":")[0] for line in run.err.splitlines()] == ["8x4", "6x10"]
    assert set(plugin.calls) >= {("shuffle_codes", (1, 12, 2, 4)), ("shuffle_codes", (1, 12, 5, 3))}
    assert "shuffle_codes" in run.out, "the list follows"


def test_warm_up_needs_kernels_on_the_device_and_arguments(cli, weights):
    for args, message in (
        (("--weights", weights, "--size", "8x4", "--device", "cpu"), "no kernel runs on cpu"),
        (("--weights", weights), "needs --weights and at least one --size"),
        (("--size", "8x4"), "needs --weights and at least one --size"),
        (("--weights", weights, "--size", "8"), "invalid size '8'"),
    ):
        run = cli("kernels", "--warm-up", *args)
        assert (run.code, run.out, len(run.err.splitlines())) == (2, "", 1)
        assert message in run.err
    run = cli("kernels", "--size", "8x4")
    assert (run.code, run.out, run.err) == (2, "", "error: --weights and --size need --warm-up\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_warm_up_needs_a_gpu(cli, weights):
    run = cli("kernels", "--warm-up", "--weights", weights, "--size", "8x4", "--device", "cuda")
    assert (run.code, run.out, len(run.err.splitlines())) == (2, "", 1)
