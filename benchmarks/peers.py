"""Time down and up of a picture beside other methods, in one run: IRN by its authors, and bicubic by Pillow.

    git clone https://github.com/pkuxmq/Invertible-Image-Rescaling
    python benchmarks/peers.py --irn Invertible-Image-Rescaling --out benchmarks/results/peers.json

Everything takes turns in each round, so that other programs slow all of it equally; compare ratios only. IRN has random
weights: its time does not depend on them. The rate of convolutions is that of 64 to 64 channels of 3x3 at 256x256, in
the memory layout of the networks: what the machine can do at most.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import PIL.Image
import torch
import typer
from results_file import write_results
from script import run_script

import resizekit
from resizekit.evaluation.cost import multiply_adds

Run = Callable[[], object]
IRN_BLOCKS = {2: [8], 4: [8, 8]}
"""Blocks of the published networks, by factor (codes/options/test in their repository)."""
COMPARED_WITH = {"winograd": "float32", "int8": "bfloat16"}
"""Precision of the ordinary convolution that the rate is compared with."""


def ours(name: str, precision: str, high: Any) -> Run:
    codec = resizekit.load(name, precision=precision)
    return lambda: codec.up(codec.down(high))


def bicubic(factor: int, high: Any) -> Run:
    def run() -> None:
        image = PIL.Image.fromarray(high)
        small = image.resize((image.width // factor, image.height // factor), PIL.Image.Resampling.BICUBIC)
        np.asarray(small.resize(image.size, PIL.Image.Resampling.BICUBIC))

    return run


def irn(checkout: Path, factor: int, precision: str, high: Any) -> Run:
    """Return the published method: wavelets and couplings, low rounded, and the way back from low and zeros."""
    sys.path.insert(0, str(checkout / "codes"))
    from models.modules.Inv_arch import InvRescaleNet
    from models.modules.Subnet_constructor import subnet

    network = InvRescaleNet(3, 3, subnet("DBNet", "xavier"), IRN_BLOCKS[factor], len(IRN_BLOCKS[factor])).eval()

    def run() -> None:
        x = torch.from_numpy(high).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            both = network(x)
            low = (both[:, :3].clamp(0, 1) * 255).round() / 255
            rest = torch.zeros_like(both[:, 3:])
            restored = network(torch.cat((low, rest), 1), rev=True)[:, :3]
            (restored.clamp(0, 1) * 255).round().to(torch.uint8)

    return run


def convolution(precision: str) -> tuple[Run, float]:
    """Return a convolution and its multiply-adds."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
    x = torch.rand(1, 64, 256, 256).to(dtype).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(4):
                layer(x)

    return run, 4 * 64 * 64 * 9 * 256 * 256


def main(
    out: Annotated[Path, typer.Option(help="File for the results.")],
    checkout: Annotated[
        Path | None, typer.Option("--irn", help="Checkout of IRN; without it, IRN is left out.")
    ] = None,
    side: Annotated[int, typer.Option(help="Side of the picture.")] = 512,
    rounds: Annotated[int, typer.Option(help="Rounds of timing.")] = 7,
    threads: Annotated[int, typer.Option(help="Threads.")] = 2,
) -> None:
    torch.set_num_threads(threads)
    resizekit.keep_freed_memory()
    high = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    runs: dict[tuple[str, str], Run] = {}
    macs: dict[tuple[str, str], float] = {}
    for precision in ("float32", "winograd", "bfloat16", "int8"):
        for name in ("sr-x2", "sr-x2-fast", "sr-x4", "sr-x4-fast"):
            runs[name, precision] = ours(name, precision, high)
            down, up = multiply_adds(resizekit.load(name))
            macs[name, precision] = (down + up) * side * side
        if precision in COMPARED_WITH:
            continue
        for factor in (2, 4) if checkout is not None else ():
            runs[f"IRN x{factor}", precision] = irn(checkout, factor, precision, high)
        runs["convolution", precision], macs["convolution", precision] = convolution(precision)
    for factor in (2, 4):
        runs[f"bicubic x{factor}", "uint8"] = bicubic(factor, high)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(rounds + 1):
        for key, run in runs.items():
            start = time.perf_counter()
            run()
            times[key].append(time.perf_counter() - start)
    median = {key: statistics.median(values[1:]) for key, values in times.items()}
    rows: list[dict[str, Any]] = []
    for (name, precision), seconds in median.items():
        row: dict[str, Any] = {"method": name, "precision": precision, "seconds": round(seconds, 4)}
        peer = f"IRN x{name[4]}" if name.startswith("sr-x") else None
        if peer is not None and (peer, "float32") in median:
            row["times_as_fast_as_irn_float32"] = round(median[peer, "float32"] / seconds, 1)
        if (name, precision) in macs:
            rate = macs[name, precision] / seconds
            plain = COMPARED_WITH.get(precision, precision)
            most = macs["convolution", plain] / median["convolution", plain]
            row |= {"gmac_per_second": round(rate / 1e9, 1), "share_of_convolution": round(rate / most, 3)}
        rows.append(row)
        print(row, flush=True)
    write_results(out, {"side": side, "rows": rows})


if __name__ == "__main__":
    run_script(main)
