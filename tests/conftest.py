"""What every test shares: one thread, one hypothesis profile, a device for kernels, small weights, the command line."""

import importlib
import os
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
    os.environ["TRITON_INTERPRET"] = "1"  # read where Triton is imported, and much imports it

from resizekit import build, save

pytest.register_assert_rewrite("resizekit.testing")

settings.register_profile("local", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)


class Told(NamedTuple):
    """What a run of the command line ended with."""

    code: int
    out: str
    err: str


def pytest_configure() -> None:
    torch.set_num_threads(1)
    settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture
def kernel_device() -> torch.device:
    """Where the same kernel tests run: on the GPU, or on the CPU in Triton's interpreter."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture
def scripts(monkeypatch) -> Iterator[Callable[..., SimpleNamespace]]:
    """Import modules of a folder that is no package: `scripts(folder, *names)`; all it gave is forgotten afterwards."""
    folders = []

    def load(folder: Path, *names: str) -> SimpleNamespace:
        folders.append(folder)
        monkeypatch.syspath_prepend(folder)
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})

    yield load
    for name, module in list(sys.modules.items()):  # the named, and those that they import from beside them
        if Path(getattr(module, "__file__", None) or "/").parent in folders:
            del sys.modules[name]


@pytest.fixture(scope="session")
def small_weights() -> Callable[..., str]:
    """Write weights that do something, without any training: `small_weights(path, channels, task=...)`; the digest."""

    def write(path: Path, channels: int = 3, *, task: str = "sr", seed: int = 0, compression: str = "uint8") -> str:
        torch.manual_seed(seed or channels)
        codec = build(task, channels=channels, compression=compression, network={"width": 8, "blocks": 1})
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.01)
        return save(codec, path).digest

    return write


@pytest.fixture(scope="session")
def told() -> type[Told]:
    """Give the record of a run."""
    return Told


@pytest.fixture
def cli(capsys, monkeypatch) -> Iterator[Callable[..., Told]]:
    """Run the command line in this process, where torch is loaded already."""
    from resizekit.cli import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets its own
    before = signal.getsignal(signal.SIGTERM)

    def run(*argv: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["resizekit", *map(str, argv)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Told(int(ended.value.code or 0), *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)
