"""Compare runtimes of exported decoders with PyTorch: the time of `up`, and the quality of quantized files.

    python benchmarks/export_engines.py --weights sr-x2 --calibrate PICTURES --set Set5 --threads 2 \
        --out benchmarks/results/export-engines.json

All engines take turns in each round, so that other programs slow all of them equally; compare ratios only. An engine
takes and returns an array `h w c`, as `Codec.up` does.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from export_differences import Run, onnxruntime_of, openvino_of, photo
from results_file import write_results
from script import run_script

import resizekit
from resizekit.evaluation.channels import read_for_evaluation
from resizekit.pictures.io.find import find_pictures, sample_evenly

CALIBRATION = 32
Engine = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


def on_pixels(run: Run) -> Engine:
    """Let a runtime take and return arrays `h w c`."""
    return lambda low: np.ascontiguousarray(
        run(np.ascontiguousarray(low.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)
    )


def engines(name: str, calibrate: Path | None, folder: Path) -> dict[str, Engine]:
    codec, plain, quantized = resizekit.load(name), folder / "plain.onnx", folder / "quantized.onnx"
    resizekit.export(codec, "up", plain, overwrite=True)
    made = {
        "torch float32": codec.up,
        "torch winograd": resizekit.load(name, precision="winograd").up,
        "torch bfloat16": resizekit.load(name, precision="bfloat16").up,
        "torch int8": resizekit.load(name, precision="int8").up,
        "onnxruntime float32": on_pixels(onnxruntime_of(plain)),
        "openvino float32": on_pixels(openvino_of(plain)),
        "openvino bfloat16": on_pixels(openvino_of(plain, "bf16")),
    }
    if calibrate is not None:
        paths = sample_evenly(list(find_pictures([calibrate])), CALIBRATION)
        pictures = [read_for_evaluation(codec, path)[0] for path in paths]
        resizekit.export(codec, "up", quantized, quantized=True, calibration=pictures, overwrite=True)
        made["onnxruntime int8"] = on_pixels(onnxruntime_of(quantized))
        made["openvino int8"] = on_pixels(openvino_of(quantized))
    return made


def seconds(made: dict[str, Engine], low: npt.NDArray[np.uint8], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the median wall time and CPU time of each engine, after a warm-up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    for _ in range(rounds + 1):
        for name, engine in made.items():
            start = time.perf_counter(), time.process_time()
            engine(low)
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    medians = {
        name: [statistics.median(column) for column in zip(*rows[1:], strict=True)] for name, rows in times.items()
    }
    return {name: (wall, cpu) for name, (wall, cpu) in medians.items()}


def psnr(made: dict[str, Engine], codec: resizekit.Codec, folder: Path) -> dict[str, float]:
    """Return the mean PSNR of RGB in dB of each engine on a folder, from equal small pictures."""
    sums: dict[str, list[float]] = {name: [] for name in made}
    for path in find_pictures([folder]):
        high = read_for_evaluation(codec, path)[0]
        low = codec.down(high)
        for name, engine in made.items():
            error = np.mean((engine(low).astype(np.float64) - high) ** 2)
            sums[name].append(10 * np.log10(255**2 / error))
    return {name: round(statistics.fmean(values), 3) for name, values in sums.items()}


def main(
    weights: Annotated[list[str], typer.Option(help="Weights; can be repeated.")],
    out: Annotated[Path, typer.Option(help="File for the results.")],
    calibrate: Annotated[Path | None, typer.Option(help="Pictures for quantization.")] = None,
    pictures: Annotated[Path | None, typer.Option("--set", help="Pictures to measure the quality on.")] = None,
    side: Annotated[int, typer.Option(help="Side of the restored picture.")] = 512,
    rounds: Annotated[int, typer.Option(help="Rounds of timing.")] = 15,
    threads: Annotated[int, typer.Option(help="Threads of each engine.")] = 2,
) -> None:
    torch.set_num_threads(threads)
    resizekit.keep_freed_memory()  # as all commands do; the other runtimes keep their memory too
    rows: list[dict[str, Any]] = []
    for name in weights:
        codec = resizekit.load(name)
        low = codec.down(np.ascontiguousarray(photo(side, side, codec.channels)[0].transpose(1, 2, 0)))
        with tempfile.TemporaryDirectory() as folder:
            made = engines(name, calibrate, Path(folder))
            measured = seconds(made, low, rounds)
            quality = psnr(made, codec, pictures) if pictures is not None else {}
        for engine, (wall, cpu) in measured.items():
            ratios = [round(base / used, 2) for base, used in zip(measured["torch float32"], (wall, cpu), strict=True)]
            row = {"weights": name, "engine": engine, "seconds": round(wall, 4), "cpu_seconds": round(cpu, 4)}
            rows.append(row | {"speedup": ratios[0], "cpu_speedup": ratios[1]})
            rows[-1] |= {"psnr_rgb": quality[engine]} if quality else {}
            print(rows[-1], flush=True)
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    write_results(out, {"side": side, "versions": versions, "rows": rows})


if __name__ == "__main__":
    run_script(main)
