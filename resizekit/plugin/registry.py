"""The registry: collects what plugins offer, refuses conflicts and owns the table of kernels.

    entry points ─► one plugin at a time ─► its offers ─► tables by name; the table of kernels

Importing this module loads no plugin; the first call of `installed` loads all of them. If a plugin fails, nothing of
it stays in the registry, `failures` lists it, and the other plugins work.

Two environment variables select the plugins by the names of their entry points, separated by commas:

    RESIZEKIT_PLUGINS=sr,kernels    load these plugins only; unset or empty means all
    RESIZEKIT_DISABLE=colorize      do not load these, even if RESIZEKIT_PLUGINS names them

The core's own network and compressions are always available.
"""

import functools
import os
import re
import warnings
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeAlias, TypeVar

from resizekit import ops
from resizekit.errors import PluginError, UnknownNameError
from resizekit.plugin import builtin
from resizekit.plugin.hooks import offers_of
from resizekit.plugin.isolation import isolated
from resizekit.plugin.marker import NAME
from resizekit.plugin.records import Compression, Network, Task, Weights
from resizekit.plugin.suite import Suite
from resizekit.system.printable import escaped
from resizekit.system.signals import raised_by_signal_handler

__all__ = ["DISABLE", "ENABLE", "Failure", "Offer", "PluginWarning", "Registry", "discover", "installed"]

DISABLE = "RESIZEKIT_DISABLE"
"""Environment variable: names of the plugins not to load, separated by commas."""
ENABLE = "RESIZEKIT_PLUGINS"
"""Environment variable: names of the only plugins to load, separated by commas; empty means all."""
_NAME = re.compile(r"[a-z][a-z0-9-]*")
T = TypeVar("T")
_WeightsTable: TypeAlias = "dict[str, Offer[tuple[str, Weights]]]"


class PluginWarning(UserWarning):
    """A plugin was not loaded, changed settings of torch, or is named in RESIZEKIT_PLUGINS but not installed."""


@dataclass(frozen=True, kw_only=True)
class Offer(Generic[T]):
    """A record and the plugin that offers it."""

    value: T
    provider: str
    """Distribution and version."""
    plugin: str
    """Name of the entry point."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A plugin that was not loaded because of an error."""

    plugin: str
    provider: str
    reason: str

    def __str__(self) -> str:
        return (
            f"plugin {self.plugin!r} of {self.provider} was not loaded: {self.reason} "
            f"(to start without it, set {DISABLE}={self.plugin}, or list the others in {ENABLE})"
        )


@dataclass
class Registry:
    """Everything that the added plugins offer, by name.

    A registry that you create is empty and changes nothing outside itself. `installed()` returns the registry of the
    process.

    >>> registry = Registry()
    >>> registry.add(builtin, "core", "resizekit")
    >>> sorted(registry.networks)
    ['tad']
    >>> registry.remove("core")
    >>> registry.networks
    {}
    """

    tasks: dict[str, Offer[Task[Any]]] = field(default_factory=dict)
    networks: dict[str, Offer[Network[Any]]] = field(default_factory=dict)
    compressions: dict[str, Offer[Compression[Any]]] = field(default_factory=dict)
    weights: dict[str, Offer[tuple[str, Weights]]] = field(default_factory=dict)
    """Weights with the name of their task."""
    suites: dict[str, Offer[Suite]] = field(default_factory=dict)
    kernel_offers: dict[tuple[str, str, bool], Offer[ops.Kernel]] = field(default_factory=dict)
    """Kernels by op, type of device, and whether they come from another distribution than resizekit."""
    kernel_table: ops.KernelTable = field(default_factory=dict)
    """The kernels that run, without their providers: the table for `ops.use_table`."""
    plugins: set[str] = field(default_factory=set)
    """Names of the plugins that were added."""
    failures: list[Failure] = field(default_factory=list)
    """Plugins that were not loaded because of an error."""
    unselected: set[str] = field(default_factory=set)
    """Names of the plugins that RESIZEKIT_PLUGINS or RESIZEKIT_DISABLE left out."""

    @property
    def kernels(self) -> dict[tuple[str, str], Offer[ops.Kernel]]:
        """The kernels that run, by op and type of device; one of another distribution replaces that of resizekit."""
        own_first = sorted(self.kernel_offers.items(), key=lambda item: item[0][2])
        return {key[:2]: offer for key, offer in own_first if offer.value.unavailable is None}

    def task(self, name: str) -> Task[Any]:
        """Return a task; an unknown name is an `UnknownNameError` that lists the installed ones."""
        return self._find("task", self.tasks, name).value

    def network(self, name: str) -> Network[Any]:
        """Return a network; an unknown name is an `UnknownNameError` that lists the installed ones."""
        return self._find("network", self.networks, name).value

    def compression(self, name: str) -> Compression[Any]:
        """Return a compression; an unknown name is an `UnknownNameError` that lists the installed ones."""
        return self._find("compression", self.compressions, name).value

    def weight(self, name: str) -> tuple[str, Weights]:
        """Return the name of a task and its weights; an unknown name is an `UnknownNameError` that lists others."""
        return self._find("weights", self.weights, name, self.how_to_install(name)).value

    def weights_of(self, task: str) -> dict[str, Weights]:
        """Return the weights of a task by name: first its own, then those that other plugins offer for it."""
        own = dict(self.task(task).weights)
        return own | {name: offer.value[1] for name, offer in self.weights.items() if offer.value[0] == task}

    def how_to_install(self, name: str) -> str | None:
        """Return the phrase that a task has for weights in a distribution that is not installed, or None."""
        if name in self.weights:
            return None
        hints = (offer.value.weights_elsewhere for offer in self.tasks.values())
        return next((hint[name] for hint in hints if name in hint), None)

    def suite(self, name: str) -> Suite:
        """Return a suite; an unknown name is an `UnknownNameError` that lists the installed ones."""
        return self._find("suite", self.suites, name).value

    def add(self, plugin: object, name: str, provider: str, *, tasks_follow: bool = False) -> None:
        """Add everything that a plugin offers, or nothing at all if something is wrong.

        Args:
            plugin: A module or object with hooks, functions marked with `@hookimpl`.
            name: Name of the entry point.
            provider: Distribution and version, for messages.
            tasks_follow: Whether its weights may belong to tasks of plugins that are added later.

        Raises:
            PluginError: A hook is unknown, returns another type than its record, or offers an invalid name, a name
                that is already offered, a kernel for an unknown op or weights for an unknown task.
        """
        new = Registry()
        for kind, key, value in offers_of(plugin, name):
            if kind == "kernel":
                key = (*key, not _is_own(provider))
            elif not (isinstance(key, str) and _NAME.fullmatch(key)):
                raise PluginError(f"invalid {kind} name {key!r}: expected the form [a-z][a-z0-9-]*")
            other = self._tables()[kind].get(key) or new._tables()[kind].get(key)
            if other is not None:
                label = f"a kernel for {key[0]!r} on {key[1]!r}" if kind == "kernel" else f"{kind} {key!r}"
                fix = f"; to use that of {name!r}, set {DISABLE}={other.plugin}" if kind == "kernel" else ""
                raise PluginError(f"{label} is already offered by plugin {other.plugin!r} of {other.provider}{fix}")
            new._tables()[kind][key] = Offer(value=value, provider=provider, plugin=name)
        known = self.tasks | new.tasks
        if not tasks_follow and (orphans := _orphans(new.weights, known)):
            raise _orphan_error(orphans, known)
        for kind, table in self._tables().items():
            table.update(new._tables()[kind])
        self._update_kernel_table()
        self.plugins.add(name)

    def remove(self, name: str) -> None:
        """Remove everything that a plugin offered: tasks, weights, networks, compressions, kernels and suites.

        Weights that other plugins offer for its tasks stay, and work again when the tasks are added again.

        Args:
            name: Name of the plugin's entry point.

        Raises:
            UnknownNameError: No plugin of this name was added.
        """
        if name not in self.plugins:
            raise UnknownNameError(f"no plugin {name[:80]!r} was added; added: {_listed(self.plugins)}")
        self._delete(name)

    def _delete(self, name: str, provider: str | None = None) -> None:
        """Delete the offers of a plugin; with `provider`, not those of another distribution with the same name."""
        for table in self._tables().values():
            for key, offer in list(table.items()):
                if offer.plugin == name and provider in (None, offer.provider):
                    del table[key]
        self._update_kernel_table()
        if not any(offer.plugin == name for table in self._tables().values() for offer in table.values()):
            self.plugins.remove(name)

    def _update_kernel_table(self) -> None:
        """Change the table in place, because ops look kernels up in it; never empty it, because threads use it."""
        kernels = {key: offer.value for key, offer in self.kernels.items()}
        self.kernel_table.update(kernels)
        for key in self.kernel_table.keys() - kernels.keys():
            del self.kernel_table[key]

    def _tables(self) -> dict[str, dict[Any, Offer[Any]]]:
        return {
            "task": self.tasks,
            "weights": self.weights,
            "network": self.networks,
            "compression": self.compressions,
            "kernel": self.kernel_offers,
            "suite": self.suites,
        }

    def _find(self, kind: str, table: Mapping[str, Offer[T]], name: str, fix: str | None = None) -> Offer[T]:
        if name in table:
            return table[name]
        reasons = [str(failure) for failure in self.failures]
        if self.unselected:
            reasons.append(f"{ENABLE} or {DISABLE} left out the plugins {_listed(self.unselected)}")
        message = f"no {kind} {name[:80]!r} is installed; {fix or f'installed: {_listed(table)}'}"
        raise UnknownNameError("; ".join([message, *reasons]))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _orphans(weights: _WeightsTable, tasks: Container[str]) -> _WeightsTable:
    """Return the weights whose task is unknown."""
    return {label: offer for label, offer in weights.items() if offer.value[0] not in tasks}


def _orphan_error(orphans: _WeightsTable, tasks: Iterable[str]) -> PluginError:
    label, offer = next(iter(orphans.items()))
    task = repr(offer.value[0])[:80]
    return PluginError(f"weights {label!r} are for task {task}, which is not installed; installed: {_listed(tasks)}")


def _is_own(provider: str) -> bool:
    return provider.split(" ")[0] == NAME


def _provider(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


def _names_in(variable: str) -> set[str]:
    return {name.strip() for name in os.environ.get(variable, "").split(",")} - {""}


def discover() -> Registry:
    """Load every installed plugin into a new registry.

    RESIZEKIT_PLUGINS and RESIZEKIT_DISABLE in the environment select plugins. A plugin that raises an error or calls
    `sys.exit` is not loaded: a `PluginWarning` and `Registry.failures` name it. A name in these variables that is not
    installed is a `PluginWarning` too. Output of plugins goes to stderr, and settings of torch that they change are
    restored, with a `PluginWarning`.

    Returns:
        A registry with the built-in records of the core (plugin "core") and those of the plugins.
    """
    registry = Registry()
    registry.add(builtin, "core", "resizekit")
    enabled, disabled = _names_in(ENABLE), _names_in(DISABLE)
    # resizekit's own plugins come first, then all others by name: the order of installation decides no conflict
    entries = sorted(
        entry_points(group=NAME),
        key=lambda entry: (not _is_own(_provider(entry)), entry.name, entry.value),
    )
    names = {entry.name for entry in entries}
    for variable, selected in ((ENABLE, enabled), (DISABLE, disabled)):
        if missing := selected - names:
            message = f"{variable} names {_listed(missing)}: not installed; installed plugins: {_listed(names)}"
            warnings.warn(message, PluginWarning, stacklevel=2)
    for entry in dict.fromkeys(entries):
        if entry.name in disabled or (enabled and entry.name not in enabled):
            registry.unselected.add(entry.name)
            continue
        changed: list[str] = []
        try:
            with isolated() as changed:
                registry.add(entry.load(), entry.name, _provider(entry), tasks_follow=True)
        except BaseException as error:  # code of others can raise anything; the other plugins must still load
            if isinstance(error, KeyboardInterrupt) or raised_by_signal_handler(error):
                raise
            _record_failure(registry, entry.name, _provider(entry), error)
        if changed:
            origin = f"plugin {entry.name!r} of {_provider(entry)}"
            message = f"{origin} changed torch's {_listed(changed)}; the previous value was restored"
            warnings.warn(message, PluginWarning, stacklevel=2)
    _leave_out_orphans(registry)
    return registry


def _record_failure(registry: Registry, plugin: str, provider: str, error: BaseException) -> None:
    reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    failure = Failure(plugin=plugin, provider=provider, reason=escaped(reason, None))
    registry.failures.append(failure)
    warnings.warn(str(failure), PluginWarning, stacklevel=3)


def _leave_out_orphans(registry: Registry) -> None:
    """Leave out the plugins that offer weights for a task that no plugin offers.

    If other plugins were left out, the task may be one of theirs. Then only these weights are left out, without a
    warning.
    """
    excused = bool(registry.unselected or registry.failures)
    # a plugin that is left out here may offer tasks for the weights of another
    while orphans := _orphans(registry.weights, registry.tasks):
        if excused:
            for label in orphans:
                del registry.weights[label]
            return
        error, first = _orphan_error(orphans, registry.tasks), next(iter(orphans.values()))
        registry._delete(first.plugin, first.provider)
        _record_failure(registry, first.plugin, first.provider, error)


@functools.cache
def installed() -> Registry:
    """Return the registry of this process; the first call loads every plugin and activates its kernels."""
    registry = discover()
    ops.use_table(registry.kernel_table)
    return registry
