"""A picture to judge by: the same detail of original, bicubic, restored and small, side by side."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["depth_panels", "side_by_side", "stacked", "worst_window"]

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


_CELLS, _PANEL, _PANEL_CAPTION = 48, 384, 26
"""A panel shows so many pixels of the small picture, on so many of the sheet."""


def depth_panels(spec: ResizeSpec, original: Pixels, plain: Pixels, restored: Pixels, low: Pixels) -> list[Image.Image]:
    """Give one window of small, plain, restored and original, all of one size on the sheet.

    The window is where `plain` loses most, the larger the deeper `spec`, in the end the whole picture.  The small
    picture is enlarged without smoothing; the others too, or made smaller where the window has more pixels than the
    panel.  Original, plain and restored have one size, `h w c`.
    """
    height, width = original.shape[:2]
    window = min(height, int(_CELLS * spec.s)), min(width, int(_CELLS * spec.r))
    top, left = worst_window(original, plain, *window)
    scale = _PANEL / max(window)
    shown = max(1, round(window[0] * scale)), max(1, round(window[1] * scale))
    rows = _places(top, window[0], shown[0], float(spec.s), low.shape[0])
    columns = _places(left, window[1], shown[1], float(spec.r), low.shape[1])
    detail = slice(top, top + window[0]), slice(left, left + window[1])
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BICUBIC
    others = (_image(pixels[detail]).resize(shown[::-1], how) for pixels in (plain, restored, original))
    return [_image(low[rows][:, columns]), *others]


def _places(first: int, length: int, shown: int, factor: float, count: int) -> npt.NDArray[np.intp]:
    """Which of `count` small pixels lie under the middles of `shown` pixels of the sheet."""
    middles = first + (np.arange(shown) + 0.5) * length / shown
    return np.minimum(middles / factor, count - 1).astype(np.intp)


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("RGB")


def stacked(rows: Sequence[tuple[Sequence[Image.Image], Sequence[str]]]) -> Pixels:
    """Put rows of panels below one another, each panel under its caption: `h w 3` uint8."""
    heights = [max(panel.height for panel in panels) + _PANEL_CAPTION + _GAP for panels, _ in rows]
    columns = max(len(panels) for panels, _ in rows)
    sheet = Image.new("RGB", (columns * (_PANEL + _GAP) - _GAP, sum(heights) - _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    y = 0
    for (panels, captions), height in zip(rows, heights, strict=True):
        for i, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
            draw.text((i * (_PANEL + _GAP) + 4, y + 4), caption, fill="black", font=font)
            sheet.paste(panel, (i * (_PANEL + _GAP), y + _PANEL_CAPTION))
        y += height
    array: Pixels = np.array(sheet)
    return array
