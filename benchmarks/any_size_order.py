"""Compare the order of bicubic and learned steps for intermediate sizes, and the number of learned steps.

    python benchmarks/any_size_order.py Set14 B100 Urban100 --limit 14 --limit 10 --limit 10 --out FILE

*First* resizes the original with bicubic, then applies the learned steps. *Last* applies the learned steps to the
original, then resizes their result, before the rounding. With *fewer* learned steps, bicubic reduces the picture; with
*more*, bicubic enlarges it. *Set right* inverts the bicubic resize as resizekit.images.bicubic_remainder does, instead
of resizing back with bicubic. PSNR is RGB in dB: high against the original, low against bicubic of that size. To keep
the run short, only the centre of each picture is measured.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numbers_table import lines
from results_file import write_results
from script import run_script

from resizekit import Codec, load
from resizekit.codec.convert import from_batch, to_batch, to_tensor
from resizekit.codec.pad import reflect_pad_or_crop
from resizekit.evaluation.metrics import psnr
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.ops import resample, resample_uint8, to_uint8
from resizekit.pictures.io.find import find_pictures
from resizekit.pictures.io.read import read_picture
from resizekit.spec import HW
from resizekit.storage.formats import Pixels

Size = tuple[int, int]
FACTORS: dict[str, tuple[Fraction, Fraction]] = {
    name: (Fraction(h), Fraction(w))
    for name, h, w in (("3/2", "3/2", "3/2"), ("5/2", "5/2", "5/2"), ("3", "3", "3"), ("5", "5", "5"),
                       ("3x3/2", "3/2", "3"), ("2x1", "1", "2"))
}  # fmt: skip
"""Factors of height and width by name; WIDTHxHEIGHT if they differ."""


def parts(folder: Path, limit: int, side: int) -> Iterator[Pixels]:
    """Yield the centres of pictures, sampled evenly from a folder."""
    paths = list(find_pictures([folder]))
    for i in range(min(limit, len(paths))):
        pixels = read_picture(paths[i * len(paths) // min(limit, len(paths))]).pixels
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
        yield np.ascontiguousarray(pixels[top : top + side, left : left + side])


def bicubic(pixels: Pixels, size: Size) -> Pixels:
    """Resize to (height, width) like MATLAB's imresize."""
    return from_batch(resample_uint8(to_batch(pixels), size))


def first(codec: Codec, high: Pixels, intermediate: Size) -> tuple[Pixels, Pixels]:
    """Resize, then apply the learned steps; return low and the picture before the inverse resize."""
    low = codec.down(bicubic_resize(high, intermediate))
    return low, codec.up(low)


def last(codec: Codec, high: Pixels, size: Size) -> tuple[Pixels, Pixels]:
    """Apply the learned steps, then resize, in float with one rounding at the end."""
    (s, r), (h, w) = (codec.spec.s, codec.spec.r), high.shape[:2]
    padded = reflect_pad_or_crop(high, HW(-(-h // int(s)) * int(s), -(-w // int(r)) * int(r)))
    with torch.inference_mode():
        inner = codec.encode(to_tensor(padded))
        low = from_batch(to_uint8(resample(inner, size)))
        restored = to_uint8(codec.decode(resample(to_tensor(low), (inner.shape[2], inner.shape[3]))))
    return low, reflect_pad_or_crop(from_batch(restored), HW(h, w))


def orders(codec: Codec, high: Pixels, size: Size) -> Iterator[tuple[str, tuple[Pixels, Pixels]]]:
    """Yield (name, (low, restored)) of each order."""
    full_size = high.shape[0], high.shape[1]
    yield "bicubic", (low := bicubic(high, size), bicubic(low, full_size))
    area = Fraction(full_size[0] * full_size[1], size[0] * size[1])
    area_per_step = codec.step.s * codec.step.r
    fewer = math.floor(math.log(area, area_per_step) + 1e-9)
    for name, times in (("fewer", fewer), ("more", fewer + 1)):
        if not times:
            continue
        repeated = codec.at(times)
        intermediate = int(size[0] * repeated.spec.s), int(size[1] * repeated.spec.r)
        low, back = first(repeated, high, intermediate)
        yield f"first, {name}", (low, bicubic(back, full_size))
        yield f"first, {name}, set right", (low, inverse_bicubic(back, full_size))
        yield f"last, {name}", last(repeated, high, size)


def study(
    folders: Annotated[list[Path], typer.Argument(help="Folders of pictures.")],
    limit: Annotated[list[int], typer.Option(help="Number of pictures of a set; pass it once for each set.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    weights: Annotated[str, typer.Option(help="Name of installed weights, or file.")] = "sr-x2",
    side: Annotated[int, typer.Option(help="Side of the measured part of each picture.")] = 180,
) -> None:
    """Measure all orders on all sets, write JSON and print a table."""
    codec = load(weights)
    rows: list[dict[str, Any]] = []
    for (folder, count), (name, (s, r)) in product(zip(folders, limit, strict=True), FACTORS.items()):
        pairs_by_order: dict[str, list[tuple[float, float]]] = {}
        for high in parts(folder, count, side):
            size = math.ceil(high.shape[0] / s), math.ceil(high.shape[1] / r)
            guide = bicubic(high, size)
            for order, (low, restored) in orders(codec, high, size):
                pairs_by_order.setdefault(order, []).append((psnr(restored, high), psnr(low, guide)))
        means = {
            order: {"high": round(fmean(h for h, _ in pairs), 2), "low": round(fmean(low for _, low in pairs), 2)}
            for order, pairs in pairs_by_order.items()
        }
        means["bicubic"].pop("low")  # compared with itself
        rows.append({"set": folder.name, "pictures": len(pairs_by_order["bicubic"]), "factor": name, "orders": means})
        write_results(out, {"weights": weights, "side": side, "rows": rows})
        typer.echo(f"{folder.name} {name} {means}", err=True)
    names = list(dict.fromkeys(order for row in rows for order in row["orders"]))
    cells = [["set", "factor", *names]]
    for row in rows:
        metrics = [row["orders"].get(order, {}) for order in names]
        cells.append([row["set"], row["factor"], *(" / ".join(f"{v:.2f}" for v in f.values()) or "–" for f in metrics)])
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
