"""Make the pictures of a Ray dataset small, and restore them, on the machines of a cluster.

A pool of actors processes the rows. An actor is a process with one CPU core that loads the codec once. Ray starts an
actor that died again, and repeats its rows. Every machine needs resizekit and the weights.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import torch

from resizekit.codec import Codec
from resizekit.codec.refine.effort import Effort
from resizekit.errors import ImageError, MissingExtraError, UsageError
from resizekit.images.batch import concerns_one_picture
from resizekit.images.files import down_file, up_file
from resizekit.images.max_bytes import MaxBytes
from resizekit.images.run_options import RunOptions
from resizekit.images.selection import choose_codec, default_suffix
from resizekit.images.small_files import restored_suffix
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.destination import Destination
from resizekit.pictures.io.source import MemoryFile, PictureFile
from resizekit.system.device import pick_device
from resizekit.system.malloc import keep_freed_memory

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["down_dataset", "up_dataset"]

Actors: TypeAlias = int | tuple[int, int] | None
"""Number of actors, or the least and the most; None: from 1 to as many as the cluster has room for."""

_COLUMNS: "WeakKeyDictionary[Dataset, Mapping[str, str]]" = WeakKeyDictionary()
"""Columns of the datasets that this module returned. To ask Ray for them would start actors."""


def down_dataset(
    ds: "Dataset",
    *,
    weights: str | Path | Codec | None = None,
    task: str | None = None,
    compression: str | None = None,
    target: TargetSize | None = None,
    effort: int | Effort = 0,
    max_bytes: int | MaxBytes | None = None,
    column: str = "bytes",
    out: str | Path | None = None,
    base: str | None = None,
    actors: Actors = None,
    num_gpus: float = 0,
    options: RunOptions = RunOptions(),
) -> "Dataset":
    """Make the picture of each row small, as `down_file` does. The dataset is lazy: consume it to begin the work.

    To check the names of the columns, the call reads one row of a dataset that did not come from this module.

    Args:
        ds: A dataset whose rows hold files, such as `ray.data.read_binary_files(folder, include_paths=True)`.
        weights: Name of installed weights, a .safetensors file that every machine has, or a loaded codec.
        task: Name of a task, as for `down_file`; pass exactly one of `weights` and `task`.
        compression: As for `down_file`.
        target: Requested size, for each picture.
        effort: 0 to 4, or an `Effort`.
        max_bytes: Largest size of each small file.
        column: Column with the bytes of the files, or with their paths on a file system that all machines share.
        out: Folder on such a file system for the small files. None: the column "small" gets their bytes. With bytes,
            the dataset needs a column "path" too.
        base: Folder that the names in `out` are relative to. None: `out` gets all folders of a path.
        actors: Number of actors, or the least and the most; None: as many as the cluster has room for.
        num_gpus: GPUs of an actor, such as 1 or 0.5; 0: actors compute on the CPU.
        options: Tiles, precision and metadata. With `overwrite`, outputs that exist are replaced, not skipped.

    Returns:
        The rows without the bytes of their pictures, and with the columns "status" ("done", "skipped" or "failed"),
        "error" (the reason of a failure, or empty), and "output" (a path in `out`) or "small". A name in `out` is that
        of the source plus a suffix, such as `a.jpg.png`; a column "path" names sources of bytes. A failed row does not
        stop the others. A file in `out` is complete, so a second run continues an interrupted run.

    Raises:
        UsageError: The arguments contradict one another, or the dataset does not have the columns.
        UnknownNameError: The weights, task or compression are not installed.
        MissingExtraError: Ray is not installed.
    """
    suffix = default_suffix(weights=weights, task=task, compression=compression, has_quality=max_bytes is not None)
    arguments: dict[str, Any] = {
        "weights": weights,
        "task": task,
        "compression": compression,
        "target": target,
        "effort": Effort.of(effort),
        "max_bytes": max_bytes,
        "options": _options(options, num_gpus),
    }
    rows = _Rows(column=column, result="small", out=_folder(out), base=base, overwrite=options.overwrite)
    return _map(ds, _Down, rows, {"arguments": arguments, "suffix": suffix}, actors, num_gpus)


def up_dataset(
    ds: "Dataset",
    *,
    weights: str | Path | Codec | None = None,
    force: bool = False,
    column: str = "bytes",
    out: str | Path | None = None,
    base: str | None = None,
    actors: Actors = None,
    num_gpus: float = 0,
    options: RunOptions = RunOptions(),
) -> "Dataset":
    """Restore the picture of each row from its small file, as `up_file` does. The dataset is lazy.

    Args:
        ds: A dataset whose rows hold small files.
        weights: As for `up_file`; None: the installed weights that each manifest names.
        force: Restore from pixels that changed.
        column: Column with the bytes of the small files, or with their paths. After `down_dataset`, pass "small", or
            "output" if it had an `out`.
        out: Folder for the restored pictures, as for `down_dataset`. None: the column "restored" gets the bytes of PNG
            files (cubes and float32: .npy).
        base: As for `down_dataset`.
        actors: As for `down_dataset`.
        num_gpus: As for `down_dataset`.
        options: Tiles, device and precision.

    Returns:
        The rows, with the columns "status", "error", and "output" or "restored".

    Raises:
        UsageError: The arguments contradict one another, or the dataset does not have the columns.
        MissingExtraError: Ray is not installed.
    """
    arguments = {"weights": weights, "force": force, "options": _options(options, num_gpus)}
    rows = _Rows(column=column, result="restored", out=_folder(out), base=base, overwrite=options.overwrite)
    return _map(ds, _Up, rows, {"arguments": arguments}, actors, num_gpus)


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Takes the file of a row, and builds the row of the result."""

    column: str
    result: str
    """Column for the bytes of the output, without `out`."""
    out: Path | None
    base: str | None
    overwrite: bool

    def columns_after(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Check the columns of a dataset, names with types, and return those of the result."""
        self._check(columns, "binary" in columns.get(self.column, ""), "path" in columns)
        kept = {name: kind for name, kind in columns.items() if name != self.column or "string" in kind}
        made = {self.result: "binary"} if self.out is None else {"output": "string"}
        return kept | made | {"status": "string", "error": "string"}

    def process(
        self,
        row: Mapping[str, Any],
        run: Callable[[PictureFile, Destination], object],
        suffix: Callable[[PictureFile], str],
    ) -> dict[str, Any]:
        """Run the work on one row. An error of its picture becomes a part of the row."""
        file = self._file(row)
        columns = {name: value for name, value in row.items() if name != self.column or isinstance(value, str)}
        output, memory, status, reason = "", BytesIO(), "done", ""
        try:
            if self.out is None:
                run(file, memory)
            else:
                target = self.out / self._name(row, suffix(file))
                output = str(target)
                if os.path.lexists(target) and not self.overwrite:
                    status = "skipped"
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    run(file, target)
        except Exception as error:
            if not concerns_one_picture(error):
                raise
            status, reason, memory = "failed", str(error), BytesIO()
        columns |= {self.result: memory.getvalue()} if self.out is None else {"output": output}
        return columns | {"status": status, "error": reason}

    def _file(self, row: Mapping[str, Any]) -> PictureFile:
        value = row.get(self.column)
        self._check(row, isinstance(value, bytes), isinstance(row.get("path"), str))
        if isinstance(value, str):
            return Path(value)
        if not isinstance(value, bytes):
            kind = type(value).__name__
            raise UsageError(
                f"column {self.column!r} holds values of type {kind}: expected the bytes or the path of a file"
            )
        return MemoryFile(value, str(row.get("path", "<bytes>")))

    def _check(self, columns: Collection[str], holds_bytes: bool, has_paths: bool) -> None:
        if self.column not in columns:
            raise UsageError(f"no column {self.column!r} in {list(columns)}: pass column= with the one of the files")
        if self.out is not None and holds_bytes and not has_paths:
            raise UsageError(
                "out needs the names of the files: pass a dataset with a column 'path', such as "
                "ray.data.read_binary_files(folder, include_paths=True)"
            )

    def _name(self, row: Mapping[str, Any], suffix: str) -> PurePosixPath:
        """Return the path below `out` for a row."""
        value = str(row[self.column] if isinstance(row[self.column], str) else row["path"])
        path, base = _without_scheme(value), _without_scheme(self.base or "")
        if not path.is_relative_to(base) or ".." in path.parts or path == base:
            raise ImageError(f"{value} is not a file below {self.base or 'the root'}: pass another base")
        relative = path.relative_to(base)
        return relative.with_name(relative.name + suffix)


class _Down:
    """The actor of `down_dataset`."""

    def __init__(self, rows: _Rows, arguments: dict[str, Any], suffix: str) -> None:
        self._rows, self._suffix = rows, suffix
        self._run = partial(down_file, **_loaded(arguments, arguments["compression"]))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return self._rows.process(row, self._run, lambda _: self._suffix)


class _Up:
    """The actor of `up_dataset`."""

    def __init__(self, rows: _Rows, arguments: dict[str, Any]) -> None:
        self._rows = rows
        self._run = partial(up_file, **_loaded(arguments, None))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return self._rows.process(row, self._run, restored_suffix)


def _loaded(arguments: dict[str, Any], compression: str | None) -> dict[str, Any]:
    """Prepare the process of an actor, and load its codec before the first row."""
    torch.set_num_threads(1)
    keep_freed_memory()
    weights, options = arguments["weights"], arguments["options"]
    if isinstance(weights, Codec):
        weights.to(pick_device(options.device))
    elif weights is not None:  # the codec stays in a cache of the process
        choose_codec(weights=weights, compression=compression, device=options.device, precision=options.precision)
    return arguments


def _map(
    ds: "Dataset",
    actor: type[_Down] | type[_Up],
    rows: _Rows,
    arguments: dict[str, Any],
    actors: Actors,
    num_gpus: float,
) -> "Dataset":
    try:
        from ray.data import ActorPoolStrategy
    except ImportError:
        raise MissingExtraError('datasets of Ray need Ray: pip install "resizekit[ray]"') from None
    least, most = actors if isinstance(actors, tuple) else (actors or 1, actors)
    if least < 1 or (most is not None and most < least):
        raise UsageError(f"invalid actors={actors!r}: expected a number of 1 or more, or (LEAST, MOST)")
    columns = _columns(ds)
    made = None if columns is None else rows.columns_after(columns)
    pool = ActorPoolStrategy(min_size=least, max_size=most)
    arguments = {"rows": rows, **arguments}
    result = ds.map(actor, fn_constructor_kwargs=arguments, compute=pool, num_cpus=1, num_gpus=num_gpus or None)
    if made is not None:
        _COLUMNS[result] = made
    return result


def _columns(ds: "Dataset") -> Mapping[str, str] | None:
    """Return the names and the types of the columns; None for a dataset without rows."""
    if ds in _COLUMNS:
        return _COLUMNS[ds]
    schema = ds.schema()
    return None if schema is None else dict(zip(schema.names, map(str, schema.types), strict=True))


def _options(options: RunOptions, num_gpus: float) -> RunOptions:
    if num_gpus == 0 and options.device == "auto":  # an actor without a GPU may see those of its machine
        return replace(options, device="cpu")
    return options


def _folder(out: str | Path | None) -> Path | None:
    return None if out is None else Path(out).absolute()


def _without_scheme(path: str) -> PurePosixPath:
    """Return a path or address relative to its root, such as `bucket/a.png` for `s3://bucket/a.png`."""
    return PurePosixPath(re.sub(r"^\w+://", "", path).lstrip("/"))
