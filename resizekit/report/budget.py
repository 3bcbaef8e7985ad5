"""What a column's training was given, in a line: figures of a short one beside those of a long one say little alone."""

from resizekit.suites.results import ColumnResult

__all__ = ["training"]


def training(column: ColumnResult) -> str:
    """Tell a training's budget in a line; empty where nothing is known of one."""
    told = column.trained
    if column.status == "not trained" or told is None:
        return ""
    parts = [_spent(told.steps, told.seconds), told.data, told.hardware]
    if told.steps_before:
        parts.insert(1, f"after {_spent(told.steps_before, told.seconds_before or None)}")
    return " · ".join(part for part in parts if part)


def _spent(steps: int | None, seconds: float | None) -> str:
    counted = None if steps is None else f"{steps:,} steps".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return ", ".join(part for part in (counted, _time(seconds)) if part)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
