"""Freed memory stays in the process after a command, or if the library is asked to keep it, and not otherwise."""

import ctypes
import os
import subprocess
import sys

import pytest

from resizekit.cli import main

CODE = """
import itertools, resource, sys
import torch

torch.set_num_threads(1)
sizes = itertools.count(12_000_000, -1000)  # 48 MB, larger than any block that glibc keeps by default

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(next(sizes))  # smaller each time, so that alignment never prevents the reuse of the last block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
{action}
faults()
print(before, faults())
"""
COMMAND = """
from resizekit.cli import main
sys.argv = ["resizekit", "tasks"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
"""
LIBRARY = """
import resizekit, resizekit.suites.process_pool, resizekit.training.loop
codec = resizekit.build("sr", network={"width": 4, "blocks": 0})
codec(torch.rand(1, 3, 8, 8))
"""

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")


def page_faults(action, **environment):
    """Run some code in a new process; return the page faults of equal allocations before and after it."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("{action}", action)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, after = done.stdout.splitlines()[-1].split()
    return int(before), int(after)


@pytest.mark.parametrize(
    ("action", "environment"),
    [
        (COMMAND, {}),
        ("import resizekit; assert resizekit.keep_freed_memory()", {}),
        ("import resizekit", {"RESIZEKIT_KEEP_MEMORY": "1"}),
    ],
    ids=["command", "function", "variable"],
)
def test_freed_memory_is_reused_after(action, environment):
    before, after = page_faults(action, **environment)
    assert after < before / 10


@pytest.mark.parametrize("environment", [{}, {"RESIZEKIT_KEEP_MEMORY": "0"}], ids=str)
def test_library_does_not_change_malloc_unasked(environment):
    before, after = page_faults(LIBRARY, **environment)
    assert after > before / 2


@pytest.mark.parametrize(("command", "limit"), [("info", "32"), ("train", None)])
def test_picture_commands_limit_the_cache_of_operations(monkeypatch, tmp_path, command, limit):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, "7")
    monkeypatch.setattr(sys, "argv", ["resizekit", command, str(tmp_path / "missing")])
    for expected in ("7", limit):  # what the user has set stays
        with pytest.raises(SystemExit):
            main()
        assert os.environ.get(name) == expected
        monkeypatch.delenv(name, raising=False)
