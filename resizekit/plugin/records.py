"""The records that plugins return: frozen, typed dataclasses. The text below each field describes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from resizekit import losses
from resizekit.codec import Codec, Guide
from resizekit.losses import Loss, Norm, RateScale
from resizekit.spec import ResizeSpec
from resizekit.storage import Float

__all__ = [
    "Compression", "Network", "NoOptions", "Stage", "StageMixture", "Task", "TaskConfig", "TaskWeights", "Weights",
]  # fmt: skip


class TaskConfig(BaseModel):
    """The options that every task has. Inherit it to add more. The defaults are the paper's numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: str = Field("tad", description="name of an installed network")
    encoder: str | None = Field(
        None,
        description='use the encoder of this network; "none": low is the guide; default: encoder of `network`',
    )
    compression: str = Field("uint8", description="name of an installed compression: how low is stored")
    channels: int = Field(3, ge=1, le=4096, description="channels of low")
    guide_weight: float = Field(0.1, ge=0, description="lambda in the paper: weight of the guide term (Eq. 4)")
    guide_loss: Norm = Field("l1", description="norm of the guide term (Eq. 4: l1)")
    restoration_loss: Norm = Field("l1", description="norm of the restoration term (Eq. 4: l1)")
    rate_weight: float = Field(0.0, ge=0, description="weight of the estimated bits per value of low; 0: no such term")
    rate_scale: RateScale = Field("bits", description="scale of the rate term: bits, or log2 of the bits of each crop")
    luma_weight: float = Field(
        0.0, ge=0, description="weight of the restoration of luma alone, for RGB; 0: no such term"
    )
    float_share: float = Field(0.0, ge=0, lt=1, description="share of the training steps without compression (3.2)")


class NoOptions(BaseModel):
    """The options of a network or compression that has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=TaskConfig)
O = TypeVar("O", bound=BaseModel)  # noqa: E741 - options, next to C for config


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a training. The stages of a curriculum share their weights."""

    codec: Codec
    """What is trained: `codec.at(...)` or `codec.with_compression(...)` of the codec that the curriculum gets."""
    share: float = 1.0
    """This stage's part of all steps, relative to the shares of the other stages."""
    loss: Loss | None = None
    """None: the task's loss."""
    patch: int | None = None
    """Side of the training crops in pixels of high; None: the config's."""
    batch: int | None = None
    """Crops per step; None: the config's."""
    lr: float | None = None
    """Peak learning rate; None: the config's."""
    enlarge: int = 1
    """Factor for the side of the crops. The batch shrinks in proportion, to at least 1, so a step costs the same."""


@dataclass(frozen=True, kw_only=True)
class StageMixture:
    """A part of a training in which each step belongs to one of several stages, drawn at random by their shares."""

    stages: tuple[Stage, ...]
    """The stages to draw from; `share` is the relative probability of each."""
    share: float = 1.0
    """This mixture's part of all steps, as `Stage.share`."""


def float_then_compressed(codec: Codec, config: TaskConfig) -> Iterable[Stage | StageMixture]:
    """Train without compression for `float_share` of the steps, then with it (3.2, "Compression Module")."""
    if config.float_share:
        yield Stage(codec=codec.with_compression(Float()), share=config.float_share)
    yield Stage(codec=codec, share=1 - config.float_share)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Trained weights of a task."""

    file: Path | Traversable
    """A safetensors file, usually `importlib.resources.files(__package__) / "weights" / "NAME.safetensors"`."""
    digest: str
    """`Codec.digest` of the weights in the file; loading checks it."""
    summary: str = ""
    """One line: data, steps, what to expect."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """PSNR in dB by name, such as {"Set5 high RGB": 38.1}; the model card next to the file has all of them."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Facts about the training that the file's header does not hold, such as {"hardware": "one core of ..."}."""


@dataclass(frozen=True, kw_only=True)
class TaskWeights:
    """Trained weights for a task that any plugin may define."""

    task: str
    """Name of the task."""
    weights: Mapping[str, Weights]
    """By name, unique across all plugins. The task lists them after its own weights."""


def _once(config: Any) -> int:
    return 1


def _one_cell(options: Any) -> int:
    return 1


@dataclass(frozen=True, kw_only=True)
class Task(Generic[C]):
    """A resize with everything that is needed to learn it."""

    name: str
    """`[a-z][a-z0-9-]*`, unique among all installed tasks."""
    summary: str
    """One line for `resizekit tasks`."""
    config: type[C]
    """The options of the task."""
    spec: Callable[[C], ResizeSpec]
    """The factors of one step."""
    guide: Callable[[ResizeSpec, C], Guide]
    """The fixed function from high to the target for low."""
    times: Callable[[C], int] = _once
    """How many times the networks are applied by default; the compression is applied once, after the last step."""
    residual: bool = True
    """True: the encoder's output is added to the guide (3.2). False: the encoder predicts low (3.2, change 2)."""
    loss: Callable[[ResizeSpec, C], Loss] = losses.guided
    """What training minimises; by default Equation 4 with the norms and the weight of the config."""
    curriculum: Callable[[Codec, C], Iterable[Stage | StageMixture]] = float_then_compressed
    """The stages of the training, in order."""
    weights: Mapping[str, Weights] = field(default_factory=dict)
    """Trained weights by name, unique across all plugins. The first that fits a picture is the default."""
    weights_elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Names of weights in other distributions, with a phrase for messages: "install my-weights with pip"."""

    def __repr__(self) -> str:
        return f"Task(name={self.name!r}, summary={self.summary!r}, weights={list(self.weights)})"


@dataclass(frozen=True, kw_only=True)
class Network(Generic[O]):
    """A pair of networks that any task may use."""

    name: str
    """Unique among all installed networks."""
    options: type[O]
    """The keys of `[network]` in a TOML config."""
    build: Callable[[ResizeSpec, int, O], tuple[nn.Module | None, nn.Module]]
    """(factors of one step, channels of low, options) -> (encoder or None, decoder)."""
    predicts_low: bool = False
    """True: the encoder returns low itself, so no guide is added, whatever the task declares."""
    accepts_uint8: bool = False
    """True: both networks inherit `resizekit.nn.LowResolutionNet`, which reads and writes uint8 in one pass."""
    recurrent: bool = False
    """True: both networks inherit `resizekit.nn.Recurrent`, which passes a state from one step to the next."""
    block_size: Callable[[O], int] = _one_cell
    """options -> side of the blocks that the networks work on, in cells of the factors. Tiles start at multiples."""


@dataclass(frozen=True, kw_only=True)
class Compression(Generic[O]):
    """How low is stored, as a differentiable module."""

    name: str
    """Unique among all installed compressions."""
    options: type[O]
    """The keys of `[compression]` in a TOML config."""
    build: Callable[[O], nn.Module]
    """options -> a module from low to low as it will be read back, `b c h w -> b c h w`.

    It inherits `resizekit.storage.CompressionModule`, which declares the file format. Any other module is stored as an
    8-bit PNG.
    """
