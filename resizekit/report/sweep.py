"""What a sweep over the guide weight wrote: its points, and small pictures to look at."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.tradeoff import Point
from resizekit.evaluation.untrusted_json import Label, first_error, read_untrusted
from resizekit.images.io.read import read_picture
from resizekit.report.inline import Inline, inline
from resizekit.report.plots import Plot, tradeoff

__all__ = ["Sample", "Tradeoff", "read_tradeoff"]

_LARGEST = 2**20
_SIDE = 96
_MOST = 1000


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sets: list[Label] = Field(max_length=_MOST)
    points: list[Point] = Field(min_length=1, max_length=_MOST)


@dataclass(frozen=True)
class Sample:
    """The middle of a small picture, by the guide weight that it was made with."""

    weight: float
    picture: Inline


@dataclass(frozen=True)
class Tradeoff:
    """A sweep, ready to be shown."""

    points: list[Point]
    """Smallest guide weight first."""
    sets: list[str]
    plot: Plot
    samples: list[Sample]

    @property
    def trades(self) -> bool:
        """Whether a heavier guide made the small picture closer to it, and the restored one worse."""
        light, heavy = self.points[0], self.points[-1]
        return light.low < heavy.low and light.high > heavy.high


def read_tradeoff(path: Path) -> Tradeoff:
    """Read a file of `resizekit sweep`, and the small pictures beside it that are still there.

    Raises `ResizeKitError` for one that is missing, too large or none of a sweep.
    """
    text = read_untrusted(path, _LARGEST, "a file that `resizekit sweep` wrote")
    try:
        told = _File.model_validate_json(text)
    except ValidationError as error:
        raise ResizeKitError(
            f"{path} holds no results of a sweep ({first_error(error)}): give a file that `resizekit sweep` wrote"
        ) from None
    points = sorted(told.points, key=lambda point: point.guide_weight)
    samples = [sample for point in points if (sample := _sample(path.parent, point)) is not None]
    return Tradeoff(points, list(told.sets), tradeoff(points), samples)


def _sample(folder: Path, point: Point) -> Sample | None:
    """The middle of a small picture; of one that is not there, or not in this folder, nothing is shown."""
    path = folder / point.small
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return None
    pixels = read_picture(path).pixels
    top, left = (max(0, side - _SIDE) // 2 for side in pixels.shape[:2])
    return Sample(point.guide_weight, inline(pixels[top : top + _SIDE, left : left + _SIDE]))
