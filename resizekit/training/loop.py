"""Train a codec: the phases of a training, in order.

set up ─► lock the folder ─► resume or plan ─► steps, with validation, log and state file ─► weights
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from resizekit.errors import UsageError
from resizekit.recipes.checkpoint import Header
from resizekit.recipes.config import RunConfig
from resizekit.system.temporary import remove_abandoned
from resizekit.training.divergence import LossMonitor
from resizekit.training.folder_lock import folder_lock
from resizekit.training.interrupt import Interrupt
from resizekit.training.log import open_log
from resizekit.training.processes import LostProcessError
from resizekit.training.resume import resume
from resizekit.training.session import Session
from resizekit.training.setup import set_up
from resizekit.training.state_file import STATE_FILE, stored_step
from resizekit.training.steps import Steps
from resizekit.training.time_budget import plan_steps

__all__ = ["Progress", "Result", "train"]

Progress = Callable[[int, Mapping[str, float]], None]
"""Receives the number of completed steps and the newest metrics; "steps" is the number of steps in total."""

_LOSS_INTERVAL = 50
"""Steps between two readings of the loss; reading it waits for the GPU."""


@dataclass(frozen=True)
class Result:
    """Outcome of a training."""

    weights: Path | None
    """The averaged weights; None if the training was interrupted, and in all processes except the main one."""
    steps: int
    """Number of completed steps."""
    planned: int
    """Number of steps of the entire training."""
    header: Header | None
    """Header of the weights; None if `weights` is None."""
    skipped: list[str]
    """Pictures that could not be used, each with the reason."""


def train(
    run: RunConfig,
    out: Path,
    *,
    device: str = "auto",
    finish: bool = False,
    progress: Progress = lambda step, metrics: None,
) -> Result:
    """Train the codec of a config.

    While the training runs, it writes its state to `state.safetensors` in the folder `out`. At the end it writes the
    averaged weights to `weights.safetensors`. If the folder contains a state of the same config, the training resumes
    from it and computes the same numbers as an uninterrupted one. A `ResumeWarning` names a changed learning rate and
    changed pictures. Ctrl-C writes the state and returns. A state that is not finite never replaces a finite one.

    Args:
        run: Config of the training, see `resizekit.recipes.config.read_toml`.
        out: Folder of the training.
        device: "auto", "cpu" or "cuda".
        finish: Do not train: write the weights of an interrupted training. Its state stays, so it can still be resumed.
        progress: Called after each step, of several processes only in the main one.

    Returns:
        The weights with their header, and the number of steps.

    Raises:
        ConfigError: If config and pictures do not match, or the loss becomes infinite or NaN.
        CheckpointError: If the state cannot be read or written, or is not finite.
        LostProcessError: If one of several processes has ended. The main process writes its state first.
        UsageError: If another training runs in the folder, or there is nothing to finish.
        MissingExtraError: If accelerate is not installed.
    """
    session = set_up(run, out, device)
    with ExitStack() as stack:
        if session.is_main:
            stack.enter_context(folder_lock(out))
            remove_abandoned(out)
        resumed = resume(session, finish=finish)
        if finish:
            if not resumed:
                raise UsageError(f"{out} contains no training state; run the same command without --finish first")
            return _result(session, planned=session.state.step)
        if not resumed and run.train.budget is not None:
            session.steps = plan_steps(session, run.train.budget.total_seconds())

        interrupt = stack.enter_context(Interrupt())
        log = stack.enter_context(open_log(session.log_kind, out, resumed_at=session.state.step))
        losses = LossMonitor(session)
        last_write = time.monotonic()
        steps = Steps(session)
        with _write_state_if_a_process_ends(session, losses):
            for loss in _run(session, steps, interrupt):
                step = session.state.step
                losses.add(loss)
                _record_loss(session, steps, losses)
                if step % run.train.validate_every == 0 or step == session.steps:
                    session.validate()
                    log(step, session.metrics)
                if session.is_main:
                    progress(step, session.metrics)
                if time.monotonic() - last_write > 60 * run.train.checkpoint_minutes:
                    losses.write_state()
                    last_write = time.monotonic()
        losses.write_state()
    return _result(session, planned=session.steps)


@contextmanager
def _write_state_if_a_process_ends(session: Session, losses: LossMonitor) -> Iterator[None]:
    """Write the state if another process ends: the completed steps of this process are valid."""
    try:
        yield
    except LostProcessError as error:
        losses.write_state()
        path = session.out / STATE_FILE
        held = f"{path} holds the state of step {stored_step(path)}" if path.exists() else "no state was written"
        raise LostProcessError(f"{error}: {held}; run the same command again to resume") from None


def _run(session: Session, steps: Steps, interrupt: Interrupt) -> Iterator[torch.Tensor]:
    """Perform the remaining steps until the end or an interruption; yield the loss of each step."""
    while steps.step < steps.total and not session.should_stop(interrupt.requested):
        yield steps.advance()


def _record_loss(session: Session, steps: Steps, losses: LossMonitor) -> None:
    """Read the loss from time to time, and stop if it is infinite or NaN."""
    config, state = session.run.train, session.state
    session.metrics["steps"] = session.steps
    if state.step % _LOSS_INTERVAL and state.step % config.validate_every and state.step != session.steps:
        return
    value = losses.read()
    session.metrics |= {"loss": value, "lr": steps.learning_rate(state.step - 1), "seconds": session.elapsed()}
    for controller in state.controllers.values():
        session.metrics[controller.name] = controller.log_weight.exp().item()


def _result(session: Session, *, planned: int) -> Result:
    """Write the weights if all planned steps are completed; only the main process does."""
    step = session.state.step
    complete = step == planned and session.is_main
    weights, header = session.write_weights() if complete else (None, None)
    return Result(weights, step, planned, header, session.skipped)
