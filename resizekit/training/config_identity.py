"""Decide whether a training run has the same config as a saved one, so that it can resume it."""

from typing import Any

from pydantic import ValidationError

from resizekit.recipes.config import RunConfig

__all__ = ["adjusted_keys", "config_identity", "first_difference", "without_adjustable"]

_IGNORED = {"train": {"data", "validation", "log", "checkpoint_minutes", "store"}}
"""Keys that may differ between a training and its resumption: they do not change what a step computes."""
_ADJUSTABLE = "lr", "muon_lr", "clip"
"""Keys of `[train]` that an unfinished training may change: no stored value depends on them, and a training that
diverged needs smaller ones."""


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


def without_adjustable(identity: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return an identity without the keys that an unfinished training may change."""
    if identity is None:
        return None
    return identity | {"train": {key: value for key, value in identity["train"].items() if key not in _ADJUSTABLE}}


def adjusted_keys(stored: dict[str, Any], current: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the adjustable keys of `[train]` that differ, each with its stored and its current value."""
    pairs = {key: (stored["train"][key], current["train"][key]) for key in _ADJUSTABLE}
    return {key: (old, new) for key, (old, new) in pairs.items() if old != new}


def first_difference(stored: dict[str, Any] | None, current: dict[str, Any] | None) -> str:
    """Describe the first difference of two different identities for an error message, such as " (train.lr was ...)"."""
    path: list[str] = []
    while isinstance(stored, dict) and isinstance(current, dict):
        key = next(key for key in (current | stored) if stored.get(key) != current.get(key))
        path.append(key)
        stored, current = stored.get(key), current.get(key)
    return f" ({'.'.join(path)} was {stored!s:.60}, is {current!s:.60})" if path else ""
