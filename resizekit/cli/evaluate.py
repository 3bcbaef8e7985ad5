"""`resizekit evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import (
    CompressionName,
    Device,
    Json,
    Precision,
    SpanText,
    TaskName,
    WeightsName,
    read_span,
    read_weights,
)

__all__ = ["evaluate"]


def evaluate(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER", help="Sets of pictures, a row for each.")],
    weights: WeightsName = None,
    task: TaskName = None,
    compression: CompressionName = None,
    span: SpanText = None,
    device: Device = "auto",
    precision: Precision = "float32",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many pictures a set, evenly spread.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure weights on folders of pictures: PSNR of high and low, RGB and Y, beside bicubic down and up."""
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.output import echo_json
    from resizekit.cli.progress import counted
    from resizekit.evaluation.measure import plain_name
    from resizekit.evaluation.table import evaluate_folder
    from resizekit.images.weights import choose_codec

    (chosen, of_task), declared = read_weights(weights, task), read_span(span)
    codec = choose_codec(weights=chosen, task=of_task, compression=compression, device=device, precision=precision)
    errors = Console(stderr=True)
    sets = []
    for folder in folders:
        with counted(errors, folder.name, 1) as count:
            sets.append(evaluate_folder(codec, folder, limit=limit, span=declared, progress=count.part))
        for line in sets[-1].skipped:
            typer.echo(f"warning: left out: {line}", err=True)
    if as_json:
        echo_json({"weights": codec.names.weights, "sets": [s.as_dict() for s in sets]})
        return
    grey = codec.channels == 1
    columns: tuple[str, ...] = ("high Y", "low Y", "bicubic Y") if grey else (
        "high RGB", "high Y", "low RGB", "low Y", "bicubic RGB", "bicubic Y",
    )  # fmt: skip
    columns = tuple(name for name in columns if name.lower().replace(" ", "_") in sets[0].mean)  # a cube has no Y
    plain = plain_name(codec)
    cube = codec.channels not in (1, 3)
    heads = [name.replace("bicubic", plain).removesuffix(" RGB" if cube else "") for name in columns]
    table = Table("set", "pictures", *heads, box=None, header_style="bold")
    for row in sets:
        values = (row.mean[name.lower().replace(" ", "_")] for name in columns)
        table.add_row(row.name, str(row.pictures), *(f"{value:.2f}" for value in values))
    console = Console(markup=False, emoji=False)
    console.print(table)
    against = plain if plain == "bicubic" else f"its {plain}"
    console.print(
        f"mean PSNR in dB of {codec.names.weights}: high against the original, low against {against}; "
        + ("over all channels" if cube else "RGB without border, Y with a border of the factor"),
        highlight=False,
    )
