"""What a sweep over the guide weight wrote: its points, and small pictures to look at."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.label import Label
from resizekit.evaluation.tradeoff import Point
from resizekit.images.read import read_picture
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


def read_tradeoff(path: Path) -> Tradeoff:
    """Read a file of `resizekit sweep`, and the small pictures beside it that are still there.

    Raises `ResizeKitError` for one that is missing, too large or none of a sweep.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ResizeKitError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > _LARGEST:
        raise ResizeKitError(f"{path} is larger than {_LARGEST >> 20} MiB: give a file that `resizekit sweep` wrote")
    try:
        told = _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise ResizeKitError(
            f"{path} holds no results of a sweep ({reason[:160]}): give a file that `resizekit sweep` wrote"
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
