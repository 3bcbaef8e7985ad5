"""Export all weights in both directions, and compare the files with PyTorch in onnxruntime and OpenVINO.

    python benchmarks/export_differences.py --out benchmarks/results/export-differences.json

Each file runs at three sizes that the tracer has not seen, one of which the factors do not divide. OpenVINO is left out
if it is not installed. Options limit the work: `--weights NAME` can be repeated.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from results_file import write_results
from script import run_script

import resizekit
from resizekit.codec.pad import reflect_pad_or_crop
from resizekit.pictures.io.read import read_picture
from resizekit.plugin.registry import installed
from resizekit.spec import HW

PICTURE = Path(__file__).parents[1] / "examples/astronaut.png"
CELLS = (13, 21), (38, 27), (5, 30)
"""Height and width of low."""
CELLS_OF_LARGE_FACTORS = (5, 3), (6, 7), (3, 8)
LARGE_FACTOR = 8
DEEPEST = 7
"""Depth up to which weights for repeated steps were trained."""

Run = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def cases(names: list[str] | None = None) -> Iterator[tuple[str, int | None]]:
    """Yield the names of weights, with each number of steps for those that are made for several."""
    for name in names or list(installed().weights):
        repeated = resizekit.load(name).traits.encoder.recurrent
        for times in range(1, DEEPEST + 1) if repeated else [None]:
            yield name, times


def onnxruntime_of(path: Path) -> Run:
    """Load a file in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def openvino_of(path: Path, precision: str = "f32") -> Run:
    """Load a file in OpenVINO, which computes in bfloat16 by default where the processor can."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    return lambda x: compiled([x])[0]


def runtimes() -> dict[str, Callable[[Path], Run]]:
    """Return the runtimes that are installed, by name."""
    try:
        import openvino  # noqa: F401
    except ImportError:
        return {"onnxruntime": onnxruntime_of}
    return {"onnxruntime": onnxruntime_of, "openvino": openvino_of}


def photo(height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return the example picture in a size, repeated where it is too small: `1 c h w`."""
    pixels = read_picture(PICTURE).pixels
    pixels = np.tile(pixels, (-(-height // pixels.shape[0]), -(-width // pixels.shape[1]), 1))[:height, :width]
    return np.ascontiguousarray(pixels[:, :, :channels].transpose(2, 0, 1)[None])


def examples(codec: resizekit.Codec, direction: str) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """Yield inputs of a graph with what the codec makes of them: uint8, `1 c h w`."""
    s, r = codec.spec.s.numerator, codec.spec.r.numerator
    for i, (h, w) in enumerate(CELLS if max(s, r) < LARGE_FACTOR else CELLS_OF_LARGE_FACTORS):
        high = photo(h * s - (i == 2 and s > 1), w * r - (i == 2 and r > 1), codec.channels)
        padded = reflect_pad_or_crop(high[0].transpose(1, 2, 0), HW(h * s, w * r))
        with torch.inference_mode():
            low = codec.down_codes(torch.from_numpy(padded).permute(2, 0, 1)[None])
            if direction == "down":
                yield high, low.numpy()
            else:
                low = codec.read_back(low)
                yield np.ascontiguousarray(low.numpy()), codec.up_codes(low).numpy()


def differences(name: str, times: int | None, direction: str, folder: Path) -> dict[str, Any]:
    """Export one direction, and compare it in each runtime: largest difference in integer values, and their share."""
    codec, path, start = resizekit.load(name, times=times), folder / "graph.onnx", time.perf_counter()
    resizekit.export(codec, direction, path, overwrite=True)
    row: dict[str, Any] = {"weights": name, "times": codec.times, "direction": direction}
    row |= {"seconds": round(time.perf_counter() - start, 1), "bytes": path.stat().st_size}
    pairs = list(examples(codec, direction))
    for runtime, make in runtimes().items():
        run = make(path)
        distances = [np.abs(run(x).astype(np.int16) - expected) for x, expected in pairs]
        flat = np.concatenate([distance.ravel() for distance in distances])
        row[runtime] = {"largest": int(flat.max()), "share": float(np.mean(flat > 0))}
    return row


def main(
    out: Annotated[Path, typer.Option(help="File for the results.")],
    weights: Annotated[list[str] | None, typer.Option(help="Weights; by default all that are installed.")] = None,
) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, times in cases(weights):
            for direction in ("down", "up"):
                rows.append(differences(name, times, direction, Path(folder)))
                print(rows[-1], flush=True)
    versions = {name: version(name) for name in ("onnx", "onnxscript", *runtimes())}
    write_results(out, {"versions": versions, "rows": rows})


if __name__ == "__main__":
    run_script(main)
