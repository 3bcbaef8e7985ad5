"""A stranger's own distribution: really installed, then used in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

STRANGERS = Path(__file__).parent / "third_party"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both strangers, each from a copy of its source, as from a checkout."""
    home = tmp_path_factory.mktemp("strangers")
    for name in ("resizekit-half-width", "resizekit-other-sr"):
        source = shutil.copytree(STRANGERS / name, home / "source" / name)
        options = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
        target = ["--target", str(home / name)]
        command = [sys.executable, "-m", "pip", "install", *options, *target, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    return home


def run(*arguments: str, path: Path, disable: str = "") -> subprocess.CompletedProcess[str]:
    known = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RESIZEKIT_DISABLE")}
    known |= {"PYTHONPATH": str(path), "RESIZEKIT_DISABLE": disable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=known, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def listed(path: Path, disable: str = "") -> tuple[dict[str, str], str]:
    """Providers by task, and what stands on stderr."""
    done = run("-m", "resizekit", "tasks", "--json", path=path, disable=disable)
    return {row["task"]: row["provider"] for row in json.loads(done.stdout)["tasks"]}, done.stderr


def test_the_plugin_is_as_short_as_we_promise() -> None:
    source = (STRANGERS / "resizekit-half-width" / "half_width.py").read_text()
    assert len([line for line in source.splitlines() if line.strip()]) <= 12
    assert not (STRANGERS / "resizekit-half-width" / "__init__.py").exists()


def test_a_stranger_is_listed_beside_ours(site: Path) -> None:
    providers, stderr = listed(site / "resizekit-half-width")
    assert providers["half-width"] == "resizekit-half-width 1.2.3"
    assert providers["sr"].startswith("resizekit ")
    assert stderr == ""


USE = """
    import sys, warnings
    warnings.simplefilter("error")
    import numpy as np, torch, resizekit
    from resizekit.plugin.registry import installed
    torch.set_num_threads(1)
    assert set(resizekit.tasks()) == {"half-width"}, set(resizekit.tasks())
    assert not installed().failures
    codec = resizekit.build("half-width", network={"width": 8, "blocks": 1})
    high = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
    low = codec.down(high)
    assert (low.shape, low.dtype) == ((6, 5, 3), np.uint8), low.shape
    assert codec.up(low).shape == high.shape
    resizekit.save(codec, sys.argv[1])
    again = resizekit.load(sys.argv[1])
    assert again.digest == codec.digest
    assert np.abs(again.down(high).astype(int) - low).max() <= 1
    ours = [name for name in sys.modules if name.startswith("resizekit_")]
    assert not ours, ours
"""


def test_a_stranger_works_with_every_other_plugin_disabled(site: Path, tmp_path: Path) -> None:
    from importlib.metadata import entry_points

    others = ",".join(entry.name for entry in entry_points(group="resizekit"))
    assert "sr" in others.split(",")
    script = textwrap.dedent(USE)
    run("-c", script, str(tmp_path / "w.safetensors"), path=site / "resizekit-half-width", disable=others)


def test_a_stranger_cannot_take_our_name(site: Path) -> None:
    providers, stderr = listed(site / "resizekit-other-sr")
    assert providers["sr"].startswith("resizekit ")
    assert "innocent" not in providers, "a plugin in conflict is left out whole"
    (line,) = stderr.splitlines()
    assert line.startswith("warning: plugin 'another' of resizekit-other-sr 9.0 is left out")
    assert f"task 'sr' is already offered by plugin 'sr' of {providers['sr']}" in line


def test_with_ours_disabled_the_name_is_free(site: Path) -> None:
    providers, stderr = listed(site / "resizekit-other-sr", disable="sr")
    assert providers["sr"] == providers["innocent"] == "resizekit-other-sr 9.0"
    assert stderr == ""
