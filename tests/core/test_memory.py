"""Memory that a verb frees is used again, not asked of the system anew."""

import ctypes
import json
import subprocess
import sys

import pytest

CODE = """
import json, resource, sys
import torch
from resizekit.cli import main

torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(12_000_000)  # 48 MB, more than what glibc would ever keep
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

left = faults()
sys.argv = ["resizekit", "tasks"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
faults()
print(json.dumps([left, faults()]))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")
def test_a_verb_keeps_what_it_frees():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    left, kept = json.loads(done.stdout.splitlines()[-1])
    assert kept < left / 10
