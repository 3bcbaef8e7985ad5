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
    compression: Mapping[str, Any] | str | None = None,
    **config: Any,
) -> Codec:
    """Build an untrained codec: `build("sr", spec={"s": 2, "r": 2}, network={"name": "tad", "width": 32})`.

    `config` is the task's own; `network` and `compression` are names, or options with an optional "name" among them.
    Raises `UnknownNameError` or `ConfigError`.
    """
    tables: dict[str, dict[str, Any]] = {}
    for key, given in (("network", network), ("compression", compression)):
        options = {"name": given} if isinstance(given, str) else dict(given or {})
        if "name" in options:
            config[key] = options.pop("name")
        tables[key] = options
    return assemble(Recipe(task=task, config=config, **tables), where=f"build({task!r})")


def from_toml(path: str | Path) -> Codec:
    """Build an untrained codec from a TOML config; `ConfigError` says which key, what came and what would do."""
    run = read_toml(path)
    recipe = Recipe(task=run.task, config=run.config, network=run.network, compression=run.compression)
    return assemble(recipe, where=str(path))


def tasks() -> Mapping[str, Task[Any]]:
    """Give every installed task by name."""
    return {name: offer.value for name, offer in sorted(installed().tasks.items())}
