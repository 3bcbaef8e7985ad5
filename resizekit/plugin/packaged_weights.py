"""The weights of a folder beside a plugin: NAME.safetensors, and beside it NAME.json, what it is and reaches."""

import json
from collections.abc import Iterable
from importlib.resources.abc import Traversable

from resizekit.plugin.records import Weights

__all__ = ["weights_from_folder"]

_KINDS = {"RGB": "rgb", "Y": "y"}


def weights_from_folder(folder: Traversable, names: Iterable[str]) -> dict[str, Weights]:
    """Give the weights that a folder holds, in the order of `names`; a name without both of its files is left out.

    A NAME.json says `digest`, `summary` and, by set of pictures, figures such as `high_rgb` and `low_y`; what it says
    of its `training` is kept as it is.  Raises `KeyError` or `ValueError` for one that does not, as a mistake of the
    plugin's author.
    """
    kinds = "safetensors", "json"
    return {name: _read(folder, name) for name in names if all((folder / f"{name}.{k}").is_file() for k in kinds)}


def _read(folder: Traversable, name: str) -> Weights:
    told = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    metrics = {
        f"{which} {side} {kind}": round(float(figures[f"{side}_{key}"]), 2)
        for which, figures in told.get("sets", {}).items()
        for side in ("high", "low")
        for kind, key in _KINDS.items()
        if f"{side}_{key}" in figures
    }
    file = folder / f"{name}.safetensors"
    told_of = {"digest": told["digest"], "summary": told["summary"], "training": told.get("training", {})}
    return Weights(file=file, metrics=metrics, **told_of)
