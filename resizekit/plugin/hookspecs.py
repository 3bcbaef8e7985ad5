"""The six hooks of a plugin. Each hook takes no arguments, returns records and changes nothing.

A plugin is a module that an entry point of the group `resizekit` names:

    [project.entry-points.resizekit]
    mine = "my_package"

Users select plugins by these names, here `mine`, with environment variables: RESIZEKIT_PLUGINS=mine,sr loads only these
plugins, RESIZEKIT_DISABLE=mine loads all others.
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from resizekit.ops import Kernel
from resizekit.plugin.marker import NAME
from resizekit.plugin.records import Compression, Network, Task, TaskWeights
from resizekit.plugin.suite import Suite

hookspec = pluggy.HookspecMarker(NAME)


@hookspec
def resizekit_register_tasks() -> Iterable[Task[Any]]:
    """Return the resize tasks of this plugin.

    from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl

    @hookimpl
    def resizekit_register_tasks():
        yield Task(name="half-width", summary="half the width, same height and colours",
                   config=TaskConfig, spec=lambda config: ResizeSpec(r=2), guide=guides.bicubic)
    """
    raise AssertionError("pluggy never calls a hook specification")


@hookspec
def resizekit_register_weights() -> Iterable[TaskWeights]:
    """Return trained weights for tasks of any plugin. The weights of a task of this plugin belong into its `Task`.

    from importlib.resources import files
    from resizekit import TaskWeights, hookimpl, weights_from_folder

    @hookimpl
    def resizekit_register_weights():
        yield TaskWeights(task="sr", weights=weights_from_folder(files("my_package") / "weights", ("mine-x2",)))
    """
    raise AssertionError("pluggy never calls a hook specification")


@hookspec
def resizekit_register_networks() -> Iterable[Network[Any]]:
    """Return networks that the config of any task can name.

    @hookimpl
    def resizekit_register_networks():
        yield Network(name="mine", options=MyOptions, build=lambda spec, channels, options: (encoder, decoder))
    """
    raise AssertionError("pluggy never calls a hook specification")


@hookspec
def resizekit_register_compressions() -> Iterable[Compression[Any]]:
    """Return differentiable compressions of the small image.

    @hookimpl
    def resizekit_register_compressions():
        yield Compression(name="four-bit", options=NoOptions, build=lambda options: FourBit())
    """
    raise AssertionError("pluggy never calls a hook specification")


@hookspec
def resizekit_register_kernels() -> Iterable[Kernel]:
    """Return faster functions for the ops of `resizekit.ops`, each for one type of device.

    @hookimpl
    def resizekit_register_kernels():
        from my_package.cuda import unshuffle      # import heavy modules inside the hook
        yield Kernel(op="unshuffle", device_type="cuda", run=unshuffle)
    """
    raise AssertionError("pluggy never calls a hook specification")


@hookspec
def resizekit_register_suites() -> Iterable[Suite]:
    """Return suites: columns that `resizekit evaluate --suite` measures on image sets, next to published results.

    from resizekit import Suite, SuiteColumn, SuiteSet, hookimpl

    @hookimpl
    def resizekit_register_suites():
        yield Suite(name="mine", summary="my weights and bicubic", sets=(SuiteSet(name="Set5", pictures=5),),
                    columns=(SuiteColumn(key="bicubic-x2", label="bicubic", group="bicubic", factor=2),
                             SuiteColumn(key="mine-x2", label="mine", group="mine", factor=2, weights="mine")))
    """
    raise AssertionError("pluggy never calls a hook specification")
