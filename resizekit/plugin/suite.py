"""A suite: what is measured beside what, on which sets of pictures, and what is printed of it elsewhere.

    columns x sets x pictures ─► figures ─► one table, with the printed ones beside them

A plugin offers suites; `resizekit evaluate --suite NAME` runs one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resizekit.errors import PluginError

__all__ = ["Published", "Suite", "SuiteColumn", "SuiteSet"]


@dataclass(frozen=True, kw_only=True)
class SuiteSet:
    """A set of pictures, which lies in a folder of its name."""

    name: str
    pictures: int | None = None
    """How many it has; None: any number."""
    sizes: Collection[tuple[int, int]] = ()
    """Every (width, height) that its pictures have; empty: any."""
    optional: bool = False
    """True: nobody misses it where its folder is not there."""


@dataclass(frozen=True, kw_only=True)
class SuiteColumn:
    """One way down and up, at one factor."""

    key: str
    """Unique in the suite, such as "tad-x2"."""
    label: str
    """For people: the way down and the way up."""
    group: str
    """What is to be compared with one another, such as the way down."""
    factor: int
    """Of height and width."""
    channels: int = 3
    """3: on colour pictures, grey ones repeated; 1: on their luma, grey ones as they are."""
    weights: str | None = None
    """Installed weights by name, or those of a run of that name that the user has; None: bicubic both ways."""
    self_ensemble: bool = False
    """Whether it goes up eight ways and averages."""
    beside: str | None = None
    """The column whose printed figures this one is compared with, if it has none of its own."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """A recipe (`task`, `config`, `network`) of networks of the same cost, to be timed where none are trained."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """PSNR in dB of restored pictures as somebody printed it."""

    column: str
    set: str
    rgb: float | None = None
    y: float | None = None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Columns, sets and printed figures; a column or set that is named is one of the suite's own."""

    name: str
    """`[a-z][a-z0-9-]*`, unique among all installed."""
    summary: str
    """One line: what it shows."""
    columns: tuple[SuiteColumn, ...]
    """In the order of the table."""
    sets: tuple[SuiteSet, ...]
    """In the order of the table."""
    printed: tuple[Published, ...] = ()
    source: str = ""
    """Where the printed figures stand, such as "Table 1 of ..."."""
    timed: Mapping[str, float | None] = field(default_factory=dict)
    """Keys of the columns whose way up is timed, where times are asked for, with the seconds printed for them."""
    timed_size: tuple[int, int] = (1080, 1920)
    """(height, width) of the pictures that these seconds are for."""
    says: str = ""
    """What a reader of the table has to know, in a sentence or two."""

    def __post_init__(self) -> None:
        """Refuse contradictions, with a `PluginError` for the suite's author."""
        keys, names = [column.key for column in self.columns], [one.name for one in self.sets]
        for what, given in (("columns", keys), ("sets", names)):
            if not given or len(set(given)) < len(given):
                raise PluginError(f"suite {self.name!r} needs {what}, each of a name of its own, got {given}")
        beside = (column.beside for column in self.columns if column.beside is not None)
        self._known("column", keys, [*(one.column for one in self.printed), *self.timed, *beside])
        self._known("set", names, (one.set for one in self.printed))

    def _known(self, what: str, there: Collection[str], named: Iterable[str]) -> None:
        strange = next((name for name in named if name not in there), None)
        if strange is not None:
            raise PluginError(f"suite {self.name!r} speaks of a {what} {strange!r}, which it does not have")
