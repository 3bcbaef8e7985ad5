"""A task "toy" with installed weights for colour and for grey."""

import pytest

from resizekit import ResizeSpec, Task, TaskConfig, Weights, guides, hookimpl
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
