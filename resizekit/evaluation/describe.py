"""What an installed task is: as a config without more has it, and as each of its weights does."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from resizekit.codec import Recipe
from resizekit.errors import ResizeKitError
from resizekit.evaluation.cost import multiply_adds
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import header_of

__all__ = ["Description", "Pair", "Trained", "describe"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two networks, what stands between them, and what they cost."""

    shapes: str
    """The way down in einops text."""
    factors: Mapping[str, str]
    """s, r and t of the whole resize, each exact: 2 or 3/2."""
    channels: tuple[int, int]
    """Of high and of low."""
    times: int
    """How often the networks are applied."""
    network: str
    compression: str
    parameters: int
    """Of both networks; what they share is counted once."""
    multiply_adds: tuple[float, float]
    """For each pixel of high, on the way down and on the way up."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Weights of a task, in their plugin's words, and the pair that they are of."""

    summary: str
    metrics: Mapping[str, float]
    pair: Pair | None
    """None if the file cannot be read, or needs a plugin that is not installed."""


@dataclass(frozen=True, kw_only=True)
class Description(Pair):
    """A task, as its plugin says it, with the pair that its config gives where a user says nothing."""

    task: str
    summary: str
    provider: str
    """Distribution and version."""
    guide: str
    """What low should look like: the first sentence of the guide's docstring, or its name."""
    weights: Mapping[str, Trained]
    """By name."""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def describe(name: str) -> Description:
    """Describe an installed task; `UnknownNameError` for another, `ConfigError` if its default network is missing."""
    registry = installed()
    task = registry.task(name)
    return Description(
        task=name,
        summary=task.summary,
        provider=registry.tasks[name].provider,
        guide=_told(task.guide),
        weights={
            label: Trained(summary=w.summary, metrics=dict(w.metrics), pair=_trained(label))
            for label, w in task.weights.items()
        },
        **vars(_pair(Recipe(task=name))),
    )


def _trained(label: str) -> Pair | None:
    try:
        return _pair(header_of(label).recipe)
    except (ResizeKitError, OSError):  # a stranger's fault, which is no reason to say nothing of the rest
        return None


def _pair(recipe: Recipe) -> Pair:
    codec = assemble(recipe)
    spec = codec.spec
    return Pair(
        shapes=spec.describe(),
        factors={"s": str(spec.s), "r": str(spec.r), "t": str(spec.t)},
        channels=(codec.channels, codec.low_channels),
        times=codec.times,
        network=codec.info.network,
        compression=codec.info.compression,
        parameters=sum(parameter.numel() for parameter in codec.parameters()),
        multiply_adds=multiply_adds(codec),
    )


def _told(guide: object) -> str:
    text = inspect.getdoc(guide)
    return text.splitlines()[0] if text else getattr(guide, "__name__", type(guide).__name__)
