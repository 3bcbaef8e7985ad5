"""Run a suite: measure every column on every picture of every set, each only once.

suite ─► weights of the columns, pictures of the sets ─► cache, or jobs ─► Results ─► RESULTS.json
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from resizekit.errors import ResizeKitError, UsageError
from resizekit.evaluation.ssim import check_ssim
from resizekit.plugin.suite import Suite, SuiteColumn
from resizekit.spec import HW
from resizekit.suites.cache import Cache
from resizekit.suites.collect import measure_columns
from resizekit.suites.column_weights import check_runs, describe_column, find_column_weights, installable_weights
from resizekit.suites.decode_time import time_column
from resizekit.suites.merge import merge_results, set_result
from resizekit.suites.picture_metrics import ColumnRecipe
from resizekit.suites.results import (
    Provenance,
    PublishedMetric,
    Results,
    TimingResult,
    read_results,
)
from resizekit.suites.sets import find_sets
from resizekit.system.device import machine, pick_device, pick_precision

__all__ = ["Border", "SuiteRun", "cache_path"]

Border = Literal["factor"] | int
"""Pixels to leave out on each side, of Y and RGB; "factor": the factor of Y, and none of RGB."""


def cache_path(out: Path) -> Path:
    """Return the path of the cache that belongs to a file of results."""
    return out.with_suffix(".cache.jsonl")


@dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """The settings of a run; `run` measures and writes `out`."""

    suite: Suite
    data: Path
    """A folder with one folder for each set."""
    out: Path
    """The file of results. Existing results of the same suite are replaced, or only the selected columns of them."""
    runs: Path | None = None
    """A folder with the user's own weights: NAME/weights.safetensors or NAME.safetensors."""
    sets: Sequence[str] = ()
    """Names of sets; empty: all."""
    columns: Sequence[str] = ()
    """Keys of columns; empty: all."""
    border: Border = "factor"
    ssim: bool = True
    limit: int | None = None
    """Largest number of pictures of each set."""
    jobs: int = 1
    timings: HW | None = None
    """Size of the picture for the time measurement; None: measure no times, and keep earlier ones."""
    device: str = "auto"
    precision: str = "float32"

    def run(
        self,
        *,
        command: str = "",
        warn: Callable[[str], None] = lambda line: None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Results:
        """Measure every picture that is not in the cache, and write the results.

        Args:
            command: The command line to record in the results.
            warn: Called with one line for everything that is missing, unexpected or left out.
            progress: Called with (pictures done, pictures to measure).

        Returns:
            The results, as written to `out`.

        Raises:
            UsageError: If a setting is invalid, or if `out` exists and does not hold results of this suite.
            ImageError: If no picture is usable.
            CheckpointError: If weights do not match their column.
            MissingExtraError: If SSIM is requested and torchmetrics is not installed.
        """
        previous, chosen = self._previous_results(), self._chosen_columns()
        if self.ssim:
            check_ssim()
        check_runs(self.runs)
        sets, warnings = find_sets(self.suite, self.data, self.sets, limit=self.limit)
        for line in warnings:
            warn(line)
        sources = {column.key: find_column_weights(column, self.runs) for column in chosen}
        for line in installable_weights(
            column.weights for column in chosen if column.weights and not sources[column.key]
        ):
            warn(line)
        columns = {column.key: describe_column(column, sources[column.key]) for column in chosen}
        recipes = {
            column.key: self._recipe(column, sources[column.key], columns[column.key].digest)
            for column in chosen
            if columns[column.key].status == "measured"
        }
        cache = Cache(cache_path(self.out))
        pictures = measure_columns(sets, recipes, cache, jobs=self.jobs, warn=warn, progress=progress)
        timings = self._time_columns(chosen, recipes) if self.timings else previous.timings if previous else ()
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
            sets=tuple(set_result(item, pictures) for item in sets),
            columns=tuple(columns.values()),
            pictures=tuple(pictures),
            published=tuple(
                PublishedMetric(column=item.column, set=item.set, rgb=item.rgb, y=item.y)
                for item in self.suite.published
                if item.column in keys | {column.compare_with for column in chosen}
            ),
            timings=tuple(item for item in timings if item.column in keys),
        )
        if self.columns and previous is not None and previous.border == self.border:
            results = merge_results(results, previous, [column.key for column in self.suite.columns])
        results.write(self.out)
        return results

    def _previous_results(self) -> Results | None:
        """Read the results that `out` holds already, which must belong to this suite."""
        if self.out.suffix.lower() != ".json":
            raise UsageError(f"invalid output {self.out}: the name must end in .json")
        if not self.out.parent.is_dir():
            raise UsageError(f"the folder {self.out.parent} does not exist; make it first")
        if not self.out.exists():
            return None
        try:
            results = read_results(self.out)
        except ResizeKitError as error:
            raise UsageError(f"{error}; nothing is overwritten: use another --out") from None
        if results.suite != self.suite.name:
            raise UsageError(f"{self.out} holds results of the suite {results.suite!r}; use another --out")
        return results

    def _chosen_columns(self) -> list[SuiteColumn]:
        known = [column.key for column in self.suite.columns]
        unknown = next((key for key in self.columns if key not in known), None)
        if unknown is not None:
            raise UsageError(f"suite {self.suite.name!r} has no column {unknown!r}; there are: {', '.join(known)}")
        return [column for column in self.suite.columns if not self.columns or column.key in self.columns]

    def _recipe(self, column: SuiteColumn, source: str | Path | None, digest: str | None) -> ColumnRecipe:
        device = pick_device(self.device)
        return ColumnRecipe(
            factor=column.factor,
            channels=column.channels,
            weights=source,
            digest=digest,
            self_ensemble=column.self_ensemble,
            effort=column.effort,
            border=None if self.border == "factor" else self.border,
            ssim=self.ssim,
            device=str(device),
            precision=pick_precision(self.precision, device),
        )

    def _time_columns(self, chosen: Sequence[SuiteColumn], recipes: dict[str, ColumnRecipe]) -> list[TimingResult]:
        assert self.timings is not None
        timings = [
            time_column(
                column,
                recipes.get(column.key),
                self.timings,
                published=self.suite.timings[column.key] if self.timings == self.suite.timings_size else None,
                device=self.device,
                precision=self.precision,
            )
            for column in chosen
            if column.key in self.suite.timings
        ]
        return [timing for timing in timings if timing is not None]
