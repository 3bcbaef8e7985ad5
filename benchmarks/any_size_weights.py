"""Compare weights by 2 and by 4 at intermediate sizes, to find the scale at which to switch between them.

    python benchmarks/any_size_weights.py Set14 B100 Urban100 --limit 14 --limit 10 --limit 10 --out FILE

All weights resize each picture to all sizes and back, as `resizekit roundtrip --scale` does: with as many learned steps
as fit, at least one, and a bicubic resize. PSNR is RGB in dB of high against the original, in the centre of each
picture. The last column shows the weights that `best_weights_for` selects.
"""

from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from any_size_order import parts
from numbers_table import lines
from results_file import write_results
from script import run_script

from resizekit import TargetSize, load
from resizekit.evaluation.metrics import psnr
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.selection import best_weights_for
from resizekit.pictures.picture import Picture

SCALES = "3/2", "2", "11/5", "9/4", "12/5", "5/2", "3", "4", "5", "6", "8", "12", "16"


def study(
    folders: Annotated[list[Path], typer.Argument(help="Folders of pictures.")],
    limit: Annotated[list[int], typer.Option(help="Number of pictures of a set; pass it once for each set.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    weights: Annotated[str, typer.Option(help="Installed weights of one task, separated by commas.")] = "sr-x2,sr-x4",
    task: Annotated[str, typer.Option(help="Task of the weights.")] = "sr",
    side: Annotated[int, typer.Option(help="Side of the measured part of each picture.")] = 240,
) -> None:
    """Measure all weights at all sizes on all sets, write JSON and print a table."""
    codecs = {name: load(name) for name in weights.split(",")}
    rows: list[dict[str, Any]] = []
    for (folder, count), scale in product(zip(folders, limit, strict=True), SCALES):
        target, results = TargetSize(scale=scale), {name: list[float]() for name in codecs}
        pictures = [Picture(pixels=pixels) for pixels in parts(folder, count, side)]
        for picture, (name, codec) in product(pictures, codecs.items()):
            small, manifest = down_picture(codec, picture, target=target)
            results[name].append(psnr(up_picture(codec, small, manifest).pixels, picture.pixels))
        rows.append(
            {
                "set": folder.name,
                "pictures": len(pictures),
                "scale": scale,
                "high": {name: round(fmean(values), 2) for name, values in results.items()},
                "taken": best_weights_for(task, 3, pictures[0].hw, target),
            }
        )
        write_results(out, {"side": side, "rows": rows})
        typer.echo(str(rows[-1]), err=True)
    cells = [["set", "scale", *codecs, "selected"]]
    for row in rows:
        cells.append([row["set"], row["scale"], *(f"{high:.2f}" for high in row["high"].values()), row["taken"]])
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
