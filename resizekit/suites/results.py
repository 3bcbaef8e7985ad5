"""What a suite measured, as a file: every picture's figures, the means over them, what was printed elsewhere.

evaluate --suite  ─►  RESULTS.json  ─►  Results  ─►  a table, a report, a README
"""

import json
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.untrusted_json import Command, Label, first_error, read_untrusted
from resizekit.system.atomic_write import atomic_write

__all__ = [
    "FORMAT",
    "METRICS",
    "ColumnResult",
    "Metric",
    "PictureResult",
    "Provenance",
    "PublishedMetric",
    "Results",
    "SetResult",
    "TimingResult",
    "TrainingInfo",
    "read_results",
]  # fmt: skip

FORMAT = 1
"""Version of the file; a newer one is refused."""
Metric = Literal["high_rgb", "high_y", "ssim_rgb", "ssim_y", "low_rgb", "low_y"]
METRICS: tuple[Metric, ...] = ("high_rgb", "high_y", "ssim_rgb", "ssim_y", "low_rgb", "low_y")
"""PSNR in dB of the restored picture, its SSIM, PSNR of the small picture against bicubic; RGB and Y."""
_LARGEST = 64 * 2**20

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Provenance(_Told):
    """What measured, and on what; nothing in it names anybody's computer."""

    command: Command
    machine: Label
    torch: Label
    threads: int = Field(ge=1)
    columns: tuple[Label, ...] = ()
    """Keys of the columns that it measured; empty: all that no other one names."""


class SetResult(_Told):
    """A set of pictures."""

    name: Label
    expected: _Count | None = None
    """Pictures that the set is known to have; None: nobody said."""
    found: _Count
    """Pictures in the folder; 0 if there is no such folder."""
    measured: _Count
    """Pictures of which there are figures."""

    @property
    def pictures(self) -> int:
        """How many the whole set has: as many as are known, or else as were found."""
        return self.found if self.expected is None else self.expected


class TrainingInfo(_Told):
    """The budget of a training, as far as it is known."""

    steps: _Count | None = None
    seconds: float | None = Field(None, ge=0)
    steps_before: _Count = 0
    """Of the weights that it began with, and of what these began with; 0 if with nothing learned."""
    seconds_before: float = Field(0.0, ge=0)
    data: Label | None = None
    hardware: Label | None = None


class ColumnResult(_Told):
    """One way down and up, at one factor."""

    key: Label
    """Such as "tad-x2"; unique in the file."""
    label: Label
    """For people: "TAD -> TAU"."""
    group: Label
    """What the suite compares with one another: by the way down, "TAD" or "bicubic", or "ours"."""
    factor: int = Field(ge=1)
    channels: int = Field(3, ge=1)
    """1: networks for one channel, measured on luma, so that only figures of Y exist."""
    weights: Label | None = None
    """None: no networks at all, or none that are trained."""
    digest: _Digest | None = None
    self_ensemble: bool = False
    beside: Label | None = None
    """The column whose printed figures this one is compared with; its own if it has some."""
    trained: TrainingInfo | None = None
    status: Literal["measured", "not trained"]
    """Of a column that is not trained there is never a figure."""


class PictureResult(_Told):
    """The figures of one picture in one column; None where a figure does not exist or is infinite."""

    column: Label
    set: Label
    picture: Label
    """Name of the file inside the set's folder."""
    high_rgb: float | None = None
    high_y: float | None = None
    ssim_rgb: float | None = None
    ssim_y: float | None = None
    low_rgb: float | None = None
    low_y: float | None = None
    low_bytes: _Count | None = None
    """Of the small picture as a file."""


class PublishedMetric(_Told):
    """What is printed elsewhere, such as in a paper: PSNR in dB of the restored pictures."""

    column: Label
    set: Label
    rgb: float | None = None
    y: float | None = None


class TimingResult(_Told):
    """How long a column takes to restore one picture of height x width pixels."""

    column: Label
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    seconds: float = Field(ge=0)
    note: Label = ""
    """What was timed, and how."""
    printed: float | None = Field(None, ge=0)
    """Seconds printed elsewhere."""


class _Head(_Told):
    """What every format begins with."""

    format: int


class Results(_Told):
    """All that a suite measured, in one run or, by columns, in several."""

    format: Literal[1] = 1
    suite: Label
    version: Label = Field(default_factory=lambda: version("resizekit"))
    made_by: Provenance
    """The run that wrote the file."""
    earlier: tuple[Provenance, ...] = ()
    """Earlier runs, the latest first, of which columns are still in the file."""
    border: Literal["factor"] | Annotated[int, Field(ge=0)] = "factor"
    """Pixels left out on each side: "factor" leaves out so many of Y and none of RGB, a number so many of both."""
    sets: tuple[SetResult, ...] = ()
    columns: tuple[ColumnResult, ...] = ()
    pictures: tuple[PictureResult, ...] = ()
    printed: tuple[PublishedMetric, ...] = ()
    timings: tuple[TimingResult, ...] = ()

    def column(self, key: str) -> ColumnResult | None:
        """Find a column."""
        return next((column for column in self.columns if column.key == key), None)

    def of(self, column: str, which: str) -> tuple[PictureResult, ...]:
        """Give the pictures of a set in a column, in the order of the file."""
        return self._by_place.get((column, which), ())

    def mean(self, column: str, which: str, figure: Metric) -> float | None:
        """Give the mean over those pictures of a set that have the figure; None if none has."""
        values = [value for one in self.of(column, which) if (value := getattr(one, figure)) is not None]
        return fmean(values) if values else None

    def means(self, column: str, which: str) -> dict[Metric, float | None]:
        """Give the means of every figure."""
        return {figure: self.mean(column, which, figure) for figure in METRICS}

    def low_bytes(self, column: str, which: str) -> float | None:
        """Give the mean size of the small files."""
        sizes = [one.low_bytes for one in self.of(column, which) if one.low_bytes is not None]
        return fmean(sizes) if sizes else None

    def printed_beside(self, column: str, which: str) -> PublishedMetric | None:
        """Give what is printed of a column on a set, or else of the column that it stands beside."""
        told = self.column(column)
        keys = (column, told.beside) if told else (column,)
        return next(
            (found for key in keys for found in self.printed if (found.column, found.set) == (key, which)), None
        )

    def write(self, path: Path) -> None:
        """Write the file beside the target and rename it; each record is a line, since there may be thousands."""
        parts = []
        for key, value in self.model_dump(mode="json").items():
            text = json.dumps(value, allow_nan=False)
            if isinstance(value, list) and value:
                text = "[\n  " + ",\n  ".join(json.dumps(row, allow_nan=False) for row in value) + "\n ]"
            parts.append(f" {json.dumps(key)}: {text}")
        with atomic_write(path) as beside:
            beside.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], tuple[PictureResult, ...]]:
        places: dict[tuple[str, str], list[PictureResult]] = {}
        for one in self.pictures:
            places.setdefault((one.column, one.set), []).append(one)
        return {place: tuple(those) for place, those in places.items()}


def read_results(path: Path) -> Results:
    """Read a file of results; a `ResizeKitError` for one that is missing, too large, newer or none of ours."""
    text = read_untrusted(path, _LARGEST, "a file that `evaluate --suite` wrote")
    try:
        head = _Head.model_validate_json(text)
        if head.format <= FORMAT:
            return Results.model_validate_json(text)
    except ValidationError as error:
        raise ResizeKitError(
            f"{path} holds no results of a suite ({first_error(error)}): give a file that `evaluate --suite` wrote"
        ) from None
    raise ResizeKitError(
        f"{path} has results of format {head.format}; this one reads up to {FORMAT}: upgrade resizekit"
    )
