"""Choose the weights for a picture, once per file: by name, by file, by task, or a loaded codec.

A choice reads the header of the weights file only. `Selection.load` loads the weights when the work begins.
"""

import functools
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch

from resizekit.codec import Codec
from resizekit.codec.calibration import set_precision
from resizekit.codec.resize_plan import ResizePlan, plan_resize
from resizekit.errors import UnknownNameError, UsageError
from resizekit.images.manifest_weights import manifest_name
from resizekit.images.planning import plan_picture
from resizekit.images.target_size import TargetSize
from resizekit.pictures.picture import Picture
from resizekit.plugin.registry import installed
from resizekit.recipes.checkpoint import installed_outline, load, outline
from resizekit.spec import HW
from resizekit.storage.formats import Storage
from resizekit.system.device import pick_device, pick_precision
from resizekit.system.precisions import Precision

__all__ = [
    "Selection", "WeightsChoice", "best_weights_for", "choose_codec", "default_suffix", "default_weights",
    "fitting_weights", "select", "select_all",
]  # fmt: skip

_EIGHT_BIT = "uint8", "round"
"""Compressions whose pixel values other formats hold exactly."""
_BY_SUFFIX = {".webp": "webp", ".jxl": "jxl"}
"""Compressions with the same pixel values, by the suffix of their files."""
_SHRINK_COST, _REPEAT_COST = 3.0, 1.5
"""Relative costs of shrinking by a factor of 2.718 with bicubic, and of a step that the weights were not trained to
repeat. Enlarging by 2.718 costs 1. Measured with steps by 2 and by 4 between 3/2 and 16 (benchmarks/NOTEBOOK.md)."""


@dataclass(frozen=True, kw_only=True)
class WeightsChoice:
    """The user's choice of networks: exactly one of `weights` and `task`, and optionally another compression.

    Raises:
        UsageError: None or both of `weights` and `task` are set.
    """

    weights: str | Path | Codec | None = None
    """Name of installed weights, a .safetensors file, or a loaded codec."""
    task: str | None = None
    """Name of a task: the best-fitting of its weights are chosen for each picture."""
    compression: str | None = None
    """Name of an installed compression that replaces the compression of the weights; None: that of the weights."""

    def __post_init__(self) -> None:
        if (self.weights is None) == (self.task is None):
            raise UsageError("pass exactly one of weights and task")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The chosen weights, and what they do to one picture."""

    weights: str | Path | Codec
    """Name of installed weights, a .safetensors file, or a loaded codec."""
    storage: Storage
    """Format of the small image."""
    plan: ResizePlan
    """Sizes and steps for the picture."""
    outline: Codec = field(repr=False)
    """The codec of the weights as their header describes it; it may have no parameter values and compute nothing."""
    compression: str | None = None
    """Name of the compression that replaces the compression of the weights; None: that of the weights."""

    @property
    def name(self) -> str:
        """Name of the weights in the manifest; raises `UsageError` for names that a manifest cannot hold."""
        return manifest_name(self.outline)

    def load(self, device: str = "auto", precision: str = "float32") -> Codec:
        """Load the codec; the last four loaded codecs stay in memory.

        Args:
            device: "auto", "cpu" or "cuda"; ignored for a loaded codec, which stays on its device.
            precision: "float32", "winograd", "bfloat16", "float16", "int8" or "auto"; ignored for a loaded codec, which
                keeps its precision.

        Raises:
            UsageError: The device or precision is unknown or not available.
            CheckpointError: The file is broken or does not hold the weights that its header names.
        """
        if isinstance(self.weights, Codec):
            return self.outline
        return _load(self.weights, device, precision, self.compression)


def select(
    choice: WeightsChoice,
    picture: Picture,
    target: TargetSize | None = None,
    suffix: str | None = None,
    *,
    has_quality: bool = False,
) -> Selection:
    """Choose the weights for a picture and plan its resize.

    Args:
        choice: The user's choice of networks.
        picture: The picture, whose channels and size decide among the weights of a task.
        target: Requested size of the small image; None: the factors of the weights.
        suffix: Suffix of the small file. Among the weights of a task, those that store this format are preferred.
            Otherwise it selects a format with the same pixel values, unless `choice` does.
        has_quality: Whether the files of the weights must have a quality that can change.

    Raises:
        UnknownNameError: The weights, task or compression are not installed.
        CheckpointError: The weights file is missing or broken.
        UsageError: The picture cannot have the requested size, or the files of the weights have no quality.
    """
    weights = choice.weights
    if weights is None:
        task, channels = str(choice.task), picture.pixels.shape[2]
        names = _storing(suffix, fitting_weights(task, channels), choice.compression, has_quality)
        if target is None or target.times is not None:
            weights = names[0]
        else:
            weights = _with_least_bicubic(names, picture.hw, target)
    codec = _with_compression(weights, choice.compression)
    compression = choice.compression
    if has_quality and codec.compression.qualities is None:
        raise UsageError(
            f"a limit in bytes needs small files with a quality, and {manifest_name(codec)!r} stores "
            f"{codec.storage.format} without loss: use lossy weights, or another compression, such as jpeg"
        )
    if compression is None and codec.info.compression in _EIGHT_BIT and (suffix or "").lower() in _BY_SUFFIX:
        compression = _BY_SUFFIX[str(suffix).lower()]
        codec = _with_compression(weights, compression)
    return Selection(
        weights=weights,
        storage=codec.storage,
        plan=plan_picture(codec, picture.hw, target),
        outline=codec,
        compression=compression,
    )


def select_all(
    choice: WeightsChoice, picture: Picture, target: TargetSize | None = None, suffix: str | None = None
) -> list[Selection]:
    """Choose all weights of a task that store the format of a suffix in several qualities; with weights, only these.

    A requested size leaves only the weights that need the least bicubic resizing. The arguments and errors are those of
    `select`.
    """
    first = select(choice, picture, target, suffix, has_quality=True)
    if choice.weights is not None or (target is not None and target.times is None):
        return [first]
    names = _storing(suffix, fitting_weights(str(choice.task), picture.pixels.shape[2]), choice.compression, True)
    if choice.compression is not None or first.weights not in names:
        return [first]
    choices = (WeightsChoice(weights=name) for name in names)
    return [select(one, picture, target, suffix, has_quality=True) for one in choices]


def _storing(suffix: str | None, names: list[str], compression: str | None, has_quality: bool) -> list[str]:
    """Keep the weights that store a format with this suffix; all of them if none do, or another rule decides."""
    if compression is not None or ((suffix or "").lower() in _BY_SUFFIX and not has_quality):
        return names
    stored = [(name, installed_outline(name)) for name in names]
    if has_quality:
        stored = [(name, codec) for name, codec in stored if codec.compression.qualities is not None]
    return [name for name, codec in stored if (suffix or "").lower() in codec.storage.suffixes] or names


def _with_compression(weights: str | Path | Codec, compression: str | None) -> Codec:
    if not isinstance(weights, Codec):
        return _outline(weights, compression)
    return weights if compression is None else weights.with_compression(compression)


def choose_codec(
    *,
    weights: str | Path | None = None,
    task: str | None = None,
    channels: int = 3,
    compression: str | None = None,
    device: str = "auto",
    precision: str = "float32",
) -> Codec:
    """Load a codec without a picture: installed weights, a .safetensors file, or the first fitting weights of a task.

    Args:
        weights: Name of installed weights, or a .safetensors file.
        task: Name of a task, instead of weights.
        channels: Number of channels of the pictures, which decides among the weights of a task.
        compression: Name of an installed compression that replaces the compression of the weights.
        device: "auto", "cpu" or "cuda".
        precision: "float32", "winograd", "bfloat16", "float16", "int8" or "auto".

    Raises:
        UsageError: Not exactly one of `weights` and `task` is set.
    """
    WeightsChoice(weights=weights, task=task)
    chosen = default_weights(str(task), channels) if weights is None else weights
    return _load(chosen, device, precision, compression)


def default_suffix(
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    has_quality: bool = False,
) -> str:
    """Return the suffix of small files, without a picture: that of the weights, or of the task's default weights.

    The arguments and errors are those of `choose_codec`, and `weights` may be a loaded codec. With `has_quality`, the
    default weights are the first of the task whose files have a quality.
    """
    WeightsChoice(weights=weights, task=task)
    names = [weights] if weights is not None else fitting_weights(str(task), 3)
    codecs = [_with_compression(name, compression) for name in (names if has_quality else names[:1])]
    suitable = [codec for codec in codecs if codec.compression.qualities is not None]
    return (suitable or codecs)[0].storage.suffixes[0]


def _outline(weights: str | Path, compression: str | None) -> Codec:
    codec = _cached_outline(weights, _modified_at(weights))
    return codec if compression is None else codec.with_compression(compression)


def _load(weights: str | Path, device: str, precision: str, compression: str | None) -> Codec:
    place = pick_device(device)
    return _cached_codec(weights, _modified_at(weights), place, pick_precision(precision, place), compression)


def _modified_at(weights: str | Path) -> int:
    """Return the time of a file's last change, so that new weights under an old name are loaded; 0 without a file."""
    try:
        return Path(weights).stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=4)  # a folder of pictures alternates between colour and grey weights of two factors
def _cached_codec(
    weights: str | Path, modified_at: int, device: torch.device, precision: Precision, compression: str | None
) -> Codec:
    codec = load(weights, device=device)
    set_precision(codec, precision)
    return codec if compression is None else codec.with_compression(compression)


@functools.lru_cache(maxsize=8)
def _cached_outline(weights: str | Path, modified_at: int) -> Codec:
    return outline(weights)


def default_weights(task: str, channels: int) -> str:
    """Return the first of `fitting_weights`, the default where nothing else decides."""
    return fitting_weights(task, channels)[0]


def fitting_weights(task: str, channels: int) -> list[str]:
    """List the weights of a task for pictures with this number of channels, or all of its weights if none fit.

    The weights that come with the task are first; those of other plugins follow.

    Raises:
        UnknownNameError: The task is not installed, or has no weights.
    """
    names = list(installed().weights_of(task))
    if not names:
        raise UnknownNameError(
            f"task {task!r} has no weights: train some and pass --weights FILE (in Python: weights=FILE)"
        )
    return [name for name in names if installed_outline(name).channels == channels] or names


def best_weights_for(task: str, channels: int, size: HW, target: TargetSize) -> str:
    """Return the weights of a task that need the least bicubic resizing; if several are equal, the first.

    Shrinking by bicubic loses detail; enlarging by bicubic only costs time.

    Args:
        task: Name of the task.
        channels: Number of channels of the picture.
        size: Size of the picture.
        target: Requested size of the small image.

    Raises:
        UsageError: The picture cannot have the requested size.
        UnknownNameError: The task is not installed, or has no weights.
    """
    return _with_least_bicubic(fitting_weights(task, channels), size, target)


def _with_least_bicubic(names: list[str], size: HW, target: TargetSize) -> str:
    low = target.low(size)
    if len(names) == 1:
        return names[0]

    def cost(name: str) -> float:
        codec = installed_outline(name)
        return _bicubic_cost(plan_resize(size, low, codec.step), codec.times)

    return min(names, key=cost)


def _bicubic_cost(plan: ResizePlan, trained_times: int) -> float:
    if not plan.times:
        return math.inf
    logs = [math.log(b / a) for a, b in zip(plan.high, plan.size_before_steps, strict=True)]
    cost = sum(log if log > 0 else -_SHRINK_COST * log for log in logs) / len(logs)
    return cost + _REPEAT_COST * max(0, plan.times - trained_times)
