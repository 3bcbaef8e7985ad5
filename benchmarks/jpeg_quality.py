"""Compare weights trained for JPEG with bicubic and with weights trained for PNG, at several JPEG qualities.

    python benchmarks/jpeg_quality.py Set14 --weights sr-x2-jpeg75 --weights sr-x2 --out benchmarks/results/jpeg.json

All small pictures are real JPEG files. PSNR is RGB in dB against the original. The file size is reported too: a small
picture with encoded details needs more bytes at the same quality.
"""

from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from numbers_table import lines
from results_file import write_results
from script import run_script

from resizekit import Codec, load
from resizekit.evaluation.folder import evaluate_folder
from resizekit.evaluation.measure import bicubic_roundtrip
from resizekit.evaluation.metrics import psnr
from resizekit.storage.formats import Pixels
from resizekit.storage.jpeg import Jpeg, JpegOptions


def at_quality(codec: Codec, quality: int) -> Codec:
    """Return the codec with JPEG of a quality as its compression."""
    return codec.with_compression(Jpeg(JpegOptions(quality=quality)))


def measure(codec: Codec, high: Pixels, *, alpha: Pixels | None = None) -> dict[str, float]:
    """Measure PSNR and file size of a picture, with the codec and with bicubic."""
    low = codec.down_pixels(high)
    restored = codec.up(codec.storage.read_back(low))
    bicubic_low, bicubic_restored = bicubic_roundtrip(codec, high)
    return {
        "high": psnr(restored, high),
        "bytes": len(codec.storage.encode(low)),
        "bicubic": psnr(bicubic_restored, high),
        "bicubic_bytes": len(codec.storage.encode(bicubic_low)),
    }


def study(
    folders: Annotated[list[Path], typer.Argument(help="Folders of pictures.")],
    weights: Annotated[list[str], typer.Option(help="Name of installed weights, or file. Can be repeated.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    qualities: Annotated[
        list[int] | None, typer.Option("--quality", help="JPEG quality. Can be repeated. [default: 50, 75, 90]")
    ] = None,
) -> None:
    """Measure weights at several JPEG qualities, write JSON and print a table."""
    codecs = {name: load(name) for name in weights}
    rows: list[dict[str, Any]] = []
    for folder, quality in product(folders, qualities or [50, 75, 90]):
        row: dict[str, Any] = {"set": folder.name, "quality": quality}
        for name, codec in codecs.items():
            measured = evaluate_folder(at_quality(codec, quality), folder, measure_with=measure)
            for line in measured.skipped:
                typer.echo(f"warning: skipped: {line}", err=True)
            mean = {key: round(value, 3) for key, value in measured.mean.items()}
            row |= {"bicubic": mean.pop("bicubic"), "bicubic_bytes": mean.pop("bicubic_bytes"), name: mean}
        rows.append(row)
        write_results(out, {"rows": rows})
    cells = [["set", "quality", *(f"{name}, dB / KiB" for name in weights), "bicubic, dB / KiB"]]
    for row in rows:
        pairs = [(row[name]["high"], row[name]["bytes"]) for name in weights]
        pairs.append((row["bicubic"], row["bicubic_bytes"]))
        cells.append([str(row["set"]), str(row["quality"]), *(f"{db:.2f} / {b / 1024:.1f}" for db, b in pairs)])
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
