"""Shared by all tests: threads, a hypothesis profile, a device for kernels, weights, the command line, documents."""

import importlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from hypothesis import settings

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads this when it is imported, and many modules import it

from resizekit import build, save

ROOT = Path(__file__).parents[1]

pytest.register_assert_rewrite("resizekit.testing")

settings.register_profile("local", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)


class CliResult(NamedTuple):
    """Exit code and output of a command line run."""

    code: int
    out: str
    err: str


def pytest_configure() -> None:
    torch.set_num_threads(1)
    settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture
def kernel_device() -> torch.device:
    """Return the device of the kernel tests: the GPU, or the CPU with Triton's interpreter."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture
def scripts(monkeypatch) -> Iterator[Callable[..., SimpleNamespace]]:
    """Import modules from a folder that is not a package: `scripts(folder, *names)`; unloaded after the test."""
    folders = []

    def load(folder: Path, *names: str) -> SimpleNamespace:
        folders.append(folder)
        monkeypatch.syspath_prepend(folder)
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})

    yield load
    for name, module in list(sys.modules.items()):  # the modules, and those that they import from the same folder
        if Path(getattr(module, "__file__", None) or "/").parent in folders:
            del sys.modules[name]


@pytest.fixture(scope="session")
def small_weights() -> Callable[..., str]:
    """Write small random weights: `small_weights(path, channels, task=...)` returns their digest."""

    def write(path: Path, channels: int = 3, *, task: str = "sr", seed: int = 0, compression: str = "uint8") -> str:
        torch.manual_seed(seed or channels)
        codec = build(task, channels=channels, compression=compression, network={"width": 8, "blocks": 1})
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.01)
        return save(codec, path).digest

    return write


@pytest.fixture(scope="session")
def cli_result() -> type[CliResult]:
    """Return the class for the result of a run."""
    return CliResult


@pytest.fixture
def cli(capsys, monkeypatch) -> Iterator[Callable[..., CliResult]]:
    """Run the command line in this process, where torch is already loaded."""
    from resizekit.cli import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main replaces it
    before = signal.getsignal(signal.SIGTERM)

    def run(*argv: object) -> CliResult:
        monkeypatch.setattr(sys, "argv", ["resizekit", *map(str, argv)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return CliResult(int(ended.value.code or 0), *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def section() -> Callable[[str, str], str]:
    """Return the text below a heading of a document, up to the next one of its level or higher."""

    def find(page: str, heading: str) -> str:
        level = heading.split(" ")[0]
        text = (ROOT / page).read_text(encoding="utf-8")
        match = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.DOTALL | re.MULTILINE)
        assert match, f"{page} has no heading {heading!r}"
        return match[1]

    return find


@pytest.fixture
def ctrl_c():
    """Let SIGINT raise KeyboardInterrupt, also where the tests run in the background and inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
