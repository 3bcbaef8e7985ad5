"""The five hooks of a plugin.  Each returns records; nothing is handed in and nothing is mutated.

A plugin is a module named under the entry-point group `resizekit`:

    [project.entry-points.resizekit]
    mine = "my_package"
"""

from collections.abc import Iterable
from typing import Any

import pluggy

from resizekit.ops import Kernel
from resizekit.plugin.marker import NAME
from resizekit.plugin.records import Compression, Network, Task
from resizekit.plugin.suite import Suite

hookspec = pluggy.HookspecMarker(NAME)


@hookspec
def resizekit_register_tasks() -> Iterable[Task[Any]]:
    """Offer resize tasks.

    from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl

    @hookimpl
    def resizekit_register_tasks():
        yield Task(name="half-width", summary="width halved, height and colour kept",
                   config=TaskConfig, spec=lambda config: ResizeSpec(r=2), guide=guides.bicubic)
    """
    raise AssertionError("a specification is never called")


@hookspec
def resizekit_register_networks() -> Iterable[Network[Any]]:
    """Offer networks that any task may name in its config.

    @hookimpl
    def resizekit_register_networks():
        yield Network(name="mine", options=MyOptions, build=lambda spec, channels, options: (encoder, decoder))
    """
    raise AssertionError("a specification is never called")


@hookspec
def resizekit_register_compressions() -> Iterable[Compression[Any]]:
    """Offer differentiable ways of storing low.

    @hookimpl
    def resizekit_register_compressions():
        yield Compression(name="four-bit", options=NoOptions, build=lambda options: FourBit())
    """
    raise AssertionError("a specification is never called")


@hookspec
def resizekit_register_kernels() -> Iterable[Kernel]:
    """Offer faster functions for the ops of `resizekit.ops`, each for one type of device.

    @hookimpl
    def resizekit_register_kernels():
        from my_package.cuda import unshuffle      # heavy imports stand inside the hook
        yield Kernel(op="unshuffle", device_type="cuda", run=unshuffle)
    """
    raise AssertionError("a specification is never called")


@hookspec
def resizekit_register_suites() -> Iterable[Suite]:
    """Offer suites: columns that `resizekit evaluate --suite` measures on sets of pictures, beside printed figures.

    from resizekit import Suite, SuiteColumn, SuiteSet, hookimpl

    @hookimpl
    def resizekit_register_suites():
        yield Suite(name="mine", summary="my weights beside bicubic", sets=(SuiteSet(name="Set5", pictures=5),),
                    columns=(SuiteColumn(key="bicubic-x2", label="bicubic", group="bicubic", factor=2),
                             SuiteColumn(key="mine-x2", label="mine", group="mine", factor=2, weights="mine")))
    """
    raise AssertionError("a specification is never called")
