"""Everything that a training holds: what was made of the config, what has been learned, and how both are stored."""

import functools
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from resizekit.errors import ConfigError, UsageError
from resizekit.evaluation.folder import mean_of
from resizekit.evaluation.measure import measure
from resizekit.losses import Guided, Loss
from resizekit.plugin.records import Stage, StageMixture, Task, TaskConfig
from resizekit.recipes.assemble import assemble, recipe_of, resolve
from resizekit.recipes.checkpoint import Header, save
from resizekit.recipes.config import RunConfig
from resizekit.system.device import machine
from resizekit.training.data import Crops, PixelBuffer, load_pictures
from resizekit.training.initial_weights import accelerator_for, freeze_sides, load_initial_weights, provenance
from resizekit.training.schedule import Segment, StepSettings, check_compiler, check_part, segments
from resizekit.training.train_state import TrainState

__all__ = ["Session", "difference", "identity"]

_INCIDENTAL = {"train": {"data", "validation", "log", "checkpoint_minutes", "store"}}
"""Keys of a config that may differ between two runs of which one resumes the other."""

_STATE = "state.safetensors"


@dataclass
class Session:
    """One training in one process."""

    run: RunConfig
    out: Path
    accelerator: Any
    """Hugging Face's `Accelerator`: device, precision, processes."""
    task: Task[Any]
    settings: TaskConfig
    learner: TrainState
    stages: list[Stage | StageMixture]
    pictures: list[torch.Tensor]
    held_out: list[torch.Tensor]
    skipped: list[str]
    steps: int
    """Steps that the whole training has."""
    origin: dict[str, Any]
    """What it began with; empty if with nothing learned."""
    before: float = 0.0
    """Seconds of the earlier runs that this one resumes."""
    began: float = field(default_factory=time.monotonic)
    figures: dict[str, float] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    """Hardware and precision that the run began with, if it goes on from a state."""

    @classmethod
    def start(cls, run: RunConfig, out: Path, device: str) -> "Session":
        """Build codec and optimiser, read the pictures, and check that all fits; nothing is written before that."""
        config = run.train
        accelerator = accelerator_for(device, config.precision)
        if config.compile:
            check_compiler(accelerator.device)
        recipe = recipe_of(run)
        task, settings = resolve(recipe)
        torch.manual_seed(config.seed)
        codec = assemble(recipe).train()
        start = None if (out / _STATE).exists() else config.start  # what goes on needs what it once began with no more
        if start is not None:
            load_initial_weights(codec, start, strict=config.start_strict, side=config.start_side, frozen=config.freeze)
        freeze_sides(codec, config)
        codec.to(device=accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        stages = list(task.curriculum(codec, settings))
        parts = [part for leg in segments(stages, config, config.steps) for part in leg.parts]
        for part in parts:
            check_part(part, accelerator.num_processes)
        smallest = min(part.patch for part in parts)
        folds = codec.spec.t > 1
        data = load_pictures(
            config.data, codec.channels, folds=folds, smallest=smallest, value_range=config.value_range
        )
        pictures, skipped, held_out = data.pictures, data.skipped, []
        if config.validation:
            smallest = max(codec.spec.multiple[1:])
            validation = load_pictures(
                config.validation, codec.channels, folds=folds, smallest=smallest, value_range=config.value_range
            )
            held_out, skipped = validation.pictures, skipped + validation.skipped
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {out}: {error.strerror}") from None
        return cls(
            run=run,
            out=out,
            accelerator=accelerator,
            task=task,
            settings=settings,
            learner=TrainState(codec, config, guide_weight=settings.guide_weight),
            stages=stages,
            pictures=pictures,
            held_out=held_out,
            skipped=skipped,
            steps=config.steps,
            origin=provenance(start),
        )

    def segments(self, steps: int) -> list[Segment]:
        """Divide so many steps among the task's stages and the config's phases."""
        return segments(self.stages, self.run.train, steps)

    @property
    def log_kind(self) -> str:
        """Where this process writes the curves; only the main one does."""
        return self.run.train.log if self.accelerator.is_main_process else "none"

    def elapsed(self) -> float:
        """Seconds of training, earlier runs included."""
        return self.before + time.monotonic() - self.began

    @functools.cached_property
    def _held(self) -> PixelBuffer:
        return PixelBuffer.of(self.pictures, self.accelerator.device)

    def crops(self, part: StepSettings) -> Crops:
        """Give the crops of a part; all share the pictures' bytes on the device."""
        return Crops(self._held, patch=part.patch, seed=self.run.train.seed)

    def loss(self, part: StepSettings) -> Loss:
        """Give what a part minimises."""
        loss = part.stage.loss or self.task.loss(part.stage.codec.spec, self.settings)
        if part.restoration_loss is None:
            return loss
        if not isinstance(loss, Guided):
            raise ConfigError("train.phases name a restoration_loss, and this task has a loss of its own; leave it out")
        return replace(loss, restoration=part.restoration_loss)

    def stops(self, asked: bool) -> bool:
        """Tell whether to stop now; where there are several processes, all of them as soon as one is asked to."""
        if self.accelerator.num_processes > 1:
            if asked:
                self.accelerator.set_trigger()
            return bool(self.accelerator.check_trigger())
        return asked

    def validate(self) -> None:
        """Note the mean PSNR of whole held-out pictures, cropped at the upper left to what the factors divide."""
        if not self.held_out:
            return
        codec = self.learner.averaged()
        rows = []
        for picture in self.held_out:
            c, h, w = codec.spec.crop(tuple(picture.shape))
            rows.append(measure(codec, picture[:c, :h, :w].permute(1, 2, 0).contiguous().numpy()))
        self.figures |= {name: mean_of([row[name] for row in rows]) for name in ("low_rgb", "high_rgb")}

    @property
    def _by(self) -> dict[str, str]:
        """What this process computes by."""
        half = self.accelerator.mixed_precision != "no"
        return {"hardware": machine(self.accelerator.device), "precision": "bfloat16" if half else "float32"}

    @property
    def _state(self) -> Path:
        return self.out / _STATE

    def restore(self) -> bool:
        """Go on from the folder's state, if it holds one; `ConfigError` if that belongs to another config."""
        if not self._state.exists():
            return False
        told = self.learner.load(self._state)
        theirs, ours = identity(told.get("config")), identity(self.run)
        if theirs != ours:
            raise ConfigError(
                f"{self._state} belongs to another config{difference(theirs, ours)}; use another --out folder, "
                "perhaps with these weights as its start, or remove it"
            )
        self.steps, self.before = int(str(told["steps"])), float(str(told["seconds"]))
        if isinstance(origin := told.get("origin"), dict):  # the name may stand for other weights by now
            self.origin = origin
        self.first = {name: str(told[name]) for name in self._by if name in told}
        return True

    def write_state(self) -> None:
        """Write all that a later run needs to go on exactly; only the main process does."""
        if self.accelerator.is_main_process:
            told: dict[str, object] = {
                "steps": self.steps,
                "seconds": self.elapsed(),
                "config": identity(self.run),
                "origin": self.origin,
            }
            self.learner.save(self._state, told | self._by | self.first)

    def write_weights(self) -> tuple[Path, Header]:
        """Write the averaged weights with what they were trained on and what they reach on the held-out pictures."""
        if "high_rgb" not in self.figures:  # a finished run that was started again
            self.validate()
        config = self.run.train
        told: dict[str, Any] = {
            "steps": self.learner.step,
            "seconds": round(self.elapsed(), 1),
            "pictures": len(self.pictures),
        }
        told |= self._by | self.first
        told |= {name: getattr(config, name) for name in ("batch", "patch", "lr", "seed")}
        told |= {name: getattr(config, name) for name in ("start_side", "freeze") if getattr(config, name) is not None}
        told |= self.origin
        metrics: dict[str, float] = {
            name: round(self.figures[name], 3) for name in ("high_rgb", "low_rgb") if name in self.figures
        }
        weights = self.out / "weights.safetensors"
        dtype = torch.float16 if config.store == "float16" else torch.float32
        return weights, save(self.learner.averaged(), weights, metrics=metrics, training=told, dtype=dtype)


def difference(theirs: dict[str, Any] | None, ours: dict[str, Any] | None) -> str:
    """Name what two identities first differ in."""
    path: list[str] = []
    while isinstance(theirs, dict) and isinstance(ours, dict):
        key = next(key for key in (ours | theirs) if theirs.get(key) != ours.get(key))
        path.append(key)
        theirs, ours = theirs.get(key), ours.get(key)
    return f" ({'.'.join(path)} was {theirs!s:.60}, is {ours!s:.60})" if path else ""


def identity(run: object) -> dict[str, Any] | None:
    """What two runs must agree in; read anew, so that a key of a later version stands at its default in both."""
    try:
        return RunConfig.model_validate(run).model_dump(mode="json", exclude=_INCIDENTAL)
    except ValidationError:
        return None
