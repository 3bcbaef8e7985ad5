"""Residual blocks by Winograd's algorithm, which needs a third of the multiplications of an ordinary convolution.

oneDNN, which runs the convolutions of PyTorch on x86, does not have the algorithm. The library ncnn has it, for all
common CPUs. A row of residual blocks is one network of ncnn, so that the data is converted once at each end. All values
are float32, but the sums have another order than in PyTorch: the last bits differ.
"""

import importlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from resizekit.errors import UsageError
from resizekit.nn.derived import derived

if TYPE_CHECKING:
    from resizekit.nn.blocks import ResidualBlocks

__all__ = ["NARROWEST", "residual_blocks", "winograd"]

NARROWEST = 48
"""Fewest channels: below, ncnn is not faster than PyTorch (benchmarks/NOTEBOOK.md)."""
_MEMORY = 10
"""Most that ncnn was seen to need besides its input and output, in feature maps: transformed tiles and two layers."""

_SMALLER_TYPES = {"use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage"}

_state = threading.local()


@contextmanager
def winograd() -> Iterator[None]:
    """Run the residual blocks in a block of code by Winograd's algorithm, in this thread."""
    before, _state.active = getattr(_state, "active", False), True
    try:
        yield
    finally:
        _state.active = before


def residual_blocks(blocks: "ResidualBlocks", x: Tensor) -> Tensor | None:
    """Run a row of residual blocks by Winograd's algorithm, or return None where PyTorch has to run them.

    Args:
        blocks: `ResidualBlock`s of one width.
        x: `b c h w`.

    Returns:
        `b c h w` in channels-last memory format.
    """
    if torch.compiler.is_compiling() or not getattr(_state, "active", False) or not _serves(blocks, x):
        return None
    network = derived(blocks, f"ncnn {torch.get_num_threads()}", partial(_Network, blocks))
    # the memory of ncnn is invisible to PyTorch; a tensor without data lets those know who count the bytes of tensors
    announced = torch.empty((_MEMORY, *x.shape[1:]), device="meta")
    result = torch.empty_like(x, memory_format=torch.channels_last)
    for image, restored in zip(x, result, strict=True):
        restored.copy_(torch.from_numpy(network.run(image.contiguous().numpy())))
    del announced
    return result


def _serves(blocks: "ResidualBlocks", x: Tensor) -> bool:
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.dim() != 4 or type(x) is not Tensor:
        return False
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or x.numel() == 0 or not len(blocks):
        return False
    if _get_current_dispatch_mode() is not None:  # such as a counter of operations
        return False
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in blocks.modules())
    return not hooked and x.shape[1] >= NARROWEST


class _Network:
    """A row of residual blocks in ncnn. Threads can share it."""

    def __init__(self, blocks: "ResidualBlocks") -> None:
        self._network = importlib.import_module("ncnn").Net()
        self._network.opt.num_threads = torch.get_num_threads()
        for option in _SMALLER_TYPES & set(dir(self._network.opt)):
            setattr(self._network.opt, option, False)
        self._output = f"x{len(blocks)}"
        with tempfile.TemporaryDirectory() as folder:
            graph, weights = Path(folder, "blocks.param"), Path(folder, "blocks.bin")
            graph.write_text(_graph(blocks), "utf-8")
            weights.write_bytes(_weights(blocks))
            if self._network.load_param(str(graph)) or self._network.load_model(str(weights)):
                raise UsageError("ncnn cannot load residual blocks: update it (pip install -U ncnn)")

    def run(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Apply the blocks to one image: `c h w -> c h w`."""
        ncnn = importlib.import_module("ncnn")
        extractor = self._network.create_extractor()
        extractor.input("x0", ncnn.Mat(image))
        status, output = extractor.extract(self._output)
        if status:
            raise MemoryError(f"ncnn could not run residual blocks on an array of shape {image.shape}")
        return np.asarray(output)


def _graph(blocks: "ResidualBlocks") -> str:
    """Describe the blocks in the text format of ncnn: one layer in a line."""
    layers = ["Input input 0 1 x0"]
    for i, block in enumerate(blocks.each()):
        width = block.first.out_channels
        convolution = f"0={width} 1=3 4=1 5=1 6={9 * width * width}"
        layers += [
            f"Split split{i} 1 2 x{i} copy{i} skip{i}",
            f"Convolution first{i} 1 1 copy{i} inner{i} {convolution} 9=1",  # 9=1: with ReLU
            f"Convolution second{i} 1 1 inner{i} residual{i} {convolution}",
            f"BinaryOp sum{i} 2 1 residual{i} skip{i} x{i + 1} 0=0",
        ]
    return "\n".join(["7767517", f"{len(layers)} {1 + 5 * len(blocks)}", *layers, ""])


def _weights(blocks: "ResidualBlocks") -> bytes:
    """Return the weights and biases of all convolutions; four bytes of zero before a weight mean float32."""
    parts = list[bytes]()
    for block in blocks.each():
        for layer, scale in ((block.first, 1.0), (block.second, block.scale)):
            assert layer.bias is not None
            weight, bias = ((scale * x.detach()).contiguous().numpy().tobytes() for x in (layer.weight, layer.bias))
            parts += [bytes(4), weight, bias]
    return b"".join(parts)
