"""Properties of the kernels compiled for real GPUs, without a GPU; see `compile_report.py`."""

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
TARGETS = {"cuda": {"sm_80", "sm_90a", "sm_100a"}, "rocm": {"gfx942", "gfx1100"}}
REGISTERS = 128
"""Maximum registers of a thread: with 128, 512 threads fit a multiprocessor, and 4 waves each unit of gfx942.  Counts
vary with the compiler."""
SUMS = {"cuda": 168, "rocm": 256}
"""Maximum registers of a thread that also keeps sums of products: with 168, three blocks of 128 threads fit a
multiprocessor; a wave of gfx942 has up to 512."""
WIDE = {
    ("conv3x3", "sum"): ("ld", "st"),
    ("to_uint8", "bfloat16 + guide"): ("ld", "st"),
    ("to_uint8", "odd"): ("ld", "st"),
    ("quantize", "bfloat16 + guide"): ("ld", "st"),
    ("quantize", "disconnected"): ("ld", "st"),
    ("quantize_codes", "bfloat16 + guide"): ("ld", "st"),
    ("shuffle", "float32"): ("ld",),
    ("unshuffle", "float32"): ("st",),
    ("shuffle_codes", "channels last"): ("ld",),
    ("unshuffle_codes", "network input"): ("st",),
    ("unshuffle_codes", "float32"): ("st",),
    ("unshuffle_quantize", "float32"): ("ld", "st"),
}
"""Calls whose full blocks are read ("ld") or written ("st") 16 bytes at a time on NVIDIA, for which blocks are made."""
NVIDIA = pytest.mark.parametrize("platform", ["cuda"], indirect=True)


@pytest.fixture(scope="module", params=TARGETS)
def platform(request: pytest.FixtureRequest) -> str:
    """ "cuda" or "rocm"."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def report(platform: str) -> list[Row]:
    script = [sys.executable, str(Path(__file__).with_name("compile_report.py")), platform]
    compiling = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    run = subprocess.run(script, env=compiling, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    rows: list[Row] = json.loads(run.stdout)
    return rows


def rows_of(report: list[Row], op: str) -> list[Row]:
    rows = [row for row in report if row["op"] == op]
    assert rows, f"{op}: nothing was compiled"
    return rows


def wide(accesses: list[str]) -> bool:
    return any(name.endswith((".v4.b32", ".v2.b64", ".v8.b16")) for name in accesses)


@pytest.mark.parametrize("op", OPS)
def test_kernel_compiles_for_every_architecture(report: list[Row], platform: str, op: str) -> None:
    rows = rows_of(report, op)
    assert {row["target"] for row in rows} == TARGETS[platform]
    assert all(row["axes"] == 1 for row in rows), "the second axis of a grid is limited to 65535"


@pytest.mark.parametrize("op", OPS)
def test_registers_do_not_spill(report: list[Row], platform: str, op: str) -> None:
    for row in rows_of(report, op):
        assert row["stack"] == row["local"] == row["spills"] == 0, row
        assert row["reg"] <= (SUMS[platform] if op == "conv3x3" else REGISTERS), row


@pytest.mark.parametrize("op", [op for op in OPS if op != "conv3x3"])  # a sum of products, in any order
def test_products_are_not_fused_with_sums(report: list[Row], op: str) -> None:
    """Because a fused operation rounds once where the reference rounds twice."""
    for row in rows_of(report, op):
        assert row["fma"] == 0, row


@NVIDIA
@pytest.mark.parametrize(("op", "call"), [key for key in WIDE if key[0] in OPS])
def test_wide_accesses_stay_wide(report: list[Row], op: str, call: str) -> None:
    rows = [row for row in rows_of(report, op) if row["call"] == call]
    assert rows
    for row in rows:
        for kind in WIDE[op, call]:
            assert wide(row[kind]), row


@pytest.mark.parametrize("op", OPS)
def test_compiler_knows_the_written_arguments(report: list[Row], op: str) -> None:
    """If it cannot tell, it treats every tensor as written and copies the inputs."""
    rows = [row for row in rows_of(report, op) if "written" in row]
    assert rows
    for row in rows:
        assert set() < set(row["written"]) < set(row["tensors"]), row


def test_only_selected_outputs_are_written(report: list[Row]) -> None:
    seen = {row["op"]: row["written"] for row in report if row["kernel"] == "quantize_kernel" and "written" in row}
    assert seen["to_uint8"] == ["codes"]
    assert seen["quantize"] == ["low", "side"]
    assert seen["quantize_codes"] == ["codes", "low"]


def test_report_of_a_wrong_kernel_shows_its_faults(report: list[Row]) -> None:
    (row,) = rows_of(report, "wrong")
    assert row["fma"] > 0
    assert row["written"] == ["y"]


@NVIDIA
def test_report_of_a_wrong_kernel_shows_spills_and_narrow_stores(report: list[Row]) -> None:
    (row,) = rows_of(report, "wrong")
    assert min(row["spills"], row["stack"]) > 0
    assert wide(row["ld"])
    assert not wide(row["st"])
