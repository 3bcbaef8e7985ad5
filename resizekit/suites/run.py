"""A suite run: every column on every picture of every set, each measured once and then remembered.

suite ─► weights of the columns, pictures of the sets ─► cache, or jobs ─► Results ─► RESULTS.json
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from resizekit.errors import ResizeKitError, UsageError
from resizekit.evaluation.ssim import check_ssim
from resizekit.plugin.suite import Suite, SuiteColumn
from resizekit.suites.cache import Cache
from resizekit.suites.collect import measure_columns
from resizekit.suites.column_weights import check_runs, describe_column, find_column_weights
from resizekit.suites.decode_time import time_column
from resizekit.suites.picture_metrics import ColumnRecipe
from resizekit.suites.results import (
    ColumnResult,
    PictureResult,
    Provenance,
    PublishedMetric,
    Results,
    SetResult,
    TimingResult,
    read_results,
)
from resizekit.suites.sets import FoundSet, find_sets
from resizekit.system.device import machine, pick_device, pick_precision

__all__ = ["Border", "SuiteRun", "cache_of"]

Border = Literal["factor"] | int


def cache_of(out: Path) -> Path:
    """Say where the figures that were measured once lie."""
    return out.with_suffix(".cache.jsonl")


@dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """What is asked for; `run` does it and writes `out`."""

    suite: Suite
    data: Path
    """Holds a folder for each set."""
    out: Path
    """Results of the same suite are replaced, or those of the columns that are named; the cache beside it stays."""
    runs: Path | None = None
    """A folder of the user's own weights: NAME/weights.safetensors or NAME.safetensors."""
    sets: Sequence[str] = ()
    columns: Sequence[str] = ()
    """Keys; empty: all."""
    border: Border = "factor"
    ssim: bool = True
    limit: int | None = None
    jobs: int = 1
    timings: tuple[int, int] | None = None
    """(height, width) of the pictures whose way up is timed; None: it is not, and earlier times stay."""
    device: str = "auto"
    precision: str = "float32"

    def run(
        self,
        *,
        command: str = "",
        warn: Callable[[str], None] = lambda line: None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Results:
        """Measure what is not yet in the cache, and write the results.

        `command` is what they are said to be made by; `warn` is told what is missing, strange or left out.  Raises
        `UsageError` for an `out` that holds anything else, `ImageError` if no picture is usable, `CheckpointError` for
        weights that do not fit their column, and `MissingExtraError` without torchmetrics.
        """
        before, chosen = self._before(), self._chosen()
        if self.ssim:
            check_ssim()
        check_runs(self.runs)
        found, complaints = find_sets(self.suite, self.data, self.sets, limit=self.limit)
        for line in complaints:
            warn(line)
        sources = {column.key: find_column_weights(column, self.runs) for column in chosen}
        told = {column.key: describe_column(column, sources[column.key]) for column in chosen}
        ways = {
            column.key: self._way(column, sources[column.key], told[column.key])
            for column in chosen
            if told[column.key].status == "measured"
        }
        cache = Cache(cache_of(self.out))
        pictures = measure_columns(found, ways, cache, jobs=self.jobs, warn=warn, progress=progress)
        times = self._timed(chosen, ways) if self.timings else before.timings if before else ()
        keys = {column.key for column in chosen}
        results = Results(
            suite=self.suite.name,
            made_by=Provenance(
                command=command,
                machine=machine(pick_device(self.device)),
                torch=torch.__version__,
                threads=torch.get_num_threads(),
            ),
            border=self.border,
            sets=tuple(_set_told(one, pictures) for one in found),
            columns=tuple(told.values()),
            pictures=tuple(pictures),
            printed=tuple(
                PublishedMetric(column=one.column, set=one.set, rgb=one.rgb, y=one.y)
                for one in self.suite.printed
                if one.column in keys | {column.beside for column in chosen}
            ),
            timings=tuple(one for one in times if one.column in keys),
        )
        results = self._joined(results, before)
        results.write(self.out)
        return results

    def _joined(self, results: Results, before: Results | None) -> Results:
        """Keep what was measured earlier of columns that are not asked for, so that a table can grow by columns."""
        if before is None or not self.columns or before.border != self.border:
            return results
        others = {column.key for column in before.columns} - {column.key for column in results.columns}
        order = [column.key for column in self.suite.columns]
        columns = [*results.columns, *(column for column in before.columns if column.key in others & {*order})]
        columns.sort(key=lambda column: order.index(column.key))
        keys = [column.key for column in columns]
        pictures = [*results.pictures, *(one for one in before.pictures if one.column in others)]
        pictures.sort(key=lambda one: keys.index(one.column))
        found = {one.name: one for one in (*before.sets, *results.sets)}
        printed = dict.fromkeys((*results.printed, *before.printed))
        mine = tuple(column.key for column in results.columns)
        return results.model_copy(
            update={
                "made_by": results.made_by.model_copy(update={"columns": mine if others else ()}),
                "earlier": tuple(_still_there(before, others)),
                "sets": tuple(_set_told(one, pictures) for one in found.values()),
                "columns": tuple(columns),
                "pictures": tuple(pictures),
                "printed": tuple(printed),
                "timings": (*results.timings, *(one for one in before.timings if one.column in others)),
            }
        )

    def _before(self) -> Results | None:
        """Give the results that `out` holds already, which must be of this suite."""
        if self.out.suffix.lower() != ".json":
            raise UsageError(f"{self.out} is to hold JSON: end its name in .json")
        if not self.out.parent.is_dir():
            raise UsageError(f"the folder {self.out.parent} does not exist; make it first")
        if not self.out.exists():
            return None
        try:
            told = read_results(self.out)
        except ResizeKitError as error:
            raise UsageError(f"{error}; nothing is overwritten: name another --out") from None
        if told.suite != self.suite.name:
            raise UsageError(f"{self.out} holds results of the suite {told.suite!r}; name another --out")
        return told

    def _chosen(self) -> list[SuiteColumn]:
        known = [column.key for column in self.suite.columns]
        strange = next((key for key in self.columns if key not in known), None)
        if strange is not None:
            raise UsageError(f"suite {self.suite.name!r} has no column {strange!r}; there are: {', '.join(known)}")
        return [column for column in self.suite.columns if not self.columns or column.key in self.columns]

    def _way(self, column: SuiteColumn, source: str | Path | None, told: ColumnResult) -> ColumnRecipe:
        place = pick_device(self.device)
        return ColumnRecipe(
            factor=column.factor,
            channels=column.channels,
            weights=source,
            digest=told.digest,
            self_ensemble=column.self_ensemble,
            border=None if self.border == "factor" else self.border,
            ssim=self.ssim,
            device=str(place),
            precision=pick_precision(self.precision, place),
        )

    def _timed(self, chosen: Sequence[SuiteColumn], ways: dict[str, ColumnRecipe]) -> tuple[TimingResult, ...]:
        assert self.timings is not None
        timed = [
            time_column(
                column,
                ways.get(column.key),
                self.timings,
                printed=self.suite.timed[column.key] if self.timings == self.suite.timed_size else None,
                device=self.device,
                precision=self.precision,
            )
            for column in chosen
            if column.key in self.suite.timed
        ]
        return tuple(one for one in timed if one is not None)


def _still_there(before: Results, kept: set[str]) -> Iterator[Provenance]:
    """Give the runs that measured the columns which are kept, each with its own, the latest first."""
    named = {key for run in before.earlier for key in run.columns}
    rest = [column.key for column in before.columns if column.key not in named]
    for run in (before.made_by, *before.earlier):
        keys = tuple(key for key in run.columns or rest if key in kept)
        if keys:
            yield run.model_copy(update={"columns": keys})


def _set_told(one: FoundSet | SetResult, pictures: Sequence[PictureResult]) -> SetResult:
    there = {picture.picture for picture in pictures if picture.set == one.name}
    return SetResult(name=one.name, expected=one.expected, found=one.found, measured=len(there))
