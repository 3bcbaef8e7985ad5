"""Pictures to compare by eye: the same detail of original, baseline, restored and small picture, with captions."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from resizekit.spec import ResizeSpec
from resizekit.storage.formats import Pixels

__all__ = ["depth_panels", "side_by_side", "stack_panels", "worst_window"]

_GAP = 8
"""Pixels between two panels."""
_DETAIL, _ZOOM, _DETAIL_CAPTION = 160, 3, 28
"""`side_by_side`: maximum side of the detail, its enlargement, and the height of a caption, in pixels."""
_SMALL_PIXELS, _PANEL, _PANEL_CAPTION = 48, 384, 26
"""`depth_panels`: pixels of the small picture in a panel, the side of a panel, and the height of a caption."""


def side_by_side(
    original: Pixels, baseline: Pixels, restored: Pixels, small: Pixels, *, baseline_label: str = "bicubic down and up"
) -> Pixels:
    """Draw one detail of four pictures in a row, enlarged without smoothing.

    The detail is the window with the largest error of `baseline`.

    Args:
        original: `h w c`, uint8, c = 1 or 3.
        baseline: Result of the baseline, of the same shape.
        restored: The restored picture, of the same shape.
        small: The small picture.
        baseline_label: Caption of the baseline.

    Returns:
        The sheet, `h w 3` uint8.
    """
    h, w = original.shape[:2]
    side_h, side_w = min(_DETAIL, h), min(_DETAIL, w)
    top, left = worst_window(original, baseline, side_h, side_w)
    scale_h, scale_w = small.shape[0] / h, small.shape[1] / w
    detail = slice(top, top + side_h), slice(left, left + side_w)
    small_detail = (
        slice(int(top * scale_h), max(int(top * scale_h) + 1, round((top + side_h) * scale_h))),
        slice(int(left * scale_w), max(int(left * scale_w) + 1, round((left + side_w) * scale_w))),
    )
    panels = {
        "original": original[detail],
        baseline_label: baseline[detail],
        "small (enlarged)": small[small_detail],
        "restored": restored[detail],
    }
    width, height = side_w * _ZOOM, side_h * _ZOOM
    sheet = Image.new("RGB", (len(panels) * (width + _GAP) - _GAP, height + _DETAIL_CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for i, (caption, pixels) in enumerate(panels.items()):
        image = _to_image(pixels).resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(image, (i * (width + _GAP), _DETAIL_CAPTION))
        draw.text((i * (width + _GAP) + 4, 5), caption, fill="black", font=font)
    array: Pixels = np.array(sheet)
    return array


def worst_window(original: Pixels, baseline: Pixels, height: int, width: int) -> tuple[int, int]:
    """Find the window with the largest squared error: (top, left)."""
    error = ((original.astype(np.float64) - baseline.astype(np.float64)) ** 2).sum(axis=2)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    window = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(int(window.argmax()), window.shape)
    return int(top), int(left)


def depth_panels(
    spec: ResizeSpec, original: Pixels, baseline: Pixels, restored: Pixels, low: Pixels
) -> list[Image.Image]:
    """Draw one window of the small picture, the baseline, the restored picture and the original, all of one size.

    The window is the one with the largest error of `baseline`. It grows with the factors, up to the entire picture.
    Pixels are enlarged without smoothing, and windows with more pixels than a panel are shrunk by bicubic.

    Args:
        spec: Factors between `low` and `original`.
        original: `h w c`, uint8, c = 1 or 3.
        baseline: Result of the baseline, of the same shape.
        restored: The restored picture, of the same shape.
        low: The small picture.

    Returns:
        Four RGB images: small, baseline, restored, original.
    """
    height, width = original.shape[:2]
    window = min(height, int(_SMALL_PIXELS * spec.s)), min(width, int(_SMALL_PIXELS * spec.r))
    top, left = worst_window(original, baseline, *window)
    scale = _PANEL / max(window)
    panel = max(1, round(window[0] * scale)), max(1, round(window[1] * scale))
    rows = _small_positions(top, window[0], panel[0], float(spec.s), low.shape[0])
    columns = _small_positions(left, window[1], panel[1], float(spec.r), low.shape[1])
    detail = slice(top, top + window[0]), slice(left, left + window[1])
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BICUBIC
    large = (_to_image(pixels[detail]).resize(panel[::-1], method) for pixels in (baseline, restored, original))
    return [_to_image(low[rows][:, columns]), *large]


def _small_positions(first: int, length: int, panel: int, factor: float, count: int) -> npt.NDArray[np.intp]:
    """Find which of `count` small pixels lie under the centres of the pixels of a panel."""
    centres = first + (np.arange(panel) + 0.5) * length / panel
    return np.minimum(centres / factor, count - 1).astype(np.intp)


def _to_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert("RGB")


def stack_panels(rows: Sequence[tuple[Sequence[Image.Image], Sequence[str]]]) -> Pixels:
    """Draw rows of panels below one another, each panel with a caption above it.

    Args:
        rows: For each row, its panels and their captions.

    Returns:
        The sheet, `h w 3` uint8.
    """
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
