"""Create the session of a training from its config, and check that config, pictures and hardware match.

All checks come before the first write, so a training that cannot start leaves no files.
"""

from collections.abc import Iterable
from pathlib import Path

import torch

from resizekit.codec import Codec, Recipe
from resizekit.errors import UsageError
from resizekit.plugin.records import Stage, StageMixture
from resizekit.recipes.assemble import assemble, recipe_of, resolve
from resizekit.recipes.config import RunConfig, TrainConfig
from resizekit.training.accelerator import check_compiler, make_accelerator
from resizekit.training.crops import PixelBuffer
from resizekit.training.data import collect_pictures
from resizekit.training.initial_weights import freeze_sides, load_initial_weights, provenance
from resizekit.training.pictures import CropSource, Pictures
from resizekit.training.schedule import check_divisible, segments
from resizekit.training.session import Session
from resizekit.training.state_file import find_state
from resizekit.training.train_state import TrainState

__all__ = ["set_up"]


def set_up(run: RunConfig, out: Path, device: str) -> Session:
    """Build the codec and optimizer, read the pictures, check everything, and create the folder.

    Args:
        run: Config of the training.
        out: Folder of the training. If it contains a state, initial weights are not loaded.
        device: "auto", "cpu" or "cuda".

    Raises:
        ConfigError: If config and pictures do not match.
        UsageError: If the folder cannot be created or the device is not available.
        MissingExtraError: If accelerate is not installed.
    """
    config = run.train
    accelerator = make_accelerator(device, config.precision)
    if config.compile:
        check_compiler(accelerator.device)
    recipe = recipe_of(run)
    task, task_config = resolve(recipe)
    start = config.start if find_state(out) is None else None  # a resumed training does not need initial weights
    codec = _make_codec(recipe, config, start, accelerator.device)
    stages = list(task.curriculum(codec, task_config))
    smallest_crop = _check_crops(stages, config, accelerator.num_processes)
    pictures, skipped = _read_pictures(config.data, codec, config, smallest=smallest_crop)
    source = _near(accelerator.device, pictures)
    validation: Pictures | None = None
    if config.validation:
        smallest = max(codec.spec.multiple[1:])
        validation, skipped_validation = _read_pictures(config.validation, codec, config, smallest=smallest)
        skipped = skipped + skipped_validation
    _make_folder(out)
    return Session(
        run=run,
        out=out,
        accelerator=accelerator,
        task=task,
        task_config=task_config,
        state=TrainState(codec, config, guide_weight=task_config.guide_weight, rate_weight=task_config.rate_weight),
        stages=stages,
        source=source,
        validation_pictures=validation,
        skipped=skipped,
        steps=config.steps,
        origin=provenance(start),
    )


def _make_codec(recipe: Recipe, config: TrainConfig, start: str | None, device: torch.device) -> Codec:
    torch.manual_seed(config.seed)
    codec = assemble(recipe).train()
    if start is not None:
        load_initial_weights(codec, start, strict=config.start_strict, side=config.start_side, frozen=config.freeze)
    freeze_sides(codec, config)
    codec.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return codec


def _check_crops(stages: list[Stage | StageMixture], config: TrainConfig, processes: int) -> int:
    """Check crops and batch of all segments; return the side of the smallest crop."""
    settings = [settings for segment in segments(stages, config, config.steps) for settings in segment.settings]
    for checked in settings:
        check_divisible(checked, processes)
    return min(checked.patch for checked in settings)


def _read_pictures(
    paths: Iterable[Path], codec: Codec, config: TrainConfig, *, smallest: int
) -> tuple[Pictures, list[str]]:
    folds = codec.spec.t > 1
    return collect_pictures(paths, codec.channels, folds=folds, smallest=smallest, value_range=config.value_range)


def _near(device: torch.device, pictures: Pictures) -> CropSource:
    """Move pictures to a device other than the CPU; those in mapped files stay there, because they can be too large."""
    return pictures if device.type == "cpu" or pictures.is_mapped else PixelBuffer.of(pictures, device)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create the folder {out}: {error.strerror}") from None
