"""Suites: columns to compare on sets of pictures, with published results.

    columns x sets x pictures ─► metrics ─► one table, next to the published results

A plugin offers suites; `resizekit evaluate --suite NAME` runs one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from resizekit.errors import PluginError

__all__ = ["Published", "Suite", "SuiteColumn", "SuiteSet"]


@dataclass(frozen=True, kw_only=True)
class SuiteSet:
    """A set of pictures in a folder of the same name."""

    name: str
    pictures: int | None = None
    """Number of pictures in the set; None: any number."""
    sizes: Collection[tuple[int, int]] = ()
    """Every (height, width) that occurs in the set; empty: any size."""
    optional: bool = False
    """True: a missing folder causes no warning."""


@dataclass(frozen=True, kw_only=True)
class SuiteColumn:
    """An encoder and a decoder to measure, at one factor."""

    key: str
    """Unique in the suite, such as "tad-x2"."""
    label: str
    """Display name: the encoder and the decoder."""
    group: str
    """Columns of the same group are listed together, for example all with the same encoder."""
    factor: int
    """Factor of height and width."""
    channels: int = 3
    """3: measure on RGB, grey pictures repeated; 1: measure on the luma, grey pictures as they are."""
    weights: str | None = None
    """Name of installed weights or of a run of the user; None: bicubic interpolation in both directions."""
    self_ensemble: bool = False
    """Average the restored picture over the eight flips and rotations."""
    effort: int = 0
    """How long `down` improves each small picture for its decoder, 0 to 4."""
    compare_with: str | None = None
    """Key of the column whose published results apply, if this column has none."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Recipe (`task`, `config`, `network`) of an untrained codec with the same cost, to time missing weights."""
    featured: bool = False
    """True for the weights of the suite's own project; reports show these first."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Published results of a column on a set: PSNR in dB of the restored pictures."""

    column: str
    set: str
    rgb: float | None = None
    y: float | None = None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Columns, sets and published results. Keys and names must refer to columns and sets of this suite."""

    name: str
    """`[a-z][a-z0-9-]*`, unique among all installed suites."""
    summary: str
    """One line: what the suite compares."""
    columns: tuple[SuiteColumn, ...]
    """In the order of the table."""
    sets: tuple[SuiteSet, ...]
    """In the order of the table."""
    published: tuple[Published, ...] = ()
    source: str = ""
    """Where the published results come from, such as "Table 1 of ..."."""
    timings: Mapping[str, float | None] = field(default_factory=dict)
    """Keys of the columns that `--timings` measures, with the published seconds; None: not published."""
    timings_size: tuple[int, int] = (1080, 1920)
    """(height, width) of the restored picture that the published seconds belong to."""
    note: str = ""
    """What a reader of the table needs to know, in a sentence or two."""

    def __post_init__(self) -> None:
        """Check the suite; raise `PluginError` for duplicate or unknown names."""
        keys, names = [column.key for column in self.columns], [item.name for item in self.sets]
        for kind, values in (("columns", keys), ("sets", names)):
            if not values or len(set(values)) < len(values):
                raise PluginError(f"suite {self.name!r} needs {kind} with unique names, got {values}")
        compared = (column.compare_with for column in self.columns if column.compare_with is not None)
        self._check_names("column", keys, [*(item.column for item in self.published), *self.timings, *compared])
        self._check_names("set", names, (item.set for item in self.published))

    def _check_names(self, kind: str, known: Collection[str], used: Iterable[str]) -> None:
        unknown = next((name for name in used if name not in known), None)
        if unknown is not None:
            raise PluginError(f"suite {self.name!r} refers to an unknown {kind} {unknown!r}")
