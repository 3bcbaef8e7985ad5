"""What an encoder starts from: bytes of a picture ─► unshuffled floats and the antialiased bicubic guide, in one pass.

The guide has the bits of `resample`: its weights, its order of the axes (the one that shrinks most goes first) and of
the taps, each product and each sum rounded.  So nothing may be computed in another order, and what can be saved is
work that outputs have in common.  A thread makes a cell of N × N outputs of one channel:

    a band of N·s + 3s rows and columns ─► sums over its rows, N for each column ─► N × N sums over those sums

For 2x2 and N = 2 that is 25 loads and 48 products an output, where outputs on their own would take 64 and 72.  The
phases are the bytes below the cell, read again (they are near by then) so that registers need not keep them.
"""

from functools import lru_cache
from operator import index
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import Guided, reference
from resizekit.ops.fused import check_codes
from resizekit.ops.quantize import SCALE
from resizekit.ops.resample import taps
from resizekit_kernels.arithmetic import INTERPRETED, narrow, times
from resizekit_kernels.launch import FLOATS, Wrap, direct, on_cpu, padded, traced, triton_op, wrap_triton
from resizekit_kernels.registers import tile

__all__ = ["KERNELS", "unshuffle_guide_kernel", "unshuffle_guide_op"]

_CELLS = 128
"""Cells that a program makes: one a thread."""
_SHARED = (1, 2, 3, 4, 6, 8)
"""Phases of a channel (s * r) with which cells are 2 × 2; with others a single output fills the registers."""
_MOST = 16
"""Phases of a channel that are served, at most.  Every tap is code of its own: 4x4 has 256 of them, 2000 instructions
or 32 KB, and more would compile for long.  Beyond, phases come from `unshuffle_codes`, the guide from `resample`."""


@triton.jit
def _weighted(values, start: tl.constexpr, step: tl.constexpr, W: tl.constexpr):
    """Sum values from `start` on, `step` apart, as `resample` does: in this order, without what weighs 0."""
    if INTERPRETED:  # numpy fuses nothing, and a call from a kernel takes the interpreter half a millisecond
        total = values[start] * W[0]
        for k in tl.static_range(1, len(W)):
            if W[k] != 0.0:
                total = total + values[start + k * step] * W[k]
    else:
        total = times(values[start], W[0])
        for k in tl.static_range(1, len(W)):
            if W[k] != 0.0:
                total = total + times(values[start + k * step], W[k])
    return total


@triton.jit
def _along(base, start, COUNT: tl.constexpr, last, stride):
    """Find COUNT pixels from `start` along an axis, those beyond the border clamped to it.

    Addresses are integers here: then the compiler finds a pixel by one instruction, row * stride + column.
    """
    places = ()
    for i in tl.static_range(COUNT):
        places = places + (base + tl.minimum(tl.maximum(start + i, 0), last).to(tl.int64) * stride,)
    return places


@triton.jit
def _guides(
    first, second, F1: tl.constexpr, W1: tl.constexpr, F2: tl.constexpr, W2: tl.constexpr, N: tl.constexpr,
    SCALE: tl.constexpr,
):  # fmt: skip
    """Make N * N outputs, the axis of the first pass running faster, from places, factors and weights of both axes."""
    sums = ()
    for j in tl.static_range(len(second)):
        band = ()
        for i in tl.static_range(len(first)):
            code = tl.load((first[i] + second[j]).to(tl.pointer_type(tl.uint8)))
            band = band + (code.to(tl.float32) * SCALE,)  # products follow, no sum that it could be fused with
        for m in tl.static_range(N):
            sums = sums + (_weighted(band, m * F1, 1, W1),)
    outputs = ()
    for n in tl.static_range(N):
        for m in tl.static_range(N):
            outputs = outputs + (_weighted(sums, n * F2 * N + m, N, W2),)
    return outputs


@triton.jit
def _store_phases(
    phases, shift, rows, columns, c, y, u, h, w, S: tl.constexpr, R: tl.constexpr, C: tl.constexpr, P: tl.constexpr,
    SCALE: tl.constexpr, N: tl.constexpr, LAST: tl.constexpr, B: tl.constexpr, Q: tl.constexpr,
):  # fmt: skip
    """Store at once what lies together: S * R phases of an output (LAST), or a phase of N outputs; then zeros up to P.

    `rows` and `columns` are the places below the cell.
    """
    q = tl.arange(0, Q)[None, :]
    for m in tl.static_range(N):
        for k in tl.static_range(N if LAST else S * R):
            together = ()
            for j in tl.static_range(S * R if LAST else N):
                if LAST:
                    place = rows[m * S + j // R] + columns[k * R + j % R]
                else:
                    place = rows[m * S + k // R] + columns[j * R + k % R]
                together = together + (tl.load(place.to(tl.pointer_type(tl.uint8))),)
            values = times(tile(together, Q).to(tl.float32), SCALE) + shift
            line = (y + m)[:, None] * w.to(tl.int64) + u[:, None]
            inside = (y + m < h)[:, None]
            if LAST:
                inside = inside & (u[:, None] + k < w) & (q < S * R)
                channel = (c * S * R)[:, None] + q
                target = phases + (line + k) * P
                step = 1
            else:
                inside = inside & (u[:, None] + q < w)
                channel = (c * S * R + k)[:, None]
                target = phases + line + q
                step = h * w.to(tl.int64)
            tl.store(target + channel * step, narrow(values, phases.dtype.element_ty), mask=inside)
            for z in range(C * S * R, P, C * S * R):
                nothing = tl.zeros((B, Q), phases.dtype.element_ty)
                tl.store(target + (channel + z) * step, nothing, mask=inside & (channel + z < P))


@triton.jit
def unshuffle_guide_kernel(
    x, phases, guide, shift, h, w, xb, xc, xy, xx,
    S: tl.constexpr, R: tl.constexpr, C: tl.constexpr, P: tl.constexpr, SCALE: tl.constexpr, AT_S: tl.constexpr,
    WS: tl.constexpr, AT_R: tl.constexpr, WR: tl.constexpr, IN_LAST: tl.constexpr, OUT_LAST: tl.constexpr,
    N: tl.constexpr, B: tl.constexpr, Q: tl.constexpr,
):  # fmt: skip
    """Make B cells of one picture: N by N outputs of a channel each, and the phases below them, P channels in all.

    AT_S and WS are the first tap of output 0 and the weights along the height, AT_R and WR those along the width;
    IN_LAST and OUT_LAST say that the channels of a pixel lie together.
    """
    down, across = tl.cdiv(h, N), tl.cdiv(w, N)
    programs = tl.cdiv(down * across * C, B)
    b = (tl.program_id(0) // programs).to(tl.int64)
    cell = tl.program_id(0) % programs * B + tl.arange(0, B)
    cell = tl.minimum(cell, down * across * C - 1)  # threads too many make the last cell again
    if IN_LAST:
        c = (cell % C).to(tl.int64)
        cell = cell // C
    else:
        c = (cell // (down * across)).to(tl.int64)
        cell = cell % (down * across)
    y = cell // across * N
    u = cell % across * N
    rows = _along(0, y * S + AT_S, S * (N - 1) + len(WS), h * S - 1, xy)
    columns = _along(x.to(tl.int64) + b * xb + c * xc, u * R + AT_R, R * (N - 1) + len(WR), w * R - 1, xx)
    below = rows[-AT_S : N * S - AT_S], columns[-AT_R : N * R - AT_R]
    _store_phases(
        phases + b * P * h * w, shift, below[0], below[1], c, y, u, h, w, S, R, C, P, SCALE, N, OUT_LAST, B, Q
    )  # fmt: skip
    if S >= R:
        outputs = _guides(rows, columns, S, WS, R, WR, N, SCALE)
    else:
        outputs = _guides(columns, rows, R, WR, S, WS, N, SCALE)
    guide += b * C * h * w
    n = tl.arange(0, N)[None, :]
    for m in tl.static_range(N):
        row = ()
        for k in tl.static_range(N):
            row = row + (outputs[k * N + m if S >= R else m * N + k],)
        line = (y + m) * w.to(tl.int64) + u
        if OUT_LAST:
            for k in tl.static_range(N):
                tl.store(guide + (line + k) * C + c, row[k], mask=(y + m < h) & (u + k < w))
        else:
            inside = (y + m < h)[:, None] & (u[:, None] + n < w)
            tl.store(guide + (c * h * w + line)[:, None] + n, tile(row, N), mask=inside)


class _Axis(NamedTuple):
    first: int
    """The first tap of output 0."""
    weights: tuple[float, ...]


@lru_cache(maxsize=64)
def _axis(factor: int) -> _Axis:
    """Give the taps along one axis, from the first that weighs something to the last."""
    first, weights = taps(factor)
    weigh = [k for k, weight in enumerate(weights) if weight]
    return _Axis(first + weigh[0], weights[weigh[0] : weigh[-1] + 1])


def _launch(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, last: bool, wrap: Wrap = direct
) -> tuple[Tensor, Tensor]:
    b, c, height, width = x.shape
    h, w, channels = height // s, width // r, padded(index(c) * s * r, multiple)
    layout = torch.channels_last if last else torch.contiguous_format
    phases = torch.empty((b, channels, h, w), dtype=dtype, device=x.device, memory_format=layout)
    guide = torch.empty((b, c, h, w), dtype=torch.float32, device=x.device, memory_format=layout)
    down, across = _axis(s), _axis(r)
    n = 2 if s * r in _SHARED else 1
    programs = triton.cdiv(triton.cdiv(h, n) * triton.cdiv(w, n) * c, _CELLS)
    wrap(unshuffle_guide_kernel)[(programs * b,)](
        x, phases, guide, float(shift), h, w, *x.stride(),
        S=s, R=r, C=c, P=channels, SCALE=SCALE, AT_S=down.first, WS=down.weights, AT_R=across.first,
        WR=across.weights, IN_LAST=x.stride(1) < x.stride(3), OUT_LAST=last,
        N=n, B=_CELLS, Q=triton.next_power_of_2(s * r) if last else n, num_warps=_CELLS // 32,
    )  # fmt: skip
    return phases, guide


@triton_op("resizekit::unshuffle_guide", mutates_args={})
def unshuffle_guide_op(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool
) -> tuple[Tensor, Tensor]:
    """Make phases and guide as the compiler sees it."""
    if not on_cpu(x):
        return _launch(x, s, r, dtype, shift, multiple, channels_last, wrap_triton)
    options = {"dtype": dtype, "shift": shift, "multiple": multiple, "channels_last": channels_last}
    phases, guide = reference("unshuffle_guide")(x, s, r, **options)
    return phases, guide


def unshuffle_guide(
    x: Tensor,
    s: int,
    r: int,
    *,
    dtype: torch.dtype = torch.float32,
    shift: float = 0.0,
    multiple: int = 1,
    channels_last: bool = False,
) -> Guided:
    """Stand in for `resizekit.ops.unshuffle_guide`; what is not served gets its phases by the kernel for those."""
    check_codes(x, s, r, dtype, multiple)
    if dtype not in FLOATS or s * r > _MOST or not x.numel():
        options = {"dtype": dtype, "shift": shift, "multiple": multiple, "channels_last": channels_last}
        served: Guided = reference("unshuffle_guide")(x, s, r, **options)
        return served
    run = unshuffle_guide_op if traced() else _launch
    return Guided(*run(x, s, r, dtype, shift, multiple, channels_last))


def _bytes_moved(x: Tensor, s: int, r: int, *, dtype: torch.dtype = torch.float32, multiple: int = 1, **_: Any) -> int:
    b, c, height, width = x.shape
    values = padded(c * s * r, multiple) * dtype.itemsize + c * torch.float32.itemsize
    return x.numel() + b * (height // s) * (width // r) * values


KERNELS = (Kernel(op="unshuffle_guide", device_type="cuda", run=unshuffle_guide, bytes_moved=_bytes_moved),)
