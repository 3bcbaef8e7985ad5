"""The records that plugins return: frozen, typed, each field saying what it means."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from resizekit import losses
from resizekit.codec import Codec
from resizekit.codec.guides import Guide
from resizekit.losses import Loss, Norm
from resizekit.spec import ResizeSpec
from resizekit.storage.compressions import Float

__all__ = ["Compression", "Network", "NoOptions", "Stage", "StageMixture", "Task", "TaskConfig", "Weights"]


class TaskConfig(BaseModel):
    """What every task lets its users say; inherit it to add more.  The defaults are the paper's numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: str = Field("tad", description="an installed network")
    encoder: str | None = Field(
        None, description='whose encoder goes down: an installed network; "none" for the guide; not said: its own'
    )
    compression: str = Field("uint8", description="an installed compression: how low is stored")
    channels: int = Field(3, ge=1, le=4096, description="channels of low")
    guide_weight: float = Field(0.1, ge=0, description="the paper's lambda: weight of the guide term (Eq. 4)")
    guide_loss: Norm = Field("l1", description="norm of the guide term (Eq. 4: l1)")
    restoration_loss: Norm = Field("l1", description="norm of the restoration term (Eq. 4: l1)")
    float_share: float = Field(
        0.0, ge=0, lt=1, description="share of the training before the compression is put in (3.2)"
    )


class NoOptions(BaseModel):
    """The options of something that has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=TaskConfig)
O = TypeVar("O", bound=BaseModel)  # noqa: E741 - options, beside C for config


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One leg of a training; stages of one curriculum share their weights."""

    codec: Codec
    """What is trained: `codec.at(...)` or `codec.with_compression(...)` of the codec a curriculum is given."""
    share: float = 1.0
    """This leg's part of all steps, relative to the other stages' shares: `steps` in a config scales them all."""
    loss: Loss | None = None
    """None: the task's loss."""
    patch: int | None = None
    """Side of the training crops in high pixels; None: the config's."""
    batch: int | None = None
    """Crops a step; None: the config's."""
    lr: float | None = None
    """Peak learning rate; None: the config's."""
    enlarge: int = 1
    """Crops so many times as high and wide, and fewer in proportion, down to one: a step costs what it did."""


@dataclass(frozen=True, kw_only=True)
class StageMixture:
    """One leg of a training in which each step belongs to one of several stages, drawn at random by their shares."""

    stages: tuple[Stage, ...]
    """What is drawn from; their `share` is how likely each is, relative to the others."""
    share: float = 1.0
    """This leg's part of all steps, as `Stage.share`."""


def float_then_compressed(codec: Codec, config: TaskConfig) -> Iterable[Stage | StageMixture]:
    """Train without the compression for `float_share` of the steps, then with it (3.2, "Compression Module")."""
    if config.float_share:
        yield Stage(codec=codec.with_compression(Float()), share=config.float_share)
    yield Stage(codec=codec, share=1 - config.float_share)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Trained weights that come with a task."""

    file: Path | Traversable
    """A safetensors file, usually `importlib.resources.files(__package__) / "weights" / "NAME.safetensors"`."""
    digest: str
    """`Codec.digest` of what it holds; loading checks it."""
    summary: str = ""
    """One line: data, steps, what to expect."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Figures by name, such as {"Set5 high RGB": 38.1}, in dB; the model card beside the file has them all."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the training beyond the file's own header, such as {"hardware": "one core of ..."}."""


def _once(config: Any) -> int:
    return 1


@dataclass(frozen=True, kw_only=True)
class Task(Generic[C]):
    """A resize with everything that makes it learnable."""

    name: str
    """`[a-z][a-z0-9-]*`, unique among all installed."""
    summary: str
    """One line for `resizekit tasks`."""
    config: type[C]
    """What its users may say."""
    spec: Callable[[C], ResizeSpec]
    """The resize of ONE step."""
    guide: Callable[[ResizeSpec, C], Guide]
    """The fixed map from high to what low should look like."""
    times: Callable[[C], int] = _once
    """How often the networks are applied; the compression stands once, at the end."""
    residual: bool = True
    """True: the encoder adds to the guide (3.2); False: it predicts low itself (3.2, change 2)."""
    loss: Callable[[ResizeSpec, C], Loss] = losses.guided
    """What training minimises: Equation 4, by the config's norms and weight."""
    curriculum: Callable[[Codec, C], Iterable[Stage | StageMixture]] = float_then_compressed
    """The legs of the training."""
    weights: Mapping[str, Weights] = field(default_factory=dict)
    """Trained weights by name; names are unique across all plugins.  The first that fits is a task's default."""


@dataclass(frozen=True, kw_only=True)
class Network(Generic[O]):
    """A pair of networks that any task may use."""

    name: str
    """Unique among all installed."""
    options: type[O]
    """From `[network]` in a TOML config."""
    build: Callable[[ResizeSpec, int, O], tuple[nn.Module | None, nn.Module]]
    """(spec of one step, channels of low, options) -> (encoder or None, decoder)."""
    predicts_low: bool = False
    """True: the encoder returns low itself, so the codec adds no guide whatever the task says."""


@dataclass(frozen=True, kw_only=True)
class Compression(Generic[O]):
    """A differentiable way of storing low."""

    name: str
    """Unique among all installed."""
    options: type[O]
    """From `[compression]` in a TOML config."""
    build: Callable[[O], nn.Module]
    """options -> a module `low -> low as it will be read back`; its `storage` says in which format, if not in a PNG."""
