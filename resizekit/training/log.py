"""Write the training curves to a CSV file or to TensorBoard."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from resizekit.errors import MissingExtraError
from resizekit.system.atomic_write import atomic_write

__all__ = ["LOG_FILE", "Log", "open_log"]

LOG_FILE = "log.csv"

_COLUMNS = ("step", "seconds", "lr", "loss", "guide_weight", "rate_weight", "low_rgb", "high_rgb")


class Log(Protocol):
    """A function that writes the metrics of one step."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of a step."""


@contextmanager
def open_log(kind: str, folder: Path, *, resumed_at: int = 0) -> Iterator[Log]:
    """Open the log of a training.

    A resumed training continues the log in the same folder. Entries after `resumed_at` are removed, because the
    training writes these steps again.

    Args:
        kind: "csv" for `log.csv`, "tensorboard" for `tensorboard/`, "none" for no log.
        folder: Folder of the training.
        resumed_at: Step of the state that the training resumes from; 0 starts a new log.

    Raises:
        MissingExtraError: If `kind` is "tensorboard" and TensorBoard is not installed.
    """
    if kind == "tensorboard":
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError('log = "tensorboard" needs TensorBoard: pip install "resizekit[train]"') from None
        writer = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at or None)
        try:
            yield lambda step, metrics: _write_scalars(writer, step, metrics)
        finally:
            writer.close()
    elif kind == "csv":
        path = folder / LOG_FILE
        if resumed_at and path.is_file():
            _remove_rows_after(path, resumed_at)
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                _table(file).writeheader()
        with path.open("a", newline="", encoding="utf-8") as file:
            table = _table(file)

            def write(step: int, metrics: Mapping[str, float]) -> None:
                table.writerow({"step": step} | {name: f"{value:.6g}" for name, value in metrics.items()})
                file.flush()

            yield write
    else:
        yield lambda step, metrics: None


def _write_scalars(writer: object, step: int, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        writer.add_scalar(name, value, step)  # type: ignore[attr-defined]


def _table(file: TextIO) -> "csv.DictWriter[str]":
    return csv.DictWriter(file, _COLUMNS, extrasaction="ignore")


def _remove_rows_after(path: Path, step: int) -> None:
    """Remove the rows of a CSV log after a step, and incomplete rows. A kill at any time leaves a complete file."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.DictReader(file) if row.get("step", "").isdigit() and int(row["step"]) <= step]
    with atomic_write(path, overwrite=True) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = _table(file)
        table.writeheader()
        table.writerows(row for row in rows if None not in row.values())
