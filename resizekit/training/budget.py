"""How many steps a time pays for: measured at the start of a training, which then begins anew.

The learning rate falls over all steps, so their number is planned once, stored with the state, and kept on resuming.
"""

import time
from collections.abc import Callable

from torch import Tensor

from resizekit.training.schedule import Leg
from resizekit.training.session import Session

__all__ = ["plan_steps"]

_SHARE, _LONGEST, _FEWEST = 0.02, 10.0, 3
"""All probes together take a fiftieth of the budget and ten seconds at most, but each some steps after its first."""

Stepper = Callable[[Session, Leg], Callable[[], Tensor]]
"""Makes ready for a leg: gives what does one step of it."""


def plan_steps(session: Session, budget: float, stepper: Stepper) -> int:
    """Measure each leg and a validation, undo it all, and give the steps that fit into the seconds still left."""
    start = session.learner.keep()
    legs = session.legs(1_000_000)
    allowed = min(_SHARE * budget, _LONGEST) / len(legs)
    mean = sum((leg.end - leg.first) / 1_000_000 * _seconds_a_step(stepper(session, leg), allowed) for leg in legs)
    began = time.monotonic()
    session.validate()
    validation = time.monotonic() - began
    session.learner.begin_anew(start)
    session.figures.clear()
    left = budget - session.elapsed() - validation
    return max(1, int(left / (mean + validation / session.run.train.validate_every)))


def _seconds_a_step(step: Callable[[], Tensor], allowed: float) -> float:
    step().item()  # the first one makes the moments, and compiles what is compiled
    began, done = time.monotonic(), 0
    while done < _FEWEST or time.monotonic() - began < allowed:
        step().item()  # reading the loss waits for a GPU
        done += 1
    return (time.monotonic() - began) / done
