"""Where the curves go: a CSV file or TensorBoard."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from resizekit.errors import MissingExtraError

__all__ = ["Log", "open_log"]

_COLUMNS = ("step", "seconds", "lr", "loss", "guide_weight", "low_rgb", "high_rgb")


class Log(Protocol):
    """Takes one row of figures a time."""

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step."""


@contextmanager
def open_log(kind: str, folder: Path, *, resumed_at: int = 0) -> Iterator[Log]:
    """Open a log in a folder; a resumed run goes on in the same one, without rows that it will write again."""
    if kind == "tensorboard":
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError('log = "tensorboard" needs it installed: pip install "resizekit[train]"') from None
        writer = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at or None)
        try:
            yield lambda step, figures: _scalars(writer, step, figures)
        finally:
            writer.close()
    elif kind == "csv":
        path = folder / "log.csv"
        kept = _rows_before(path, resumed_at) if resumed_at else []
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore")
            table.writeheader()
            table.writerows(kept)
            file.flush()

            def write(step: int, figures: Mapping[str, float]) -> None:
                table.writerow({"step": step} | {k: f"{v:.6g}" for k, v in figures.items()})
                file.flush()

            yield write
    else:
        yield lambda step, figures: None


def _scalars(writer: object, step: int, figures: Mapping[str, float]) -> None:
    for name, value in figures.items():
        writer.add_scalar(name, value, step)  # type: ignore[attr-defined]


def _rows_before(path: Path, step: int) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("step", "").isdigit() and int(row["step"]) <= step]
