"""What weights that live through JPEG are worth at each quality, beside bicubic and beside weights made for a PNG.

    python benchmarks/jpeg_quality.py Set14 --weights sr-x2-jpeg75 --weights sr-x2 --out benchmarks/results/jpeg.json

Every small picture is a real JPEG.  PSNR is RGB in dB against the original; bytes are those of the small file, since a
small picture that carries a message takes more of them at the same quality.
"""

from io import BytesIO
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
    """Give the codec of these networks that stores a JPEG of this quality."""
    return codec.with_compression(Jpeg(JpegOptions(quality=quality)))


def size(codec: Codec, given: Pixels) -> int:
    """Count the bytes of the small file."""
    file = BytesIO()
    codec.storage.save(file, given)
    return file.tell()


def one(codec: Codec, high: Pixels) -> dict[str, float]:
    """Measure a picture: ours and bicubic's, PSNR of high and bytes of the small file."""
    given = codec.down_pixels(high)
    restored = codec.up(codec.storage.read_back(given))
    guide, plain = bicubic_roundtrip(codec, high)
    return {
        "high": psnr(restored, high),
        "bytes": size(codec, given),
        "bicubic": psnr(plain, high),
        "bicubic_bytes": size(codec, guide),
    }


def study(
    folders: Annotated[list[Path], typer.Argument(help="Sets of pictures.")],
    weights: Annotated[list[str], typer.Option(help="Installed weights, or files.")],
    out: Annotated[Path, typer.Option(help="The results, as JSON.")],
    qualities: Annotated[
        list[int] | None, typer.Option("--quality", help="Of the JPEG.  [default: 50, 75, 90]")
    ] = None,
) -> None:
    """Measure weights at several qualities of JPEG, write JSON and print a table."""
    codecs = {name: load(name) for name in weights}
    rows: list[dict[str, Any]] = []
    for folder, quality in product(folders, qualities or [50, 75, 90]):
        row: dict[str, Any] = {"set": folder.name, "quality": quality}
        for name, codec in codecs.items():
            measured = evaluate_folder(at_quality(codec, quality), folder, measure_with=one)
            for line in measured.skipped:
                typer.echo(f"warning: left out: {line}", err=True)
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
