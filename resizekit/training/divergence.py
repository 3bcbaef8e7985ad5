"""Stop a training that diverges, before its state replaces a finite one.

Losses are collected on the device and read rarely, because a reading waits for the GPU. All of them are read before a
state is written, so a written state follows finite losses only.
"""

import math
from pathlib import Path

import torch

from resizekit.errors import ConfigError
from resizekit.training.session import Session
from resizekit.training.state_file import STATE_FILE, NotFiniteError, find_state, previous_state, stored_step

__all__ = ["LossMonitor"]


class LossMonitor:
    """The losses of a training since the last reading.

    Args:
        session: Training whose losses are added.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unread: list[torch.Tensor] = []
        self._newest = math.nan

    def add(self, loss: torch.Tensor) -> None:
        """Add the loss of the step that was just completed, `()`, without reading it."""
        self._unread.append(loss.reshape(()).float())

    def read(self) -> float:
        """Return the newest loss.

        Raises:
            ConfigError: If one of the losses since the last reading is infinite or NaN.
        """
        if self._unread:
            losses = torch.stack(self._unread).tolist()
            first = self._session.state.step - len(losses) + 1
            self._unread.clear()
            self._newest = losses[-1]
            for step, loss in enumerate(losses, first):
                if not math.isfinite(loss):
                    raise self._diverged(step, f"the loss is {loss} at step {step}", roll_back=True)
        return self._newest

    def write_state(self) -> None:
        """Write the state of the training if it is finite.

        Raises:
            ConfigError: If a loss or a tensor of the state is infinite or NaN; the state on disk is then kept.
            CheckpointError: If the file cannot be written.
        """
        loss, step = self.read(), self._session.state.step
        try:
            self._session.write_state()
        except NotFiniteError as error:
            problem = f"after step {step} (loss {loss:.6g}), tensor {error.tensor} is not finite"
            raise self._diverged(step, problem, roll_back=False) from None

    def _diverged(self, step: int, problem: str, *, roll_back: bool) -> ConfigError:
        """Describe the failure of a step, and what to do.

        Args:
            step: The first step that is not finite.
            problem: The value and where it occurred.
            roll_back: Whether the weights before this step are faulty, so a state that holds them is useless.
        """
        path = find_state(self._session.out) or self._session.out / STATE_FILE
        stored = stored_step(path)
        if roll_back and stored == step - 1:
            stored = self._restore_previous(path, stored)
        config = self._session.run.train
        keys = "train.lr and train.muon_lr" if config.optimizer == "muon" else "train.lr"
        fix = f"set a smaller {keys} and run the command again"
        if stored is None:
            fix = f"no state was written; {fix}"
        elif roll_back and stored == step - 1:
            fix = f"the state of this step in {path} is faulty: delete it, {fix}"
        else:
            fix = f"{path} holds the state of step {stored}; {fix} to resume from it"
        return ConfigError(f"the training diverged: {problem}, and the last finite step is {step - 1}; {fix}")

    def _restore_previous(self, path: Path, faulty: int) -> int:
        """Replace the faulty state by the previous one if it exists; return the step of the state file."""
        previous = previous_state(path)
        stored = stored_step(previous)
        if stored is None:
            return faulty
        if self._session.is_main:
            previous.replace(path)
        return stored
