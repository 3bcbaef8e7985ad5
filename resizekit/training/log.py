"""Write the training curves to a CSV file or to TensorBoard."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from resizekit.errors import MissingExtraError

__all__ = ["Log", "open_log"]

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
        path = folder / "log.csv"
        rows = _rows_until(path, resumed_at) if resumed_at else []
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)
            file.flush()

            def write(step: int, metrics: Mapping[str, float]) -> None:
                table.writerow({"step": step} | {name: f"{value:.6g}" for name, value in metrics.items()})
                file.flush()

            yield write
    else:
        yield lambda step, metrics: None


def _write_scalars(writer: object, step: int, metrics: Mapping[str, float]) -> None:
    for name, value in metrics.items():
        writer.add_scalar(name, value, step)  # type: ignore[attr-defined]


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    """Return the rows of a CSV log up to and including a step; incomplete rows are dropped."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("step", "").isdigit() and int(row["step"]) <= step]
