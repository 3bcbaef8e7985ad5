"""Run a new file at sizes that the tracer has not seen, and compare it with the codec."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from resizekit.codec import Codec
from resizekit.errors import UsageError
from resizekit.exporting.graph import INPUT_NAMES, Direction, Dtype, make_graph, noise

if TYPE_CHECKING:
    import onnx

__all__ = ["verify"]

_SIZES = (1, 7, 5), (3, 10, 13)
"""Batch, height and width of low, in cells of the factors."""
_LARGEST_SIDE = 2**11
"""Fewer cells are used where high would exceed this number of pixels per side."""


def verify(model: "onnx.ModelProto", codec: Codec, direction: Direction, dtype: Dtype, *, exact: bool = True) -> None:
    """Check that a model returns the pixel values of the codec, up to one integer value.

    Args:
        model: The model.
        codec: The codec that it was made from.
        direction: "down" or "up".
        dtype: Type of input and output.
        exact: False: the model is quantized, so only the sizes are compared.

    Raises:
        UsageError: If the model does not run at another size than that of the sample, or returns other values.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors become exceptions, and are not printed too
    options.intra_op_num_threads = torch.get_num_threads()
    name, graph = INPUT_NAMES[direction], make_graph(codec, direction, dtype)
    largest = max(1, _LARGEST_SIDE // max(codec.spec.multiple[1:]))
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for batch, *cells in _SIZES:
            h, w = (min(n, largest) for n in cells)
            x = noise(codec, direction, dtype, batch, h, w, odd=True)
            with torch.inference_mode():
                expected = graph(x).numpy()
            (result,) = session.run(None, {name: x.numpy()})
            _compare(result, expected, 255 if dtype == "float32" else 1, exact)
    except _DifferenceError as error:
        raise UsageError(f"cannot export {codec.info.network!r}: the exported graph {error}") from None
    except Exception as error:  # onnxruntime has its own errors, without a common base
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"cannot export {codec.info.network!r}: the exported graph does not run ({reason})") from error


class _DifferenceError(Exception):
    """The result of a model differs from that of the codec."""


def _compare(result: npt.NDArray[Any], expected: npt.NDArray[Any], scale: int, exact: bool) -> None:
    if result.shape != expected.shape:
        raise _DifferenceError(f"returns the shape {result.shape} where the codec returns {expected.shape}")
    largest = float(scale * np.abs(result.astype(np.float64) - expected).max())
    if exact and not largest <= 1:
        raise _DifferenceError(
            f"differs from the codec by {largest:.0f} integer values at another size than the sample"
        )
