"""What every test shares: one thread, one hypothesis profile, a device for kernels, and small weights."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read where Triton is imported, and much imports it

from resizekit import build, save

pytest.register_assert_rewrite("resizekit.testing")

settings.register_profile("local", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)


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
