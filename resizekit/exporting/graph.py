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

__all__ = ["INPUT_NAMES", "OUTPUT_NAMES", "Direction", "Dtype", "make_graph", "noise", "trace"]

Direction: TypeAlias = Literal["down", "up"]
Dtype: TypeAlias = Literal["uint8", "float32"]

INPUT_NAMES = {"down": "high", "up": "low"}
OUTPUT_NAMES = {"down": "low", "up": "restored"}
_SAMPLE = 2, 24, 20
"""Batch of the sample, and its height and width in cells of the factors."""


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


def make_graph(codec: Codec, direction: Direction, dtype: Dtype) -> nn.Module:
    """Return one direction of a codec as a module: pixel values in, pixel values out."""
    return _Graph(codec, direction, dtype).eval()


def noise(codec: Codec, direction: Direction, dtype: Dtype, batch: int, h: int, w: int, *, odd: bool = False) -> Tensor:
    """Make an input of noise: `batch c h w`.

    Args:
        codec: Defines the number of channels and the factors.
        direction: "down" or "up".
        dtype: Type of the values.
        batch: Number of pictures.
        h: Height in cells of the factors.
        w: Width in cells of the factors.
        odd: Whether the picture at full size misses a pixel of its last cells, so that it is padded.
    """
    spec, channels = codec.spec, codec.channels if direction == "down" else codec.low_channels
    if direction == "down":
        h, w = (n * f.numerator - int(odd and f.numerator > 1) for n, f in ((h, spec.s), (w, spec.r)))
    else:
        h, w = h * spec.s.denominator, w * spec.r.denominator
    random = torch.Generator().manual_seed(0)
    values = torch.randint(256, (batch, channels, h, w), generator=random, dtype=torch.uint8)
    return values if dtype == "uint8" else values.float() * SCALE


def trace(codec: Codec, direction: Direction, dtype: Dtype) -> ExportedProgram:
    """Trace one direction of a codec on the CPU, in float32, for every size.

    Raises:
        UsageError: If the tracer cannot follow a network, or the result would serve only some sizes.
    """
    graph, x = make_graph(codec, direction, dtype), noise(codec, direction, dtype, *_SAMPLE)
    shapes = ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    try:
        with references(), torch.no_grad():
            return torch.export.export(graph, (x,), dynamic_shapes=shapes, strict=False)
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
