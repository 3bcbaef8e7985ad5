"""Compare ways to search for a better small picture, at equal numbers of iterations.

    python benchmarks/effort_search.py PICTURES --weights sr-x4 --weights sr-x2 --limit 12 --out FILE

PICTURES are photographs outside of the benchmark sets. A crop of 256x256 from the centre of each is refined. Every
search keeps low within 0.1 dB of its start, and keeps the best candidate after rounding. Figures are mean gains in dB
of RGB PSNR.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from numbers_table import lines
from results_file import write_results
from script import run_script
from torch import Tensor

from resizekit import load
from resizekit.codec.convert import to_batch
from resizekit.codec.refine.descent import Best, approach_bound, pull_to_guide, refine_level
from resizekit.codec.refine.effort import LEVELS, Level
from resizekit.codec.refine.objective import Objective, area_mean
from resizekit.nn import to_float
from resizekit.ops.quantize import LEVELS as WHITE
from resizekit.pictures.io.find import find_pictures, sample_evenly
from resizekit.pictures.io.read import read_picture

SIDE = 256


@dataclass(frozen=True)
class Descent:
    """A gradient descent with one change."""

    iterations: int
    rate: float = 0.5
    decay: tuple[float, float] = (0.5, 0.9)
    per_pixel: bool = False
    rounding: str = "straight through"

    def __call__(self, objective: Objective, low: Tensor) -> Tensor:
        """Return the best low: `b c h w -> b c h w`."""
        best, generator = Best(objective, low), torch.Generator().manual_seed(0)
        first, second = torch.zeros_like(low), torch.zeros_like(low)
        for k in range(self.iterations):
            share = k / self.iterations
            if self.rounding == "gumbel":
                _, gradient, _ = objective.evaluate(two_classes(low, share, generator), 0)
                stored = objective.store(low)
            else:
                mixed = {"straight through": 1.0, "none": 0.0, "annealed": min(1.0, 1.25 * share)}[self.rounding]
                stored, gradient, _ = objective.evaluate(low, mixed)
            gradient = gradient + pull_to_guide(objective, stored, gradient)
            squares = gradient.square()
            first.lerp_(gradient, 1 - self.decay[0])
            second.lerp_(squares if self.per_pixel else area_mean(squares), 1 - self.decay[1])
            scale = (second / (1 - self.decay[1] ** (k + 1))).sqrt() * (1 - self.decay[0] ** (k + 1))
            rate = self.rate / WHITE * 0.5 * (1 + math.cos(math.pi * share))
            low = approach_bound(objective, (low - rate * first / scale.clamp(min=1e-30)).clamp(0, 1))
            if (k + 1) % 5 == 0 or k + 1 == self.iterations:
                best.consider(low)
        return best.low


def two_classes(low: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Sample each value between the two nearest codes (Yang et al. 2020, stochastic Gumbel annealing)."""
    temperature = max(0.05, 0.5 * math.exp(-3 * share))
    below = (low * WHITE).floor()
    fraction = (low * WHITE - below).clamp(1e-4, 1 - 1e-4)
    logits = torch.stack((-torch.atanh(fraction), -torch.atanh(1 - fraction)), -1) / temperature
    noise = -(-torch.rand(logits.shape, generator=generator).clamp(1e-9, 1 - 1e-9).log()).log()
    return (below + torch.softmax((logits + noise) / temperature, -1)[..., 1]) / WHITE


def levels(*chain: Level) -> Callable[[Objective, Tensor], Tensor]:
    """Run levels one after another, as an effort does."""

    def run(objective: Objective, low: Tensor) -> Tensor:
        for level in chain:
            low = refine_level(objective, low, level)
        return low

    return run


SEARCHES: Mapping[str, Callable[[Objective, Tensor], Tensor]] = {
    "5: effort 1": levels(LEVELS[0]),
    "18: effort 2": levels(*LEVELS[:2]),
    "18: one descent": Descent(18),
    "18: one descent, rate 0.25": Descent(18, rate=0.25),
    "18: one descent, rate 1": Descent(18, rate=1.0),
    "18: one descent, squares of single pixels": Descent(18, per_pixel=True),
    "18: one descent, decays 0.9 and 0.99": Descent(18, decay=(0.9, 0.99)),
    "40: effort 3": levels(*LEVELS[:3]),
    "40: one descent": Descent(40),
    "40: one descent, gradient without rounding": Descent(40, rounding="none"),
    "40: one descent, annealed rounding": Descent(40, rounding="annealed"),
    "40: one descent, two-class Gumbel": Descent(40, rounding="gumbel"),
    "40: effort 2, then 22 flips": levels(*LEVELS[:2], Level(0, 0.0, flips=22)),
    "150: effort 4": levels(*LEVELS),
    "150: one descent": Descent(150),
}


def main(
    pictures: Annotated[Path, typer.Argument(help="A folder of photographs.")],
    weights: Annotated[list[str], typer.Option(help="Names of installed weights for colour pictures.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results.")],
    limit: Annotated[int, typer.Option(min=1, help="Number of photographs.")] = 12,
) -> None:
    """Measure every search with every weights file."""
    crops = [crop(path) for path in sample_evenly(list(find_pictures([pictures])), limit)]
    high = torch.cat([x for x in crops if x is not None])
    rows: dict[str, dict[str, float]] = {label: {} for label in SEARCHES}
    for name in weights:
        codec = load(name)
        with torch.no_grad():
            start = to_float(codec.down_codes(high))
        objective = Objective(codec, high, start)
        before = objective.score(start).cost
        for label, search in SEARCHES.items():
            gain = (10 * torch.log10(before / objective.score(search(objective, start)).cost)).mean().item()
            rows[label][name] = round(gain, 3)
            typer.echo(f"{name:10} {label:45} {gain:+.3f}")
    table = [
        ["iterations: search", *weights],
        *([label, *(f"{row[name]:.2f}" for name in weights)] for label, row in rows.items()),
    ]
    typer.echo(lines(table))
    write_results(out, rows)


def crop(path: Path) -> Tensor | None:
    """Cut the centre: `1 3 256 256`, uint8; None for small and grey pictures."""
    pixels = read_picture(path).pixels
    height, width, channels = pixels.shape
    if channels != 3 or min(height, width) < SIDE:
        return None
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    return to_batch(pixels[top : top + SIDE, left : left + SIDE])


if __name__ == "__main__":
    run_script(main)
