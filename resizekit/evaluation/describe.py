"""Describe an installed task: its default codec, and each of its pretrained weights."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from resizekit.codec import Recipe
from resizekit.errors import ResizeKitError
from resizekit.evaluation.cost import multiply_adds
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import header_of

__all__ = ["CodecDescription", "TaskDescription", "WeightsDescription", "describe"]


@dataclass(frozen=True, kw_only=True)
class CodecDescription:
    """Shapes, components and cost of an encoder and its decoder."""

    shapes: str
    """The downscaling in einops text."""
    factors: Mapping[str, str]
    """The total factors s, r and t as exact numbers, such as "2" or "3/2"."""
    channels: tuple[int, int]
    """Channels of high and of low."""
    times: int
    """How many times the networks are applied."""
    network: str
    compression: str
    parameters: int
    """Parameters of both networks. Shared parameters count once."""
    multiply_adds: tuple[float, float]
    """Per pixel of high: (encoder, decoder)."""


@dataclass(frozen=True, kw_only=True)
class WeightsDescription:
    """Pretrained weights of a task, with the codec that they belong to."""

    summary: str
    metrics: Mapping[str, float]
    codec: CodecDescription | None
    """None if the file cannot be read or needs a plugin that is not installed."""


@dataclass(frozen=True, kw_only=True)
class TaskDescription(CodecDescription):
    """A task with the codec of its default configuration."""

    task: str
    summary: str
    provider: str
    """Distribution and version."""
    guide: str
    """The target for low: the first line of the guide's docstring, or its name."""
    weights: Mapping[str, WeightsDescription]
    """By name."""

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def describe(name: str) -> TaskDescription:
    """Describe an installed task.

    Args:
        name: Name of the task, such as "sr".

    Returns:
        The task, its default codec and its weights.

    Raises:
        UnknownNameError: If no such task is installed.
        ConfigError: If the default network of the task is not installed.

    Examples:
        >>> describe("sr").shapes
        'b c (2 h) (2 w) -> b c h w'
    """
    registry = installed()
    task = registry.task(name)
    return TaskDescription(
        task=name,
        summary=task.summary,
        provider=registry.tasks[name].provider,
        guide=_summary_line(task.guide),
        weights={
            label: WeightsDescription(summary=w.summary, metrics=dict(w.metrics), codec=_describe_weights(label))
            for label, w in registry.weights_of(name).items()
        },
        **vars(_describe_codec(Recipe(task=name))),
    )


def _describe_weights(label: str) -> CodecDescription | None:
    try:
        return _describe_codec(header_of(label).recipe)
    except (ResizeKitError, OSError):  # one broken file of a plugin must not hide the other weights
        return None


def _describe_codec(recipe: Recipe) -> CodecDescription:
    codec = assemble(recipe)
    spec = codec.spec
    return CodecDescription(
        shapes=spec.describe(),
        factors={"s": str(spec.s), "r": str(spec.r), "t": str(spec.t)},
        channels=(codec.channels, codec.low_channels),
        times=codec.times,
        network=codec.info.network,
        compression=codec.info.compression,
        parameters=sum(parameter.numel() for parameter in codec.parameters()),
        multiply_adds=multiply_adds(codec),
    )


def _summary_line(guide: object) -> str:
    text = inspect.getdoc(guide)
    return text.splitlines()[0] if text else getattr(guide, "__name__", type(guide).__name__)
