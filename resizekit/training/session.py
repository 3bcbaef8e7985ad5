"""Hold everything that belongs to one training in one process, and store its results.

`resizekit.training.setup` creates a session from a config; `resizekit.training.loop` runs it.
"""

import functools
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resizekit.errors import ConfigError
from resizekit.evaluation.folder import mean_of
from resizekit.evaluation.measure import measure
from resizekit.losses import Guided, Loss
from resizekit.plugin.records import Stage, StageMixture, Task, TaskConfig
from resizekit.recipes.checkpoint import Header, save
from resizekit.recipes.config import RunConfig
from resizekit.system.device import machine
from resizekit.training.config_identity import config_identity
from resizekit.training.crops import Crops
from resizekit.training.pictures import CropSource, Pictures, fingerprint
from resizekit.training.processes import any_process
from resizekit.training.schedule import Segment, StepSettings, segments
from resizekit.training.state_file import STATE_FILE, stored_step
from resizekit.training.train_state import TrainState

__all__ = ["WEIGHTS_FILE", "Session"]

WEIGHTS_FILE = "weights.safetensors"


@dataclass
class Session:
    """One training in one process."""

    run: RunConfig
    out: Path
    """Folder of the training."""
    accelerator: Any
    """Hugging Face `Accelerator`: device, precision and processes."""
    task: Task[Any]
    task_config: TaskConfig
    state: TrainState
    stages: list[Stage | StageMixture]
    """Curriculum of the task."""
    source: CropSource
    """Training pictures."""
    validation_pictures: Pictures | None
    skipped: list[str]
    """Files that could not be used, each with the reason."""
    steps: int
    """Number of steps of the entire training."""
    origin: dict[str, Any]
    """Provenance of the initial weights; empty for a training from scratch."""
    earlier_seconds: float = 0.0
    """Duration of the earlier runs that this one resumes."""
    started: float = field(default_factory=time.monotonic)
    metrics: dict[str, float] = field(default_factory=dict)
    """The newest metrics by name."""
    earlier_machine: dict[str, str] = field(default_factory=dict)
    """Hardware and precision of the first run, if this one resumes it."""
    changes: list[str] = field(default_factory=list)
    """Settings that changed between a run and the next one, such as "step 400: train.lr 0.01 -> 0.001"."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return bool(self.accelerator.is_main_process)

    @property
    def log_kind(self) -> str:
        """Kind of log that this process writes; "none" for all processes except the main one."""
        return self.run.train.log if self.is_main else "none"

    def elapsed(self) -> float:
        """Return the seconds of training, including earlier runs."""
        return self.earlier_seconds + time.monotonic() - self.started

    def segments(self, steps: int) -> list[Segment]:
        """Divide a number of steps among the stages of the task and the phases of the config."""
        return segments(self.stages, self.run.train, steps)

    def crops(self, settings: StepSettings) -> Crops:
        """Return the crops for some settings; all of them read from the same pictures."""
        return Crops(self.source, patch=settings.patch, seed=self.run.train.seed)

    def loss(self, settings: StepSettings) -> Loss:
        """Return the loss for some settings.

        Raises:
            ConfigError: If a phase sets a `restoration_loss`, but the loss is a custom one without that norm.
        """
        codec = settings.stage.codec
        loss = settings.stage.loss or self.task.loss(codec.spec, self.task_config)
        if isinstance(loss, Guided):
            loss = replace(loss, bits=codec.compression.bits)
        if settings.restoration_loss is None:
            return loss
        if not isinstance(loss, Guided):
            raise ConfigError(
                "train.phases sets restoration_loss, but this task has a custom loss without that norm; "
                "remove restoration_loss"
            )
        return replace(loss, restoration=settings.restoration_loss)

    def should_stop(self, requested: bool) -> bool:
        """Return whether to stop now; if one process of several is asked to stop, all of them stop."""
        return any_process(self.accelerator, requested)

    def validate(self) -> None:
        """Measure the mean PSNR of the validation pictures with the averaged weights.

        Each picture is cropped at the bottom and right to a size that the resize factors divide.
        """
        if self.validation_pictures is None:
            return
        codec, pictures = self.state.averaged(), self.validation_pictures
        rows = []
        for picture in map(pictures.__getitem__, range(len(pictures))):
            _, h, w = codec.spec.crop((pictures.channels, *picture.shape[:2]))
            rows.append(measure(codec, np.array(picture[:h, :w])))
        self.metrics |= {name: mean_of([row[name] for row in rows]) for name in ("low_rgb", "high_rgb")}

    def write_state(self) -> None:
        """Write the state file, unless it already holds this step; only the main process does.

        Raises:
            NotFiniteError: If a tensor of the state contains NaN or infinity.
            CheckpointError: If the file cannot be written.
        """
        path = self.out / STATE_FILE
        if self.is_main and stored_step(path) != self.state.step:
            counters: dict[str, object] = {
                "steps": self.steps,
                "seconds": self.elapsed(),
                "config": config_identity(self.run),
                "origin": self.origin,
                "pictures": self.fingerprint,
                "changes": self.changes,
            }
            self.state.save(path, counters | self.machine | self.earlier_machine)

    def write_weights(self) -> tuple[Path, Header]:
        """Write the averaged weights; their header describes the training and the validation results.

        Returns:
            The file and its header.
        """
        if "high_rgb" not in self.metrics:  # a completed training that was started again
            self.validate()
        config = self.run.train
        training: dict[str, Any] = {
            "steps": self.state.step,
            "seconds": round(self.elapsed(), 1),
            "pictures": len(self.source.sizes),
        }
        training |= self.machine | self.earlier_machine
        training |= {name: getattr(config, name) for name in ("batch", "patch", "lr", "seed")}
        optional = {name: getattr(config, name) for name in ("start_side", "freeze")}
        training |= {name: value for name, value in optional.items() if value is not None}
        training |= self.origin
        if self.changes:
            training["changes"] = self.changes
        metrics: dict[str, float] = {
            name: round(self.metrics[name], 3) for name in ("high_rgb", "low_rgb") if name in self.metrics
        }
        path = self.out / WEIGHTS_FILE
        dtype = torch.float16 if config.store == "float16" else torch.float32
        return path, save(self.state.averaged(), path, metrics=metrics, training=training, dtype=dtype)

    @functools.cached_property
    def fingerprint(self) -> dict[str, object]:
        """Number and digest of the training pictures."""
        return {"count": len(self.source.sizes), "sha256": fingerprint(self.source.digests)}

    @property
    def machine(self) -> dict[str, str]:
        """Hardware and precision of this process."""
        bfloat16 = self.accelerator.mixed_precision != "no"
        return {"hardware": machine(self.accelerator.device), "precision": "bfloat16" if bfloat16 else "float32"}
