"""`resizekit evaluate FOLDER...`: measure one codec on folders of pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from resizekit.cli.options import read_efforts, read_times, read_value_range, read_weights
from resizekit.cli.output import echo_json, print_wide
from resizekit.cli.progress import counted
from resizekit.codec import Codec
from resizekit.evaluation.folder import SetMetrics, evaluate_depths
from resizekit.evaluation.measure import baseline_name, measure
from resizekit.images.planning import repeated
from resizekit.images.selection import choose_codec

__all__ = ["FolderOptions", "evaluate_folders"]


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """The options of the command; texts are not parsed yet."""

    weights: str | None
    task: str | None
    compression: str | None
    value_range: str | None
    times: str | None
    effort: str | None
    device: str
    precision: str
    limit: int | None
    self_ensemble: bool
    as_json: bool


@dataclass(frozen=True)
class _Row:
    """A set at one depth."""

    times: int
    factor: str
    effort: int
    metrics: SetMetrics

    def value(self, column: str) -> float:
        """Return the mean that belongs to a column of the table, such as "high RGB"."""
        mean = self.metrics.mean
        return {**mean, **_gains(mean)}[_key(column)]


def evaluate_folders(folders: Sequence[Path], options: FolderOptions) -> None:
    """Measure a codec on each folder, and print the means.

    Args:
        folders: Folders of pictures, or single pictures.
        options: The options of the command.

    Raises:
        UsageError: If options are invalid or contradict each other.
        ImageError: If a folder has no usable picture.
    """
    weights, task = read_weights(options.weights, options.task)
    depths, value_range = read_times(options.times), read_value_range(options.value_range)
    codec = choose_codec(
        weights=weights,
        task=task,
        compression=options.compression,
        device=options.device,
        precision=options.precision,
    )
    if options.self_ensemble:
        codec = codec.replace(self_ensemble=True)
    factors = {n: repeated(codec, n).spec.short for n in depths or (codec.times,)}
    efforts = read_efforts(options.effort)
    rows: list[_Row] = []
    for folder in folders:
        added: list[_Row] = []
        skipped: list[str] = []
        with counted(Console(stderr=True), folder.name, len(efforts)) as count:
            for effort in efforts:
                measured = evaluate_depths(
                    codec,
                    folder,
                    tuple(factors),
                    limit=options.limit,
                    value_range=value_range,
                    measure_with=partial(measure, effort=effort, with_seconds=options.effort is not None),
                    progress=count.part,
                )
                count.finish()
                for n, result in measured.items():
                    if isinstance(result, SetMetrics):
                        added.append(_Row(n, factors[n], effort.level, result))
                        skipped += result.skipped
                    else:
                        skipped.append(f"{factors[n]}: {result}")
        for line in dict.fromkeys(skipped):
            typer.echo(f"warning: left out: {line}", err=True)
        rows += added
    if options.as_json:
        echo_json(_as_dict(codec, rows, options, with_depths=bool(depths)))
    else:
        _print(codec, rows, options, with_depths=bool(depths))


def _as_dict(codec: Codec, rows: Sequence[_Row], options: FolderOptions, *, with_depths: bool) -> dict[str, object]:
    sets = [
        row.metrics.as_dict()
        | ({"times": row.times, "factor": row.factor} | _gains(row.metrics.mean) if with_depths else {})
        | ({} if options.effort is None else {"effort": row.effort})
        for row in rows
    ]
    return {
        "weights": codec.info.weights,
        "precision": codec.precision,
        "self_ensemble": options.self_ensemble,
        "sets": sets,
    }


def _print(codec: Codec, rows: Sequence[_Row], options: FolderOptions, *, with_depths: bool) -> None:
    columns = _columns(codec, with_depths=with_depths, with_effort=options.effort is not None)
    all_channels = codec.channels not in (1, 3)
    baseline = baseline_name(codec)
    heads = [name.replace("bicubic", baseline).removesuffix(" RGB" if all_channels else "") for name in columns]
    wraps = with_depths or options.effort is not None
    if wraps:
        heads = [name.replace(" ", "\n") for name in heads]  # otherwise the table is wider than 80 characters
    table = Table(box=None, header_style="bold", collapse_padding=wraps, pad_edge=not wraps)
    with_effort = options.effort is not None
    more = (["factor"] if with_depths else []) + (["effort"] if with_effort else [])
    for head in ("set", *more, "pictures", *heads):
        table.add_column(head)
    for row in rows:
        first = ([row.factor] if with_depths else []) + ([str(row.effort)] if with_effort else [])
        values = (f"{row.value(name):.2f}" for name in columns)
        table.add_row(row.metrics.name, *first, str(row.metrics.pictures), *values)
    console = Console(markup=False, emoji=False)
    print_wide(console, table)
    against = baseline if baseline == "bicubic" else f"its {baseline}"
    console.print(
        f"mean PSNR in dB of {codec.info.weights}{'+' * options.self_ensemble}, computed in {codec.precision}: "
        f"high against the original, low against {against}; "
        + ("over all channels" if all_channels else "RGB without border, Y with a border of the factor")
        + (f", gain is high minus {baseline}" if with_depths else "")
        + (", seconds per picture, down and up" if options.effort is not None else ""),
        highlight=False,
    )
    for line in _infinite([row.metrics for row in rows], list(zip(columns, heads, strict=True))):
        console.print(line, highlight=False)


def _columns(codec: Codec, *, with_depths: bool, with_effort: bool) -> list[str]:
    columns = ["high RGB", "high Y", "low RGB", "low Y", "bicubic RGB", "bicubic Y"]
    if codec.channels == 1:
        columns = [name for name in columns if name.endswith("Y")]
    elif codec.channels != 3:
        columns = [name for name in columns if name.endswith("RGB")]
    if with_depths:
        columns += [name.replace("high", "gain") for name in columns if name.startswith("high")]
    if with_effort:
        columns.append("seconds")
    return columns


def _key(column: str) -> str:
    return column.lower().replace(" ", "_")


def _infinite(sets: Sequence[SetMetrics], columns: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Explain which means leave out pictures because the compared pictures are equal."""
    for item in sets:
        heads_by_count: dict[int, list[str]] = {}
        for name, head in columns:
            if n := item.equal.get(_key(name)):
                heads_by_count.setdefault(n, []).append(head.replace("\n", " "))
        for n, heads in heads_by_count.items():
            count = "all" if n == item.pictures else f"{n} of {item.pictures}"
            rest = "" if n == item.pictures else ", left out of the mean"
            yield f"{item.name}, {' and '.join(heads)}: no difference (inf) in {count} pictures{rest}"


def _gains(mean: Mapping[str, float]) -> dict[str, float]:
    """Compute the gain of restored pictures over bicubic."""
    return {
        f"gain_{kind}": mean[f"high_{kind}"] - mean[f"bicubic_{kind}"]
        for kind in ("rgb", "y")
        if f"high_{kind}" in mean
    }
