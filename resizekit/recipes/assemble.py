"""The one assembly of a codec: names and options in; networks, guide and compression together out."""

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
"""As `config.encoder`: downscaling is not learned, and low is the guide as the compression stores it."""


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


def find_compression(name: str) -> CompressionModule:
    """Build an installed compression with its default options.

    Raises:
        UnknownNameError: If no installed plugin offers it.
    """
    compression = installed().compression(name)
    return as_compression(compression.build(compression.options()))


def _compression(config: TaskConfig, recipe: Recipe, where: str) -> CompressionModule:
    record = installed().compression(config.compression)
    settings = validate(record.options, recipe.compression, where=f"{where} [compression] of {record.name}")
    compression = as_compression(record.build(settings))
    storage = compression.storage
    if not storage.exact and config.channels not in storage.channels:  # an exact one holds any number in memory
        could = " or ".join(str(n) for n in storage.channels)
        raise ConfigError(
            f"{where}: compression {record.name!r} stores {could} channel(s), not {config.channels}: "
            f"set channels to {could}, or use another compression"
        )
    return compression


def _other_encoder(
    name: str, step: ResizeSpec, channels: int, recipe: Recipe, where: str
) -> tuple[nn.Module | None, NetworkTraits, bool]:
    """Build the encoder of another network, or none: the encoder, its traits, and whether it predicts low."""
    if name == NO_ENCODER:
        validate(NoOptions, recipe.encoder, where=f"{where} [encoder] of no network")
        return None, NetworkTraits(), False
    network = installed().network(name)
    options = validate(network.options, recipe.encoder, where=f"{where} [encoder] of {network.name}")
    encoder, _ = network.build(step, channels, options)
    if encoder is None:
        raise ConfigError(f"{where}: network {name!r} has no encoder: name another, or {NO_ENCODER!r} to use the guide")
    return encoder, _traits(network, options), network.predicts_low


def _traits(network: Network[Any], options: BaseModel) -> NetworkTraits:
    return NetworkTraits(
        block_size=network.block_size(options),
        accepts_uint8=network.accepts_uint8,
        recurrent=network.recurrent,
    )


def json_schema(task_name: str) -> Mapping[str, Any]:
    """Give the JSON schema of a whole TOML config of one task, with its default network's options."""
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
    return assemble(recipe_of(run), where=str(path))


def tasks() -> Mapping[str, Task[Any]]:
    """Give every installed task by name."""
    return {name: offer.value for name, offer in sorted(installed().tasks.items())}
