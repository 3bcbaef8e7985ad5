"""Write results as CSV, with one line for each picture in each column."""

import csv
from io import StringIO
from pathlib import Path

from resizekit.errors import UsageError
from resizekit.suites.results import METRICS, Results
from resizekit.system.atomic_write import atomic_write

__all__ = ["check_csv", "write_csv"]

_HEAD = ("column", "label", "factor", "set", "picture", *METRICS, "low_bytes")


def check_csv(path: Path) -> None:
    """Raise `UsageError` if the path holds anything but a CSV file of `write_csv`."""
    if not path.exists():
        return
    head = ",".join(_HEAD).encode()
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(head)) == head:
                return
    raise UsageError(f"{path} exists and is not a CSV file of suite results: move it away, or use another --out")


def write_csv(results: Results, path: Path) -> None:
    """Write results to a CSV file, atomically. A missing metric is an empty cell."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEAD)
    columns = {column.key: column for column in results.columns}
    for item in results.pictures:
        column = columns[item.column]
        metrics = (getattr(item, metric) for metric in METRICS)
        writer.writerow((column.key, column.label, column.factor, item.set, item.picture, *metrics, item.low_bytes))
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
