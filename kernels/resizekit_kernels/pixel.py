"""Pixels to channels and back: `b c (h s) (w r) <-> b (c s r) h w`, values of up to 4 bytes, moved as they are.

One kernel serves both ways, since they differ only in which side is read: a program takes B cells of one row of the
small grid with all their channels, and strides say where each lies.  Whichever of cells and channels lies together in
the small tensor runs fastest over the threads; on the large side neighbours are then at most s * r apart.
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
    any_grad,
    autograd_function,
    direct,
    fitting,
    on_cpu,
    traced,
    triton_op,
    vector,
    wrap_triton,
)

__all__ = ["KERNELS", "launch_shuffle", "launch_unshuffle", "move_kernel", "shuffle_op", "unshuffle_op"]

_VALUES = 2048
"""Values a program moves: 16 a thread."""
_MOST = 4096
"""Channels of the small tensor, at most: a program takes them all."""
_TYPES = (*FLOATS, torch.uint8, torch.int8, torch.int16, torch.int32)


@triton.jit
def move_kernel(
    large, small, h, n, blocks, lb, lc, ly, lx, sb, sc, sy, sx,
    P: tl.constexpr, S: tl.constexpr, R: tl.constexpr, TO_SMALL: tl.constexpr, LAST: tl.constexpr, V: tl.constexpr,
    B: tl.constexpr, PB: tl.constexpr,
):  # fmt: skip
    """Move B cells of P = c·s·r channels; l* and s* are the strides of the large and the small tensor.

    LAST: channels lie together in the small one.  All its strides but the smallest count vectors of V values, as n does
    for the width of its rows if those lie together, so that the compiler knows them for aligned.  Offsets are summed
    from one of the cell and one of the channel, so that few products are taken in 64 bits.
    """
    row = tl.program_id(0) // blocks
    b, y = (row // h).to(tl.int64), (row % h).to(tl.int64)
    x = (tl.program_id(0) % blocks) * B + tl.arange(0, B)
    p = tl.arange(0, PB)
    across = x.to(tl.int64) * R * lx
    near = (p // (S * R)).to(tl.int64) * lc + (p // R % S).to(tl.int64) * ly + (p % R).to(tl.int64) * lx
    if LAST:  # they run fastest over the threads
        w = n
        x, p, across, near = x[:, None], p[None, :], across[:, None], near[None, :]
        here = small + (b * sb + y * sy) * V + x.to(tl.int64) * sx * V + p.to(tl.int64) * sc
    else:
        w = n * V
        x, p, across, near = x[None, :], p[:, None], across[None, :], near[:, None]
        here = small + (b * sb + y * sy) * V + p.to(tl.int64) * sc * V + x.to(tl.int64) * sx
    there = large + b * lb + y * S * ly + across + near
    inside = (x < w) & (p < P)
    if TO_SMALL:
        tl.store(here, tl.load(there, mask=inside), mask=inside)
    else:
        tl.store(there, tl.load(here, mask=inside), mask=inside)


def _move(large: Tensor, small: Tensor, s: int, r: int, to_small: bool, wrap: Wrap) -> None:
    b, channels, h, w = small.shape
    if not small.numel():
        return
    channels = index(channels)
    sb, sc, sy, sx = small.stride()
    last = sc < sx
    v = vector(small, sb, sy, sx if last else sc, channels if last else w)
    wide = triton.next_power_of_2(channels)
    size = fitting(w, max(_VALUES // wide, 1))
    blocks = triton.cdiv(w, size)
    wrap(move_kernel)[(b * h * blocks,)](
        large, small, h, w if last else w // v, blocks, *large.stride(),
        sb // v, sc if last else sc // v, sy // v, sx // v if last else sx,
        P=channels, S=s, R=r, TO_SMALL=to_small, LAST=last, V=v, B=size, PB=wide, num_warps=4,
    )  # fmt: skip


def _empty(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    layout = torch.channels_last if in_channels_last(x) else torch.contiguous_format
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)


def launch_unshuffle(x: Tensor, s: int, r: int, wrap: Wrap = direct) -> Tensor:
    """Unshuffle by a kernel."""
    b, c, height, width = x.shape
    out = _empty(x, (b, c * s * r, height // s, width // r))
    _move(x, out, s, r, True, wrap)
    return out


def launch_shuffle(x: Tensor, s: int, r: int, wrap: Wrap = direct) -> Tensor:
    """Shuffle by a kernel."""
    b, channels, h, w = x.shape
    out = _empty(x, (b, channels // (s * r), h * s, w * r))
    _move(out, x, s, r, False, wrap)
    return out


@triton_op("resizekit::unshuffle", mutates_args={})
def unshuffle_op(x: Tensor, s: int, r: int) -> Tensor:
    """Unshuffle as the compiler sees it."""
    return _fresh(reference("unshuffle")(x, s, r), x) if on_cpu(x) else launch_unshuffle(x, s, r, wrap_triton)


@triton_op("resizekit::shuffle", mutates_args={})
def shuffle_op(x: Tensor, s: int, r: int) -> Tensor:
    """Shuffle as the compiler sees it."""
    return _fresh(reference("shuffle")(x, s, r), x) if on_cpu(x) else launch_shuffle(x, s, r, wrap_triton)


def _fresh(y: Tensor, x: Tensor) -> Tensor:
    """An op's result is never its input: references give a view where nothing has to move."""
    return y.clone() if y.untyped_storage()._cdata == x.untyped_storage()._cdata else y


def _setup(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
    ctx.factors = inputs[1:]


def _backward(run: Callable[[Tensor, int, int], Tensor]) -> Callable[..., tuple[Tensor, None, None]]:
    return lambda ctx, gradient: (run(gradient, *ctx.factors), None, None)


def unshuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Stand in for `resizekit.ops.unshuffle`."""
    check_unshuffle(x, s, r)
    if x.dtype not in _TYPES or s == r == 1 or x.shape[1] * s * r > _MOST:
        return reference("unshuffle")(x, s, r)
    if traced():
        return unshuffle_op(x, s, r)
    return _unshuffle(x, s, r) if any_grad(x) else launch_unshuffle(x, s, r)


def shuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Stand in for `resizekit.ops.shuffle`."""
    check_shuffle(x, s, r)
    if x.dtype not in _TYPES or s == r == 1 or x.shape[1] > _MOST:
        return reference("shuffle")(x, s, r)
    if traced():
        return shuffle_op(x, s, r)
    return _shuffle(x, s, r) if any_grad(x) else launch_shuffle(x, s, r)


unshuffle_op.register_autograd(_backward(shuffle_op), setup_context=_setup)
shuffle_op.register_autograd(_backward(unshuffle_op), setup_context=_setup)
# the way back goes through the dispatching functions, so that it can be derived once more
_unshuffle = autograd_function("Unshuffle", lambda x, s, r: launch_unshuffle(x, s, r), _setup, _backward(shuffle))
_shuffle = autograd_function("Shuffle", lambda x, s, r: launch_shuffle(x, s, r), _setup, _backward(unshuffle))


def _bytes_moved(x: Tensor, s: int, r: int) -> int:
    return 2 * x.numel() * x.element_size()


KERNELS = (
    Kernel(op="unshuffle", device_type="cuda", run=unshuffle, bytes_moved=_bytes_moved),
    Kernel(op="shuffle", device_type="cuda", run=shuffle, bytes_moved=_bytes_moved),
)
