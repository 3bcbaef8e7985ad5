"""The daily words of the library that are not a class: build, from_toml, tasks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resizekit.assemble import Recipe, assemble
from resizekit.codec import Codec
from resizekit.config import read_toml
from resizekit.registry import installed
from resizekit.task import Task

__all__ = ["build", "from_toml", "tasks"]


def build(
    task: str,
    *,
    network: Mapping[str, Any] | str | None = None,
    encoder: Mapping[str, Any] | str | None = None,
    compression: Mapping[str, Any] | str | None = None,
    **config: Any,
) -> Codec:
    """Build an untrained codec: `build("sr", spec={"s": 2, "r": 2}, network={"name": "tad", "width": 32})`.

    `config` is the task's own; `network` and `compression` are names, or options with an optional "name" among them.
    So is `encoder`: a network whose encoder goes down in place of the other's own, or "none", for low to be the guide.
    Raises `UnknownNameError` or `ConfigError`.
    """
    tables: dict[str, dict[str, Any]] = {}
    named = {"network": network, "encoder": encoder, "compression": compression}
    for key, given in named.items():
        options = {"name": given} if isinstance(given, str) else dict(given or {})
        if "name" in options:
            config[key] = options.pop("name")
        tables[key] = options
    return assemble(Recipe(task=task, config=config, **tables), where=f"build({task!r})")


def from_toml(path: str | Path) -> Codec:
    """Build an untrained codec from a TOML config; `ConfigError` says which key, what came and what would do."""
    run = read_toml(path)
    return assemble(Recipe.of(run), where=str(path))


def tasks() -> Mapping[str, Task[Any]]:
    """Give every installed task by name."""
    return {name: offer.value for name, offer in sorted(installed().tasks.items())}
