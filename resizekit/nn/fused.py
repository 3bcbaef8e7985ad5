"""Run a convolution and the ReLU or the addition after it as one operation.

PyTorch calls the library oneDNN for convolutions on x86 CPUs. The library can apply a ReLU or add a tensor before it
writes the result, which saves the memory traffic of a pass. PyTorch has operators for this, without gradients, and
`torch.compile` uses them too. Float32 has the same bits either way. In bfloat16 the sum is rounded once and not twice.
"""

import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode
from torch.utils._python_dispatch import _get_current_dispatch_mode

from resizekit import ops
from resizekit.nn.derived import derived

__all__ = ["conv_add", "conv_relu", "one_pass"]

_SMALL = 20480
"""Most values of an input whose convolution PyTorch may run without oneDNN. The bits of the two differ."""
_X86 = platform.machine().lower() in ("x86_64", "amd64")

_state = threading.local()


@contextmanager
def one_pass() -> Iterator[None]:
    """Run convolutions in half precision by `resizekit.ops.conv3x3` in a block of code, in this thread.

    Only a measurement shows whether its kernel is faster than the library of the device.
    """
    before, _state.active = getattr(_state, "active", False), True
    try:
        yield
    finally:
        _state.active = before


def conv_relu(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute `relu(layer(x))`. Where the fused operation runs, NaN becomes 0.

    Args:
        layer: The convolution.
        x: `b i h w`.

    Returns:
        `b o h2 w2`.

    Examples:
        >>> conv_relu(nn.Conv2d(3, 8, 3, padding=1), torch.rand(1, 3, 5, 6)).shape
        torch.Size([1, 8, 5, 6])
    """
    if _in_one_pass(layer, x):
        return ops.conv3x3(x, *_parameters(layer, x.dtype), relu=True)
    operator = _operator(layer, x)
    if operator is None:
        # the output of the convolution is not used elsewhere, and in place saves the memory traffic of a copy
        return F.relu(layer(x), inplace=True)
    return cast(Tensor, operator.default(*_arguments(layer, x), "relu", [], ""))


def conv_add(layer: nn.Conv2d, x: Tensor, other: Tensor) -> Tensor:
    """Compute `layer(x) + other`. Both inputs stay unchanged.

    Args:
        layer: The convolution.
        x: `b i h w`.
        other: `b o h2 w2`, as the output of the layer, or a shape that broadcasts with it.

    Returns:
        `b o h2 w2`.

    Examples:
        >>> x = torch.rand(1, 8, 5, 6)
        >>> conv_add(nn.Conv2d(8, 8, 3, padding=1), x, x).shape
        torch.Size([1, 8, 5, 6])
    """
    if _in_one_pass(layer, x) and other.dtype == x.dtype:
        return ops.conv3x3(x, *_parameters(layer, x.dtype), other)
    same_kind = other.dtype == x.dtype and other.device == x.device
    same_size = other.shape == (x.shape[0], layer.out_channels, *x.shape[2:])
    operator = _operator(layer, x) if same_kind and same_size else None
    if operator is None:
        result = cast(Tensor, layer(x))
        fits = result.dtype == other.dtype and result.shape == other.shape
        return result.add_(other) if fits else result + other
    x, weight, *rest = _arguments(layer, x)
    return cast(Tensor, operator.binary(x, other, weight, *rest, "add", 1.0, None, [], None))


def _in_one_pass(layer: nn.Conv2d, x: Tensor) -> bool:
    if torch.compiler.is_compiling() or not getattr(_state, "active", False) or torch.is_grad_enabled():
        return False
    geometry = layer.kernel_size, layer.padding, layer.stride, layer.dilation, layer.groups, layer.padding_mode
    plain = geometry == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros") and layer.bias is not None
    return plain and x.dtype in (torch.float16, torch.bfloat16)


def _parameters(layer: nn.Conv2d, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return weight and bias in half precision, in the memory order of `conv3x3`."""

    def cast() -> tuple[Tensor, Tensor]:
        assert layer.bias is not None
        return layer.weight.detach().to(dtype, memory_format=torch.channels_last), layer.bias.detach().to(dtype)

    return derived(layer, f"half {dtype}", cast)


def _operator(layer: nn.Conv2d, x: Tensor) -> Any | None:
    """Return PyTorch's operator, or None where only the separate operations are correct."""
    if not _X86 or x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    if x.dim() != 4:  # the operator has no inputs without a batch, which `nn.Conv2d` takes
        return None
    if type(layer) is not nn.Conv2d or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    if layer._forward_hooks or layer._forward_pre_hooks or type(x) is not Tensor or x.numel() <= _SMALL:
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
