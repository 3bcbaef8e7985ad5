"""Static quantization: convolutions on 8-bit integers, with ranges that are measured on pictures.

The first and the last convolution of the graph stay in float: they touch pixel values, and an error there is visible.
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resizekit.codec import Codec, ImageLike
from resizekit.codec.batches import as_batch
from resizekit.codec.convert import to_tensor
from resizekit.codec.in_memory import picture_of
from resizekit.errors import ResizeShapeError, UsageError
from resizekit.exporting.graph import Direction, Dtype
from resizekit.nn import to_float
from resizekit.ops import to_uint8

if TYPE_CHECKING:
    import onnx

__all__ = ["calibration_inputs", "quantize"]

_SIDE, _CELLS = 256, 16
"""Only the middle of a picture is used, to limit memory: up to this side in pixels, or this number of cells."""
_PERCENTILE = 99.99
"""Share of the values inside the range of an activation. The few values beyond it are clamped."""


def quantize(model: "onnx.ModelProto", inputs: Sequence[npt.NDArray[Any]]) -> "onnx.ModelProto":
    """Quantize the convolutions between the first and the last.

    Weights get 7 bits, each output channel with its own range, because processors without instructions for 8-bit dot
    products saturate with 8 bits. Activations get 8 bits.

    Args:
        model: The graph in float32.
        inputs: Inputs of the graph, as `calibration_inputs` makes them.

    Raises:
        UsageError: If there is no convolution between the first and the last.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    if len(convolutions) < 3:
        raise UsageError(
            f"quantized: the graph has {len(convolutions)} convolutions, and the first and the last stay in float; "
            "export it without quantization"
        )
    name = model.graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the base class has no type information
        def __len__(self) -> int:
            return len(inputs)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.remaining = iter(inputs[start_index:end_index])

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            array = next(self.remaining, None)
            return None if array is None else {name: array}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "quantized.onnx"
        quantize_static(
            model,
            path,
            Reader(),
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=[convolutions[0], convolutions[-1]],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            # one picture at a time: otherwise all must have one size, and all activations are in memory together
            extra_options={"CalibPercentile": _PERCENTILE, "CalibStridedMinMax": 1},
        )
        return onnx.load(path)


def calibration_inputs(
    codec: Codec, direction: Direction, dtype: Dtype, pictures: Iterable[ImageLike]
) -> list[npt.NDArray[Any]]:
    """Make inputs of the graph from the middle of each picture: `1 c h w`.

    Args:
        codec: The codec that is exported; it makes the small pictures.
        direction: "down" or "up".
        dtype: Type of the input.
        pictures: Pictures at full size.

    Raises:
        UsageError: If there are no pictures.
        ImageError: If an object is not a picture.
        ResizeShapeError: If a picture has other channels than the codec, or is too small.
    """
    inputs = []
    for picture in pictures:
        high = _middle(_as_floats(picture), codec)
        with torch.inference_mode():
            x = high if direction == "down" else codec.down_tensor(high)
        inputs.append(np.ascontiguousarray((to_uint8(x) if dtype == "uint8" else x).numpy()))
    if not inputs:
        raise UsageError("quantized: no pictures to calibrate with; pass some, such as calibration=[image, ...]")
    return inputs


def _as_floats(picture: ImageLike) -> Tensor:
    if isinstance(picture, np.ndarray | Tensor):
        return to_float(as_batch(picture)[0])
    return to_tensor(picture_of(picture).pixels)


def _middle(high: Tensor, codec: Codec) -> Tensor:
    """Crop a picture to its middle, with a size that the factors divide."""
    if high.shape[1] != codec.channels:
        raise ResizeShapeError(f"a picture has {high.shape[1]} channels; this codec takes {codec.channels}")
    _, height, width = codec.spec.crop(high.shape[1:])
    (_, s, r) = codec.spec.multiple
    h, w = (min(side, max(_SIDE // by, _CELLS) * by) for side, by in ((height, s), (width, r)))
    top, left = (high.shape[2] - h) // 2, (high.shape[3] - w) // 2
    return high[:, :, top : top + h, left : left + w].contiguous()


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the quantizer prints, and its advice on the root logger; other loggers are not affected."""

    def hide(_: logging.LogRecord) -> bool:
        return False

    root = logging.getLogger()
    root.addFilter(hide)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        root.removeFilter(hide)
