"""Call the hooks of a plugin, and check the types of the records that they return."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import pluggy

from resizekit import ops
from resizekit.errors import PluginError
from resizekit.plugin import hookspecs
from resizekit.plugin.marker import NAME
from resizekit.plugin.records import Compression, Network, Task, TaskWeights
from resizekit.plugin.suite import Suite

__all__ = ["offers_of"]

T = TypeVar("T")


def offers_of(plugin: object, name: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield everything that a plugin offers.

    Args:
        plugin: A module or object with hooks, functions marked with `@hookimpl`.
        name: Name of the entry point.

    Yields:
        The kind, such as "task", the key, which is unique among all offers of this kind, and the value: a record, or
        for weights the name of their task and the record.

    Raises:
        PluginError: A hook is unknown, returns another type than its record, or offers a kernel for an unknown op.
    """
    hook = _hooks_of(plugin, name)
    for task in _records(hook.resizekit_register_tasks(), Task):
        yield "task", task.name, task
        for label, weights in task.weights.items():
            yield "weights", label, (task.name, weights)
    for record in _records(hook.resizekit_register_weights(), TaskWeights):
        for label, weights in record.weights.items():
            yield "weights", label, (record.task, weights)
    for network in _records(hook.resizekit_register_networks(), Network):
        yield "network", network.name, network
    for compression in _records(hook.resizekit_register_compressions(), Compression):
        yield "compression", compression.name, compression
    for kernel in _records(hook.resizekit_register_kernels(), ops.Kernel):
        ops.reference(kernel.op)  # an unknown op is an error
        yield "kernel", (kernel.op, kernel.device_type), kernel
    for suite in _records(hook.resizekit_register_suites(), Suite):
        yield "suite", suite.name, suite


def _hooks_of(plugin: object, name: str) -> pluggy.HookRelay:
    manager = pluggy.PluginManager(NAME)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"there is no hook of this name ({error})") from None
    return manager.hook


def _records(results: Iterable[Iterable[T]], kind: type) -> Iterator[T]:
    for result in results:
        for record in result:
            if not isinstance(record, kind):
                raise PluginError(f"a hook returned a {type(record).__name__}: expected a {kind.__name__}")
            yield record
