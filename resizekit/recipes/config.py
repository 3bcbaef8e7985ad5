"""Read a TOML config, validate it, and apply the overrides of a command line.

task = "sr"
[config]            # the task's own settings: spec, channels, guide_weight, network, compression, ...
[network]           # options of the network
[encoder]           # options of the network that config.encoder names
[compression]       # options of the compression
[train]             # settings of the training, read only by `resizekit train`
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
from resizekit.system.printable import escaped

__all__ = ["Phase", "RunConfig", "Side", "TrainConfig", "apply_overrides", "read_toml", "validate"]

M = TypeVar("M", bound=BaseModel)
Side = Literal["encoder", "decoder"]
Decay = Annotated[float, Field(ge=0, lt=1)]
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}


def read_duration(value: object) -> object:
    """Parse "90 s", "20 min" or "1.5 h"; other types and ISO 8601 texts are returned unchanged for pydantic."""
    if not isinstance(value, str) or value.startswith("P"):  # pydantic reads and writes ISO 8601
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", value)
    if match is None or not float(match[1]):
        raise ValueError('expected a duration such as "90 s", "20 min" or "1.5 h"')
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


class Phase(BaseModel):
    """A part of the training with its own crop size, batch or norm; other settings are those of `[train]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(gt=0, description="share of all steps, relative to the shares of the other phases")
    patch: int | None = Field(None, ge=1, le=8192, description="side of the crops, in pixels of the original picture")
    batch: int | None = Field(None, ge=1, le=65536, description="number of crops per step, over all processes")
    restoration_loss: Norm | None = Field(None, description="norm of the restoration term")


class TrainConfig(BaseModel):
    """Settings of a training. The defaults are a short training for a machine without a GPU."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: tuple[Path, ...] = Field((), description="training pictures: files or folders")
    validation: tuple[Path, ...] = Field(
        (), description="validation pictures: files or folders on which PSNR is measured during the training"
    )
    value_range: tuple[float, float] | None = Field(
        None, description="LOW and HIGH of the values in the files, such as [0, 1]; required for float32 files"
    )
    start: str | None = Field(
        None, description="initial weights: a name of installed weights, or a path to a .safetensors file"
    )
    start_strict: bool = Field(
        True,
        description="whether all layers of the initial weights must match; false: copy the layers whose names and "
        "shapes match",
    )
    start_side: Side | None = Field(None, description="copy only this side of the initial weights")
    freeze: Side | None = Field(None, description="side whose initial weights stay constant; only the other is trained")
    steps: int = Field(20_000, ge=1, description="number of optimizer steps, over all phases and stages of the task")
    budget: Annotated[timedelta | None, BeforeValidator(read_duration)] = Field(
        None,
        description='duration of the training, such as "20 min"; the number of steps is planned from the speed '
        "measured at the start",
    )
    batch: int = Field(8, ge=1, le=65536, description="number of crops per step, over all processes")
    patch: int = Field(64, ge=1, le=8192, description="side of the crops, in pixels of the original picture")
    phases: tuple[Phase, ...] = Field(
        (), description="consecutive parts of the training, for example small crops first and large crops last"
    )
    optimizer: Literal["adam", "muon"] = Field(
        "adam", description="adam, or muon: Muon for the convolutions between feature maps and Adam for the others"
    )
    lr: float = Field(5e-4, gt=0, description="peak learning rate of Adam")
    muon_lr: float = Field(4e-3, gt=0, description="peak learning rate of Muon")
    betas: tuple[Decay, Decay] = Field((0.9, 0.99), description="decay rates of Adam's two moments")
    schedule: Literal["cosine", "trapezoid", "constant"] = Field(
        "cosine",
        description="learning rate schedule: half a cosine; constant with a linear fall over the last quarter "
        "(trapezoid); or constant",
    )
    warmup: int = Field(200, ge=0, description="number of steps with a linearly increasing learning rate")
    target_low_psnr: float | None = Field(
        None,
        gt=0,
        le=100,
        description="target PSNR of low against its guide in dB, over the crops; the guide weight is adjusted to reach "
        "it",
    )
    target_rate: float | None = Field(
        None,
        gt=0,
        le=10,
        description="target for the estimated size of low, relative to that of its guide; the rate weight is adjusted "
        "to reach it",
    )
    clip: float = Field(0.5, ge=0, description="maximum norm of the gradient; 0 for no limit")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the moving average of the weights; 0 for no average")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="precision of the hidden layers; auto: bfloat16 on hardware that supports it"
    )
    compile: bool = Field(
        False, description="whether to use torch.compile (on a GPU with CUDA graphs); needs a C++ compiler"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the initial weights and of the crops")
    checkpoint_minutes: float = Field(5.0, gt=0, description="minutes between two writes of the state file")
    validate_every: int = Field(1000, ge=1, description="number of steps between two validations")
    store: Literal["float32", "float16"] = Field("float32", description="data type of the weights file")
    log: Literal["csv", "tensorboard", "none"] = Field("csv", description="format of the training curves")


class RunConfig(BaseModel):
    """A TOML config. The tables of a task, network or compression are validated by these."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str = Field(description="name of an installed task")
    config: dict[str, Any] = Field(default_factory=dict, description="settings of the task")
    network: dict[str, Any] = Field(default_factory=dict, description="options of the network")
    encoder: dict[str, Any] = Field(
        default_factory=dict, description="options of the network that config.encoder names"
    )
    compression: dict[str, Any] = Field(default_factory=dict, description="options of the compression")
    train: TrainConfig = TrainConfig()


def read_toml(path: str | Path) -> RunConfig:
    """Read a config.

    Args:
        path: TOML file in UTF-8, with or without a byte order mark. Relative paths in `train.data`, `train.validation`
            and `train.start` are resolved against its folder.

    Raises:
        ConfigError: If the file cannot be read, is not TOML, or contains an unknown key or invalid value.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # includes TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(f"{path} is not TOML: {escaped(error, 200)}") from None
    run = validate(RunConfig, raw, where=str(path))
    folder = path.parent
    located: dict[str, Any] = {
        name: tuple(folder / item for item in getattr(run.train, name)) for name in ("data", "validation")
    }
    if run.train.start is not None and run.train.start.endswith(".safetensors"):
        located["start"] = str(folder / run.train.start)
    return run.model_copy(update={"train": run.train.model_copy(update=located)})


def apply_overrides(run: RunConfig, overrides: Mapping[str, object]) -> RunConfig:
    """Return the config with some values of `[train]` replaced.

    Args:
        run: Config to start from.
        overrides: New values by key. None and empty lists leave the value unchanged.

    Raises:
        ConfigError: If a value is invalid.
    """
    changed = run.train.model_dump() | {key: value for key, value in overrides.items() if value not in (None, [])}
    return run.model_copy(update={"train": validate(TrainConfig, changed, where="command line")})


def validate(model: type[M], raw: object, *, where: str) -> M:
    """Validate data against a pydantic model.

    Args:
        model: Model of the data.
        raw: Data, as read from TOML or JSON.
        where: Origin of the data for error messages, such as a file name.

    Raises:
        ConfigError: If the data is invalid; the message names the first key, its value, and what was expected.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_one_line(error, model)}") from None


def _one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe the first of pydantic's errors in one line."""
    first, *others = error.errors(include_url=False, include_context=False)
    key = escaped(".".join(str(part) for part in first["loc"])) or "the config"
    if first["type"] == "extra_forbidden":
        fields = model.model_fields
        for part in first["loc"][:-1]:
            inner = fields[str(part)].annotation if str(part) in fields else None
            fields = inner.model_fields if isinstance(inner, type) and issubclass(inner, BaseModel) else {}
        message = f"unknown key {key!r}; known keys: {', '.join(sorted(fields)) or 'none'}"
    elif first["type"] == "missing":
        message = f"key {key!r} is missing"
    else:
        value = repr(first["input"])
        value = value if len(value) <= 60 else value[:60] + "..."
        reason = escaped(first["msg"].removeprefix("Value error, ").removeprefix("Input "), 200)
        message = f"{key} = {value}: {reason}"
    return message + (f" (and {len(others)} more)" if others else "")
