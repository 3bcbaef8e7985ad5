"""Measure how long a column takes to restore one picture."""

import time
from statistics import median

import torch

from resizekit.codec import Codec, Recipe
from resizekit.codec.calibration import set_precision
from resizekit.plugin.suite import SuiteColumn
from resizekit.recipes.assemble import assemble
from resizekit.spec import HW
from resizekit.suites.picture_metrics import ColumnRecipe, load_codec
from resizekit.suites.results import TimingResult
from resizekit.system.device import machine, pick_device, pick_precision

__all__ = ["time_column"]

_ENOUGH_SECONDS = 5.0
"""No further run after this total time."""


def time_column(
    column: SuiteColumn,
    recipe: ColumnRecipe | None,
    size: HW,
    *,
    published: float | None = None,
    device: str = "auto",
    precision: str = "float32",
) -> TimingResult | None:
    """Measure the time to restore a picture, from uint8 in memory to uint8 in memory.

    The result is the median of three runs, or a single run if it takes long. Without trained weights, the untrained
    networks of `column.recipe` are measured, which take the same time.

    Args:
        column: The column of the suite.
        recipe: The trained weights of the column; None: it has none.
        size: Size of the restored picture, cropped to a multiple of the factor.
        published: Published seconds, for the result.
        device: Where untrained networks run.
        precision: Precision of untrained networks.

    Returns:
        The time, or None if there are neither weights nor a recipe.
    """
    trained = recipe is not None and recipe.weights is not None
    if not trained and not column.recipe:
        return None
    codec = load_codec(recipe) if recipe is not None and trained else _untrained(column, device, precision)
    h, w = (side // column.factor for side in size)
    low = torch.randint(
        256, (1, codec.low_channels, h, w), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).to(codec.device)
    with torch.inference_mode():
        _run(codec, low[..., :32, :32])  # warm up: the first call also initializes the device
        times = [_run(codec, low)]
        while len(times) < 3 and sum(times) < _ENOUGH_SECONDS:
            times.append(_run(codec, low))
    parameters = f"{sum(parameter.numel() for parameter in codec.decoder.parameters()):,}".replace(",", " ")
    note = f"{codec.info.network}{' with self-ensemble' * column.self_ensemble}, {parameters} parameters"
    note += "" if trained else ", not trained"
    return TimingResult(
        column=column.key,
        height=h * column.factor,
        width=w * column.factor,
        seconds=round(median(times), 4),
        note=f"{note}; {codec.precision} on {machine(codec.device)}",
        published=published,
    )


def _untrained(column: SuiteColumn, device: str, precision: str) -> Codec:
    place = pick_device(device)
    codec = assemble(Recipe.model_validate(dict(column.recipe))).eval()
    codec.to(device=place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    set_precision(codec, pick_precision(precision, place))
    return codec.replace(self_ensemble=True) if column.self_ensemble else codec


def _run(codec: Codec, low: torch.Tensor) -> float:
    start = time.perf_counter()
    codec.up_codes(low)
    if low.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
