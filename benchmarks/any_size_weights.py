"""Which weights suit a size in between: those by 2 or those by 4, and from where on.

    python benchmarks/any_size_weights.py Set14 B100 Urban100 --limit 14 --limit 10 --limit 10 --out FILE

Each takes a picture down to every size and back as `resizekit roundtrip --scale` does: as many steps as fit, at least
one, and a bicubic remainder.  PSNR is RGB in dB, high against the original; of each picture a part in the middle is
taken.  Beside the figures stands whom `resizekit.images.suited` takes where nobody says which.
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
from resizekit.images.picture import Picture
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.images.suited import best_weights_for

SCALES = "3/2", "2", "11/5", "9/4", "12/5", "5/2", "3", "4", "5", "6", "8", "12", "16"


def study(
    folders: Annotated[list[Path], typer.Argument(help="Sets of pictures.")],
    limit: Annotated[list[int], typer.Option(help="Pictures of each set.")],
    out: Annotated[Path, typer.Option(help="The results, as JSON.")],
    weights: Annotated[str, typer.Option(help="Installed weights of one task, with commas.")] = "sr-x2,sr-x4",
    task: Annotated[str, typer.Option(help="Whose they are.")] = "sr",
    side: Annotated[int, typer.Option(help="Of the part that is taken of each picture.")] = 240,
) -> None:
    """Measure all of them at every size on every set, write JSON and print a table."""
    codecs = {name: load(name) for name in weights.split(",")}
    rows: list[dict[str, Any]] = []
    for (folder, many), scale in product(zip(folders, limit, strict=True), SCALES):
        wanted, found = TargetSize(scale=scale), {name: list[float]() for name in codecs}
        pictures = [Picture(pixels=pixels) for pixels in parts(folder, many, side)]
        for picture, (name, codec) in product(pictures, codecs.items()):
            small, manifest = down_picture(codec, picture, wanted=wanted)
            found[name].append(psnr(up_picture(codec, small, manifest).pixels, picture.pixels))
        rows.append(
            {
                "set": folder.name,
                "pictures": len(pictures),
                "scale": scale,
                "high": {name: round(fmean(values), 2) for name, values in found.items()},
                "taken": best_weights_for(task, 3, pictures[0].size, wanted),
            }
        )
        write_results(out, {"side": side, "rows": rows})
        typer.echo(str(rows[-1]), err=True)
    cells = [["set", "scale", *codecs, "taken"]]
    for row in rows:
        cells.append([row["set"], row["scale"], *(f"{high:.2f}" for high in row["high"].values()), row["taken"]])
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
