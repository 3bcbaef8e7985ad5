"""Set the precision of inference: exact float32 whatever the process has set, or half precision by autocast.

PyTorch rounds the inputs of convolutions to 10 bits (TF32) on GPUs by default, and `set_float32_matmul_precision` can
allow the same for matrix products, also on CPUs. Small images store information in their last bits, so float32 must be
exact. The settings belong to the process, and other threads use them too: nothing here changes them by default.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from resizekit.nn.int8 import int8
from resizekit.nn.winograd import winograd
from resizekit.system.device import pick_precision
from resizekit.system.precisions import Precision

__all__ = ["inference_precision", "prepare_precision"]

_HALF: dict[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""Data type of autocast. "int8" is added where the CPU has instructions for bfloat16."""
_FASTER: dict[str, Callable[[], AbstractContextManager[None]]] = {"winograd": winograd, "int8": int8}
_FULL = ("none", "ieee")
_CONVOLUTIONS = {F.conv1d: False, F.conv2d: False, F.conv3d: False,
                 F.conv_transpose1d: True, F.conv_transpose2d: True, F.conv_transpose3d: True}  # fmt: skip
"""Whether each is transposed."""
_PRODUCTS = {
    F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__, Tensor.__rmatmul__, torch.mm, Tensor.mm, torch.bmm,
    Tensor.bmm, torch.addmm, Tensor.addmm, torch.baddbmm, Tensor.baddbmm, torch.einsum,
    F.scaled_dot_product_attention,
}  # fmt: skip
_lock = threading.Lock()


def prepare_precision(precision: Precision, device: torch.device) -> None:
    """Find out what a precision depends on; a graph of `torch.compile` cannot do so."""
    if precision == "int8" and pick_precision("auto", device) == "bfloat16":
        _HALF["int8"] = torch.bfloat16


@contextmanager
def inference_precision(precision: Precision, device_type: str) -> Iterator[None]:
    """Run networks in a precision, in this thread alone.

    A graph of `torch.compile` follows the settings of the process: on a GPU, set
    `torch.backends.cudnn.conv.fp32_precision = "ieee"` yourself for exact float32.

    Args:
        precision: "float32", "winograd" for float32 by another algorithm, "int8", or half precision by autocast.
        device_type: `torch.device.type` of the inputs.
    """
    half, compiling = _HALF.get(precision), torch.compiler.is_compiling()
    faster = nullcontext() if compiling else _FASTER.get(precision, nullcontext)()
    with torch.autocast(device_type, half or torch.bfloat16, enabled=half is not None), faster:
        if half or compiling or (device_type == "cpu" and not _cpu.is_needed()):
            yield
        else:
            with _ExactFloat32():
                yield


class _ExactFloat32(TorchFunctionMode):
    """Compute convolutions and matrix products of float32 in float32. A mode is active in one thread only."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        transposed = _CONVOLUTIONS.get(func)
        if transposed is not None:
            return _convolve(func, transposed, *args, **kwargs)
        if func in _PRODUCTS:
            with (_cpu if _on_cpu(args) else _products).while_running():
                return func(*args, **kwargs)
        return func(*args, **kwargs)


def _on_cpu(args: tuple[Any, ...]) -> bool:
    return all(x.device.type == "cpu" for x in args if isinstance(x, Tensor))


def _convolve(func: Callable[..., Tensor], transposed: bool, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convolve without TF32 by the argument that PyTorch's own functions fill in from the process's setting."""
    names: tuple[str, ...] = ("weight", "bias", "stride", "padding")
    names += ("output_padding", "groups", "dilation") if transposed else ("dilation", "groups")
    options: dict[str, Any] = {"bias": None, "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
    options |= dict(zip(names, args, strict=False)) | kwargs
    dims = options["weight"].dim() - 2
    if x.device.type == "cpu":  # small convolutions are matrix products there
        with _cpu.while_running():
            return func(x, *args, **kwargs)
    if x.dim() != dims + 2 or isinstance(options["padding"], str):
        with _convolutions.while_running():
            return func(x, *args, **kwargs)
    stride, padding, output_padding, dilation = (
        [value] * dims if isinstance(value := options[name], int) else list(value)
        for name in ("stride", "padding", "output_padding", "dilation")
    )
    cudnn = torch.backends.cudnn
    result: Tensor = torch._convolution(
        x, options["weight"], options["bias"], stride, padding, dilation, transposed, output_padding,
        options["groups"], cudnn.benchmark, cudnn.deterministic, cudnn.enabled, False,
    )  # fmt: skip
    return result


class _Raised:
    """Settings of the process that are raised to full float32 while an operation runs that takes no argument for it.

    The first of several threads raises them, the last one restores them.
    """

    def __init__(self, *settings: Callable[[], Any]) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._running, self._before = 0, list[tuple[Any, str]]()

    def is_needed(self) -> bool:
        """Whether a setting is lowered, or was lowered before another thread raised it."""
        with self._lock:
            return self._running > 0 or bool(self._lowered())

    @contextmanager
    def while_running(self) -> Iterator[None]:
        with self._lock:
            if not self._running:
                self._before = self._lowered()
                for setting, _ in self._before:
                    setting.fp32_precision = "ieee"
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    for setting, value in self._before:
                        _restore(setting, value)

    def _lowered(self) -> list[tuple[Any, str]]:
        found = [(setting, setting.fp32_precision) for setting in (get() for get in self._settings)]
        return [(setting, value) for setting, value in found if value not in _FULL]


def _restore(setting: Any, value: str) -> None:
    """Set back what was read before. A value that is inherited stays inherited, and follows its parent later."""
    setting.fp32_precision = "none"
    if setting.fp32_precision != value:
        setting.fp32_precision = value


# looked up late: the objects exist only where PyTorch was built with these backends
_cpu = _Raised(
    lambda: torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
    lambda: torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
)
_products = _Raised(lambda: torch.backends.cuda.matmul)
_convolutions = _Raised(lambda: torch.backends.cudnn.conv)  # type: ignore[attr-defined]
