"""The weights of a suite's columns: the user's own by the column's name, or installed ones, and what they cost."""

from pathlib import Path
from typing import Any

from resizekit.errors import CheckpointError, UsageError
from resizekit.plugin.registry import installed
from resizekit.plugin.suite import SuiteColumn
from resizekit.recipes.checkpoint import Header, header_of, outline
from resizekit.spec import ResizeSpec
from resizekit.suites.results import ColumnResult, TrainingInfo

__all__ = ["check_runs", "describe_column", "find_column_weights"]


def check_runs(runs: Path | None) -> None:
    """Refuse a folder of runs that is none, with a `UsageError`."""
    if runs is not None and not runs.is_dir():
        raise UsageError(f"no folder {runs}: name the one that runs of your own lie in, as NAME/weights.safetensors")


def find_column_weights(column: SuiteColumn, runs: Path | None) -> str | Path | None:
    """Find a column's weights: in the folder `runs`, then among the installed ones; None if nowhere, or without any.

    Raises `CheckpointError` for a file that is broken or goes by other factors or channels than the column.
    """
    if column.weights is None:
        return None
    own = (
        () if runs is None else (runs / column.weights / "weights.safetensors", runs / f"{column.weights}.safetensors")
    )
    source: str | Path | None = next((path for path in own if path.is_file()), None)
    if source is None and column.weights in installed().weights:
        source = column.weights
    if source is None:
        return None
    codec = outline(source)
    spec = ResizeSpec(s=column.factor, r=column.factor)
    if codec.spec != spec or codec.channels != column.channels:
        raise CheckpointError(
            f"{source} goes by {codec.spec} with {codec.channels} channel(s), but column {column.key} by {spec} with "
            f"{column.channels}: give its weights, or take the file away"
        )
    return source


def describe_column(column: SuiteColumn, source: str | Path | None) -> ColumnResult:
    """Say of a column what its weights are and what they cost to train."""
    header = None if source is None else header_of(source)
    return ColumnResult(
        key=column.key,
        label=column.label,
        group=column.group,
        factor=column.factor,
        channels=column.channels,
        weights=None if header is None else column.weights,
        digest=header and header.digest,
        self_ensemble=column.self_ensemble,
        beside=column.beside,
        trained=header and _training(header, source),
        status="measured" if header or column.weights is None else "not trained",
    )


def _training(header: Header, source: str | Path | None) -> TrainingInfo:
    told: dict[str, Any] = dict(header.training)
    if isinstance(source, str):
        told |= dict(installed().weight(source)[1].training)
    known = {key: told[key] for key in ("steps", "seconds", "steps_before", "seconds_before") if told.get(key)}
    data = [f"{told['pictures']} pictures"] if "pictures" in told else []
    data += [f"{told['batch']} crops of {told['patch']}x{told['patch']} a step"] if "patch" in header.training else []
    try:
        return TrainingInfo(data=", ".join(data) or None, hardware=told.get("hardware"), **known)
    except ValueError:  # a file says of itself what it likes
        return TrainingInfo()
