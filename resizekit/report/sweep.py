"""Read the results of a sweep over the guide weight, with example pictures."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.tradeoff import Point
from resizekit.evaluation.untrusted_json import Label, first_error, read_untrusted
from resizekit.pictures.io.read import read_picture
from resizekit.report.inline import InlinePicture, inline_picture
from resizekit.report.plots import Plot, tradeoff

__all__ = ["Sample", "Tradeoff", "read_tradeoff"]

_MAX_BYTES = 2**20
_SIDE = 96
_MAX_ITEMS = 1000


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sets: list[Label] = Field(max_length=_MAX_ITEMS)
    points: list[Point] = Field(min_length=1, max_length=_MAX_ITEMS)


@dataclass(frozen=True)
class Sample:
    """The central part of a small picture that was made with a guide weight."""

    weight: float
    picture: InlinePicture


@dataclass(frozen=True)
class Tradeoff:
    """The results of a sweep, ready to render."""

    points: list[Point]
    """Smallest guide weight first."""
    sets: list[str]
    plot: Plot
    samples: list[Sample]

    @property
    def shows_tradeoff(self) -> bool:
        """Whether the largest weight gives a better small picture and a worse restored picture than the smallest."""
        light, heavy = self.points[0], self.points[-1]
        return light.low < heavy.low and light.high > heavy.high


def read_tradeoff(path: Path) -> Tradeoff:
    """Read the results file of `resizekit sweep`, and its example pictures where they exist.

    Args:
        path: The JSON file.

    Returns:
        The points, sorted by guide weight, with their plot and pictures.

    Raises:
        ResizeKitError: If the file cannot be read, is too large, or is not a file of a sweep.
    """
    text = read_untrusted(path, _MAX_BYTES, "a file that `resizekit sweep` wrote")
    try:
        content = _File.model_validate_json(text)
    except ValidationError as error:
        raise ResizeKitError(
            f"{path} is not a file of sweep results ({first_error(error)}): give a file that `resizekit sweep` wrote"
        ) from None
    points = sorted(content.points, key=lambda point: point.guide_weight)
    samples = [sample for point in points if (sample := _sample(path.parent, point)) is not None]
    return Tradeoff(points, list(content.sets), tradeoff(points), samples)


def _sample(folder: Path, point: Point) -> Sample | None:
    """Read the central part of a small picture; None if it does not exist or is outside the folder."""
    path = folder / point.small
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return None
    pixels = read_picture(path).pixels
    top, left = (max(0, side - _SIDE) // 2 for side in pixels.shape[:2])
    return Sample(point.guide_weight, inline_picture(pixels[top : top + _SIDE, left : left + _SIDE]))
