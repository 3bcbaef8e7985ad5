"""Which kernels the plugin offers on which machine."""

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

import resizekit_kernels
from resizekit import ops
from resizekit_kernels import OPS, kernels, resizekit_register_kernels


def test_names_of_the_ops_are_those_of_the_kernels() -> None:
    assert list(OPS) == sorted(kernel.op for kernel in kernels())
    assert set(OPS) == set(ops.op_names())


@pytest.mark.parametrize(
    ("gpu", "triton", "reason"),
    [
        (False, True, "PyTorch finds no GPU of type cuda"),
        (True, False, "Triton is not installed"),
        (True, True, None),
    ],
)
def test_offer_has_the_reason_why_it_cannot_run(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, triton: bool, reason: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(resizekit_kernels, "find_spec", lambda name: object() if triton else None)
    offered = tuple(resizekit_register_kernels())
    assert sorted(kernel.op for kernel in offered) == list(OPS)
    assert {kernel.unavailable for kernel in offered} == {reason}
    if reason is None:
        assert offered == kernels()
