"""Plugins print to stderr, and leave the settings of torch as they were."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from resizekit.plugin.isolation import isolated
from resizekit.plugin.registry import PluginWarning, Registry
from resizekit.system.signals import raised_by_signal_handler

CHANGES: dict[str, tuple[str, Callable[[], Any]]] = {
    "default dtype": ("torch.set_default_dtype(torch.float64)", lambda: torch.zeros(1).dtype),
    "default device": ("torch.set_default_device('meta')", lambda: torch.zeros(1).device),
    "grad mode": ("torch.set_grad_enabled(False)", torch.is_grad_enabled),
    "number of threads": ("torch.set_num_threads(torch.get_num_threads() + 1)", torch.get_num_threads),
    "deterministic flags": (
        "torch.use_deterministic_algorithms(True, warn_only=True)",
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
    ),
    "cudnn flags": (
        "torch.backends.cudnn.deterministic = torch.backends.cudnn.benchmark = True",
        lambda: (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
    ),
}


def install(folder: Path, name: str, source: str) -> None:
    (folder / f"isolated_{name}.py").write_text(source)
    info = folder / f"their_{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: their-{name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[resizekit]\n{name} = isolated_{name}\n")


@pytest.fixture
def discover(tmp_path: Path, discover_in_folder: Callable[[], Registry]) -> Iterator[Callable[[str], Registry]]:
    """Return the registry of a process in which only a plugin "loud" of this source is installed."""

    def run(source: str) -> Registry:
        install(tmp_path, "loud", source)
        return discover_in_folder()

    yield run
    sys.modules.pop("isolated_loud", None)


@pytest.mark.parametrize("fails", [False, True], ids=["loaded", "fails"])
@pytest.mark.parametrize("name", CHANGES)
def test_settings_of_torch_are_restored_and_the_plugin_is_named(
    discover: Callable[[str], Registry], name: str, fails: bool
) -> None:
    change, read = CHANGES[name]
    before = read()
    with pytest.warns(PluginWarning) as warned:
        collected = discover(f"import torch\n{change}\n" + "raise RuntimeError" * fails)
    assert read() == before
    setting = name.replace("cudnn", "deterministic")
    assert str(warned[-1].message) == (
        f"plugin 'loud' of their-loud 1.5 changed torch's {setting}; the previous value was restored"
    )
    assert len(warned) == 1 + fails
    assert ("loud" in collected.plugins) is not fails


def test_explicit_default_device_is_restored(discover: Callable[[str], Registry]) -> None:
    torch.set_default_device("meta")
    try:
        with pytest.warns(PluginWarning, match="changed torch's default device"):
            discover("import torch\ntorch.set_default_device('cpu')")
        assert torch.zeros(1).device.type == "meta"
    finally:
        torch.set_default_device(None)


def test_device_of_a_surrounding_block_stays(discover: Callable[[str], Registry]) -> None:
    with torch.device("meta"):
        with pytest.warns(PluginWarning, match="changed torch's default device"):
            discover("import torch\ntorch.set_default_device('cpu')")
        assert torch.zeros(1).device.type == "meta"
    assert torch.zeros(1).device.type == "cpu"


def test_block_without_changes_reports_none() -> None:
    with isolated() as changed:
        torch.zeros(1, requires_grad=True).sum().backward()
    assert changed == []


def test_plugin_prints_to_stderr(discover: Callable[[str], Registry], capsys: pytest.CaptureFixture[str]) -> None:
    collected = discover(
        "print('at import')\n"
        "from resizekit import hookimpl\n"
        "@hookimpl\n"
        "def resizekit_register_tasks():\n"
        "    print('in a hook')\n"
        "    return []\n"
    )
    assert collected.plugins == {"core", "loud"}
    assert capsys.readouterr() == ("", "at import\nin a hook\n")
    print("later")  # the redirection has ended
    assert capsys.readouterr().out == "later\n"


def test_json_and_exit_code_survive_plugins_that_print_or_exit(tmp_path: Path) -> None:
    install(tmp_path, "prints", "print('hello from plugin')")
    install(tmp_path, "exits", "import sys\nsys.exit('my licence has expired')")
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "resizekit", "tasks", "--json"]
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "sr" in str(json.loads(done.stdout))
    warning, hello = done.stderr.splitlines()  # plugins load in the order of their names
    assert hello == "hello from plugin"
    assert warning.startswith("warning: plugin 'exits' of their-exits 1.5 was not loaded: SystemExit: my licence has e")


_PRINTS = """
import ctypes, os, sys
os.write(1, b"from C\\n")
ctypes.CDLL(None).printf(b"from printf\\n")
sys.__stdout__.write("from the first stream\\n")
print("from Python")
"""


def test_descriptor_of_standard_output_carries_json_only(tmp_path: Path) -> None:
    install(tmp_path, "prints", _PRINTS)
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "resizekit", "tasks", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "sr" in str(json.loads(done.stdout))
    assert done.returncode == 0
    assert sorted(done.stderr.splitlines()) == ["from C", "from Python", "from printf", "from the first stream"]


def test_signal_while_a_plugin_loads_ends_the_program(discover: Callable[[str], Registry]) -> None:
    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(SystemExit, match=r"^143$"):
            discover("import signal\nsignal.raise_signal(signal.SIGTERM)")
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_exit_outside_of_a_signal_handler_is_recognized() -> None:
    with pytest.raises(SystemExit) as caught:
        sys.exit(3)
    assert not raised_by_signal_handler(caught.value)
