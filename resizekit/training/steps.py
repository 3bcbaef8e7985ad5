"""The steps of a training, in pieces: draw crops, compute the loss, update the weights.

`resizekit train` runs these pieces in its loop, and you can run them in yours.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resizekit.codec import Codec, Resized
from resizekit.errors import ConfigError, UsageError
from resizekit.losses import Loss
from resizekit.nn import to_float
from resizekit.recipes.checkpoint import Header
from resizekit.recipes.config import RunConfig, apply_overrides, read_toml
from resizekit.training.crops import Crops
from resizekit.training.processes import average
from resizekit.training.resume import resume
from resizekit.training.schedule import Segment, StepSettings, learning_rate
from resizekit.training.session import Session
from resizekit.training.setup import set_up

__all__ = ["Steps"]


@dataclass(frozen=True)
class _Prepared:
    """The parts that steps with equal settings share."""

    settings: StepSettings
    model: Callable[[Tensor], Resized]
    crops: Crops
    loss: Loss


class Steps:
    r"""The steps of a training, for a loop of your own; `Steps.open` creates them from a config.

    Each step calls `batch`, `loss`, `backward` and `update`, or only `advance`:

        steps = Steps.open("mine.toml", "runs/mine")
        while steps.step < steps.total:
            loss = steps.loss(steps.batch(steps.step))
            loss.backward()
            steps.update()
        steps.write_weights()

    Examples:
        >>> import numpy as np, tempfile
        >>> from resizekit.training import pack
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = Path(name)
        ...     _ = pack(np.zeros((32, 32, 3), np.uint8), folder / "black.pack")
        ...     text = 'task = "sr"\n[network]\nwidth = 8\nblocks = 1\n[train]\nsteps = 3\nbatch = 1\npatch = 16'
        ...     _ = (folder / "mine.toml").write_text(text)
        ...     steps = Steps.open(folder / "mine.toml", folder / "run", data=[folder / "black.pack"], device="cpu")
        ...     loss = steps.advance()
        >>> loss.shape, steps.step, steps.total
        (torch.Size([]), 1, 3)

    Args:
        session: The training that the steps change.
        segments: Schedule of the steps; None: that of the session.
    """

    def __init__(self, session: Session, segments: Sequence[Segment] | None = None) -> None:
        self._session = session
        self._segments = session.segments(session.steps) if segments is None else list(segments)
        self._ends = [segment.end for segment in self._segments]
        self._prepared: dict[int, _Prepared] = {}
        self._measured: list[Tensor] = []
        self._loss: Tensor | None = None

    @classmethod
    def open(
        cls,
        config: str | Path | RunConfig,
        out: str | Path,
        *,
        data: str | Path | Iterable[str | Path] = (),
        device: str = "auto",
    ) -> "Steps":
        """Set up a training, or resume the one in its folder.

        Args:
            config: TOML file of the training, as for `resizekit train`. It sets `train.steps`, not a budget.
            out: Folder of the state and of the weights.
            data: A picture, folder or pack, or several; replaces the config's.
            device: "auto", "cpu" or "cuda".

        Raises:
            ConfigError: If config, pictures and state do not match.
            CheckpointError: If the state cannot be read.
            MissingExtraError: If accelerate is not installed.
        """
        run = config if isinstance(config, RunConfig) else read_toml(config)
        run = apply_overrides(run, {"data": [data] if isinstance(data, str | Path) else list(data)})
        if run.train.budget is not None:
            raise ConfigError("train.budget is planned by `resizekit train` only: set train.steps instead")
        session = set_up(run, Path(out), device)
        resume(session)
        return cls(session)

    @property
    def codec(self) -> Codec:
        """The codec that is trained, on its device."""
        return self._session.state.codec

    @property
    def step(self) -> int:
        """Number of completed steps."""
        return self._session.state.step

    @property
    def total(self) -> int:
        """Number of steps of the entire training."""
        return self._session.steps

    def batch(self, step: int) -> Tensor:
        """Return the crops of a step, a pure function of the seed and the step.

        Args:
            step: Index of the step, from 0.

        Returns:
            `b c h w`, uint8, on the device; of several processes, each receives its share of the same batch.
        """
        prepared, accelerator = self._of(step), self._session.accelerator
        share = accelerator.process_index, accelerator.num_processes
        crops = prepared.crops.batch(step, prepared.settings.batch, share=share)
        return crops.to(accelerator.device, non_blocking=True)

    def loss(self, batch: Tensor) -> Tensor:
        """Compute the loss of the next step, and remove the gradients of the step before.

        Args:
            batch: The result of `batch(steps.step)`.

        Returns:
            `()`, with a gradient; of several processes, the loss of this process's share.
        """
        prepared, state = self._of(self.step), self._session.state
        out = prepared.model(batch)
        loss_function = prepared.loss
        for controller in state.controllers.values():
            loss_function = controller.apply_to(loss_function)
        loss: Tensor = loss_function(out, to_float(batch))
        state.optimizer.zero_grad()
        self._measured = [controller.measure(out, loss_function) for controller in state.controllers.values()]
        self._loss = loss.detach()
        return loss

    def update(self) -> Tensor:
        """Update the weights with the gradients of `loss`.

        Returns:
            The loss of this step, `()`, without a gradient; of several processes, their mean.

        Raises:
            UsageError: If `loss` was not called since the last update.
            LostProcessError: If another process has ended; the state is then that of the step before.
        """
        if self._loss is None:
            raise UsageError(
                "update() needs the gradients of a step: call loss(batch(step)).backward() before each one"
            )
        session, state = self._session, self._session.state
        loss, measured = self._loss.clone(), [value.clone() for value in self._measured]
        self._loss = None
        gradients = [parameter.grad for parameter in state.codec.parameters() if parameter.grad is not None]
        average(session.accelerator, [*gradients, loss, *measured])
        state.optimizer.set_rate(self.learning_rate(self.step))
        if session.run.train.clip:
            torch.nn.utils.clip_grad_norm_(state.codec.parameters(), session.run.train.clip)
        state.update()
        for controller, value in zip(state.controllers.values(), measured, strict=True):
            controller.update(value)
        return loss

    def advance(self) -> Tensor:
        """Perform the next step and return its loss, as `update` does."""
        self.loss(self.batch(self.step)).backward()  # type: ignore[no-untyped-call]
        return self.update()

    def learning_rate(self, step: int) -> float:
        """Return Adam's learning rate at a step."""
        return learning_rate(step, self._session.run.train, self._settings(step), self.total)

    def averaged(self) -> Codec:
        """Return the codec with the averaged weights, in eval mode."""
        return self._session.state.averaged()

    def write_state(self) -> None:
        """Write the state, so that `Steps.open` or `resizekit train` resumes after the completed steps.

        Of several processes, only the main one writes.

        Raises:
            CheckpointError: If the state contains NaN or infinity, or cannot be written.
        """
        self._session.write_state()

    def write_weights(self) -> tuple[Path, Header] | None:
        """Write the averaged weights.

        Returns:
            The file and its header; of several processes, only the main one writes, and the others return None.
        """
        return self._session.write_weights() if self._session.is_main else None

    def _settings(self, step: int) -> StepSettings:
        segment = self._segments[min(bisect_right(self._ends, step), len(self._ends) - 1)]
        return segment.settings[segment.draw(self._session.run.train.seed, step)]

    def _of(self, step: int) -> _Prepared:
        settings = self._settings(step)
        if id(settings) not in self._prepared:  # the segments keep the settings alive
            self._prepared[id(settings)] = self._prepare(settings)
        return self._prepared[id(settings)]

    def _prepare(self, settings: StepSettings) -> _Prepared:
        config, accelerator = self._session.run.train, self._session.accelerator
        # only the precision: `average` joins the processes, and a wrapper for each stage would join them again
        model: Any = accelerator.prepare_model(settings.stage.codec, evaluation_mode=True)
        if config.compile:
            mode = "reduce-overhead" if accelerator.device.type == "cuda" else "default"  # CUDA graphs
            model = torch.compile(model, mode=mode, dynamic=False)  # there are few crop sizes: compile each of them
        return _Prepared(settings, model, self._session.crops(settings), self._session.loss(settings))
