"""What weights that live through JPEG are worth at each quality, beside bicubic and beside weights made for a PNG.

    python benchmarks/jpeg_quality.py Set14 --weights sr-x2-jpeg75 --weights sr-x2 --out benchmarks/results/jpeg.json

Every small picture is a real JPEG.  PSNR is RGB in dB against the original; bytes are those of the small file, since a
small picture that carries a message takes more of them at the same quality.
"""

import json
import sys
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import typer
from numbers_table import lines

from resizekit import Codec, load
from resizekit.cli.output import echo_error
from resizekit.convert import Pixels
from resizekit.errors import ResizeKitError
from resizekit.evaluation.measure import bicubic_roundtrip, roundtrip
from resizekit.evaluation.metrics import psnr
from resizekit.images.find import find_pictures
from resizekit.images.read import read_picture
from resizekit.jpeg import Jpeg, JpegOptions


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
    _, restored = roundtrip(codec, high)
    guide, plain = bicubic_roundtrip(codec, high)
    return {
        "high": psnr(restored, high),
        "bytes": size(codec, codec.to_store(high)),
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
    rows = []
    for folder in folders:
        pictures = [read_picture(path).pixels for path in find_pictures([folder])]
        pictures = [p.repeat(3, axis=2) if p.shape[2] == 1 else p for p in pictures]
        for quality in qualities or [50, 75, 90]:
            row: dict[str, object] = {"set": folder.name, "quality": quality}
            for name in weights:
                codec = at_quality(load(name), quality)
                each = []
                for pixels in pictures:
                    _, h, w = codec.spec.crop((3, *pixels.shape[:2]))
                    each.append(one(codec, np.ascontiguousarray(pixels[:h, :w])))
                mean = {key: round(fmean(figures[key] for figures in each), 3) for key in each[0]}
                row |= {"bicubic": mean.pop("bicubic"), "bicubic_bytes": mean.pop("bicubic_bytes"), name: mean}
            rows.append(row)
            told = {"qualities": sorted({r["quality"] for r in rows}), "rows": rows}  # type: ignore[type-var]
            out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    cells = [["set", "quality", *(f"{name}, dB / KiB" for name in weights), "bicubic, dB / KiB"]]
    for row in rows:
        pairs = [(row[name]["high"], row[name]["bytes"]) for name in weights]  # type: ignore[index]
        pairs.append((row["bicubic"], row["bicubic_bytes"]))
        cells.append([str(row["set"]), str(row["quality"]), *(f"{db:.2f} / {b / 1024:.1f}" for db, b in pairs)])
    typer.echo(lines(cells))


if __name__ == "__main__":
    try:
        typer.run(study)
    except ResizeKitError as error:
        echo_error(error)
        sys.exit(1)
