"""Options of tests and benchmarks: fail instead of skip without a GPU or a browser, and limit the number of skips."""

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run make sure that nothing was left out."""
    parser.addoption("--require-gpu", action="store_true", help="fail where a GPU test would be skipped")
    parser.addoption("--require-browser", action="store_true", help="fail where a browser test would be skipped")
    parser.addoption("--max-skips", type=int, metavar="N", help="fail if more than N tests are skipped")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` without a CUDA device, or fail them with --require-gpu."""
    if item.get_closest_marker("gpu") is None or torch.cuda.is_available():
        return
    if item.config.getoption("--require-gpu"):
        pytest.fail("needs a CUDA device, torch sees none, and --require-gpu is given", pytrace=False)
    pytest.skip("needs a CUDA device; torch sees none")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with more skipped tests than --max-skips."""
    limit, reporter = (
        session.config.getoption("--max-skips"),
        session.config.pluginmanager.get_plugin("terminalreporter"),
    )
    if limit is None or reporter is None:  # a worker of pytest-xdist has no reporter
        return
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped > limit and session.exitstatus == 0:
        reporter.write_line(f"{skipped} tests were skipped, more than --max-skips {limit}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
