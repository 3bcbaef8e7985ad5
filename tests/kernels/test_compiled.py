"""What the compiler makes of our kernels for real GPUs, read without one; `compile_report.py` says how."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton", reason="Triton is not installed")

from resizekit_kernels import kernels

Row = dict[str, Any]

OPS = [kernel.op for kernel in kernels()]
TARGETS = {80: "sm_80", 90: "sm_90a", 100: "sm_100a"}
REGISTERS = 128
"""A thread's: with so many, 512 threads still share a multiprocessor.  A bound, since counts move between compilers."""
WIDE = {
    ("to_uint8", "bfloat16 + guide"): ("ld", "st"),
    ("to_uint8", "odd"): ("ld", "st"),
    ("quantize", "bfloat16 + guide"): ("ld", "st"),
    ("quantize", "clipped"): ("ld", "st"),
    ("quantize_codes", "bfloat16 + guide"): ("ld", "st"),
    ("shuffle", "float32"): ("ld",),
    ("unshuffle", "float32"): ("st",),
    ("shuffle_codes", "channels last"): ("ld",),
    ("unshuffle_codes", "for a network"): ("st",),
    ("unshuffle_codes", "float32"): ("st",),
    ("unshuffle_quantize", "float32"): ("ld", "st"),
}
"""Calls whose full blocks are read ("ld") or written ("st") 16 bytes at a time."""


@pytest.fixture(scope="module")
def report() -> list[Row]:
    script = Path(__file__).with_name("compile_report.py")
    compiling = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, str(script)], env=compiling, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows: list[Row] = json.loads(done.stdout)
    return rows


def rows_of(report: list[Row], op: str) -> list[Row]:
    rows = [row for row in report if row["op"] == op]
    assert rows, f"{op}: nothing was compiled"
    return rows


def wide(accesses: list[str]) -> bool:
    return any(name.endswith((".v4.b32", ".v2.b64", ".v8.b16")) for name in accesses)


@pytest.mark.parametrize("op", OPS)
def test_each_compiles_for_every_architecture(report: list[Row], op: str) -> None:
    rows = rows_of(report, op)
    assert {row["capability"] for row in rows} == set(TARGETS)
    assert all(row["target"] == TARGETS[row["capability"]] for row in rows)
    assert all(row["axes"] == 1 for row in rows), "the second axis of a grid ends at 65535"


@pytest.mark.parametrize("op", OPS)
def test_nothing_spills(report: list[Row], op: str) -> None:
    for row in rows_of(report, op):
        assert row["stack"] == row["local"] == row["spills"] == 0, row
        assert row["reg"] <= REGISTERS, row


@pytest.mark.parametrize("op", OPS)
def test_no_product_is_fused_with_a_sum(report: list[Row], op: str) -> None:
    """It would be rounded once where the reference rounds twice."""
    for row in rows_of(report, op):
        assert row["fma"] == 0, row


@pytest.mark.parametrize(("op", "call"), [key for key in WIDE if key[0] in OPS])
def test_wide_accesses_stay_wide(report: list[Row], op: str, call: str) -> None:
    rows = [row for row in rows_of(report, op) if row["call"] == call]
    assert rows
    for row in rows:
        for kind in WIDE[op, call]:
            assert wide(row[kind]), row


@pytest.mark.parametrize("op", OPS)
def test_the_compiler_sees_what_is_written(report: list[Row], op: str) -> None:
    """Where it cannot tell, it takes every tensor for written, and copies the inputs."""
    rows = [row for row in rows_of(report, op) if "written" in row]
    assert rows
    for row in rows:
        assert set() < set(row["written"]) < set(row["tensors"]), row


def test_the_outputs_asked_for_are_the_ones_written(report: list[Row]) -> None:
    seen = {row["op"]: row["written"] for row in report if row["kernel"] == "quantize_kernel" and "written" in row}
    assert seen["to_uint8"] == ["codes"]
    assert seen["quantize"] == ["low", "side"]
    assert seen["quantize_codes"] == ["codes", "low"]


def test_a_report_can_be_bad(report: list[Row]) -> None:
    (row,) = rows_of(report, "wrong")
    assert min(row["spills"], row["stack"], row["fma"]) > 0
    assert wide(row["ld"])
    assert not wide(row["st"])
    assert row["written"] == ["y"]
