"""Decide whether a training run has the same config as a saved one, so that it can resume it."""

from typing import Any

from pydantic import ValidationError

from resizekit.recipes.config import RunConfig

__all__ = ["config_identity", "first_difference"]

_IGNORED = {"train": {"data", "validation", "log", "checkpoint_minutes", "store"}}
"""Keys that may differ between a training and its resumption."""


def config_identity(run: object) -> dict[str, Any] | None:
    """Return the part of a config that must not change when a training is resumed.

    Args:
        run: A `RunConfig`, or its JSON form from a state file. Keys that did not exist when the file was written take
            their default values.

    Returns:
        JSON-compatible values, or None if `run` is not a valid config.
    """
    try:
        return RunConfig.model_validate(run).model_dump(mode="json", exclude=_IGNORED)
    except ValidationError:
        return None


def first_difference(stored: dict[str, Any] | None, current: dict[str, Any] | None) -> str:
    """Describe the first difference of two different identities for an error message, such as " (train.lr was ...)"."""
    path: list[str] = []
    while isinstance(stored, dict) and isinstance(current, dict):
        key = next(key for key in (current | stored) if stored.get(key) != current.get(key))
        path.append(key)
        stored, current = stored.get(key), current.get(key)
    return f" ({'.'.join(path)} was {stored!s:.60}, is {current!s:.60})" if path else ""
