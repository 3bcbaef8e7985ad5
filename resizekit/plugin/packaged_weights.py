"""Find the weights in a folder of a plugin: NAME.safetensors, with NAME.json next to it for digest and metrics."""

import json
from collections.abc import Iterable
from importlib.resources.abc import Traversable

from resizekit.plugin.records import Weights

__all__ = ["weights_from_folder"]

_KINDS = {"RGB": "rgb", "Y": "y"}


def weights_from_folder(folder: Traversable, names: Iterable[str]) -> dict[str, Weights]:
    """Return the weights in a folder, in the order of `names`. A name without both of its files is skipped.

    NAME.json has the keys `digest` and `summary`, and optionally `sets` and `training`. `sets` maps the name of each
    image set to its metrics, such as `high_rgb` and `low_y` in dB. `training` is any JSON object and is stored as is.

    Args:
        folder: The folder, usually `importlib.resources.files("my_package") / "weights"`.
        names: Names of the weights. The first that fits an image is the default of the task.

    Returns:
        The weights by name, for `Task.weights`.

    Raises:
        KeyError: A JSON file lacks `digest` or `summary`.
        ValueError: A file is not valid JSON, or a metric is not a number.

    Examples:
        >>> from pathlib import Path
        >>> folder = Path("weights")
        >>> folder.mkdir()
        >>> _ = (folder / "mine.json").write_text('{"digest": "%s", "summary": "my first weights"}' % ("0" * 64))
        >>> (folder / "mine.safetensors").touch()
        >>> list(weights_from_folder(folder, ("mine", "not-there")))
        ['mine']
    """
    suffixes = "safetensors", "json"
    return {name: _read(folder, name) for name in names if all((folder / f"{name}.{s}").is_file() for s in suffixes)}


def _read(folder: Traversable, name: str) -> Weights:
    record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8-sig"))
    metrics = {
        f"{image_set} {side} {kind}": round(float(values[f"{side}_{key}"]), 2)
        for image_set, values in record.get("sets", {}).items()
        for side in ("high", "low")
        for kind, key in _KINDS.items()
        if f"{side}_{key}" in values
    }
    return Weights(
        file=folder / f"{name}.safetensors",
        digest=record["digest"],
        summary=record["summary"],
        metrics=metrics,
        training=record.get("training", {}),
    )
