"""Sizes that no learned step divides: where the bicubic remainder should stand, and how many steps should be learned.

    python benchmarks/any_size_order.py Set14 B100 Urban100 --limit 14 --limit 10 --limit 10 --out FILE

*First* resizes the original, then takes learned steps to the small picture; *last* takes the learned steps on the
original and resizes what they give, before the one rounding.  *Fewer* steps leave it to bicubic to make the picture
smaller, *more* to make it larger.  *Set right* undoes the resize as resizekit.images.bicubic_remainder does, not by
bicubic alone.  PSNR is RGB in dB: high against the original, low against bicubic of that size.  Only a part in the middle
of each picture is measured, to keep the run short.
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
from resizekit.codec.convert import from_codes, to_codes, to_tensor
from resizekit.evaluation.metrics import psnr
from resizekit.images.bicubic_remainder import bicubic_resize, inverse_bicubic
from resizekit.images.io.find import find_pictures
from resizekit.images.io.read import read_picture
from resizekit.images.pad import reflect_pad_or_crop
from resizekit.ops import resample, resample_uint8, to_uint8
from resizekit.storage.formats import Pixels

Size = tuple[int, int]
Way = tuple[Pixels, Pixels]
FACTORS: dict[str, tuple[Fraction, Fraction]] = {
    name: (Fraction(h), Fraction(w))
    for name, h, w in (("3/2", "3/2", "3/2"), ("5/2", "5/2", "5/2"), ("3", "3", "3"), ("5", "5", "5"),
                       ("3x3/2", "3/2", "3"), ("2x1", "1", "2"))
}  # fmt: skip
"""By what is asked, WIDTHxHEIGHT where they differ: factors of height and width."""


def parts(folder: Path, limit: int, side: int) -> Iterator[Pixels]:
    """Give the middle of pictures, evenly spread over a folder."""
    paths = list(find_pictures([folder]))
    for i in range(min(limit, len(paths))):
        pixels = read_picture(paths[i * len(paths) // min(limit, len(paths))]).pixels
        if pixels.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        top, left = (max(0, (have - side) // 2) for have in pixels.shape[:2])
        yield np.ascontiguousarray(pixels[top : top + side, left : left + side])


def bicubic(pixels: Pixels, size: Size) -> Pixels:
    """Resize to (height, width) as MATLAB's imresize does."""
    return from_codes(resample_uint8(to_codes(pixels), size), like=pixels)


def first(codec: Codec, high: Pixels, middle: Size) -> tuple[Pixels, Pixels]:
    """Resize, then learned steps; gives low and the picture that the remainder is to be undone on."""
    low = codec.down(bicubic_resize(high, middle))
    return low, codec.up(low)


def last(codec: Codec, high: Pixels, size: Size) -> Way:
    """Take learned steps, then resize, all in float with one rounding."""
    (s, r), (h, w) = (codec.spec.s, codec.spec.r), high.shape[:2]
    padded = reflect_pad_or_crop(high, (-(-h // int(s)) * int(s), -(-w // int(r)) * int(r)))
    with torch.inference_mode():
        inner = codec.encode(to_tensor(padded))
        low = from_codes(to_uint8(resample(inner, size)), like=high)
        restored = to_uint8(codec.decode(resample(to_tensor(low), (inner.shape[2], inner.shape[3]))))
    return low, reflect_pad_or_crop(from_codes(restored, like=high), (h, w))


def ways(codec: Codec, high: Pixels, size: Size) -> Iterator[tuple[str, Way]]:
    """Give (name, (low, restored)) of every order."""
    whole = high.shape[0], high.shape[1]
    yield "bicubic", (low := bicubic(high, size), bicubic(low, whole))
    area = Fraction(whole[0] * whole[1], size[0] * size[1])
    by = codec.step.s * codec.step.r
    fewer = math.floor(math.log(area, by) + 1e-9)
    for name, times in (("fewer", fewer), ("more", fewer + 1)):
        if not times:
            continue
        at = codec.at(times)
        middle = int(size[0] * at.spec.s), int(size[1] * at.spec.r)
        low, back = first(at, high, middle)
        yield f"first, {name}", (low, bicubic(back, whole))
        yield f"first, {name}, set right", (low, inverse_bicubic(back, whole))
        yield f"last, {name}", last(at, high, size)


def study(
    folders: Annotated[list[Path], typer.Argument(help="Sets of pictures.")],
    limit: Annotated[list[int], typer.Option(help="Pictures of each set.")],
    out: Annotated[Path, typer.Option(help="The results, as JSON.")],
    weights: Annotated[str, typer.Option(help="Installed weights, or a file.")] = "sr-x2",
    side: Annotated[int, typer.Option(help="Of the part that is taken of each picture.")] = 180,
) -> None:
    """Measure every order on every set, write JSON and print a table."""
    codec = load(weights)
    rows: list[dict[str, Any]] = []
    for (folder, many), (name, (s, r)) in product(zip(folders, limit, strict=True), FACTORS.items()):
        found: dict[str, list[tuple[float, float]]] = {}
        for high in parts(folder, many, side):
            size = math.ceil(high.shape[0] / s), math.ceil(high.shape[1] / r)
            guide = bicubic(high, size)
            for order, (low, restored) in ways(codec, high, size):
                found.setdefault(order, []).append((psnr(restored, high), psnr(low, guide)))
        told = {
            order: {"high": round(fmean(h for h, _ in pairs), 2), "low": round(fmean(low for _, low in pairs), 2)}
            for order, pairs in found.items()
        }
        told["bicubic"].pop("low")  # against itself
        rows.append({"set": folder.name, "pictures": len(found["bicubic"]), "factor": name, "orders": told})
        write_results(out, {"weights": weights, "side": side, "rows": rows})
        typer.echo(f"{folder.name} {name} {told}", err=True)
    orders = list(dict.fromkeys(order for row in rows for order in row["orders"]))
    cells = [["set", "factor", *orders]]
    for row in rows:
        figures = [row["orders"].get(order, {}) for order in orders]
        cells.append([row["set"], row["factor"], *(" / ".join(f"{v:.2f}" for v in f.values()) or "–" for f in figures)])
    typer.echo(lines(cells))


if __name__ == "__main__":
    run_script(study)
