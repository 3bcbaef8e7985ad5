"""What tests and benchmarks share: those that need a GPU say so where there is none, or fail if one was promised."""

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs on a GPU be sure that it was used."""
    parser.addoption("--require-gpu", action="store_true", help="fail where a GPU test would be skipped")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `gpu` where torch sees no CUDA device, or fail it with --require-gpu."""
    if item.get_closest_marker("gpu") is None or torch.cuda.is_available():
        return
    if item.config.getoption("--require-gpu"):
        pytest.fail("needs a CUDA device, torch sees none, and --require-gpu is given", pytrace=False)
    pytest.skip("needs a CUDA device; torch sees none")
