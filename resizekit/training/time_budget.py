"""Convert a time budget into a number of steps by measuring the speed at the start of a training.

The learning rate depends on the total number of steps. The number is therefore planned once, stored in the state file,
and reused when the training is resumed.
"""

import time
from collections.abc import Iterator

from resizekit.training.processes import from_main
from resizekit.training.schedule import Segment
from resizekit.training.session import Session
from resizekit.training.steps import Steps

__all__ = ["plan_steps"]

_MAX_SHARE, _MAX_SECONDS = 0.02, 10.0
"""Limits of the time for all measurements together: a share of the budget, and seconds."""
_MIN_STEPS = 3
"""Minimum number of measured steps for each settings, after a first step that is not measured."""
_RESOLUTION = 1_000_000
"""Number of steps that is divided to compute the shares; large, so that rounding does not matter."""


def plan_steps(session: Session, budget: float) -> int:
    """Measure the duration of steps and validation, then undo the steps.

    Args:
        session: A training at step 0. Its state is reset after the measurement.
        budget: Seconds for the entire training, including the measurement.

    Returns:
        The number of steps that fit into the remaining time, at least 1.
    """
    initial = session.state.copy_weights()
    shares = [part for segment in session.segments(_RESOLUTION) for part in _split(segment)]
    allowed = min(_MAX_SHARE * budget, _MAX_SECONDS) / len(shares)
    mean = sum(share * _seconds_per_step(session, Steps(session, [segment]), allowed) for segment, share in shares)
    began = time.monotonic()
    session.validate()
    validation = time.monotonic() - began
    session.state.reset(initial)
    session.metrics.clear()
    remaining = budget - session.elapsed() - validation
    steps = max(1, int(remaining / (mean + validation / session.run.train.validate_every)))
    return from_main(session.accelerator, steps)


def _split(segment: Segment) -> Iterator[tuple[Segment, float]]:
    """Split a segment into one for each of its settings, with its share of all steps.

    They are measured separately, because the first step with some settings is slower than the others.
    """
    total = sum(settings.stage.share for settings in segment.settings)
    for settings in segment.settings:
        share = (segment.end - segment.first) / _RESOLUTION * settings.stage.share / total
        yield Segment((settings,), segment.first, segment.end), share


def _seconds_per_step(session: Session, steps: Steps, allowed: float) -> float:
    steps.advance().item()  # the first step creates the optimizer's moments and compiles the model
    began, done = time.monotonic(), 0
    # all processes measure the same number of steps, because each step needs all of them
    while from_main(session.accelerator, done < _MIN_STEPS or time.monotonic() - began < allowed):
        steps.advance().item()  # reading the loss waits for the GPU
        done += 1
    return (time.monotonic() - began) / done
