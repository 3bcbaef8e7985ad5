"""A check on the whole path of evaluation: bicubic's own PSNR beside the one that every paper prints."""

from dataclasses import dataclass

from resizekit.report.tables import plain_column
from resizekit.suites.results import Results

__all__ = ["WITHIN", "Check", "checks", "within_rounding"]

WITHIN = 0.05
"""dB of difference that rounding, and other ways to write the same functions, explain."""


def within_rounding(difference: float) -> bool:
    """Tell whether so many dB are no more than `WITHIN`."""
    return abs(difference) <= WITHIN + 1e-9


@dataclass(frozen=True)
class Check:
    """One set at one factor; PSNR of Y in dB."""

    factor: int
    set: str
    published: float
    measured: float
    whole: bool
    """Whether all pictures of the set were measured: of a part no agreement is to be expected."""

    @property
    def difference(self) -> float:
        """How much more than published."""
        return self.measured - self.published

    @property
    def agrees(self) -> bool:
        """Within what rounding explains."""
        return within_rounding(self.difference)


def checks(results: Results) -> list[Check]:
    """Compare bicubic's figures of Y with the printed ones, where they leave the usual border of the factor out."""
    found = []
    for factor in sorted({column.factor for column in results.columns}):
        column = plain_column(results, factor)
        if column is None or results.border not in ("factor", factor):
            continue
        for one in results.sets:
            mean, printed = results.mean(column.key, one.name, "high_y"), results.printed_beside(column.key, one.name)
            if mean is not None and printed is not None and printed.y is not None:
                pictures = sum(picture.high_y is not None for picture in results.of(column.key, one.name))
                whole = pictures == one.pictures
                found.append(Check(factor, one.name, printed.y, mean, whole))
    return found
