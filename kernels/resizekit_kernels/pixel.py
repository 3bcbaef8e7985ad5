"""Move pixels to channels and back by a kernel: `b c (h s) (w r) <-> b (c s r) h w`, values of up to 4 bytes.

One kernel works in both directions, which differ only in the side that it reads. A program takes a block of pixels of
one row of the small tensor with all their channels; strides give their addresses. Whichever of pixels and channels is
adjacent in the small tensor varies fastest over the threads; in the large tensor neighbors are at most s * r apart.
"""

from collections.abc import Callable
from operator import index
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import reference
from resizekit.ops.pixel import check_shuffle, check_unshuffle, in_channels_last
from resizekit_kernels.launch import (
    FLOATS,
    Wrap,
    autograd_function,
    block_size,
    direct,
    is_compiling,
    needs_grad,
    or_reference,
    runs_reference,
    triton_op,
    vector_width,
    wrap_triton,
)

__all__ = ["KERNELS", "launch_shuffle", "launch_unshuffle", "move_kernel", "shuffle_op", "unshuffle_op"]

_VALUES = 2048
"""Values that a program moves: 16 per thread."""
_MAX_CHANNELS = 4096
"""Maximum channels of the small tensor: a program takes all of them."""
_TYPES = (*FLOATS, torch.uint8, torch.int8, torch.int16, torch.int32)


@triton.jit
def move_kernel(
    large, small, small_height, row_vectors, blocks_per_row,
    large_stride_b, large_stride_c, large_stride_y, large_stride_x,
    small_stride_b, small_stride_c, small_stride_y, small_stride_x,
    CHANNELS: tl.constexpr, S: tl.constexpr, R: tl.constexpr, TO_SMALL: tl.constexpr, CHANNELS_LAST: tl.constexpr,
    VEC: tl.constexpr, BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Move BLOCK pixels of one row of the small tensor, with all its CHANNELS = c·s·r channels.

    CHANNELS_LAST: the channels are adjacent in the small tensor. All its strides except the smallest count vectors of
    VEC values, so that the compiler knows their alignment; `row_vectors` counts the width of a row in the same unit if
    its pixels are adjacent. Each offset is the sum of a pixel offset and a channel offset, which saves 64-bit
    products.
    """
    row = tl.program_id(0) // blocks_per_row
    b, y = (row // small_height).to(tl.int64), (row % small_height).to(tl.int64)
    x = (tl.program_id(0) % blocks_per_row) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, BLOCK_C)
    pixel_offset = x.to(tl.int64) * R * large_stride_x
    channel_offset = (
        (channel // (S * R)).to(tl.int64) * large_stride_c
        + (channel // R % S).to(tl.int64) * large_stride_y
        + (channel % R).to(tl.int64) * large_stride_x
    )
    if CHANNELS_LAST:  # channels are adjacent: they vary fastest over the threads
        small_width = row_vectors
        x, channel = x[:, None], channel[None, :]
        pixel_offset, channel_offset = pixel_offset[:, None], channel_offset[None, :]
        small_at = (
            small
            + (b * small_stride_b + y * small_stride_y) * VEC
            + x.to(tl.int64) * small_stride_x * VEC
            + channel.to(tl.int64) * small_stride_c
        )
    else:
        small_width = row_vectors * VEC
        x, channel = x[None, :], channel[:, None]
        pixel_offset, channel_offset = pixel_offset[None, :], channel_offset[:, None]
        small_at = (
            small
            + (b * small_stride_b + y * small_stride_y) * VEC
            + channel.to(tl.int64) * small_stride_c * VEC
            + x.to(tl.int64) * small_stride_x
        )
    large_at = large + b * large_stride_b + y * S * large_stride_y + pixel_offset + channel_offset
    inside = (x < small_width) & (channel < CHANNELS)
    if TO_SMALL:
        tl.store(small_at, tl.load(large_at, mask=inside), mask=inside)
    else:
        tl.store(large_at, tl.load(small_at, mask=inside), mask=inside)


def _move(large: Tensor, small: Tensor, s: int, r: int, to_small: bool, wrap: Wrap) -> None:
    b, channels, h, w = small.shape
    if not small.numel():
        return
    channels = index(channels)
    stride_b, stride_c, stride_y, stride_x = small.stride()
    channels_last = stride_c < stride_x
    vec = vector_width(
        small, stride_b, stride_y, stride_x if channels_last else stride_c, channels if channels_last else w
    )
    block_c = triton.next_power_of_2(channels)
    block = block_size(w, max(_VALUES // block_c, 1))
    blocks_per_row = triton.cdiv(w, block)
    wrap(move_kernel)[(b * h * blocks_per_row,)](
        large, small, h, w if channels_last else w // vec, blocks_per_row, *large.stride(),
        stride_b // vec, stride_c if channels_last else stride_c // vec, stride_y // vec,
        stride_x // vec if channels_last else stride_x,
        CHANNELS=channels, S=s, R=r, TO_SMALL=to_small, CHANNELS_LAST=channels_last,
        VEC=vec, BLOCK=block, BLOCK_C=block_c, num_warps=4,
    )  # fmt: skip


def _empty(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    layout = torch.channels_last if in_channels_last(x) else torch.contiguous_format
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)


def launch_unshuffle(x: Tensor, s: int, r: int, wrap: Wrap = direct) -> Tensor:
    """Unshuffle with the kernel."""
    b, c, height, width = x.shape
    out = _empty(x, (b, c * s * r, height // s, width // r))
    _move(x, out, s, r, True, wrap)
    return out


def launch_shuffle(x: Tensor, s: int, r: int, wrap: Wrap = direct) -> Tensor:
    """Shuffle with the kernel."""
    b, channels, h, w = x.shape
    out = _empty(x, (b, channels // (s * r), h * s, w * r))
    _move(out, x, s, r, False, wrap)
    return out


@triton_op("resizekit::unshuffle", mutates_args={})
def unshuffle_op(x: Tensor, s: int, r: int) -> Tensor:
    """Unshuffle as an op for the compiler."""
    return _fresh(reference("unshuffle")(x, s, r), x) if runs_reference(x) else launch_unshuffle(x, s, r, wrap_triton)


@triton_op("resizekit::shuffle", mutates_args={})
def shuffle_op(x: Tensor, s: int, r: int) -> Tensor:
    """Shuffle as an op for the compiler."""
    return _fresh(reference("shuffle")(x, s, r), x) if runs_reference(x) else launch_shuffle(x, s, r, wrap_triton)


def _fresh(y: Tensor, x: Tensor) -> Tensor:
    """Copy a view of the input, because the result of an op must not alias its input."""
    return y.clone() if y.untyped_storage()._cdata == x.untyped_storage()._cdata else y


def _setup(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
    ctx.factors = inputs[1:]


def _backward(run: Callable[[Tensor, int, int], Tensor]) -> Callable[..., tuple[Tensor, None, None]]:
    return lambda ctx, gradient: (run(gradient, *ctx.factors), None, None)


def unshuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Replace `resizekit.ops.unshuffle`."""
    check_unshuffle(x, s, r)
    if x.dtype not in _TYPES or s == r == 1 or x.shape[1] * s * r > _MAX_CHANNELS:
        return reference("unshuffle")(x, s, r)
    if is_compiling():
        return unshuffle_op(x, s, r)
    return _unshuffle(x, s, r) if needs_grad(x) else launch_unshuffle(x, s, r)


def shuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Replace `resizekit.ops.shuffle`."""
    check_shuffle(x, s, r)
    if x.dtype not in _TYPES or s == r == 1 or x.shape[1] > _MAX_CHANNELS:
        return reference("shuffle")(x, s, r)
    if is_compiling():
        return shuffle_op(x, s, r)
    return _shuffle(x, s, r) if needs_grad(x) else launch_shuffle(x, s, r)


unshuffle_op.register_autograd(_backward(shuffle_op), setup_context=_setup)
shuffle_op.register_autograd(_backward(unshuffle_op), setup_context=_setup)
# the backward passes call the dispatching functions, so that they have a gradient too
_unshuffle = autograd_function(
    "Unshuffle",
    lambda x, s, r: launch_unshuffle(x, s, r),
    _setup,
    _backward(or_reference(shuffle, reference("shuffle"))),
)
_shuffle = autograd_function(
    "Shuffle",
    lambda x, s, r: launch_shuffle(x, s, r),
    _setup,
    _backward(or_reference(unshuffle, reference("unshuffle"))),
)


def _bytes_moved(x: Tensor, s: int, r: int) -> int:
    return 2 * x.numel() * x.element_size()


KERNELS = (
    Kernel(op="unshuffle", device_type="cuda", run=unshuffle, bytes_moved=_bytes_moved),
    Kernel(op="shuffle", device_type="cuda", run=shuffle, bytes_moved=_bytes_moved),
)
