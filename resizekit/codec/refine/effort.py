"""Effort: how much time a downscale spends on improving the small image for its decoder."""

from dataclasses import dataclass
from numbers import Integral, Real

from resizekit.errors import UsageError

__all__ = ["LEVELS", "Effort", "Level"]


@dataclass(frozen=True)
class Level:
    """The work of one level of effort, in addition to the levels below it."""

    descents: int
    """Iterations of gradient descent."""
    rate: float
    """Largest change of a pixel value in the first iteration, in 8-bit values."""
    flips: int = 0
    """Iterations that change single pixel values by one, after the descent."""
    anneal: bool = False
    """Whether the rounding is blended in gradually during the descent."""

    @property
    def iterations(self) -> int:
        """All iterations of this level."""
        return self.descents + self.flips


LEVELS = (Level(5, 0.35), Level(13, 0.4), Level(17, 0.35, flips=5), Level(50, 0.35, flips=60, anneal=True))
"""Levels 1 to 4: 5, 18, 40 and 150 iterations in total (measured in benchmarks/NOTEBOOK.md)."""


_LARGEST_PSNR = 200


@dataclass(frozen=True)
class Effort:
    """How much time a downscale spends, and how far the small image may move from its guide.

    Args:
        level: 0 to 4. 0: the output of the encoder. Each further level has two to four times the iterations, and the
            restored image is never worse.
        smaller: Spend a part of the gain on a smaller file: one bit per value of low is worth 3.5 dB. The restored
            image is not worse than at level 0.
        target_low_psnr: PSNR in dB that the small image keeps against its guide (`codec.guide`, rounded as a file
            holds it), over all channels. None: 0.1 dB below that of level 0.
            With a target above that of level 0, the restored image may be worse than at level 0.

    Raises:
        UsageError: If a value is out of range.

    Examples:
        >>> Effort(2).iterations
        18
    """

    level: int = 0
    target_low_psnr: float | None = None
    smaller: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.level, bool) or not isinstance(self.level, Integral) or not 0 <= self.level <= len(LEVELS):
            raise UsageError(f"invalid effort {self.level!r}: expected an integer from 0 to {len(LEVELS)}")
        object.__setattr__(self, "level", int(self.level))  # NumPy has integers of its own
        if self.smaller and not self.level:
            raise UsageError("smaller needs an effort of 1 or more: effort 0 does not change the small image")
        target = self.target_low_psnr
        if target is None:
            return
        if isinstance(target, bool) or not isinstance(target, Real) or not 0 < target < _LARGEST_PSNR:
            raise UsageError(f"invalid target_low_psnr {target!r}: expected dB between 0 and 200, such as 38")
        object.__setattr__(self, "target_low_psnr", float(target))
        if not self.level:
            raise UsageError("target_low_psnr needs an effort of 1 or more: effort 0 does not change the small image")

    @classmethod
    def of(cls, effort: "int | Effort") -> "Effort":
        """Return an effort as it is, and make one of an integer."""
        return effort if isinstance(effort, Effort) else cls(effort)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels to run, in order."""
        return LEVELS[: self.level]

    @property
    def iterations(self) -> int:
        """Iterations of all levels together."""
        return sum(level.iterations for level in self.levels)
