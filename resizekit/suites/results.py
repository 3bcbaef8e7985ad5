"""The file of results of a suite: the metrics of every picture, their means, and published results.

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
"""Version of the file format. Files of a newer version are refused."""
Metric = Literal["high_rgb", "high_y", "ssim_rgb", "ssim_y", "low_rgb", "low_y"]
METRICS: tuple[Metric, ...] = ("high_rgb", "high_y", "ssim_rgb", "ssim_y", "low_rgb", "low_y")
"""PSNR in dB and SSIM of the restored picture, and PSNR of the small picture against bicubic; for RGB and Y."""
_MAX_BYTES = 64 * 2**20

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Provenance(_Record):
    """The run that measured columns: command and machine, without the name of a computer or a user."""

    command: Command
    machine: Label
    torch: Label
    threads: int = Field(ge=1)
    columns: tuple[Label, ...] = ()
    """Keys of the columns that the run measured; empty: all columns that no other run lists."""


class SetResult(_Record):
    """A set of pictures."""

    name: Label
    expected: _Count | None = None
    """Number of pictures that the set should have; None: unknown."""
    found: _Count
    """Pictures in the folder; 0 if the folder does not exist."""
    measured: _Count
    """Pictures with metrics in at least one column."""

    @property
    def pictures(self) -> int:
        """Number of pictures in the complete set: the expected number, or else the number found."""
        return self.found if self.expected is None else self.expected


class TrainingInfo(_Record):
    """The budget of a training. Unknown values are None."""

    steps: _Count | None = None
    seconds: float | None = Field(None, ge=0)
    steps_before: _Count = 0
    """Steps of all earlier trainings that the initial weights come from; 0 without initial weights."""
    seconds_before: float = Field(0.0, ge=0)
    """Seconds of the same trainings."""
    data: Label | None = None
    hardware: Label | None = None


class ColumnResult(_Record):
    """An encoder and a decoder, at one factor."""

    key: Label
    """Such as "tad-x2"; unique in the file."""
    label: Label
    """Display name, such as "TAD -> TAU"."""
    group: Label
    """Columns of the same group are listed together."""
    factor: int = Field(ge=1)
    channels: int = Field(3, ge=1)
    """1: networks for one channel, measured on the luma. Only metrics of Y exist."""
    weights: Label | None = None
    """None: bicubic, or networks that are not trained."""
    digest: _Digest | None = None
    self_ensemble: bool = False
    effort: int = Field(0, ge=0)
    """How long `down` improved each small picture for its decoder."""
    compare_with: Label | None = None
    """Key of the column whose published results apply, if this column has none."""
    featured: bool = False
    """True for the weights of the suite's own project; reports show these first."""
    training: TrainingInfo | None = None
    status: Literal["measured", "not trained"]
    """A column that is not trained has no metrics."""


class PictureResult(_Record):
    """Metrics of one picture in one column; None if a metric does not exist or is infinite."""

    column: Label
    set: Label
    picture: Label
    """Path of the file inside the folder of the set."""
    high_rgb: float | None = None
    high_y: float | None = None
    ssim_rgb: float | None = None
    ssim_y: float | None = None
    low_rgb: float | None = None
    low_y: float | None = None
    low_bytes: _Count | None = None
    """Size of the small picture as a file."""


class PublishedMetric(_Record):
    """A result from a publication: PSNR in dB of the restored pictures of a set."""

    column: Label
    set: Label
    rgb: float | None = None
    y: float | None = None


class TimingResult(_Record):
    """Time of a column to restore one picture of height x width pixels."""

    column: Label
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    seconds: float = Field(ge=0)
    note: Label = ""
    """Network, precision and device."""
    published: float | None = Field(None, ge=0)
    """Seconds from a publication."""


class _Head(_Record):
    """The part that all versions of the format share."""

    format: int


class Results(_Record):
    """All results of a suite. Several runs can contribute columns."""

    format: Literal[1] = 1
    suite: Label
    version: Label = Field(default_factory=lambda: version("resizekit"))
    made_by: Provenance
    """The run that wrote the file."""
    earlier_runs: tuple[Provenance, ...] = ()
    """Earlier runs whose columns are still in the file, the latest first."""
    border: Literal["factor"] | Annotated[int, Field(ge=0)] = "factor"
    """Pixels left out on each side, of Y and RGB; "factor": the factor of Y, and none of RGB."""
    sets: tuple[SetResult, ...] = ()
    columns: tuple[ColumnResult, ...] = ()
    pictures: tuple[PictureResult, ...] = ()
    published: tuple[PublishedMetric, ...] = ()
    timings: tuple[TimingResult, ...] = ()

    def column(self, key: str) -> ColumnResult | None:
        """Return the column with this key, or None."""
        return next((column for column in self.columns if column.key == key), None)

    def of(self, column: str, set_name: str) -> tuple[PictureResult, ...]:
        """Return the pictures of a set in a column, in the order of the file."""
        return self._by_place.get((column, set_name), ())

    def mean(self, column: str, set_name: str, metric: Metric) -> float | None:
        """Compute the mean of a metric over the pictures of a set that have it; None if no picture has it."""
        values = [value for item in self.of(column, set_name) if (value := getattr(item, metric)) is not None]
        return fmean(values) if values else None

    def means(self, column: str, set_name: str) -> dict[Metric, float | None]:
        """Compute the means of all metrics."""
        return {metric: self.mean(column, set_name, metric) for metric in METRICS}

    def low_bytes(self, column: str, set_name: str) -> float | None:
        """Compute the mean size of the small files in bytes; None if it is unknown."""
        sizes = [item.low_bytes for item in self.of(column, set_name) if item.low_bytes is not None]
        return fmean(sizes) if sizes else None

    def published_for(self, column: str, set_name: str) -> PublishedMetric | None:
        """Return the published result of a column on a set, or else that of its `compare_with` column."""
        result = self.column(column)
        keys = (column, result.compare_with) if result else (column,)
        return next(
            (item for key in keys for item in self.published if (item.column, item.set) == (key, set_name)), None
        )

    def write(self, path: Path) -> None:
        """Write the results as JSON, atomically, with one line for each record."""
        parts = []
        for key, value in self.model_dump(mode="json").items():
            text = json.dumps(value, allow_nan=False)
            if isinstance(value, list) and value:
                text = "[\n  " + ",\n  ".join(json.dumps(row, allow_nan=False) for row in value) + "\n ]"
            parts.append(f" {json.dumps(key)}: {text}")
        with atomic_write(path, overwrite=True) as temporary:
            temporary.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], tuple[PictureResult, ...]]:
        places: dict[tuple[str, str], list[PictureResult]] = {}
        for item in self.pictures:
            places.setdefault((item.column, item.set), []).append(item)
        return {place: tuple(pictures) for place, pictures in places.items()}


def read_results(path: Path) -> Results:
    """Read a file of results.

    Args:
        path: A file that `resizekit evaluate --suite` wrote.

    Returns:
        The results.

    Raises:
        ResizeKitError: If the file cannot be read, is too large, is not a file of results, or is of a newer format.
    """
    text = read_untrusted(path, _MAX_BYTES, "a file that `evaluate --suite` wrote")
    try:
        head = _Head.model_validate_json(text)
        if head.format <= FORMAT:
            return Results.model_validate_json(text)
    except ValidationError as error:
        raise ResizeKitError(
            f"{path} is not a file of suite results ({first_error(error)}): give a file that `evaluate --suite` wrote"
        ) from None
    raise ResizeKitError(
        f"{path} has format {head.format}, but this version reads formats up to {FORMAT}: upgrade resizekit"
    )
