"""A run of the tests cannot pass by leaving tests out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.parametrize("i", range(3))
def test_some(i):
    if i:
        pytest.skip("no")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
@pytest.mark.parametrize(("limit", "code"), [("2", 0), ("1", 1)])
def test_max_skips_fails_a_run_with_more_skips(tmp_path, workers, limit, code):
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--max-skips", limit, *workers],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == code, run.stdout + run.stderr
    assert ("more than --max-skips 1" in run.stdout) == bool(code)
