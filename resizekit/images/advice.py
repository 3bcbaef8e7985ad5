"""Notice pictures that gain nothing from learned resizing, and small files with more bytes than their sources."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from resizekit.pictures.picture import Picture

if TYPE_CHECKING:
    from resizekit.storage.formats import Pixels

__all__ = ["Advice", "AdviceKind", "advise_on_bytes", "advise_on_picture"]

AdviceKind: TypeAlias = Literal["tiny", "noisy", "larger"]

_SMALL_SIDE = 16
"""Pictures with a shorter side are mostly border, where networks see nothing but padding."""
_NOISY_SHARE = 0.3
"""Share of the variance inside cells of 2x2 pixels. Photographs: up to 0.11; dithered to 1 bit: from 0.45."""
_NOISY_VARIANCE = 0.03
"""Variance inside these cells, of values in [0, 1]. Photographs: up to 0.006; dithered to 1 bit: from 0.07."""
_BLOCK, _BLOCKS_PER_SIDE = 128, 3


@dataclass(frozen=True)
class Advice:
    """A reason not to make this picture small."""

    kind: AdviceKind
    """ "tiny": a side has less than 16 pixels; "noisy": dithered or noise; "larger": more bytes than the source."""
    text: str
    """One line for the user."""


def advise_on_picture(picture: Picture, source: object) -> Advice | None:
    """Return advice against a picture whose content a small picture cannot carry.

    Args:
        picture: The original.
        source: Its file, for the text.

    Examples:
        >>> checkers = np.indices((32, 32)).sum(0, dtype=np.uint8)[..., None] % 2 * 255
        >>> advise_on_picture(Picture(pixels=checkers), "checkers.png").kind
        'noisy'
        >>> advise_on_picture(Picture(pixels=np.zeros((32, 32, 3), np.uint8)), "black.png")
    """
    height, width = picture.hw
    if min(picture.hw) < _SMALL_SIDE:
        return Advice("tiny", f"{source} has only {width}x{height} pixels: store it at full size")
    fine, total = _variances(picture.pixels)
    if fine > max(_NOISY_VARIANCE, _NOISY_SHARE * total):
        text = f"{source} is dithered or noise, which a small picture cannot carry: store it at full size"
        return Advice("noisy", text)
    return None


def advise_on_bytes(source: object, source_bytes: int, small: object, small_bytes: int) -> Advice | None:
    """Return advice if a small file has more bytes than its source.

    Examples:
        >>> print(advise_on_bytes("a.jpg", 20_000, "a.png", 30_000).text)
        a.png has more bytes than a.jpg: 29.3 KiB, source 19.5 KiB
    """
    if small_bytes <= source_bytes:
        return None
    sizes = f"{small_bytes / 1024:,.1f} KiB, source {source_bytes / 1024:,.1f} KiB"
    return Advice("larger", f"{small} has more bytes than {source}: {sizes}")


def _variances(pixels: "Pixels") -> tuple[float, float]:
    """Compute the variance inside cells of 2x2 pixels and that of all pixels, in blocks spread over the picture."""
    inside, every = [], []
    for top in _starts(pixels.shape[0]):
        for left in _starts(pixels.shape[1]):
            block = pixels[top : top + _BLOCK, left : left + _BLOCK].astype(np.float32)
            h, w = block.shape[0] // 2 * 2, block.shape[1] // 2 * 2
            corners = [block[y:h:2, x:w:2] for y in (0, 1) for x in (0, 1)]
            mean = sum(corners[1:], corners[0]) / 4
            inside.append(sum(((corner - mean) ** 2).mean() for corner in corners) / 4)
            every.append(block[:h, :w].reshape(-1, block.shape[2]))
    values = np.concatenate(every)
    full = np.ptp(values) or 1.0 if pixels.dtype == np.float32 else 2 ** (8 * pixels.itemsize) - 1
    scale = float(full) ** 2
    total = (values**2).mean(dtype=np.float64) - (values.mean(axis=0, dtype=np.float64) ** 2).mean()
    return float(np.mean(inside)) / scale, float(total) / scale


def _starts(side: int) -> list[int]:
    last = max(0, side - _BLOCK)
    count = min(_BLOCKS_PER_SIDE, 1 + -(-last // _BLOCK))
    return [last * index // max(1, count - 1) for index in range(count)]
