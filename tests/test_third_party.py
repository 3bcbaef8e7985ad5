"""Third-party distributions: installed by pip, then used in a separate process."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "third_party"
PLUGIN_PAGE = Path(__file__).parents[1] / "plugins/README.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, small_weights: Callable[..., str]) -> Path:
    """Return a folder into which pip installed all distributions, each from a copy of its source."""
    home = tmp_path_factory.mktemp("third-party")
    for name in ("resizekit-half-width", "resizekit-more-sr", "resizekit-other-sr"):
        source = shutil.copytree(SOURCES / name, home / "source" / name)
        if name == "resizekit-more-sr":
            folder = source / "more_sr/weights"
            folder.mkdir()
            digest = small_weights(folder / "more-x2.safetensors")
            (folder / "more-x2.json").write_text(json.dumps({"digest": digest, "summary": "more"}))
        options = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
        target = ["--target", str(home / name)]
        command = [sys.executable, "-m", "pip", "install", *options, *target, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    return home


def run(*arguments: str, path: Path, disable: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RESIZEKIT_DISABLE")}
    environment |= {"PYTHONPATH": str(path), "RESIZEKIT_DISABLE": disable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def list_tasks(path: Path, disable: str = "") -> tuple[dict[str, str], str]:
    """Return the provider of each task, and stderr."""
    done = run("-m", "resizekit", "tasks", "--json", path=path, disable=disable)
    return {row["task"]: row["provider"] for row in json.loads(done.stdout)["tasks"]}, done.stderr


def test_example_plugin_is_that_of_the_plugin_page_and_has_12_lines() -> None:
    source = (SOURCES / "resizekit-half-width" / "half_width.py").read_text()
    assert source == re.findall(r"```python\n(.*?)```", PLUGIN_PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 12
    assert not (SOURCES / "resizekit-half-width" / "__init__.py").exists()


def test_session_of_the_plugin_page_runs(site: Path) -> None:
    run("-c", SESSION, str(PLUGIN_PAGE), path=site / "resizekit-half-width")


def test_tasks_list_third_party_and_packaged_tasks(site: Path) -> None:
    providers, stderr = list_tasks(site / "resizekit-half-width")
    assert providers["half-width"] == "resizekit-half-width 1.2.3"
    assert providers["sr"].startswith("resizekit ")
    assert stderr == ""


SESSION = """
import doctest, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
(session,) = re.findall(r"```pycon\\n(.*?)```", text, flags=re.DOTALL)
test = doctest.DocTestParser().get_doctest(session, {}, "session", None, 0)
results = doctest.DocTestRunner().run(test)
assert results.attempted == 5, results
sys.exit(results.failed)
"""

USE_WEIGHTS = """
    import sys, warnings
    warnings.simplefilter("error")
    from pathlib import Path
    import numpy as np, torch, resizekit
    from PIL import Image
    from resizekit.images.selection import default_weights, fitting_weights
    from resizekit.plugin.registry import installed
    from resizekit.testing import TaskConformance
    torch.set_num_threads(1)
    folder, registry = Path(sys.argv[1]), installed()
    own, names = list(resizekit.tasks()["sr"].weights), list(registry.weights_of("sr"))
    assert names[: len(own)] == own and "more-x2" in names[len(own) :], names
    assert registry.weights["more-x2"].provider == "resizekit-more-sr 3.1"
    assert default_weights("sr", 3) == "sr-x2"
    assert "more-x2" in fitting_weights("sr", 3)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).save(folder / "high.png")
    manifest = resizekit.down_file(folder / "high.png", folder / "low.png", weights="more-x2")
    assert (manifest.weights, manifest.task) == ("more-x2", "sr"), manifest
    resizekit.up_file(folder / "low.png", folder / "again.png")
    assert Image.open(folder / "again.png").size == (32, 24)
    class TestWeights(TaskConformance):
        task = resizekit.tasks()["sr"]
    suite = TestWeights()
    suite.setup_method()
    suite.test_weights_that_ship()
    suite.teardown_method()
"""


def test_weights_for_a_task_of_another_distribution_work(site: Path, tmp_path: Path) -> None:
    run("-c", textwrap.dedent(USE_WEIGHTS), str(tmp_path), path=site / "resizekit-more-sr")


def test_commands_list_weights_of_another_distribution_last(site: Path) -> None:
    path = site / "resizekit-more-sr"
    listed = json.loads(run("-m", "resizekit", "tasks", "--json", path=path).stdout)
    (weights,) = (list(row["weights"]) for row in listed["tasks"] if row["task"] == "sr")
    assert weights[0] == "sr-x2"
    described = json.loads(run("-m", "resizekit", "tasks", "--describe", "sr", "--json", path=path).stdout)
    assert list(described["weights"]) == weights
    assert described["weights"]["more-x2"]["summary"] == "more"
    assert described["weights"]["more-x2"]["codec"]["channels"] == [3, 3]


def test_weights_without_their_task_are_left_out(site: Path) -> None:
    script = "import resizekit; print(resizekit.load('more-x2'))"
    done = run("-c", script, path=site / "resizekit-more-sr", disable="sr", code=1)
    assert "no weights 'more-x2' is installed" in done.stderr.splitlines()[-1]
    assert "left out the plugins sr" in done.stderr.splitlines()[-1]
    assert "Warning" not in done.stderr


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
    loaded = resizekit.load(sys.argv[1])
    assert loaded.digest == codec.digest
    assert np.abs(loaded.down(high).astype(int) - low).max() <= 1
    packaged = [name for name in sys.modules if name.startswith("resizekit_")]
    assert not packaged, packaged
"""


def test_plugin_works_with_all_other_plugins_disabled(site: Path, tmp_path: Path) -> None:
    from importlib.metadata import entry_points

    others = ",".join(entry.name for entry in entry_points(group="resizekit"))
    assert "sr" in others.split(",")
    script = textwrap.dedent(USE)
    run("-c", script, str(tmp_path / "w.safetensors"), path=site / "resizekit-half-width", disable=others)


def test_plugin_with_a_registered_name_is_refused(site: Path) -> None:
    providers, stderr = list_tasks(site / "resizekit-other-sr")
    assert providers["sr"].startswith("resizekit ")
    assert "free-name" not in providers, "a conflicting plugin is left out entirely"
    (line,) = stderr.splitlines()
    assert line.startswith("warning: plugin 'another' of resizekit-other-sr 9.0 was not loaded")
    assert f"task 'sr' is already offered by plugin 'sr' of {providers['sr']}" in line


def test_name_of_a_disabled_plugin_is_free(site: Path) -> None:
    providers, stderr = list_tasks(site / "resizekit-other-sr", disable="sr")
    assert providers["sr"] == providers["free-name"] == "resizekit-other-sr 9.0"
    assert stderr == ""
