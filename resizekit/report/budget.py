"""Format the training budget of a column in one line."""

from resizekit.suites.results import ColumnResult

__all__ = ["training_budget"]


def training_budget(column: ColumnResult) -> str:
    """Format steps, time, data and hardware of a training; empty if nothing is known."""
    info = column.training
    if column.status == "not trained" or info is None:
        return ""
    parts = [_format_budget(info.steps, info.seconds), info.data, info.hardware]
    if info.steps_before:
        parts.insert(1, f"after {_format_budget(info.steps_before, info.seconds_before or None)}")
    return " · ".join(part for part in parts if part)


def _format_budget(steps: int | None, seconds: float | None) -> str:
    count = None if steps is None else f"{steps:,} steps".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return ", ".join(part for part in (count, _format_time(seconds)) if part)


def _format_time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
