"""Compare the bytes of lossless small pictures with those of bicubic's small pictures.

    python benchmarks/lossless_bytes.py Set14 --weights sr-x4 --weights sr-x4-small --out results/lossless.json

Each small picture is written as PNG, WebP and JPEG XL, as the compressions `uint8`, `webp` and `jxl` write them. The
sizes are added up over a folder and divided by those of bicubic's small pictures. PSNR is RGB in dB. The column look is
SSIMULACRA2 of the small picture against bicubic's, or against luma for colorize.
"""

import json
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numbers_table import lines
from results_file import write_results
from script import run_script

from resizekit import Codec, Effort, load
from resizekit.evaluation.folder import evaluate_folder
from resizekit.evaluation.measure import bicubic_roundtrip, roundtrip
from resizekit.evaluation.metrics import psnr
from resizekit.evaluation.perceptual import ssimulacra2
from resizekit.storage.formats import PNG, WEBP, Pixels
from resizekit.storage.jxl import JXL

FORMATS = {"png": PNG, "webp": WEBP, "jxl": JXL}


def measure(codec: Codec, high: Pixels, effort: Effort) -> dict[str, float]:
    """Measure PSNR and the bytes of the small picture in each format, with the codec and with bicubic."""
    low, restored = roundtrip(codec, high, effort=effort)
    bicubic_low, bicubic_restored = bicubic_roundtrip(codec, high)
    row = {"high": psnr(restored, high), "gain": psnr(restored, high) - psnr(bicubic_restored, high)}
    row["look"] = ssimulacra2(_rgb(bicubic_low), _rgb(low)) or 0.0
    for name, storage in FORMATS.items():
        row |= {name: len(storage.encode(low)), f"bicubic_{name}": len(storage.encode(bicubic_low))}
    return row


def _rgb(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def study(
    folders: Annotated[list[Path], typer.Argument(help="Folders of pictures.")],
    weights: Annotated[list[str], typer.Option(help="Name of installed weights, or file. Can be repeated.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results; rows that it has are not measured again.")],
    effort: Annotated[int, typer.Option(help="Effort, 0 to 4.")] = 0,
    smaller: Annotated[bool, typer.Option("--smaller", help="Spend a part of the gain on bytes.")] = False,
    limit: Annotated[int | None, typer.Option(help="Number of pictures per folder, evenly spread.")] = None,
) -> None:
    """Measure the bytes of lossless small pictures, add them to a JSON file and print a table."""
    level = Effort(effort, smaller=smaller)
    rows: list[dict[str, Any]] = read_rows(out)
    for folder, name in product(folders, weights):
        key = {"set": folder.name, "weights": name, "effort": effort, "smaller": smaller, "limit": limit}
        if any(row.items() >= key.items() for row in rows):
            continue
        measured = evaluate_folder(
            load(name), folder, limit=limit, measure_with=lambda codec, high, alpha: measure(codec, high, level)
        )
        for line in measured.skipped:
            typer.echo(f"warning: skipped: {line}", err=True)
        mean = measured.mean
        relative = {kind: round(mean[kind] / mean[f"bicubic_{kind}"], 3) for kind in FORMATS}
        rounded = {kind: round(mean[kind], 2) for kind in ("high", "gain", "look")}
        rows.append(key | rounded | relative)
        write_results(out, {"rows": rows})
    columns = "set", "weights", "effort", "smaller", "high", "gain", "look", *FORMATS
    typer.echo(lines([list(columns), *([str(row.get(column, "")) for column in columns] for row in rows)]))


def read_rows(out: Path) -> list[dict[str, Any]]:
    """Return the rows of an earlier run."""
    return list(json.loads(out.read_text())["rows"]) if out.exists() else []


if __name__ == "__main__":
    run_script(study)
