"""How many steps a time pays for: measured at the start of a training, which then begins anew.

The learning rate falls over all steps, so their number is planned once, stored with the state, and kept on resuming.
"""

import time
from collections.abc import Callable, Iterator

from torch import Tensor

from resizekit.training.schedule import Segment
from resizekit.training.session import Session

__all__ = ["plan_steps"]

_SHARE, _LONGEST, _FEWEST = 0.02, 10.0, 3
"""All probes together take a fiftieth of the budget and ten seconds at most, but each some steps after its first."""

_MANY = 1_000_000
"""Steps to divide, so many that shares come out exactly."""

Stepper = Callable[[Session, Segment], Callable[[], Tensor]]
"""Makes ready for a leg: gives what does one step of it."""


def plan_steps(session: Session, budget: float, stepper: Stepper) -> int:
    """Measure each part and a validation, undo it all, and give the steps that fit into the seconds still left."""
    start = session.learner.keep()
    shares = [(only, share) for leg in session.segments(_MANY) for only, share in _parts(leg)]
    allowed = min(_SHARE * budget, _LONGEST) / len(shares)
    mean = sum(share * _seconds_a_step(stepper(session, only), allowed) for only, share in shares)
    began = time.monotonic()
    session.validate()
    validation = time.monotonic() - began
    session.learner.begin_anew(start)
    session.figures.clear()
    left = budget - session.elapsed() - validation
    return max(1, int(left / (mean + validation / session.run.train.validate_every)))


def _parts(leg: Segment) -> Iterator[tuple[Segment, float]]:
    """Give each part of a leg as a leg alone, with its share of all steps: what a first step makes is made by each."""
    total = sum(part.stage.share for part in leg.parts)
    for part in leg.parts:
        yield Segment((part,), leg.first, leg.end), (leg.end - leg.first) / _MANY * part.stage.share / total


def _seconds_a_step(step: Callable[[], Tensor], allowed: float) -> float:
    step().item()  # the first one makes the moments, and compiles what is compiled
    began, done = time.monotonic(), 0
    while done < _FEWEST or time.monotonic() - began < allowed:
        step().item()  # reading the loss waits for a GPU
        done += 1
    return (time.monotonic() - began) / done
