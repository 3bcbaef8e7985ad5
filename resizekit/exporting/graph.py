"""The functions that a file holds: pixel values in, pixel values out, for any number of pictures of any size.

    down: high ─► pad ─► floats ─► encoder ─►(+ guide)─► clamp, round ─► low
    up:   low ─────────► floats ─► decoder ────────────► clamp, round ─► restored
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from resizekit.codec import Codec
from resizekit.errors import UsageError
from resizekit.ops import references, to_uint8
from resizekit.ops.quantize import SCALE

__all__ = ["DTYPES", "INPUT_NAMES", "OUTPUT_NAMES", "Direction", "Dtype", "sample", "trace"]

Direction: TypeAlias = Literal["down", "up"]
Dtype: TypeAlias = Literal["uint8", "float32"]

DTYPES = {"uint8": torch.uint8, "float32": torch.float32}
INPUT_NAMES = {"down": "high", "up": "low"}
OUTPUT_NAMES = {"down": "low", "up": "restored"}
_SAMPLE_CELLS = 24, 20
"""Height and width of the sample, in cells of the factors."""


class _Graph(nn.Module):
    """One direction of a codec.

    Args:
        codec: The networks and the guide; the graph does not contain the compression.
        direction: "down" or "up".
        dtype: Type of input and output.
    """

    def __init__(self, codec: Codec, direction: Direction, dtype: Dtype) -> None:
        super().__init__()
        self.codec, self.dtype = codec, dtype
        self._run: Callable[[Tensor], Tensor] = codec.encode if direction == "down" else codec.decode
        self._multiple = codec.spec.multiple[1:] if direction == "down" else (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the networks to integer pixel values, or to floats in [0, 1]: `b c h w -> b c2 h2 w2`."""
        x = _pad(x, self._multiple)
        if self.dtype == "uint8":
            return to_uint8(self._run(x.float() * SCALE))
        return self._run(x).clamp(0, 1)


def _pad(x: Tensor, multiple: tuple[int, int]) -> Tensor:
    """Reflect pictures at the bottom and the right, as `down_file` does: `b c h w -> b c h2 w2`."""
    for axis, by in zip((2, 3), multiple, strict=True):
        if by > 1:
            size = x.shape[axis]
            index = torch.arange((size + by - 1) // by * by, device=x.device)
            last = torch.scalar_tensor(size - 1, dtype=index.dtype, device=x.device)
            turned = index % (2 * last).clamp(min=1)  # a picture of a single row repeats it
            x = x.index_select(axis, torch.minimum(turned, 2 * last - turned))
    return x


def sample(codec: Codec, direction: Direction, dtype: Dtype) -> Tensor:
    """Make an input to trace with: two small pictures of noise, `b c h w`."""
    channels = codec.channels if direction == "down" else codec.low_channels
    spec, random = codec.spec, torch.Generator().manual_seed(0)
    factors = (spec.s.numerator, spec.r.numerator) if direction == "down" else (spec.s.denominator, spec.r.denominator)
    h, w = (cells * factor for cells, factor in zip(_SAMPLE_CELLS, factors, strict=True))
    values = torch.randint(256, (2, channels, h, w), generator=random, dtype=torch.uint8)
    return values if dtype == "uint8" else values.float() * SCALE


def trace(codec: Codec, direction: Direction, dtype: Dtype) -> ExportedProgram:
    """Trace one direction of a codec on the CPU, in float32, for every size.

    Raises:
        UsageError: If the tracer cannot follow a network, or the result would serve only some sizes.
    """
    graph = _Graph(codec, direction, dtype).eval()
    shapes = ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    try:
        with references(), torch.no_grad():
            return torch.export.export(graph, (sample(codec, direction, dtype),), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # the tracer raises errors of many types, and networks of plugins any type
        network = codec.encoder if direction == "down" else codec.decoder
        raise UsageError(
            f"cannot export {codec.info.network!r} ({type(network).__name__}): torch.export cannot trace it for every "
            f"size ({_first_line(error)}); use operations on tensors whose result does not depend on the size of "
            "the sample"
        ) from error


def _first_line(error: Exception) -> str:
    """Shorten the message of a tracer, which can have a hundred lines."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    text = lines[1] if len(lines) > 1 and lines[0].startswith("Constraints violated") else (lines or [""])[0]
    return f"{type(error).__name__}: {text[:160]}"
