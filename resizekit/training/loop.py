"""The loop: crops in, weights out, interruptible at any step.

crops(seed, step) ─► codec ─► loss ─► optimiser ─► averaged weights ─► state every few minutes ─► weights at the end
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from resizekit.errors import ConfigError, UsageError
from resizekit.nn import to_float
from resizekit.recipes.checkpoint import Header
from resizekit.recipes.config import RunConfig
from resizekit.training.folder_lock import folder_lock
from resizekit.training.interrupt import Interrupt
from resizekit.training.log import open_log
from resizekit.training.schedule import Segment, StepSettings, rate
from resizekit.training.session import Session
from resizekit.training.time_budget import plan_steps

__all__ = ["Progress", "Result", "stepper", "train"]

Progress = Callable[[int, Mapping[str, float]], None]
"""Called after each step with the number of steps done and the newest figures; "steps" is how many there will be."""

_LOOK = 50
"""Steps between two looks at the loss: on a GPU each look waits for it."""


@dataclass(frozen=True)
class Result:
    """What a training left behind."""

    weights: Path | None
    """The averaged weights; None if the run was interrupted, and in all but the main process."""
    steps: int
    """Steps done."""
    planned: int
    """Steps that the whole training has."""
    header: Header | None
    skipped: list[str]
    """Pictures that could not be used, with the reasons."""


def train(
    run: RunConfig,
    out: Path,
    *,
    device: str = "auto",
    finish: bool = False,
    progress: Progress = lambda step, figures: None,
) -> Result:
    """Train the codec of a config into the folder `out`: `state.safetensors` while it runs, `weights.safetensors` last.

    A folder that holds a state of the same config is resumed exactly, with the steps that a `budget` once planned.
    Ctrl-C writes the state and returns.  With `finish` nothing more is learned: the weights are written as an
    interrupted run has left them, and its state stays for it to go on.  Raises `ConfigError` for a config or data that
    do not fit or a loss that is no longer finite, `CheckpointError` for a state that cannot be read or written,
    `UsageError` while another process trains into the folder or if there is nothing to finish, and `MissingExtraError`
    without `accelerate`.
    """
    session = Session.start(run, out, device)
    learner = session.learner
    with ExitStack() as stack:
        if session.accelerator.is_main_process:
            stack.enter_context(folder_lock(out))
        restored = session.restore()
        if finish:
            if not restored:
                raise UsageError(
                    f"{out} holds no state of a training, not one step of it; run the same command without --finish"
                )
            return _ended(session, learner.step)
        if not restored and run.train.budget is not None:
            session.steps = plan_steps(session, run.train.budget.total_seconds(), stepper)
        interrupt = stack.enter_context(Interrupt())
        log = stack.enter_context(open_log(session.log_kind, out, resumed_at=learner.step))
        written = time.monotonic()
        for leg in session.segments(session.steps):
            if learner.step >= leg.end:
                continue
            step = stepper(session, leg)
            while learner.step < leg.end and not session.stops(interrupt.asked):
                _look(session, leg, step())
                if learner.step % run.train.validate_every == 0 or learner.step == session.steps:
                    session.validate()
                    log(learner.step, session.figures)
                progress(learner.step, session.figures)
                if time.monotonic() - written > 60 * run.train.checkpoint_minutes:
                    session.write_state()
                    written = time.monotonic()
        session.write_state()
    return _ended(session, session.steps)


def _ended(session: Session, planned: int) -> Result:
    """Write the weights if all planned steps are done; of several processes, one does."""
    step = session.learner.step
    written = step == planned and session.accelerator.is_main_process
    weights, header = session.write_weights() if written else (None, None)
    return Result(weights, step, planned, header, session.skipped)


def stepper(session: Session, leg: Segment) -> Callable[[], torch.Tensor]:
    """Make ready for a leg: gives what does one step of the optimiser and returns its loss, still on its device."""
    steps, learner, seed = [_stepper(session, part) for part in leg.parts], session.learner, session.run.train.seed
    return lambda: steps[leg.drawn(seed, learner.step)]()


def _stepper(session: Session, part: StepSettings) -> Callable[[], torch.Tensor]:
    config = session.run.train
    model = session.accelerator.prepare_model(part.stage.codec)
    if config.compile:
        graphs = session.accelerator.device.type == "cuda"
        mode = "reduce-overhead" if graphs else "default"
        model = torch.compile(model, mode=mode, dynamic=False)  # few sizes, each worth a graph of its own
    learner, balance = session.learner, session.learner.balance
    crops, criterion = session.crops(part), session.loss(part)
    share = session.accelerator.process_index, session.accelerator.num_processes

    def step() -> torch.Tensor:
        learner.optimizer.set_rate(rate(learner.step, config, part, session.steps))
        stored = crops.batch(learner.step, part.batch, part=share)
        out = model(stored)
        loss: torch.Tensor = (balance.weigh(criterion) if balance else criterion)(out, to_float(stored))
        learner.optimizer.zero_grad()
        session.accelerator.backward(loss)
        if config.clip:
            session.accelerator.clip_grad_norm_(learner.codec.parameters(), config.clip)
        learner.update()
        if balance:  # all processes move their weight alike
            balance.update(session.accelerator.reduce(balance.measure(out), "mean"))
        return loss.detach()

    return step


def _look(session: Session, leg: Segment, loss: torch.Tensor) -> None:
    """Note loss and rate now and then; a loss that is not finite ends the run before its state is written."""
    config, learner = session.run.train, session.learner
    session.figures["steps"] = session.steps
    if learner.step % _LOOK and learner.step % config.validate_every and learner.step != session.steps:
        return
    value = loss.item()
    if not math.isfinite(value):
        raise ConfigError(f"the loss is {value} at step {learner.step}; use a smaller train.lr or train.clip")
    session.figures |= {
        "loss": value,
        "lr": rate(learner.step - 1, config, leg.parts[leg.drawn(config.seed, learner.step - 1)], session.steps),
        "seconds": session.elapsed(),
    }
    if learner.balance:
        session.figures["guide_weight"] = learner.balance.log_weight.exp().item()
