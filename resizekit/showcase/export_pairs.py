"""Pairs of a small picture and the one it was made from, as files: for networks that are trained elsewhere."""

from pathlib import Path

from resizekit.codec import Codec
from resizekit.codec.tiling import Progress, Tile, tiled_down
from resizekit.errors import UsageError
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.evaluation.measure import bicubic_roundtrip
from resizekit.images.io.write import write_picture
from resizekit.images.picture import Picture
from resizekit.storage.formats import PNG, Pixels
from resizekit.system.atomic_write import check_target

__all__ = ["export_pair"]


def export_pair(
    codec: Codec,
    src: Path,
    low: Path,
    high: Path,
    *,
    bicubic: bool = False,
    tile: Tile = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write what `codec` makes of a picture, or what bicubic makes of it, to `low`, and the picture itself to `high`.

    The picture is cropped at the upper left to what the factors divide (4.1); alpha and colour profile are left out.
    With a codec for one channel a colour picture becomes its luma (16..235).  Raises `ImageError` for the input,
    `UsageError` for the outputs and for weights whose low no PNG holds.
    """
    if codec.low_channels not in PNG.channels:
        raise UsageError(f"weights {codec.info.weights!r} make {codec.low_channels} channels, which no PNG holds")
    for target in (low, high):
        check_target(target, source=src, overwrite=overwrite)
    whole = read_for_evaluation(codec, src)
    small = bicubic_roundtrip(codec, whole)[0] if bicubic else _made_small(codec, whole, tile, progress)
    for target, what in ((low, small), (high, whole)):
        write_picture(target, Picture(pixels=what), overwrite=overwrite)


def _made_small(codec: Codec, high: Pixels, tile: Tile, progress: Progress | None) -> Pixels:
    """Low as its file will be read back."""
    given = tiled_down(codec, high, tile, progress)
    return given if codec.storage.exact else codec.storage.read_back(given)
