"""`resizekit pack`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Overwrite, ValueRangeText, read_value_range

__all__ = ["pack"]


def pack(
    sources: Annotated[list[Path], typer.Argument(metavar="IN", help="Pictures, folders or patterns.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.pack", help="The file to write.")],
    channels: Annotated[
        int, typer.Option(min=1, max=4096, help="Channels of the codec: 3, 1 for luma, or those of cubes.")
    ] = 3,
    value_range: ValueRangeText = None,
    overwrite: Overwrite = False,
) -> None:
    """Decode training pictures once into one file, which every training maps into memory."""
    from rich.console import Console

    from resizekit.cli.output import error_text
    from resizekit.cli.progress import counted
    from resizekit.pictures.io.find import find_pictures
    from resizekit.training.packing import check_output, check_space, expected_bytes
    from resizekit.training.packing import pack as write_pack

    check_output(out, overwrite=overwrite)
    console = Console(stderr=True, markup=False, emoji=False)
    pictures = list(find_pictures(sources))
    expected = expected_bytes(pictures, channels)
    console.print(f"{len(pictures)} pictures, about {_amount(expected)} decoded", highlight=False)
    check_space(out, expected)
    with counted(console, out.name, len(pictures)) as count:
        packed = write_pack(
            pictures,
            out,
            channels=channels,
            value_range=read_value_range(value_range),
            overwrite=overwrite,
            progress=lambda done, size: count.finish(),
        )
    for line in packed.skipped:
        console.print(f"skipped: {error_text(line)}", style="yellow", highlight=False, soft_wrap=True)
    typer.echo(f"{out}  {packed.pictures} pictures, {_amount(packed.bytes)}, {len(packed.skipped)} skipped")


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
