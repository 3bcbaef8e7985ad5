"""Check the evaluation: compare the measured PSNR of bicubic with the published values."""

from dataclasses import dataclass

from resizekit.report.tables import bicubic_column
from resizekit.suites.results import Results

__all__ = ["TOLERANCE", "Check", "checks", "within_rounding"]

TOLERANCE = 0.05
"""Differences in dB up to this value come from rounding and from other implementations of the same functions."""


def within_rounding(difference: float) -> bool:
    """Return whether a difference in dB is at most `TOLERANCE`."""
    return abs(difference) <= TOLERANCE + 1e-9


@dataclass(frozen=True)
class Check:
    """One set at one factor; PSNR of Y in dB."""

    factor: int
    set: str
    published: float
    measured: float
    complete: bool
    """Whether all pictures of the set were measured. Otherwise the values need not agree."""

    @property
    def difference(self) -> float:
        """Measured minus published."""
        return self.measured - self.published

    @property
    def agrees(self) -> bool:
        """Whether the difference is within `TOLERANCE`."""
        return within_rounding(self.difference)


def checks(results: Results) -> list[Check]:
    """Compare Y of bicubic with the published values; empty if the border differs from the usual one, the factor."""
    found = []
    for factor in sorted({column.factor for column in results.columns}):
        column = bicubic_column(results, factor)
        if column is None or results.border not in ("factor", factor):
            continue
        for item in results.sets:
            mean, published = (
                results.mean(column.key, item.name, "high_y"),
                results.published_for(column.key, item.name),
            )
            if mean is not None and published is not None and published.y is not None:
                pictures = sum(picture.high_y is not None for picture in results.of(column.key, item.name))
                found.append(Check(factor, item.name, published.y, mean, pictures == item.pictures))
    return found
