"""The registry: collects what plugins offer, refuses conflicts, names providers, and assembles codecs.

    entry points ─► one plugin at a time ─► its offers ─► tables by name; the kernels of ops

Nothing is loaded at import; the first question loads everything.  A plugin that fails is taken out whole and remembered
in `failures`; the others work.
"""

import functools
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from resizekit import ops
from resizekit.errors import PluginError, UnknownNameError
from resizekit.plugin import builtin, hookspecs
from resizekit.plugin.marker import NAME
from resizekit.plugin.records import Compression, Network, Task, Weights
from resizekit.plugin.suite import Suite

__all__ = ["DISABLE", "Failure", "Offer", "PluginWarning", "Registry", "installed"]

DISABLE = "RESIZEKIT_DISABLE"
_NAME = re.compile(r"[a-z][a-z0-9-]*")
T = TypeVar("T")


class PluginWarning(UserWarning):
    """A plugin was left out; the message says which, why, and how to start without it."""


@dataclass(frozen=True, kw_only=True)
class Offer(Generic[T]):
    """A record and who offers it."""

    value: T
    provider: str
    """Distribution and version."""
    plugin: str
    """The name of the entry point."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A plugin that was left out."""

    plugin: str
    provider: str
    reason: str

    def __str__(self) -> str:
        return (
            f"plugin {self.plugin!r} of {self.provider} is left out: {self.reason} "
            f"(start without it: {DISABLE}={self.plugin})"
        )


@dataclass
class Registry:
    """Everything installed, by name."""

    tasks: dict[str, Offer[Task[Any]]] = field(default_factory=dict)
    networks: dict[str, Offer[Network[Any]]] = field(default_factory=dict)
    compressions: dict[str, Offer[Compression[Any]]] = field(default_factory=dict)
    weights: dict[str, Offer[tuple[str, Weights]]] = field(default_factory=dict)
    """Weights with the task that they belong to."""
    kernels: dict[tuple[str, str], Offer[ops.Kernel]] = field(default_factory=dict)
    """By op and type of device."""
    failures: list[Failure] = field(default_factory=list)
    suites: dict[str, Offer[Suite]] = field(default_factory=dict)

    def task(self, name: str) -> Task[Any]:
        """Find a task, or say what is installed."""
        return self._find("task", self.tasks, name).value

    def network(self, name: str) -> Network[Any]:
        """Find a network, or say what is installed."""
        return self._find("network", self.networks, name).value

    def compression(self, name: str) -> Compression[Any]:
        """Find a compression, or say what is installed."""
        return self._find("compression", self.compressions, name).value

    def weight(self, name: str) -> tuple[str, Weights]:
        """Find weights and the name of their task, or say what is installed."""
        return self._find("weights", self.weights, name).value

    def suite(self, name: str) -> Suite:
        """Find a suite, or say what is installed."""
        return self._find("suite", self.suites, name).value

    def _find(self, kind: str, table: Mapping[str, Offer[T]], name: str) -> Offer[T]:
        if name in table:
            return table[name]
        known = ", ".join(sorted(table)) or "none"
        out = "".join(f"; {failure}" for failure in self.failures)
        raise UnknownNameError(f"no {kind} {name[:80]!r} is installed; there are: {known}{out}")

    def add(self, plugin: object, name: str, provider: str) -> None:
        """Take in one plugin whole, or leave everything as it was and raise `PluginError`."""
        manager = pluggy.PluginManager(NAME)
        manager.add_hookspecs(hookspecs)
        manager.register(plugin, name)
        try:
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"a hook of that name does not exist ({error})") from None
        hook = manager.hook
        staged = Registry()
        for task in _each(hook.resizekit_register_tasks(), Task):
            self._stage("task", self.tasks, staged.tasks, task.name, task, name, provider)
            for label, weights in task.weights.items():
                pair = (task.name, weights)
                self._stage("weights", self.weights, staged.weights, label, pair, name, provider)
        for network in _each(hook.resizekit_register_networks(), Network):
            self._stage("network", self.networks, staged.networks, network.name, network, name, provider)
        for squeeze in _each(hook.resizekit_register_compressions(), Compression):
            taken = (self.compressions, staged.compressions)
            self._stage("compression", *taken, squeeze.name, squeeze, name, provider)
        for kernel in _each(hook.resizekit_register_kernels(), ops.Kernel):
            key = kernel.op, kernel.device_type
            other = self.kernels.get(key) or staged.kernels.get(key)
            _refuse_second(f"a kernel for {kernel.op!r} on {kernel.device_type!r}", other)
            staged.kernels[key] = Offer(value=kernel, provider=provider, plugin=name)
        for suite in _each(hook.resizekit_register_suites(), Suite):
            self._stage("suite", self.suites, staged.suites, suite.name, suite, name, provider)
        ops.install(*(offer.value for offer in staged.kernels.values()))
        self.tasks |= staged.tasks
        self.networks |= staged.networks
        self.compressions |= staged.compressions
        self.weights |= staged.weights
        self.kernels |= staged.kernels
        self.suites |= staged.suites

    def _stage(
        self,
        kind: str,
        table: Mapping[str, Offer[T]],
        staged: dict[str, Offer[T]],
        label: str,
        value: T,
        plugin: str,
        provider: str,
    ) -> None:
        if not isinstance(label, str) or not _NAME.fullmatch(label):
            raise PluginError(f"{kind} name {label!r} is not of the form [a-z][a-z0-9-]*")
        _refuse_second(f"{kind} {label!r}", table.get(label) or staged.get(label))
        staged[label] = Offer(value=value, provider=provider, plugin=plugin)


def _refuse_second(what: str, other: Offer[Any] | None) -> None:
    if other is not None:
        raise PluginError(f"{what} is already offered by plugin {other.plugin!r} of {other.provider}")


def _each(answers: Iterable[Iterable[T]], kind: type) -> Iterable[T]:
    for answer in answers:
        for record in answer:
            if not isinstance(record, kind):
                raise PluginError(f"a hook gave {type(record).__name__} where {kind.__name__} belongs")
            yield record


def _provider(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"


@functools.cache
def installed() -> Registry:
    """Give the registry of this process, loading every plugin at the first call."""
    registry = Registry()
    registry.add(builtin, "core", "resizekit")
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    # our own first, then by name: who wins a conflict never depends on the order of installation
    found = sorted(
        entry_points(group=NAME),
        key=lambda entry: (not _provider(entry).startswith("resizekit "), entry.name, entry.value),
    )
    for entry in dict.fromkeys(found):
        if entry.name in disabled:
            continue
        try:
            registry.add(entry.load(), entry.name, _provider(entry))
        except Exception as error:  # whatever a stranger's code raises, the others go on
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            reason = " ".join(reason.split())
            failure = Failure(plugin=entry.name, provider=_provider(entry), reason=reason)
            registry.failures.append(failure)
            warnings.warn(str(failure), PluginWarning, stacklevel=2)
    return registry
