"""A task "toy" with installed weights for colour and for grey, its plugins, and parts of a photograph."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from resizekit import ResizeSpec, Task, TaskConfig, Weights, guides, hookimpl
from resizekit.plugin import registry as plugin_registry
from resizekit.plugin.registry import installed


def plugin(weights):
    task = Task(
        name="toy",
        summary="halve height and width",
        config=TaskConfig,
        spec=lambda config: ResizeSpec(s=2, r=2),
        guide=guides.bicubic,
        weights=weights,
    )

    class Plugin:
        @hookimpl
        def resizekit_register_tasks(self):
            yield task

    return Plugin()


@pytest.fixture(scope="module")
def toy_weights(tmp_path_factory, small_weights):
    """Install a task "toy" with weights for colour and grey, next to weights files that are not installed."""
    folder = tmp_path_factory.mktemp("weights")
    registry = installed()
    before = dict(registry.tasks), dict(registry.weights)
    registry.add(plugin({}), "toy", "toy 1.0")
    colour, grey = folder / "toy-rgb.safetensors", folder / "toy-y.safetensors"
    offers = {
        "toy-rgb": Weights(file=colour, digest=small_weights(colour, 3, task="toy", seed=4)),
        "toy-y": Weights(file=grey, digest=small_weights(grey, 1, task="toy", seed=1)),
    }
    small_weights(folder / "own_1.safetensors", 3, task="toy", seed=2)
    small_weights(folder / "Bad name.safetensors", 3, task="toy", seed=2)
    del registry.tasks["toy"]
    registry.add(plugin(offers), "toy", "toy 1.0")
    yield folder
    registry.tasks, registry.weights = before


@pytest.fixture
def discover_in_folder(tmp_path, monkeypatch):
    """Return a function that loads the plugins whose distributions lie in the temporary folder, and no others."""

    def run():
        entries = metadata.EntryPoints(
            entry for each in metadata.distributions(path=[str(tmp_path)]) for entry in each.entry_points
        )
        monkeypatch.setattr(plugin_registry, "entry_points", lambda group: entries.select(group=group))
        return plugin_registry.discover()

    monkeypatch.delenv(plugin_registry.DISABLE, raising=False)
    monkeypatch.delenv(plugin_registry.ENABLE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return run


MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stdout, done.stderr, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
"""


@pytest.fixture(scope="session")
def measured():
    """Run a command; return exit code, output, errors, peak memory in MB and CPU time in seconds.

    A small process starts the command, since a new process inherits the peak memory of the process that starts it.
    """

    def run(*command):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def crop_for():
    """Return a square of a photograph with the channels of a codec: `crop_for(codec, side) -> 1 c side side`."""

    def crop(codec, side=64):
        picture = (
            PIL.Image.open(Path(__file__).parents[2] / "examples" / "astronaut.png")
            .convert("L" if codec.channels == 1 else "RGB")
            .crop((200, 60, 200 + side, 60 + side))
        )
        return torch.from_numpy(np.array(picture)).reshape(side, side, -1).permute(2, 0, 1)[None]

    return crop
