"""How long the way up of a column takes for one picture."""

import time
from statistics import median

import torch

from resizekit.codec import Codec, Recipe
from resizekit.plugin.suite import SuiteColumn
from resizekit.recipes.assemble import assemble
from resizekit.suites.picture_metrics import ColumnRecipe, codec_of
from resizekit.suites.results import TimingResult
from resizekit.system.device import machine, pick_device, pick_precision

__all__ = ["time_column"]

_LONG = 5.0
"""Seconds after which a picture is not restored again."""


def time_column(
    column: SuiteColumn,
    way: ColumnRecipe | None,
    size: tuple[int, int],
    *,
    printed: float | None = None,
    device: str = "auto",
    precision: str = "float32",
) -> TimingResult | None:
    """Time the way up to a picture of (height, width), cropped to what the factor divides.

    `way` has the trained networks; without any those of `column.network` do, whose untrained values take as long.  None
    if there are neither.  From codes in memory to codes in memory; the median of three, or one run where it takes long.
    """
    trained = way is not None and way.weights is not None
    if not trained and not column.network:
        return None
    codec = codec_of(way) if way is not None and trained else _untrained(column, device, precision)
    height, width = (side // column.factor * column.factor for side in size)
    low = torch.randint(
        256, (1, codec.low_channels, height // column.factor, width // column.factor),
        dtype=torch.uint8, generator=torch.Generator().manual_seed(0),
    ).to(codec.device)  # fmt: skip
    with torch.inference_mode():
        _once(codec, low[..., :32, :32])  # what happens at a first call alone is no part of it
        times = [_once(codec, low)]
        while len(times) < 3 and sum(times) < _LONG:
            times.append(_once(codec, low))
    parameters = f"{sum(parameter.numel() for parameter in codec.decoder.parameters()):,}".replace(",", " ")
    note = f"{codec.info.network}{' eight ways' * column.self_ensemble}, {parameters} parameters"
    note += "" if trained else ", not trained, which takes as long"
    return TimingResult(
        column=column.key,
        height=height,
        width=width,
        seconds=round(median(times), 4),
        note=f"{note}; {codec.precision} on {machine(codec.device)}",
        printed=printed,
    )


def _untrained(column: SuiteColumn, device: str, precision: str) -> Codec:
    place = pick_device(device)
    codec = assemble(Recipe.model_validate(dict(column.network))).eval()
    codec.to(device=place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec.precision = pick_precision(precision, place)
    return codec.replace(self_ensemble=True) if column.self_ensemble else codec


def _once(codec: Codec, low: torch.Tensor) -> float:
    began = time.perf_counter()
    codec.up_codes(low)
    if low.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began
