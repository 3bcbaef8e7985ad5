"""Export pairs of a small picture and its original as files, to train other networks with."""

from pathlib import Path

from resizekit.codec import Codec
from resizekit.codec.tiling import tiled_down
from resizekit.errors import UsageError
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.evaluation.measure import bicubic_roundtrip
from resizekit.images.run_options import RunOptions
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
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
    options: RunOptions = RunOptions(),
) -> None:
    """Write the small picture of a codec, or of bicubic, and its original.

    The original is cropped at the bottom and right to a multiple of the factors (paper 4.1), without alpha and colour
    profile. With a codec for one channel, a colour picture becomes its luma (16 to 235).

    Args:
        codec: The codec.
        src: The picture.
        low: PNG file for the small picture.
        high: PNG file for the original.
        bicubic: Write the small picture of bicubic instead, by the codec's factors.
        options: Tiles, overwriting and progress; the codec keeps its device and precision.

    Raises:
        ImageError: The input cannot be read or is too small.
        UsageError: An output cannot be written, or a PNG cannot hold the codec's small picture.
    """
    if codec.low_channels not in PNG.channels:
        raise UsageError(
            f"weights {codec.info.weights!r} make {codec.low_channels} channels, which a PNG cannot hold: "
            "use weights that make 1 or 3"
        )
    for path in (low, high):
        check_target(path, source=src, overwrite=options.overwrite)
    original, _ = read_for_evaluation(codec, src)
    small = bicubic_roundtrip(codec, original)[0] if bicubic else _shrink(codec, original, options)
    for path, pixels in ((low, small), (high, original)):
        write_picture(path, Picture(pixels=pixels), overwrite=options.overwrite)


def _shrink(codec: Codec, high: Pixels, options: RunOptions) -> Pixels:
    """Return the small picture as it is after it has been written to a file and read again."""
    pixels = tiled_down(codec, high, options.tile, options.progress)
    return pixels if codec.storage.exact else codec.storage.read_back(pixels)
