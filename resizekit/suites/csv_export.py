"""The figures of results as CSV, a line for each picture in each column, for spreadsheets."""

import csv
from io import StringIO
from pathlib import Path

from resizekit.errors import UsageError
from resizekit.suites.results import METRICS, Results
from resizekit.system.atomic_write import atomic_write

__all__ = ["check_csv", "write_csv"]

_HEAD = ("column", "label", "factor", "set", "picture", *METRICS, "low_bytes")


def check_csv(path: Path) -> None:
    """Refuse to replace what is no CSV of ours, with a `UsageError`."""
    if not path.exists():
        return
    begins = ",".join(_HEAD).encode()
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(begins)) == begins:
                return
    raise UsageError(f"{path} exists and is no CSV of such results: move it away, or name another --out")


def write_csv(results: Results, path: Path) -> None:
    """Write the file beside the target and rename it; a figure that does not exist is an empty cell."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEAD)
    columns = {column.key: column for column in results.columns}
    for one in results.pictures:
        column = columns[one.column]
        figures = (getattr(one, figure) for figure in METRICS)
        writer.writerow((column.key, column.label, column.factor, one.set, one.picture, *figures, one.low_bytes))
    with atomic_write(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8")
