"""Read the results of `resizekit compare --json`, and place their curves."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resizekit.errors import ResizeKitError
from resizekit.evaluation.compare import METRICS
from resizekit.evaluation.curves import Kind
from resizekit.evaluation.untrusted_json import Label, first_error, read_untrusted
from resizekit.report.plots import Plot, rate_curves

__all__ = ["Rate", "read_rate"]

_MAX_BYTES = 2**26
_MAX_ITEMS = 1000
_EXPECTED = "the output of `resizekit compare --json`"


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Point(_Model):
    bpp: float = Field(gt=0)
    rgb: float | None


class _Curve(_Model):
    name: Label
    kind: Kind
    points: list[_Point] = Field(max_length=_MAX_ITEMS)


class _Row(_Model):
    name: Label
    values: list[float | None] = Field(max_length=_MAX_ITEMS)
    bd_rate: float | None
    single: tuple[float, float | None] | None = None


class _Picture(_Model):
    picture: Label


class _File(_Model):
    anchor: Label
    rates: list[float] = Field(max_length=_MAX_ITEMS)
    tables: dict[Label, list[_Row]] = Field(max_length=_MAX_ITEMS)
    mean: list[_Curve] = Field(min_length=1, max_length=_MAX_ITEMS)
    pictures: list[_Picture] = Field(min_length=1)


@dataclass(frozen=True)
class Rate:
    """The results of a comparison at equal bytes, ready to render."""

    pictures: int
    """Number of pictures."""
    anchor: str
    """The method that the BD-rates are relative to."""
    rates: list[float]
    """Bits per pixel of the columns."""
    tables: dict[str, list[_Row]]
    """Rows by the title of the metric."""
    plot: Plot
    kinds: dict[str, Kind]
    """Kind of each curve by its name."""


def read_rate(path: Path) -> Rate:
    """Read the output of `resizekit compare --json`.

    Args:
        path: The JSON file.

    Returns:
        The tables, and the plot of the mean curves.

    Raises:
        ResizeKitError: If the file cannot be read, is too large, or is not such a file.
    """
    try:
        content = _File.model_validate_json(read_untrusted(path, _MAX_BYTES, _EXPECTED))
    except ValidationError as error:
        raise ResizeKitError(f"{path} is not a file of a comparison ({first_error(error)}): give {_EXPECTED}") from None
    curves = {
        curve.name: [(point.bpp, point.rgb) for point in curve.points if point.rgb is not None]
        for curve in content.mean
    }
    tables = {METRICS.get(metric, metric): rows for metric, rows in content.tables.items()}
    return Rate(
        pictures=len(content.pictures),
        anchor=content.anchor,
        rates=content.rates,
        tables=tables,
        plot=rate_curves(curves),
        kinds={curve.name: curve.kind for curve in content.mean},
    )
