"""Residual blocks on 8-bit integers: on CPUs with instructions for them, twice the speed of bfloat16 and more.

The inputs of each convolution are rounded to 8 bits, with a range that was recorded before, and the weights to 8 bits
with a range for each output channel. Sums of products are exact in 32 bits, and the sum that runs through all blocks
stays in float32. The first block stays as it is: errors there have the largest effect on the picture
(benchmarks/NOTEBOOK.md). Rows of blocks without recorded ranges are not affected.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from resizekit.nn.derived import derived

if TYPE_CHECKING:
    from resizekit.nn.blocks import ResidualBlock, ResidualBlocks

__all__ = ["Ranges", "int8", "int8_blocks", "recording"]

_LEVELS = 255
_MIDDLE = 128
"""The 8-bit value that stands for 0 where values have both signs."""
_WITHIN = 0.6
"""Share of the largest recorded value that is represented; the few values beyond it are clamped."""

_state = threading.local()


class Ranges(NamedTuple):
    """The largest absolute values that a block has seen."""

    input: float
    hidden: float
    """After the ReLU."""


@contextmanager
def int8() -> Iterator[None]:
    """Run residual blocks on 8-bit integers in a block of code, in this thread."""
    with _mode("run"):
        yield


@contextmanager
def recording() -> Iterator[None]:
    """Record the ranges of all residual blocks that run in a block of code, in this thread."""
    with _mode("record"):
        yield


@contextmanager
def _mode(mode: str) -> Iterator[None]:
    before, _state.mode = getattr(_state, "mode", None), mode
    try:
        yield
    finally:
        _state.mode = before


def int8_blocks(blocks: "ResidualBlocks", x: Tensor) -> Tensor | None:
    """Run a row of residual blocks on 8-bit integers, or return None where PyTorch has to run them in floats.

    Args:
        blocks: The blocks, after a run with `recording`.
        x: `b c h w`.

    Returns:
        `b c h w`, float32.
    """
    mode = None if torch.compiler.is_compiling() else getattr(_state, "mode", None)
    if mode is None or x.device.type != "cpu" or torch.is_grad_enabled() or x.numel() == 0:
        return None
    if mode == "record":
        return _record(blocks, x)
    if blocks.ranges is None or len(blocks.ranges) != len(blocks) or _get_current_dispatch_mode() is not None:
        return None
    first, *others = blocks.each()
    y: Tensor = first(x).float().contiguous(memory_format=torch.channels_last)
    for block, ranges in zip(others, blocks.ranges[1:], strict=True):
        y = derived(block, f"int8 {ranges}", partial(_Block, block, ranges)).run(y)
    return y


def _record(blocks: "ResidualBlocks", x: Tensor) -> Tensor:
    seen = []
    for block in blocks.each():
        hidden = torch.relu(block.first(x))
        seen.append(Ranges(float(x.abs().max()), float(hidden.max())))
        x = block(x)
    known = blocks.ranges if blocks.ranges is not None and len(blocks.ranges) == len(seen) else seen
    blocks.ranges = [Ranges(*map(max, old, new)) for old, new in zip(known, seen, strict=True)]
    return x


class _Block:
    """A residual block with its weights on 8 bits."""

    def __init__(self, block: "ResidualBlock", ranges: Ranges) -> None:
        tiny = torch.finfo(torch.float32).tiny ** 0.5  # a range of 0, where all values are 0
        self._scale = max(_WITHIN * ranges.input / (_LEVELS - _MIDDLE), tiny)
        self._hidden_scale = max(_WITHIN * ranges.hidden / _LEVELS, tiny)
        self._offset = torch.tensor(_MIDDLE + 0.5)  # the conversion to integers cuts off fractions
        self._first = _layer(block.first, self._scale, _MIDDLE)
        self._second = _layer(block.second, self._hidden_scale, 0, block.scale)

    def run(self, x: Tensor) -> Tensor:
        """Add the output of the two convolutions to `x`, in place."""
        onednn = torch.ops.onednn
        rounded = torch.add(self._offset, x, alpha=1 / self._scale).clamp_(0, _LEVELS).to(torch.uint8)
        hidden = onednn.qconv2d_pointwise(
            rounded, self._scale, _MIDDLE, *self._first, self._hidden_scale, 0, torch.uint8, "relu", [], ""
        )
        result: Tensor = onednn.qconv2d_pointwise.binary(
            hidden, self._hidden_scale, 0, *self._second[:3], x, *self._second[3:], 1.0, 0, torch.float32, 1.0, 0,
            "sum", 1.0, "none", [], "",
        )  # fmt: skip
        return result


def _layer(layer: nn.Conv2d, scale: float, zero: int, factor: float = 1.0) -> tuple[Any, ...]:
    """Return the arguments of oneDNN for a convolution: weight, its scales and zeros, bias and geometry."""
    assert layer.bias is not None
    weight = factor * layer.weight.detach().float()
    scales = (weight.abs().amax((1, 2, 3)) / 127).clamp(min=torch.finfo(torch.float32).tiny)
    levels = (weight / scales[:, None, None, None]).round().to(torch.int8)
    geometry = [1, 1], [1, 1], [1, 1], 1  # stride, padding, dilation, groups
    packed = torch.ops.onednn.qconv_prepack(levels, scales, scale, zero, *geometry)
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    return packed, scales, zeros, factor * layer.bias.detach().float(), *geometry
