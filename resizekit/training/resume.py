"""Resume a training from the state in its folder, and name what has changed since the state was written."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from resizekit.errors import ConfigError, UsageError
from resizekit.training.config_identity import adjusted_keys, config_identity, first_difference, without_adjustable
from resizekit.training.processes import from_main
from resizekit.training.session import Session
from resizekit.training.state_file import find_state

__all__ = ["ResumeWarning", "resume"]


class ResumeWarning(UserWarning):
    """A resumed training continues with a different learning rate, gradient limit, or set of pictures."""


def resume(session: Session, *, finish: bool = False) -> bool:
    """Load the newest state of the folder, if it has one.

    An unfinished training continues with a changed `lr`, `muon_lr` or `clip`, and with changed pictures. A
    `ResumeWarning` names each change.

    Args:
        session: A training at step 0.
        finish: Whether the weights are written as they are. The settings of the state then apply.

    Returns:
        Whether a state was loaded.

    Raises:
        ConfigError: If the state belongs to a different config.
        CheckpointError: If the file is not a training state, or is not finite.
        UsageError: If several processes have different states or pictures.
    """
    path = find_state(session.out)
    if path is not None:
        _load(session, path, finish=finish)
    _check_processes(session)
    return path is not None


def _check_processes(session: Session) -> None:
    """Check that all processes have the same state and pictures; otherwise they would train different networks."""
    if (step := from_main(session.accelerator, session.state.step)) != session.state.step:
        raise UsageError(
            f"this process would resume from step {session.state.step} and the main process from step {step}: "
            f"put {session.out} on a file system that all processes share"
        )
    pictures = int(str(session.fingerprint["sha256"])[:12], 16)  # fits into an integer of a tensor
    if from_main(session.accelerator, pictures) != pictures:
        raise UsageError("this process has other training pictures than the main process: share the same files")


def _load(session: Session, path: Path, *, finish: bool) -> None:
    """Load a state file and compare its config and pictures with those of the session."""
    counters = session.state.load(path)
    session.steps, session.earlier_seconds = int(str(counters["steps"])), float(str(counters["seconds"]))
    stored, current = config_identity(counters.get("config")), config_identity(session.run)
    complete = session.state.step == session.steps
    compared = (stored, current) if complete else (without_adjustable(stored), without_adjustable(current))
    if stored is None or current is None or compared[0] != compared[1]:
        raise ConfigError(
            f"{path} belongs to a different config{first_difference(*compared)}; pass a different --out folder (to "
            "continue from these weights, set them as train.start there), or delete the file"
        )
    if isinstance(origin := counters.get("origin"), dict):  # the name can mean different weights by now
        session.origin = origin
    if isinstance(changes := counters.get("changes"), list):
        session.changes = [str(change) for change in changes]
    session.earlier_machine = {name: str(counters[name]) for name in session.machine if name in counters}
    adjusted = adjusted_keys(stored, current)
    if finish:
        train = session.run.train.model_copy(update={key: old for key, (old, _) in adjusted.items()})
        session.run = session.run.model_copy(update={"train": train})
    elif not complete:
        _continue_with(session, adjusted, counters.get("pictures"))


def _continue_with(session: Session, adjusted: Mapping[str, tuple[float, float]], pictures: object) -> None:
    """Record and report the changed settings and pictures of a training that continues."""
    step = session.state.step
    if not session.is_main:  # it does not write files, and each warning appears once
        return
    for key, (old, new) in adjusted.items():
        session.changes.append(f"step {step}: train.{key} {old:g} -> {new:g}")
        warnings.warn(f"resuming from step {step} with train.{key} = {new:g} (was {old:g})", ResumeWarning, 3)
    if isinstance(pictures, dict) and any(pictures.get(key, now) != now for key, now in session.fingerprint.items()):
        counts = f"{pictures.get('count')} pictures then, {session.fingerprint['count']} now"
        warnings.warn(
            f"the training pictures or their order have changed since step {step} ({counts}); the training continues "
            "with the current pictures",
            ResumeWarning,
            3,
        )
