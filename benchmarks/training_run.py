"""One run folder of `train_all`: train once and measure once, also after interruptions.

plan.json     the config of the training, the hardware, and the digest of the completed weights
figures.json  the measurements of the weights with one digest, by set and factor
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from records import Figures, label_of
from rich.console import Console

from resizekit.cli.progress import counted, training_progress
from resizekit.codec import Codec
from resizekit.errors import ConfigError, ResizeKitError, UsageError
from resizekit.evaluation.folder import evaluate_folder
from resizekit.pictures.io.find import find_pictures
from resizekit.recipes.assemble import assemble, complete, recipe_of
from resizekit.recipes.checkpoint import load, read_header
from resizekit.recipes.config import RunConfig
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import machine, pick_device
from resizekit.training.loop import train

__all__ = ["CompletedRun", "StoppedError", "complete_run", "existing_run", "measure_weights"]

_IGNORED = {"train": {"data", "validation", "log", "checkpoint_minutes", "budget"}}
"""Keys of the config that may differ when a run is resumed; the budget is planned only once."""

_Content = TypeVar("_Content", bound=BaseModel)


class StoppedError(ResizeKitError):
    """The training was interrupted and has written its state."""


class Plan(BaseModel):
    """Content of plan.json."""

    model_config = ConfigDict(extra="forbid")

    run: RunConfig
    hardware: str | None = None
    digest: str | None = None
    """Digest of the completed weights; None before they exist."""


class Measurements(BaseModel):
    """Content of figures.json."""

    digest: str
    files: dict[str, int] = {}
    """Number of pictures by label of `sets`."""
    sets: dict[str, Figures] = {}


@dataclass(frozen=True)
class CompletedRun:
    """A completed training."""

    weights: Path
    run: RunConfig
    """Config of the training, with the budget that its number of steps was planned for."""
    hardware: str | None
    steps: int
    seconds: float


def complete_run(run: RunConfig, folder: Path, *, device: str, hardware: str | None, console: Console) -> CompletedRun:
    """Start a training, resume it, or return the completed one.

    A state that `resizekit train` wrote is resumed too, with the number of steps in the config.

    Args:
        run: Config of the training.
        folder: Run folder.
        device: "auto", "cpu" or "cuda".
        hardware: Description of the hardware; None for that of this machine.
        console: Destination of the progress.

    Raises:
        ConfigError: If the folder belongs to a different config.
        StoppedError: If the training was interrupted.
    """
    weights = folder / "weights.safetensors"
    plan = _resumable_plan(run, folder)
    if plan is None:
        has_state = (folder / "state.safetensors").exists()
        if has_state:
            run = run.model_copy(update={"train": run.train.model_copy(update={"budget": None})})
        plan = Plan(run=run, hardware=hardware or (None if has_state else machine(pick_device(device))))
    if hardware:
        plan.hardware = hardware
    if not (plan.digest and weights.exists() and read_header(weights).digest == plan.digest):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot create the folder {folder}: {error.strerror}") from None
        _write(folder / "plan.json", plan)
        budget = {"budget": plan.run.train.budget}
        planned = run.model_copy(update={"train": run.train.model_copy(update=budget)})
        with training_progress(console) as progress:
            result = train(planned, folder, device=device, progress=progress)
        for line in result.skipped:
            console.print(f"skipped: {line}", style="yellow", highlight=False, soft_wrap=True)
        if result.header is None:
            raise StoppedError(f"stopped after {result.steps} steps")
        plan.digest = result.header.digest
    _write(folder / "plan.json", plan)
    training = read_header(weights).training
    return CompletedRun(weights, plan.run, plan.hardware, int(training["steps"]), float(training["seconds"]))


def existing_run(run: RunConfig, folder: Path, *, hardware: str | None) -> CompletedRun:
    """Return the run of existing weights without training.

    Args:
        run: Config that the weights were trained with.
        folder: Run folder with weights.safetensors.
        hardware: Description of the hardware of the training.

    Raises:
        ConfigError: If the weights were trained with a different config.
    """
    weights = folder / "weights.safetensors"
    header = read_header(weights)
    same = complete(recipe_of(run)) == complete(header.recipe)
    if not same or any(header.training.get(key) != getattr(run.train, key) for key in ("lr", "seed")):
        raise ConfigError(f"{weights} was trained with a different config; set the same values in the config")
    return CompletedRun(weights, run, hardware, int(header.training["steps"]), float(header.training["seconds"]))


def measure_weights(
    weights: Path, folders: list[Path], *, device: str, console: Console, times: tuple[int, ...] = ()
) -> dict[str, Figures]:
    """Measure weights on sets of pictures in float32, and store the results next to them for the next call.

    Args:
        weights: Weights file.
        folders: Sets of pictures; their folder names must differ.
        device: "auto", "cpu" or "cuda".
        console: Destination of the progress.
        times: Numbers of steps to measure. Empty: the default of the weights, and labels without a factor.

    Returns:
        Results by label, see `records.label_of`.

    Raises:
        UsageError: If two sets have the same name.
    """
    digest = read_header(weights).digest
    cache = weights.parent / "figures.json"
    known = _read(cache, Measurements)
    if known is None or known.digest != digest:
        known = Measurements(digest=digest)
    codec = None
    results: dict[str, Figures] = {}
    names = [folder.resolve().name for folder in folders]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two sets are named {duplicate}; rename one of the folders")
    for name, folder in zip(names, folders, strict=True):
        files = len(list(find_pictures([folder])))
        for steps in times or (None,):
            label = label_of(name, steps and factor_at(weights, steps))
            if known.files.get(label) != files:
                if codec is None:
                    codec = load(weights, device=pick_device(device))
                known.sets[label] = _measure(codec, folder, label, steps, console)
                known.files[label] = files
                _write(cache, known)
            results[label] = known.sets[label]
    return results


def factor_at(weights: Path, times: int) -> str:
    """Return the factor of `times` steps of some weights, such as "x8"."""
    return assemble(read_header(weights).recipe.model_copy(update={"times": times})).spec.short


def _resumable_plan(run: RunConfig, folder: Path) -> Plan | None:
    """Read the plan of a run that has a state or weights; refuse one of a different config."""
    plan = _read(folder / "plan.json", Plan)
    if plan is None or not ((folder / "state.safetensors").exists() or plan.digest):
        return None
    if plan.run.model_dump(exclude=_IGNORED) != run.model_dump(exclude=_IGNORED):
        raise ConfigError(f"{folder} belongs to a different config; pass a different --runs folder or delete it")
    return plan


def _measure(codec: Codec, folder: Path, label: str, times: int | None, console: Console) -> Figures:
    if times is not None:
        codec = codec.at(times)
    with counted(console, label, 1) as count:
        measured = evaluate_folder(codec, folder, progress=count.part)
    for line in measured.skipped:
        console.print(f"skipped: {line}", style="yellow", highlight=False, soft_wrap=True)
    kinds = ("_y",) if codec.channels == 1 else ("_rgb", "_y")
    mean = {key: round(value, 6) for key, value in measured.mean.items() if key.endswith(kinds)}
    equal = {key: n for key, n in measured.equal.items() if key in mean} or None
    factor = {} if times is None else {"times": times, "factor": codec.spec.short}
    return Figures.model_validate(mean | {"pictures": measured.pictures, "equal": equal} | factor)


def _read(path: Path, kind: type[_Content]) -> _Content | None:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except ValidationError:
        raise ConfigError(
            f"{path} is not a file of train_all or is broken; pass a different --runs folder or delete {path}"
        ) from None


def _write(path: Path, content: BaseModel) -> None:
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
