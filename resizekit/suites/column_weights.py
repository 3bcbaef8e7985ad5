"""Find the weights of a suite's columns, and describe how they were trained."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from resizekit.errors import CheckpointError, UsageError
from resizekit.plugin.registry import installed
from resizekit.plugin.suite import SuiteColumn
from resizekit.recipes.checkpoint import Header, header_of, outline
from resizekit.spec import ResizeSpec
from resizekit.suites.results import ColumnResult, TrainingInfo

__all__ = ["check_runs", "describe_column", "find_column_weights", "installable_weights"]


def check_runs(runs: Path | None) -> None:
    """Raise `UsageError` if the folder of the user's runs does not exist."""
    if runs is not None and not runs.is_dir():
        raise UsageError(f"no folder {runs}: give a folder with your runs, each as NAME/weights.safetensors")


def find_column_weights(column: SuiteColumn, runs: Path | None) -> str | Path | None:
    """Find the weights of a column: first in the folder of runs, then among the installed weights.

    Args:
        column: The column.
        runs: A folder with NAME/weights.safetensors or NAME.safetensors; None: only look for installed weights.

    Returns:
        A file, the name of installed weights, or None if the column has no weights or they are not found.

    Raises:
        CheckpointError: If the file is broken, or its factors or channels are not those of the column.
    """
    if column.weights is None:
        return None
    candidates = (
        () if runs is None else (runs / column.weights / "weights.safetensors", runs / f"{column.weights}.safetensors")
    )
    source: str | Path | None = next((path for path in candidates if path.is_file()), None)
    if source is None and column.weights in installed().weights:
        source = column.weights
    if source is None:
        return None
    codec = outline(source)
    spec = ResizeSpec(s=column.factor, r=column.factor)
    if codec.spec != spec or codec.channels != column.channels:
        raise CheckpointError(
            f"{source} has {codec.spec} and {codec.channels} channel(s), but column {column.key} needs {spec} and "
            f"{column.channels} channel(s): replace or remove the file"
        )
    return source


def installable_weights(names: Iterable[str]) -> list[str]:
    """Describe how to install missing weights that other distributions offer, in one line for each distribution.

    Args:
        names: Names of weights; those that are installed, or in no known distribution, are ignored.
    """
    by_fix: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        fix = installed().how_to_install(name)
        if fix is not None:
            by_fix.setdefault(fix, []).append(name)
    return [f"weights that are not installed: {', '.join(names)}; {fix}" for fix, names in by_fix.items()]


def describe_column(column: SuiteColumn, source: str | Path | None) -> ColumnResult:
    """Describe a column for the file of results.

    Args:
        column: The column of the suite.
        source: Its weights, as `find_column_weights` returns them.

    Returns:
        The column with the digest and the training of its weights.
    """
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
        effort=column.effort,
        compare_with=column.compare_with,
        featured=column.featured,
        training=header and _training(header, source),
        status="measured" if header or column.weights is None else "not trained",
    )


def _training(header: Header, source: str | Path | None) -> TrainingInfo:
    metadata: dict[str, Any] = dict(header.training)
    if isinstance(source, str):
        metadata |= dict(installed().weight(source)[1].training)
    budget = {key: metadata[key] for key in ("steps", "seconds", "steps_before", "seconds_before") if metadata.get(key)}
    data = [f"{metadata['pictures']} pictures"] if "pictures" in metadata else []
    if "patch" in header.training:
        data.append(f"{metadata['batch']} crops of {metadata['patch']}x{metadata['patch']} a step")
    try:
        return TrainingInfo(data=", ".join(data) or None, hardware=metadata.get("hardware"), **budget)
    except ValueError:  # the metadata of a file is not validated when it is loaded
        return TrainingInfo()
