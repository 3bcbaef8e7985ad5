"""SSIMULACRA2, a perceptual metric that needs no network and no weights."""

from io import BytesIO

import PIL.Image

from resizekit.errors import MissingExtraError
from resizekit.storage.formats import Pixels

__all__ = ["check_ssimulacra2", "ssimulacra2"]


def check_ssimulacra2() -> None:
    """Raise `MissingExtraError` if ssimulacra2 is not installed."""
    try:
        import ssimulacra2  # noqa: F401
    except ImportError:
        raise MissingExtraError('a perceptual score needs ssimulacra2: pip install "resizekit[rate]"') from None


_SMALLEST = 8


def ssimulacra2(original: Pixels, restored: Pixels) -> float | None:
    """Compute the SSIMULACRA2 score of an 8-bit RGB picture: 100 is equal, 90 is hardly visible, 50 is medium quality.

    Returns:
        The score; None for pictures with a side below 8 pixels, for which it is not defined.

    Raises:
        MissingExtraError: If ssimulacra2 is not installed.
    """
    check_ssimulacra2()
    if min(original.shape[:2]) < _SMALLEST:
        return None
    from ssimulacra2 import compute_ssimulacra2

    files = []
    for pixels in (original, restored):
        file = BytesIO()  # the package reads files only
        PIL.Image.fromarray(pixels).save(file, "BMP")
        files.append(file)
    return float(compute_ssimulacra2(*files))
