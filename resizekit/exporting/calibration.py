"""Pictures for the calibration of quantized files: images, or a folder of files."""

from collections.abc import Iterable
from pathlib import Path

from resizekit.codec import Codec, ImageLike
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.pictures.io.find import find_pictures, sample_evenly

__all__ = ["calibration_pictures"]

_MOST = 32
"""More pictures take longer and hardly change the ranges."""


def calibration_pictures(codec: Codec, calibration: str | Path | Iterable[ImageLike]) -> Iterable[ImageLike]:
    """Return the pictures to calibrate with.

    Args:
        codec: The codec that is exported.
        calibration: Pictures, which are returned as they are, or a file, a folder or a pattern, of which at most 32
            pictures are read, sampled evenly.

    Raises:
        ImageError: There is no such file or folder; while iterating: a picture cannot be used.
    """
    if not isinstance(calibration, str | Path):
        return calibration
    paths = sample_evenly(list(find_pictures([calibration])), _MOST)
    return (read_for_evaluation(codec, path)[0] for path in paths)
