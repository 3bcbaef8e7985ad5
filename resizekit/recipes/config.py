"""TOML to a validated config, and the JSON schema of it.

task = "sr"
[config]            # the task's own config: spec, channels, guide_weight, network, compression, ...
[network]           # options of the network
[encoder]           # options of the network whose encoder is used, where the config names one
[compression]       # options of the compression
[train]             # the recipe; only `resizekit train` reads it
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from resizekit.errors import ConfigError
from resizekit.losses import Norm

__all__ = ["Phase", "RunConfig", "Side", "TrainConfig", "apply_overrides", "read_toml", "validate"]

M = TypeVar("M", bound=BaseModel)
Side = Literal["encoder", "decoder"]
Decay = Annotated[float, Field(ge=0, lt=1)]
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}


def read_duration(told: object) -> object:
    """Read "90 s", "20 min" or "1.5 h"; what is no text is left to pydantic."""
    if not isinstance(told, str) or told.startswith("P"):  # pydantic writes and reads ISO 8601
        return told
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", told)
    if parts is None or not float(parts[1]):
        raise ValueError('a time is written like "90 s", "20 min" or "1.5 h"')
    return timedelta(**{_UNITS[parts[2]]: float(parts[1])})


class Phase(BaseModel):
    """A part of the training with crops, batch or norm of its own; what it leaves out is as in `[train]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(gt=0, description="this part of all steps, relative to the other phases' shares")
    patch: int | None = Field(None, ge=1, le=8192, description="side of a crop, in high pixels")
    batch: int | None = Field(None, ge=1, le=65536, description="crops a step, over all processes")
    restoration_loss: Norm | None = Field(None, description="norm of the restoration term")


class TrainConfig(BaseModel):
    """The recipe of a training; the defaults are a short schedule for a machine without a GPU."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: tuple[Path, ...] = Field((), description="folders of pictures, or pictures, to learn from")
    validation: tuple[Path, ...] = Field((), description="folders or pictures to report PSNR on meanwhile")
    value_range: tuple[float, float] | None = Field(
        None, description="LOW and HIGH of the values in the files, such as [0, 1]; float32 needs it"
    )
    start: str | None = Field(None, description="weights to begin with: an installed name, or a .safetensors file")
    start_strict: bool = Field(
        True, description="false: of other networks than these, take the layers whose names and shapes agree"
    )
    start_side: Side | None = Field(None, description="begin with this side of the start's weights alone")
    freeze: Side | None = Field(None, description="the side that stays as it began while the other learns")
    steps: int = Field(20_000, ge=1, description="optimiser steps, all stages together")
    budget: Annotated[timedelta | None, BeforeValidator(read_duration)] = Field(
        None, description='time to train, such as "20 min": the steps are then planned from the speed at the start'
    )
    batch: int = Field(8, ge=1, le=65536, description="crops a step, over all processes")
    patch: int = Field(64, ge=1, le=8192, description="side of a crop, in high pixels")
    phases: tuple[Phase, ...] = Field(
        (), description="parts one after another, e.g. small crops first, large ones last"
    )
    optimizer: Literal["adam", "muon"] = Field(
        "adam", description="muon: Muon for the convolutions between feature maps, Adam for the others"
    )
    lr: float = Field(5e-4, gt=0, description="peak learning rate of Adam")
    muon_lr: float = Field(4e-3, gt=0, description="peak learning rate of Muon")
    betas: tuple[Decay, Decay] = Field((0.9, 0.99), description="Adam's two decay rates")
    schedule: Literal["cosine", "trapezoid", "constant"] = Field(
        "cosine", description="of the learning rate; trapezoid: constant, then a straight fall over the last quarter"
    )
    warmup: int = Field(200, ge=0, description="steps of linear warm-up")
    target_low_psnr: float | None = Field(
        None,
        gt=0,
        le=100,
        description="dB of low against its guide, over the crops, that the guide weight is steered to",
    )
    clip: float = Field(0.5, ge=0, description="largest norm of the gradient; 0 for no limit")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged weights; 0 for none")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the trunks; auto takes bfloat16 where the machine has it"
    )
    compile: bool = Field(False, description="run through torch.compile, on a GPU as CUDA graphs; needs a C++ compiler")
    seed: int = Field(0, ge=0, lt=2**63, description="of the weights, the crops and their order")
    checkpoint_minutes: float = Field(5.0, gt=0, description="how often the state is written")
    validate_every: int = Field(1000, ge=1, description="steps between two validations")
    store: Literal["float32", "float16"] = Field("float32", description="of the finished weights' file")
    log: Literal["csv", "tensorboard", "none"] = Field("csv", description="where the curves go")


class RunConfig(BaseModel):
    """A whole TOML file; the tables that belong to a task, a network or a compression are checked by these."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str = Field(description="an installed task")
    config: dict[str, Any] = Field(default_factory=dict, description="the task's config")
    network: dict[str, Any] = Field(default_factory=dict, description="options of the network")
    encoder: dict[str, Any] = Field(
        default_factory=dict, description="options of the network that config.encoder names"
    )
    compression: dict[str, Any] = Field(default_factory=dict, description="options of the compression")
    train: TrainConfig = TrainConfig()


def read_toml(path: str | Path) -> RunConfig:
    """Read a config; relative data paths are taken from the config's own folder.

    Raises `ConfigError` naming the file, the key, what came and what would do.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
        raise ConfigError(f"{path} is not TOML: {error}") from None
    run = validate(RunConfig, raw, where=str(path))
    here = path.parent
    located: dict[str, Any] = {
        name: tuple(here / item for item in getattr(run.train, name)) for name in ("data", "validation")
    }
    if run.train.start is not None and run.train.start.endswith(".safetensors"):
        located["start"] = str(here / run.train.start)
    return run.model_copy(update={"train": run.train.model_copy(update=located)})


def apply_overrides(run: RunConfig, told: Mapping[str, object]) -> RunConfig:
    """Put what a command line says of `[train]` in the place of what the file says; None and empty lists say nothing.

    Raises `ConfigError` for a value that does not fit its key.
    """
    changed = run.train.model_dump() | {key: value for key, value in told.items() if value not in (None, [])}
    return run.model_copy(update={"train": validate(TrainConfig, changed, where="command line")})


def validate(model: type[M], raw: object, *, where: str) -> M:
    """Check data against a pydantic model; a `ConfigError` says which key, what came and what would do."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_one_line(error, model)}") from None


def _one_line(error: ValidationError, model: type[BaseModel]) -> str:
    first, *others = error.errors(include_url=False, include_context=False)
    key = ".".join(str(part) for part in first["loc"]) or "the whole"
    if first["type"] == "extra_forbidden":
        fields = model.model_fields
        for part in first["loc"][:-1]:
            inner = fields[str(part)].annotation if str(part) in fields else None
            fields = inner.model_fields if isinstance(inner, type) and issubclass(inner, BaseModel) else {}
        told = f"unknown key {key!r}; known here: {', '.join(sorted(fields)) or 'none'}"
    elif first["type"] == "missing":
        told = f"key {key!r} is missing"
    else:
        shown = repr(first["input"])
        shown = shown if len(shown) <= 60 else shown[:60] + "..."
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        told = f"{key} = {shown}: {message}"
    return told + (f" (and {len(others)} more)" if others else "")
