"""The ONE assembly of a codec: names and options in, networks, guide and compression together out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from resizekit.codec import Codec, Names
from resizekit.errors import ConfigError
from resizekit.plugin.records import NoOptions, Task, TaskConfig
from resizekit.plugin.registry import installed
from resizekit.recipes.config import RunConfig, TrainConfig, read_toml, validate
from resizekit.spec import ResizeSpec
from resizekit.storage.formats import PNG

__all__ = [
    "NO_ENCODER", "Recipe", "assemble", "build", "from_toml", "json_schema", "recompressed", "resolve", "tasks",
]  # fmt: skip

NO_ENCODER = "none"
"""As `config.encoder`: nothing is learned on the way down, low is the guide as the compression stores it."""


class Recipe(BaseModel):
    """All that it takes to build a codec again; plain data, safe to store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    config: dict[str, Any] = Field(default_factory=dict)
    network: dict[str, Any] = Field(default_factory=dict)
    encoder: dict[str, Any] = Field(default_factory=dict)
    compression: dict[str, Any] = Field(default_factory=dict)
    times: int | None = Field(None, ge=1, le=64)

    @classmethod
    def of(cls, run: RunConfig) -> "Recipe":
        """Take what a whole config says of the codec."""
        tables = {name: getattr(run, name) for name in ("task", "config", "network", "encoder", "compression")}
        return cls(**tables)


def resolve(recipe: Recipe, *, where: str = "config") -> tuple[Task[Any], TaskConfig]:
    """Find a recipe's task and check its config; `UnknownNameError` or `ConfigError` otherwise."""
    task = installed().task(recipe.task)
    return task, cast(TaskConfig, validate(task.config, recipe.config, where=where))


def assemble(recipe: Recipe, *, where: str = "config", weights: str | None = None) -> Codec:
    """Build the codec of a recipe, untrained.

    Raises `UnknownNameError` for a name that nobody offers and `ConfigError` for options that do not fit.
    """
    registry = installed()
    task, config = resolve(recipe, where=where)
    network = registry.network(config.network)
    compression = registry.compression(config.compression)
    options = validate(network.options, recipe.network, where=f"{where} [network] of {network.name}")
    settings = validate(
        compression.options,
        recipe.compression,
        where=f"{where} [compression] of {compression.name}",
    )
    squeeze = compression.build(settings)
    storage = getattr(squeeze, "storage", PNG)
    if not storage.exact and config.channels not in storage.channels:  # an exact one stands in memory for any number
        could = " or ".join(str(n) for n in storage.channels)
        raise ConfigError(
            f"{where}: compression {compression.name!r} stores pictures of {could} channel(s), "
            f"not of {config.channels}: set channels to {could}, or take another compression"
        )
    step = task.spec(config)
    sides = _Sides(*network.build(step, config.channels, options), predicts_low=network.predicts_low)
    if config.encoder is not None:
        sides = sides.with_encoder(config.encoder, step, config.channels, recipe.encoder, where=where)
    elif recipe.encoder:
        raise ConfigError(
            f"{where}: [encoder] has options, and config.encoder names no network; name it, or leave them"
        )
    codec = Codec(
        step=step,
        low_channels=config.channels,
        encoder=sides.encoder,
        decoder=sides.decoder,
        guide=lambda spec: task.guide(spec, config),
        compression=squeeze,
        residual=task.residual and not sides.predicts_low,
        times=task.times(config) if recipe.times is None else recipe.times,
        names=Names(task.name, network.name, compression.name, weights),
    )
    codec.recipe = recipe.model_dump(mode="json", exclude_defaults=True) | {"config": config.model_dump(mode="json")}
    return codec


class _Sides(NamedTuple):
    """What goes down and what goes up."""

    encoder: nn.Module | None
    decoder: nn.Module
    predicts_low: bool
    """The encoder gives low itself."""

    def with_encoder(
        self, name: str, step: ResizeSpec, channels: int, raw: Mapping[str, Any], *, where: str
    ) -> "_Sides":
        """Put the encoder of another network, or none, in the place of this one."""
        if name == NO_ENCODER:
            validate(NoOptions, raw, where=f"{where} [encoder] of no network")
            return _Sides(None, self.decoder, predicts_low=False)
        network = installed().network(name)
        options = validate(network.options, raw, where=f"{where} [encoder] of {network.name}")
        encoder, _ = network.build(step, channels, options)
        if encoder is None:
            raise ConfigError(
                f"{where}: network {name!r} has no encoder; name another, or {NO_ENCODER!r} if low is to be the guide"
            )
        return _Sides(encoder, self.decoder, network.predicts_low)


def recompressed(codec: Codec, name: str) -> Codec:
    """Give a codec of the same networks, weights shared, with an installed compression at its defaults.

    The codec itself if that is its own.  Raises `UnknownNameError` for a name that nobody offers.
    """
    if name == codec.names.compression:
        return codec
    compression = installed().compression(name)
    twin = codec.with_compression(compression.build(compression.options()), name)
    if codec.recipe is not None:
        recipe = Recipe.model_validate(codec.recipe)
        config = {**recipe.config, "compression": name}
        changed = recipe.model_copy(update={"config": config, "compression": {}})
        twin.recipe = changed.model_dump(mode="json", exclude_defaults=True)
    return twin


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
    return assemble(Recipe.of(run), where=str(path))


def tasks() -> Mapping[str, Task[Any]]:
    """Give every installed task by name."""
    return {name: offer.value for name, offer in sorted(installed().tasks.items())}
