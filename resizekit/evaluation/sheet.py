"""A picture to judge by: the same detail of original, bicubic, restored and small, side by side."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from resizekit.storage.formats import Pixels

__all__ = ["side_by_side", "worst_window"]

_DETAIL, _ZOOM, _CAPTION, _GAP = 160, 3, 28, 8


def side_by_side(
    original: Pixels, plain: Pixels, restored: Pixels, small: Pixels, *, plainly: str = "bicubic down and up"
) -> Pixels:
    """Put one detail of four pictures in a row, enlarged without smoothing: `h w 3` uint8.

    The detail is where `plain`, made by what `plainly` says, loses most; original, plain and restored have one size,
    `h w c`.
    """
    h, w = original.shape[:2]
    side_h, side_w = min(_DETAIL, h), min(_DETAIL, w)
    top, left = worst_window(original, plain, side_h, side_w)
    shrink_h, shrink_w = small.shape[0] / h, small.shape[1] / w
    detail = slice(top, top + side_h), slice(left, left + side_w)
    cut = (
        slice(int(top * shrink_h), max(int(top * shrink_h) + 1, round((top + side_h) * shrink_h))),
        slice(int(left * shrink_w), max(int(left * shrink_w) + 1, round((left + side_w) * shrink_w))),
    )
    panels = {
        "original": original[detail],
        plainly: plain[detail],
        "small (enlarged)": small[cut],
        "restored": restored[detail],
    }
    width, height = side_w * _ZOOM, side_h * _ZOOM
    sheet = Image.new("RGB", (len(panels) * (width + _GAP) - _GAP, height + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for i, (caption, pixels) in enumerate(panels.items()):
        image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("RGB")
        sheet.paste(image.resize((width, height), Image.Resampling.NEAREST), (i * (width + _GAP), _CAPTION))
        draw.text((i * (width + _GAP) + 4, 5), caption, fill="black", font=font)
    array: Pixels = np.array(sheet)
    return array


def worst_window(original: Pixels, plain: Pixels, side_h: int, side_w: int) -> tuple[int, int]:
    """Find where a window of that size has the largest squared error: (top, left)."""
    error = ((original.astype(np.float64) - plain.astype(np.float64)) ** 2).sum(axis=2)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    window = total[side_h:, side_w:] - total[:-side_h, side_w:] - total[side_h:, :-side_w] + total[:-side_h, :-side_w]
    top, left = np.unravel_index(int(window.argmax()), window.shape)
    return int(top), int(left)
