"""Compare intermediate sizes with the alternative in section 3.2 of the paper: one decoder for all factors, as VDSR.

    python benchmarks/any_size_decoder.py B100 Urban100 --data PICTURES --seconds 240 --limit 10 --out FILE

The decoder receives a small picture enlarged by bicubic and predicts the residual. It is trained twice with all factors
mixed: on bicubic small pictures, like VDSR, and on small pictures of `resizekit down --scale`. PSNR is RGB in dB of the
centre of each picture. Times are CPU time on one core.
"""

import math
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import torch
import typer
from any_size_order import bicubic, parts
from numbers_table import lines
from results_file import write_results
from script import run_script
from torch import Tensor, nn

from resizekit import Codec, TargetSize, load
from resizekit.codec.convert import from_batch, to_tensor
from resizekit.evaluation.metrics import psnr
from resizekit.images.pipeline import down_picture, up_picture
from resizekit.ops import to_uint8
from resizekit.pictures.picture import Picture
from resizekit.storage.formats import Pixels

FACTORS = tuple(Fraction(text) for text in ("3/2", "2", "5/2", "3"))
LAYERS, WIDTH, BATCH, PATCH, RATE = 8, 32, 8, 48, 1e-3
Down = Callable[[Pixels, Fraction], Pixels]


class Residual(nn.Module):
    """A small VDSR: 3x3 convolutions predict the residual of the enlarged picture (Kim et al., 2016)."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *[WIDTH] * (LAYERS - 1), 3]
        convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)]
        nn.init.zeros_(convs[-1].weight)
        self.layers = nn.Sequential(*[layer for conv in convs for layer in (conv, nn.ReLU())][:-1])

    def forward(self, enlarged: Tensor) -> Tensor:
        """Restore an enlarged picture: `b c h w -> b c h w`, values in [0, 1]."""
        out: Tensor = enlarged + self.layers(enlarged)
        return out


def as_bicubic(high: Pixels, factor: Fraction) -> Pixels:
    """Reduce a picture with bicubic."""
    return bicubic(high, (math.ceil(high.shape[0] / factor), math.ceil(high.shape[1] / factor)))


def enlarged(low: Pixels, high: Pixels) -> Pixels:
    """Enlarge low to the size of high with bicubic."""
    return bicubic(low, (high.shape[0], high.shape[1]))


def train(down: Down, pictures: list[Pixels], seconds: float) -> tuple[Residual, int]:
    """Train a decoder for the small pictures that `down` creates; return it and the number of steps."""
    torch.manual_seed(0)
    pick = np.random.default_rng(0)
    pairs = [(enlarged(down(high, factor), high), high) for high in pictures for factor in FACTORS]
    model, start, step = Residual(), time.process_time(), 0
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    while (share := (time.process_time() - start) / seconds) < 1:
        batch = []
        for _ in range(BATCH):
            pair = pairs[pick.integers(len(pairs))]
            top, left = (pick.integers(side - PATCH + 1) for side in pair[0].shape[:2])
            batch.append([to_tensor(side[top : top + PATCH, left : left + PATCH]) for side in pair])
        low, high = (torch.cat(side) for side in zip(*batch, strict=True))
        optimizer.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * share)) / 2
        optimizer.zero_grad()
        (model(low) - high).abs().mean().backward()
        optimizer.step()
        step += 1
    return model, step


def restored(model: Residual, low: Pixels, high: Pixels) -> Pixels:
    """Restore low to the size of high."""
    with torch.inference_mode():
        return from_batch(to_uint8(model(to_tensor(enlarged(low, high)))))


def study(
    folders: Annotated[list[Path], typer.Argument(help="Folders of pictures.")],
    data: Annotated[Path, typer.Option(help="Folder of training pictures.")],
    out: Annotated[Path, typer.Option(help="JSON file of the results.")],
    weights: Annotated[str, typer.Option(help="Name of installed weights, or file.")] = "sr-x2",
    seconds: Annotated[float, typer.Option(help="CPU time of each of the two trainings.")] = 240,
    crops: Annotated[int, typer.Option(help="Number of training pictures.")] = 100,
    limit: Annotated[int, typer.Option(help="Number of pictures of each set.")] = 10,
    side: Annotated[int, typer.Option(help="Side of the measured part of each picture.")] = 180,
) -> None:
    """Train two decoders, compare them with the codec, write JSON and print a table."""
    codec: Codec = load(weights)

    def by_codec(high: Pixels, factor: Fraction) -> Pixels:
        return down_picture(codec, Picture(pixels=high), target=TargetSize(scale=factor))[0].pixels

    pictures = [high for high in parts(data, crops, 120) if min(high.shape[:2]) == 120]
    models = {}
    for name, down in (("bicubic", as_bicubic), ("ours", by_codec)):
        models[name], steps = train(down, pictures, seconds)
        typer.echo(f"{name}: {steps} steps", err=True)
    rows: list[dict[str, Any]] = []
    for folder, factor in product(folders, FACTORS):
        results: list[dict[str, float]] = []
        for high in parts(folder, limit, side):
            bicubic_low = as_bicubic(high, factor)
            small, manifest = down_picture(codec, Picture(pixels=high), target=TargetSize(scale=factor))
            results.append(
                {
                    "bicubic": psnr(enlarged(bicubic_low, high), high),
                    "decoder on bicubic": psnr(restored(models["bicubic"], bicubic_low, high), high),
                    "decoder on ours": psnr(restored(models["ours"], small.pixels, high), high),
                    "ours": psnr(up_picture(codec, small, manifest).pixels, high),
                }
            )
        mean = {key: round(fmean(row[key] for row in results), 2) for key in results[0]}
        rows.append({"set": folder.name, "pictures": len(results), "factor": str(factor)} | mean)
        write_results(out, {"weights": weights, "seconds": seconds, "side": side, "rows": rows})
    heads = [key for key in rows[0] if key != "pictures"]
    typer.echo(
        lines([heads, *([v if isinstance(v := row[key], str) else f"{v:.2f}" for key in heads] for row in rows)])
    )


if __name__ == "__main__":
    run_script(study)
