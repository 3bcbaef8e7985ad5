"""One run folder of `train_all`: trained once, measured once, whatever interrupts it.

plan.json     the config that the run began with, the machine, and the digest once it is finished
figures.json  what was measured of the weights of one digest, set by set and depth by depth
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from records import Figures, told_as
from rich.console import Console

from resizekit.cli.progress import counted, training_progress
from resizekit.codec import Codec
from resizekit.errors import ConfigError, ResizeKitError, UsageError
from resizekit.evaluation.folder import evaluate_folder
from resizekit.images.io.find import find_pictures
from resizekit.recipes.assemble import assemble, recipe_of, resolve
from resizekit.recipes.checkpoint import load, read_header
from resizekit.recipes.config import RunConfig
from resizekit.system.atomic_write import atomic_write
from resizekit.system.device import machine, pick_device
from resizekit.training.loop import train

__all__ = ["Done", "StoppedError", "figures_of", "finished", "trained"]

_INCIDENTAL = {"train": {"data", "validation", "log", "checkpoint_minutes", "budget"}}
"""Keys that may differ from one start to the next: the time is planned once."""


class StoppedError(ResizeKitError):
    """The training was interrupted and has written its state."""


class Plan(BaseModel):
    """What a run folder is for."""

    model_config = ConfigDict(extra="forbid")

    run: RunConfig
    hardware: str | None = None
    digest: str | None = None
    """Of the finished weights."""


class Measured(BaseModel):
    """Figures of the weights of one digest."""

    digest: str
    files: dict[str, int] = {}
    """How many pictures a set had."""
    sets: dict[str, Figures] = {}


@dataclass(frozen=True)
class Done:
    """A finished training."""

    weights: Path
    run: RunConfig
    """The config, with the budget that was planned with."""
    hardware: str | None
    steps: int
    seconds: float


def _read(path: Path, kind: type[BaseModel]) -> BaseModel | None:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValidationError:
        raise ConfigError(f"{path} is none of ours or broken; name another --runs folder or remove {path}") from None


def _write(path: Path, value: BaseModel) -> None:
    with atomic_write(path) as beside:
        beside.write_text(value.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _taken_up(run: RunConfig, folder: Path) -> Plan | None:
    """Read the plan of a run that has begun; `ConfigError` if that had another config."""
    plan = _read(folder / "plan.json", Plan)
    if not isinstance(plan, Plan) or not ((folder / "state.safetensors").exists() or plan.digest):
        return None
    if plan.run.model_dump(exclude=_INCIDENTAL) != run.model_dump(exclude=_INCIDENTAL):
        raise ConfigError(f"{folder} was begun with another config; name another --runs folder or remove it")
    return plan


def trained(run: RunConfig, folder: Path, *, device: str, hardware: str | None, console: Console) -> Done:
    """Train into a folder, or go on there, or find that all is done; raises `StoppedError` if interrupted.

    A state that `resizekit train` left there is taken up as well, with the steps that the config says.
    """
    weights = folder / "weights.safetensors"
    plan = _taken_up(run, folder)
    if plan is None:
        begun = (folder / "state.safetensors").exists()
        if begun:
            run = run.model_copy(update={"train": run.train.model_copy(update={"budget": None})})
        plan = Plan(run=run, hardware=hardware or (None if begun else machine(pick_device(device))))
    if hardware:
        plan.hardware = hardware
    if not (plan.digest and weights.exists() and read_header(weights).digest == plan.digest):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None
        _write(folder / "plan.json", plan)
        budget = {"budget": plan.run.train.budget}
        again = run.model_copy(update={"train": run.train.model_copy(update=budget)})
        with training_progress(console) as progress:
            result = train(again, folder, device=device, progress=progress)
        for line in result.skipped:
            console.print(f"left out: {line}", style="yellow", highlight=False, soft_wrap=True)
        if result.header is None:
            raise StoppedError(f"stopped after {result.steps} steps")
        plan.digest = result.header.digest
    _write(folder / "plan.json", plan)
    told = read_header(weights).training
    return Done(weights, plan.run, plan.hardware, int(told["steps"]), float(told["seconds"]))


def finished(run: RunConfig, folder: Path, *, hardware: str | None) -> Done:
    """Take the weights of a folder as they are; `ConfigError` if they are of another config."""
    weights = folder / "weights.safetensors"
    header = read_header(weights)
    said, held = recipe_of(run), header.recipe
    same = resolve(said) == resolve(held) and said.model_dump(exclude={"config"}) == held.model_dump(exclude={"config"})
    if not same or any(header.training.get(key) != getattr(run.train, key) for key in ("lr", "seed")):
        raise ConfigError(f"{weights} was trained from another config; give the config what it was trained with")
    return Done(weights, run, hardware, int(header.training["steps"]), float(header.training["seconds"]))


def figures_of(
    weights: Path, folders: list[Path], *, device: str, console: Console, times: tuple[int, ...] = ()
) -> dict[str, Figures]:
    """Measure weights on sets of pictures, in float32; what is measured already is read from beside them.

    `times` are the depths to measure at; none: the one that the weights say, and nothing is said of depths.
    """
    digest = read_header(weights).digest
    cache = weights.parent / "figures.json"
    known = _read(cache, Measured)
    if not isinstance(known, Measured) or known.digest != digest:
        known = Measured(digest=digest)
    codec = None
    wanted: dict[str, Figures] = {}
    names = [folder.resolve().name for folder in folders]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two sets are called {twice}; figures are told by the name of the folder")
    for name, folder in zip(names, folders, strict=True):
        files = len(list(find_pictures([folder])))
        for depth in times or (None,):
            label = told_as(name, depth and factor_at(weights, depth))
            if known.files.get(label) != files:
                if codec is None:
                    codec = load(weights, device=pick_device(device))
                known.sets[label] = _measured(codec, folder, label, depth, console)
                known.files[label] = files
                _write(cache, known)
            wanted[label] = known.sets[label]
    return wanted


def factor_at(weights: Path, times: int) -> str:
    """Say what so many applications of weights make, such as "x8"."""
    return assemble(read_header(weights).recipe.model_copy(update={"times": times})).spec.short


def _measured(codec: Codec, folder: Path, label: str, times: int | None, console: Console) -> Figures:
    if times is not None:
        codec = codec.at(times)
    with counted(console, label, 1) as count:
        measured = evaluate_folder(codec, folder, progress=count.part)
    for line in measured.skipped:
        console.print(f"left out: {line}", style="yellow", highlight=False, soft_wrap=True)
    kinds = ("_y",) if codec.channels == 1 else ("_rgb", "_y")
    mean = {key: round(value, 6) for key, value in measured.mean.items() if key.endswith(kinds)}
    equal = {key: n for key, n in measured.equal.items() if key in mean} or None
    depth = {} if times is None else {"times": times, "factor": codec.spec.short}
    return Figures.model_validate(mean | {"pictures": measured.pictures, "equal": equal} | depth)
