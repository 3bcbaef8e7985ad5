"""Merge the results of several runs, so that a table can grow by columns."""

from collections.abc import Iterator, Sequence

from resizekit.suites.results import PictureResult, Provenance, Results, SetResult
from resizekit.suites.sets import FoundSet

__all__ = ["merge_results", "set_result"]


def merge_results(results: Results, previous: Results, order: Sequence[str]) -> Results:
    """Add the columns of an earlier run that were not measured again.

    Args:
        results: The new results. They replace earlier results of the same columns.
        previous: The earlier results, of the same suite and border.
        order: Keys of all columns of the suite. Columns that are not in this list are dropped.

    Returns:
        All columns in order, with the runs that measured them.
    """
    others = ({column.key for column in previous.columns} - {column.key for column in results.columns}) & {*order}
    columns = [*results.columns, *(column for column in previous.columns if column.key in others)]
    columns.sort(key=lambda column: order.index(column.key))
    keys = [column.key for column in columns]
    pictures = [*results.pictures, *(item for item in previous.pictures if item.column in others)]
    pictures.sort(key=lambda item: keys.index(item.column))
    sets = {item.name: item for item in (*previous.sets, *results.sets)}
    published = dict.fromkeys((*results.published, *previous.published))
    measured = tuple(column.key for column in results.columns)
    return results.model_copy(
        update={
            "made_by": results.made_by.model_copy(update={"columns": measured if others else ()}),
            "earlier_runs": tuple(_runs_of(previous, others)),
            "sets": tuple(set_result(item, pictures) for item in sets.values()),
            "columns": tuple(columns),
            "pictures": tuple(pictures),
            "published": tuple(published),
            "timings": (*results.timings, *(item for item in previous.timings if item.column in others)),
        }
    )


def set_result(item: FoundSet | SetResult, pictures: Sequence[PictureResult]) -> SetResult:
    """Count the pictures of a set that were measured in at least one column."""
    measured = {picture.picture for picture in pictures if picture.set == item.name}
    return SetResult(name=item.name, expected=item.expected, found=item.found, measured=len(measured))


def _runs_of(previous: Results, keys: set[str]) -> Iterator[Provenance]:
    """Yield the runs that measured the columns `keys`, each with its own columns, the latest run first."""
    listed = {key for run in previous.earlier_runs for key in run.columns}
    rest = [column.key for column in previous.columns if column.key not in listed]
    for run in (previous.made_by, *previous.earlier_runs):
        columns = tuple(key for key in run.columns or rest if key in keys)
        if columns:
            yield run.model_copy(update={"columns": columns})
