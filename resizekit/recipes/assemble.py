"""Assemble a codec from names and options: networks, guide and compression."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel
from torch import nn

from resizekit.codec import Codec, Guide
from resizekit.codec.recipe import Recipe
from resizekit.codec.traits import NetworkTraits, Traits
from resizekit.errors import ConfigError
from resizekit.plugin.records import Network, NoOptions, Task, TaskConfig
from resizekit.plugin.registry import installed
from resizekit.recipes.config import RunConfig, TrainConfig, read_toml, validate
from resizekit.spec import ResizeSpec
from resizekit.storage import CompressionModule, as_compression

__all__ = [
    "NO_ENCODER", "assemble", "build", "complete", "find_compression", "from_toml", "json_schema", "recipe_of",
    "resolve", "tasks",
]  # fmt: skip

NO_ENCODER = "none"
"""Value of `config.encoder` for a codec without an encoder: low is the guide, stored by the compression."""


def recipe_of(run: RunConfig) -> Recipe:
    """Take the part of a TOML config that describes the codec."""
    tables = {name: getattr(run, name) for name in ("task", "config", "network", "encoder", "compression")}
    return Recipe(**tables)


def resolve(recipe: Recipe, *, where: str = "config") -> tuple[Task[Any], TaskConfig]:
    """Find a recipe's task and validate its config.

    Raises:
        UnknownNameError: If no installed plugin offers the task.
        ConfigError: If the config does not fit the task.
    """
    task = installed().task(recipe.task)
    return task, cast(TaskConfig, validate(task.config, recipe.config, where=where))


def complete(recipe: Recipe) -> Recipe:
    """Fill in every default of a recipe, so that two recipes of the same codec are equal.

    Raises:
        UnknownNameError: If no installed plugin offers a name.
        ConfigError: If options do not fit.
    """
    task, config = resolve(recipe)
    records = {"network": config.network, "encoder": config.encoder}
    options: dict[str, Any] = {
        table: validate(installed().network(name).options, getattr(recipe, table), where=table).model_dump(mode="json")
        for table, name in records.items()
        if name not in (None, NO_ENCODER)
    }
    compression = installed().compression(config.compression)
    settings = validate(compression.options, recipe.compression, where="compression")
    return recipe.model_copy(
        update=options
        | {
            "config": config.model_dump(mode="json"),
            "compression": settings.model_dump(mode="json"),
            "times": task.times(config) if recipe.times is None else recipe.times,
        }
    )


def assemble(recipe: Recipe, *, where: str = "config") -> Codec:
    """Build the untrained codec of a recipe.

    Args:
        recipe: What to build. The recipe of the result is complete: defaults and `times` are filled in.
        where: What error messages call the source of the recipe.

    Raises:
        UnknownNameError: If no installed plugin offers a name.
        ConfigError: If options do not fit.
    """
    task, config = resolve(recipe, where=where)
    network = installed().network(config.network)
    options = validate(network.options, recipe.network, where=f"{where} [network] of {network.name}")
    compression = _compression(config, recipe, where)
    step = task.spec(config)
    encoder, decoder = network.build(step, config.channels, options)
    encoder_traits = decoder_traits = _traits(network, options)
    predicts_low = network.predicts_low
    if config.encoder is not None:
        encoder, encoder_traits, predicts_low = _other_encoder(config.encoder, step, config.channels, recipe, where)
    elif recipe.encoder:
        raise ConfigError(f"{where}: [encoder] has options, but config.encoder is not set: set it, or remove [encoder]")
    times = task.times(config) if recipe.times is None else recipe.times
    complete = recipe.model_copy(update={"config": config.model_dump(mode="json"), "times": times})
    codec = Codec(
        step=step,
        low_channels=config.channels,
        encoder=encoder,
        decoder=decoder,
        guide=TaskGuide(complete),
        compression=compression,
        traits=Traits(encoder=encoder_traits, decoder=decoder_traits, residual=task.residual and not predicts_low),
        recipe=complete,
    )
    codec.find_compression = find_compression
    return codec


@dataclass(frozen=True)
class TaskGuide:
    """Makes the guide of a recipe's task. It holds data only, so a codec can be pickled whatever a plugin defines."""

    recipe: Recipe

    def __call__(self, spec: ResizeSpec) -> Guide:
        """Make the guide for a spec: one step, or all of them."""
        task, config = resolve(self.recipe)
        return task.guide(spec, config)


def find_compression(name: str, options: Mapping[str, Any]) -> CompressionModule:
    """Build an installed compression with the given options, and the default of every other option.

    Raises:
        UnknownNameError: If no installed plugin offers it.
        ConfigError: If the options do not fit.
    """
    compression = installed().compression(name)
    return as_compression(compression.build(validate(compression.options, options, where=f"compression {name!r}")))


def _compression(config: TaskConfig, recipe: Recipe, where: str) -> CompressionModule:
    record = installed().compression(config.compression)
    settings = validate(record.options, recipe.compression, where=f"{where} [compression] of {record.name}")
    compression = as_compression(record.build(settings))
    storage = compression.storage
    if not storage.exact and config.channels not in storage.channels:  # exact formats pass any number in memory
        allowed = " or ".join(str(n) for n in storage.channels)
        raise ConfigError(
            f"{where}: compression {record.name!r} stores {allowed} channel(s), not {config.channels}: "
            f"set channels to {allowed}, or use another compression"
        )
    return compression


def _other_encoder(
    name: str, step: ResizeSpec, channels: int, recipe: Recipe, where: str
) -> tuple[nn.Module | None, NetworkTraits, bool]:
    """Build the encoder that `config.encoder` names: the encoder, its traits, and whether it predicts low."""
    if name == NO_ENCODER:
        validate(NoOptions, recipe.encoder, where=f"{where} [encoder] of no network")
        return None, NetworkTraits(), False
    network = installed().network(name)
    options = validate(network.options, recipe.encoder, where=f"{where} [encoder] of {network.name}")
    encoder, _ = network.build(step, channels, options)
    if encoder is None:
        raise ConfigError(f"{where}: network {name!r} has no encoder: use another, or {NO_ENCODER!r} for the guide")
    return encoder, _traits(network, options), network.predicts_low


def _traits(network: Network[Any], options: BaseModel) -> NetworkTraits:
    return NetworkTraits(
        block_size=network.block_size(options),
        accepts_uint8=network.accepts_uint8,
        recurrent=network.recurrent,
    )


def json_schema(task_name: str) -> Mapping[str, Any]:
    """Make the JSON schema of a TOML config for one task, with the options of its default network and compression.

    Args:
        task_name: Name of an installed task.

    Raises:
        UnknownNameError: If no installed plugin offers the task.
    """
    registry = installed()
    task = registry.task(task_name)
    defaults = task.config()
    network = registry.network(defaults.network)
    compression = registry.compression(defaults.compression)
    schema = RunConfig.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    tables: dict[str, type[BaseModel]] = {
        "config": task.config,
        "network": network.options,
        "compression": compression.options,
        "train": TrainConfig,
    }
    for key, model in tables.items():
        inner = model.model_json_schema()
        definitions.update(inner.pop("$defs", {}))
        schema["properties"][key] = inner
    schema["properties"]["task"]["const"] = task_name
    return schema


def build(
    task: str,
    *,
    network: Mapping[str, Any] | str | None = None,
    encoder: Mapping[str, Any] | str | None = None,
    compression: Mapping[str, Any] | str | None = None,
    **config: Any,
) -> Codec:
    """Build an untrained codec.

    Args:
        task: Name of an installed task.
        network: Name of an installed network, or its options, which may include "name".
        encoder: A network whose encoder replaces the one of `network`; "none": low is the guide.
        compression: Name of an installed compression, or its options, which may include "name".
        **config: Options of the task.

    Raises:
        UnknownNameError: If no installed plugin offers a name.
        ConfigError: If an option is unknown or invalid.

    Examples:
        >>> codec = build("sr", spec={"s": 3, "r": 3}, network={"name": "tad", "width": 8, "blocks": 1})
        >>> codec.info.network, codec.spec.short
        ('tad', 'x3')
    """
    tables: dict[str, dict[str, Any]] = {}
    named = {"network": network, "encoder": encoder, "compression": compression}
    for key, value in named.items():
        options = {"name": value} if isinstance(value, str) else dict(value or {})
        if "name" in options:
            config[key] = options.pop("name")
        tables[key] = options
    return assemble(Recipe(task=task, config=config, **tables), where=f"build({task!r})")


def from_toml(path: str | Path) -> Codec:
    """Build an untrained codec from a TOML config.

    Args:
        path: The TOML file. `[train]` is validated, but not used.

    Raises:
        ConfigError: If the file is not valid; it names the key, its value and what was expected.
        UnknownNameError: If no installed plugin offers a name.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "x4.toml"
        ...     _ = path.write_text("task = 'sr'\\n[config]\\nspec = {s = 4, r = 4}\\n[network]\\nwidth = 8")
        ...     from_toml(path).spec.short
        'x4'
    """
    run = read_toml(path)
    return assemble(recipe_of(run), where=str(path))


def tasks() -> Mapping[str, Task[Any]]:
    """Return all installed tasks by name.

    Examples:
        >>> "sr" in tasks()
        True
    """
    return {name: offer.value for name, offer in sorted(installed().tasks.items())}
