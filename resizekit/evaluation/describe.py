"""What an installed task is, with its default config: shapes, guide, networks and what they cost, weights."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from resizekit.assemble import Recipe, assemble
from resizekit.evaluation.cost import multiply_adds
from resizekit.registry import installed

__all__ = ["Description", "Trained", "describe"]

_SIDE = 256
"""Of the picture that the operations are counted on, unless one cell of the factors is larger."""


@dataclass(frozen=True)
class Trained:
    """Weights of a task, in their plugin's words."""

    summary: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Description:
    """A task, as its own config and its plugin say it."""

    task: str
    summary: str
    provider: str
    """Distribution and version."""
    shapes: str
    """The way down in einops text."""
    factors: Mapping[str, str]
    """s, r and t of the whole resize, each exact: 2 or 3/2."""
    channels: tuple[int, int]
    """Of high and of low."""
    times: int
    """How often the networks are applied."""
    guide: str
    """What low should look like: the first sentence of the guide's docstring, or its name."""
    network: str
    compression: str
    parameters: int
    """Of both networks; what they share is counted once."""
    multiply_adds: tuple[float, float]
    """For each pixel of high, on the way down and on the way up."""
    weights: Mapping[str, Trained]
    """By name."""

    def as_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Give (what, its value) for a list."""
        down, up = self.multiply_adds
        high, low = self.channels
        yield "task", self.task
        yield "what it does", self.summary
        yield "from", self.provider
        yield "shapes", self.shapes
        yield "factors", ", ".join(f"{name} = {factor}" for name, factor in self.factors.items())
        yield "channels of high and low", f"{high} and {low}"
        if self.times > 1:
            yield "applied", f"{self.times} times"
        yield "guide", self.guide
        yield "network", self.network
        yield "compression", self.compression
        yield "parameters", f"{self.parameters:,}".replace(",", " ")
        yield "multiply-adds", f"{down / 1000:.1f} thousand down and {up / 1000:.1f} up, for each pixel of high"
        for name, told in self.weights.items():
            figures = ", ".join(f"{which} {value:.2f}" for which, value in told.metrics.items())
            yield f"weights {name}", "; ".join(part for part in (told.summary, figures) if part)


def describe(name: str) -> Description:
    """Describe an installed task; `UnknownNameError` for another, `ConfigError` if its default network is missing."""
    registry = installed()
    task = registry.task(name)
    codec = assemble(Recipe(task=name))
    spec = codec.spec
    cells = max(1, _SIDE // max(spec.s.numerator, spec.r.numerator))
    return Description(
        task=name,
        summary=task.summary,
        provider=registry.tasks[name].provider,
        shapes=spec.describe(),
        factors={"s": str(spec.s), "r": str(spec.r), "t": str(spec.t)},
        channels=(codec.channels, codec.low_channels),
        times=codec.times,
        guide=_told(task.guide),
        network=codec.names.network,
        compression=codec.names.compression,
        parameters=sum(parameter.numel() for parameter in codec.parameters()),
        multiply_adds=multiply_adds(codec, cells=cells),
        weights={label: Trained(w.summary, dict(w.metrics)) for label, w in task.weights.items()},
    )


def _told(guide: object) -> str:
    text = inspect.getdoc(guide)
    return text.splitlines()[0] if text else getattr(guide, "__name__", type(guide).__name__)
