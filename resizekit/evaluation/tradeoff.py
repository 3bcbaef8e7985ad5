"""Draw the trade-off between small and restored pictures over the guide weight (paper, figure 4).

The axis is logarithmic. A weight of 0 is drawn to the left of a gap in the axis.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from resizekit.evaluation.plot import plot_file
from resizekit.pictures.io.read import read_picture
from resizekit.storage.formats import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Point", "draw_tradeoff"]

_CURVES = (
    ("high", "o", "#d55e00", "restored against the original"),
    ("low", "s", "#0072b2", "small against guide"),
)
"""Field, marker, colour (distinct for colour-blind readers), label."""
_MAX_SAMPLES, _SIDE = 7, 72
"""Largest number of small pictures under the curves, and the largest side of each in pixels."""


class Point(BaseModel):
    """Result of training with one guide weight; PSNR in dB, the mean over all measured pictures."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    guide_weight: float = Field(ge=0)
    high: float
    """PSNR of the restored picture against the original."""
    low: float
    """PSNR of the small picture against bicubic, or against the guide if the channels change."""
    sets: dict[str, dict[str, float]]
    """Means by set and metric."""
    steps: int
    digest: str
    small: str
    """An example of a small picture: its path, relative to the folder of the results."""


def draw_tradeoff(points: Sequence[Point], path: Path, *, folder: Path, overwrite: bool = False) -> None:
    """Plot both curves against the guide weight, with example pictures below.

    Args:
        points: Results by guide weight, in any number.
        path: The .png or .svg file to write.
        folder: The folder that the paths in `points` are relative to. Missing pictures are not drawn.
        overwrite: Replace an existing file.

    Raises:
        UsageError: If the suffix is unknown or the file exists.
        MissingExtraError: If matplotlib is not installed.
    """
    samples = [(point, pixels) for point in points if (pixels := _sample(folder / point.small)) is not None]
    if len(samples) > _MAX_SAMPLES:  # sample evenly, including both ends
        samples = [samples[i * (len(samples) - 1) // (_MAX_SAMPLES - 1)] for i in range(_MAX_SAMPLES)]
    with plot_file(path, overwrite=overwrite) as figure:
        _fill(figure, points, samples)


def _sample(path: Path) -> Pixels | None:
    """Read the central part of a small picture."""
    if not path.is_file():
        return None
    pixels = read_picture(path).pixels
    top, left = (max(0, side - _SIDE) // 2 for side in pixels.shape[:2])
    return pixels[top : top + _SIDE, left : left + _SIDE]


def _fill(figure: "Figure", points: Sequence[Point], samples: Sequence[tuple[Point, Pixels]]) -> None:
    figure.set_size_inches(7.2, 5.6 if samples else 4.2)
    heights = (3.4, 1) if samples else (1,)
    curves, *strip = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    zero, others = ([point for point in points if (point.guide_weight == 0) == is_zero] for is_zero in (True, False))
    panels = curves.subplots(
        1, bool(zero) + bool(others), sharey=True, squeeze=False, width_ratios=[1, 12] if zero and others else None
    )[0]
    for panel, part in zip(panels, [part for part in (zero, others) if part], strict=True):
        weights = [point.guide_weight for point in part]
        for field, marker, colour, name in _CURVES:
            decibels = [getattr(point, field) for point in part]
            panel.plot(weights, decibels, marker=marker, color=colour, label=name, linewidth=1.2)
        panel.grid(color="#e5e5e5", linewidth=0.6)
        panel.set_axisbelow(True)
    panels[0].set_ylabel("PSNR (dB)")
    panels[-1].set_xlabel("guide weight")
    panels[-1].legend(frameon=False)
    if others:
        panels[-1].set_xscale("log")
        panels[-1].xaxis.set_major_formatter("{x:g}")
    if zero:
        panels[0].set_xticks([0], ["0"])
        panels[0].set_xlim(-1, 1)
    if zero and others:
        _break(panels[0], panels[1])
    if samples:
        for panel, (point, pixels) in zip(strip[0].subplots(1, len(samples), squeeze=False)[0], samples, strict=True):
            panel.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            panel.set_title(f"{point.guide_weight:g}", fontsize=9)
            panel.axis("off")


def _break(left: "Axes", right: "Axes") -> None:
    """Remove the frame between two panels and mark the gap in the axis."""
    left.spines.right.set_visible(False)
    right.spines.left.set_visible(False)
    right.tick_params(left=False, which="both")
    mark = [(-1, -1.6), (1, 1.6)]
    for panel, at in ((left, 1), (right, 0)):
        panel.plot([at, at], [0, 1], transform=panel.transAxes, marker=mark, markersize=9, linestyle="none",
                   color="black", clip_on=False)  # fmt: skip
