"""Run a convolution and the ReLU or the addition after it as one operation on a CPU.

PyTorch calls the library oneDNN for convolutions on x86 CPUs. The library can apply a ReLU or add a tensor before it
writes the result, which saves the memory traffic of a pass. PyTorch has operators for this, without gradients, and
`torch.compile` uses them too. Float32 has the same bits either way. In bfloat16 the sum is rounded once and not twice.
"""

import platform
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode
from torch.utils._python_dispatch import _get_current_dispatch_mode

__all__ = ["conv_add", "conv_relu"]

_SMALLEST = 20481
"""Values of the smallest input. PyTorch runs smaller convolutions without oneDNN, and their bits differ."""
_X86 = platform.machine().lower() in ("x86_64", "amd64")


def conv_relu(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute `relu(layer(x))`: `b i h w -> b o h w`. Where the fused operation runs, NaN becomes 0."""
    operator = _operator(layer, x)
    if operator is None:
        # the output of the convolution is not used elsewhere, and in place saves the memory traffic of a copy
        return F.relu(layer(x), inplace=True)
    return cast(Tensor, operator.default(*_arguments(layer, x), "relu", [], ""))


def conv_add(layer: nn.Conv2d, x: Tensor, other: Tensor) -> Tensor:
    """Compute `layer(x) + other`: `b i h w, b o h w -> b o h w`. Both inputs stay unchanged."""
    operator = _operator(layer, x) if other.dtype == x.dtype and other.device == x.device else None
    if operator is None or other.shape != (x.shape[0], layer.out_channels, *x.shape[2:]):
        result = cast(Tensor, layer(x))
        fits = result.dtype == other.dtype and result.shape == other.shape
        return result.add_(other) if fits else result + other
    x, weight, *rest = _arguments(layer, x)
    return cast(Tensor, operator.binary(x, other, weight, *rest, "add", 1.0, None, [], None))


def _operator(layer: nn.Conv2d, x: Tensor) -> Any | None:
    """Return PyTorch's operator, or None where only the separate operations are correct."""
    if not _X86 or x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    if type(layer) is not nn.Conv2d or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    if layer._forward_hooks or layer._forward_pre_hooks or type(x) is not Tensor or x.numel() < _SMALLEST:
        return None
    casts = torch.is_autocast_enabled("cpu") and x.dtype != torch.get_autocast_dtype("cpu")
    if casts or layer.weight.dtype not in (torch.float32, x.dtype) or not _is_served(x.dtype):
        return None
    # counters of operations and modes of other precisions know the separate operations
    modes = _get_current_dispatch_mode(), _get_current_function_mode()  # type: ignore[no-untyped-call]
    if modes != (None, None):
        return None
    return torch.ops.mkldnn._convolution_pointwise


def _is_served(dtype: torch.dtype) -> bool:
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _arguments(layer: nn.Conv2d, x: Tensor) -> list[Any]:
    """Return the arguments that both operators take first, with the weights in the data type of the input."""
    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    geometry = (list(value) for value in (layer.padding, layer.stride, layer.dilation))
    return [x, layer.weight.to(x.dtype), bias, *geometry, layer.groups]
