"""The weights that come with `sr`: NAME.safetensors in weights/, and beside it NAME.json, what it is and reaches."""

import json
from importlib.resources import files
from importlib.resources.abc import Traversable

from resizekit import Weights

__all__ = ["ORDER", "SHIPPED"]

ORDER = (
    "sr-x2", "sr-x2-y", "sr-x2-fast", "sr-x2-best", "sr-x4", "sr-x4-fast", "sr-x4-y", "tad-x2", "tad-x2-y", "tad-x4",
    "sr-x2-jpeg75",
)  # fmt: skip
"""All names there may be; the first that fits a picture is the default, and one without files is left out."""

_HERE = files("resizekit_sr") / "weights"
_KINDS = {"RGB": "rgb", "Y": "y"}


def read(folder: Traversable, name: str) -> Weights:
    """Read what stands beside a file of weights."""
    told = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    metrics = {
        f"{which} {side} {kind}": round(float(figures[f"{side}_{key}"]), 2)
        for which, figures in told["sets"].items()
        for side in ("high", "low")
        for kind, key in _KINDS.items()
        if f"{side}_{key}" in figures
    }
    file = folder / f"{name}.safetensors"
    return Weights(file=file, digest=told["digest"], summary=told["summary"], metrics=metrics)


def there(folder: Traversable) -> dict[str, Weights]:
    """Give all weights of a folder, in `ORDER`."""
    kinds = "safetensors", "json"
    return {name: read(folder, name) for name in ORDER if all((folder / f"{name}.{k}").is_file() for k in kinds)}


SHIPPED = there(_HERE)
