"""From bytes to what a network takes: `b c (h s) (w r)` uint8 ─► floats `b (c s r) h w`, padded with channels of zeros.

Two forms.  The general one gathers bytes by strides and serves every layout; with channels fastest on the way out its
neighbours read bytes that lie together too.  With x fastest on the way out (NCHW) neighbours would read bytes that lie
c·r apart, four of them a thread: so where pixels lie `b h w c`, the packed form reads whole words instead,

    4 cells = 4·r·c bytes = r·c words of a row ─► bytes by shifts, in registers ─► 4 neighbouring floats a plane
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from resizekit import Kernel
from resizekit.ops import reference
from resizekit.ops.fused import check_codes
from resizekit.ops.quantize import SCALE
from resizekit_kernels.arithmetic import narrow, times
from resizekit_kernels.launch import Wrap, direct, on_cpu, traced, triton_op, wrap_triton

__all__ = ["KERNELS", "unpack_kernel", "unshuffle_codes_kernel", "unshuffle_codes_op"]

_VALUES = 2048
"""Values a program of the general form makes: 16 a thread."""
_MOST = 1024
"""Channels that are made, at most: a program of the general form makes them all."""
_GROUPS = 128
"""Groups of four cells that a program of the packed form makes: one a thread."""
_WORDS = 16
"""Words in a group, at most: all of them sit in registers."""
_TYPES = (torch.float32, torch.float16, torch.bfloat16)


@triton.jit
def unshuffle_codes_kernel(
    x, out, shift, h, w, blocks, xb, xc, xy, xx, ob, oc, oy, ox,
    C: tl.constexpr, P: tl.constexpr, S: tl.constexpr, R: tl.constexpr, LAST: tl.constexpr, SCALE: tl.constexpr,
    B: tl.constexpr, PB: tl.constexpr,
):  # fmt: skip
    """Make B cells of one row: C·S·R channels of values, then zeros up to P."""
    row = tl.program_id(0) // blocks
    b, y = (row // h).to(tl.int64), (row % h).to(tl.int64)
    first = (tl.program_id(0) % blocks) * B
    if LAST:
        u = (first + tl.arange(0, B))[:, None].to(tl.int64)
        p = tl.arange(0, PB)[None, :].to(tl.int64)
    else:
        u = (first + tl.arange(0, B))[None, :].to(tl.int64)
        p = tl.arange(0, PB)[:, None].to(tl.int64)
    c, i, j = p // (S * R), p // R % S, p % R
    full = (u < w) & (p < C * S * R)
    k = tl.load(x + b * xb + c * xc + (y * S + i) * xy + (u * R + j) * xx, mask=full, other=0).to(tl.float32)
    v = tl.where(p < C * S * R, times(k, SCALE) + shift, 0.0)
    tl.store(out + b * ob + p * oc + y * oy + u * ox, narrow(v, out.dtype.element_ty), mask=(u < w) & (p < P))


@triton.jit
def unpack_kernel(
    words, out, shift, h, groups, blocks, wb, wy, ob, oc, oy,
    C: tl.constexpr, P: tl.constexpr, S: tl.constexpr, R: tl.constexpr, SCALE: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """Make B groups of four cells of one row, plane by plane; `words` are the bytes of `b (h s) (w r c)`, by fours."""
    row = tl.program_id(0) // blocks
    b, y = (row // h).to(tl.int64), (row % h).to(tl.int64)
    g = (tl.program_id(0) % blocks) * B + tl.arange(0, B)
    line = words + b * wb + y * S * wy + g * (R * C)
    u = g[:, None] * 4 + tl.arange(0, 4)[None, :]
    cells = out + b * ob + y * oy + u
    inside = u < groups * 4
    for i in tl.static_range(S):
        read = ()
        for k in tl.static_range(R * C):
            read = read + (tl.load(line + k, mask=g < groups, other=0),)
        for c in tl.static_range(C):
            for j in tl.static_range(R):
                four = ()
                for m in tl.static_range(4):  # of the bytes of the group: (m, j, c)
                    k = (read[((m * R + j) * C + c) // 4] >> (((m * R + j) * C + c) % 4 * 8)) & 255
                    four = four + (times(k.to(tl.float32), SCALE) + shift,)
                v = tl.reshape(tl.join(tl.join(four[0], four[2]), tl.join(four[1], four[3])), (B, 4))
                plane = cells + tl.cast((c * S + i) * R + j, tl.int64) * oc
                tl.store(plane, narrow(v, out.dtype.element_ty), mask=inside)
        line += wy
    for p in tl.static_range(C * S * R, P):
        tl.store(cells + tl.cast(p, tl.int64) * oc, tl.full([B, 4], 0.0, out.dtype.element_ty), mask=inside)


def _words(x: Tensor, r: int, wrap: Wrap) -> Tensor | None:
    """See the rows of a picture `b h w c` as 4-byte words, `b h n`; None where that cannot be."""
    c, width = x.shape[1], x.shape[3]
    apart = (x.stride(0), x.stride(2), x.storage_offset()) if x.shape[0] > 1 else (x.stride(2), x.storage_offset())
    dense = (x.stride(1) == 1 or c == 1) and x.stride(3) == c
    if not dense or c * r > _WORDS or width % (4 * r) or any(n % 4 for n in apart):
        return None
    if wrap is direct and x.data_ptr() % 4:
        return None  # memory of others may begin anywhere; the compiler sees to that for itself
    lines = x.as_strided((x.shape[0], x.shape[2], width * c), (x.stride(0) // 4 * 4, x.stride(2), 1))
    return lines.view(torch.int32)


def _launch(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, last: bool, wrap: Wrap = direct
) -> Tensor:
    b, c, height, width = x.shape
    h, w, channels = height // s, width // r, -(-c * s * r // multiple) * multiple
    layout = torch.channels_last if last else torch.contiguous_format
    out = torch.empty((b, channels, h, w), dtype=dtype, device=x.device, memory_format=layout)
    if not out.numel():
        return out
    words = None if last else _words(x, r, wrap)
    if words is not None:
        blocks = triton.cdiv(w // 4, _GROUPS)
        wrap(unpack_kernel)[(b * h * blocks,)](
            words, out, float(shift), h, w // 4, blocks, *words.stride()[:2], *out.stride()[:3],
            C=c, P=channels, S=s, R=r, SCALE=SCALE, B=_GROUPS, num_warps=4,
        )  # fmt: skip
        return out
    wide = triton.next_power_of_2(channels)
    cells = max(1, min(_VALUES // wide, triton.next_power_of_2(w)))
    blocks = triton.cdiv(w, cells)
    wrap(unshuffle_codes_kernel)[(b * h * blocks,)](
        x, out, float(shift), h, w, blocks, *x.stride(), *out.stride(),
        C=c, P=channels, S=s, R=r, LAST=last, SCALE=SCALE, B=cells, PB=wide, num_warps=4,
    )  # fmt: skip
    return out


@triton_op("resizekit::unshuffle_codes", mutates_args={})
def unshuffle_codes_op(
    x: Tensor, s: int, r: int, dtype: torch.dtype, shift: float, multiple: int, channels_last: bool
) -> Tensor:
    """Turn bytes to floats as the compiler sees it."""
    if not on_cpu(x):
        return _launch(x, s, r, dtype, shift, multiple, channels_last, wrap_triton)
    return reference("unshuffle_codes")(
        x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last
    )


def unshuffle_codes(
    x: Tensor,
    s: int,
    r: int,
    *,
    dtype: torch.dtype = torch.float32,
    shift: float = 0.0,
    multiple: int = 1,
    channels_last: bool = False,
) -> Tensor:
    """Stand in for `resizekit.ops.unshuffle_codes`."""
    check_codes(x, s, r, dtype, multiple)
    if dtype not in _TYPES or -(-x.shape[1] * s * r // multiple) * multiple > _MOST:
        return reference("unshuffle_codes")(
            x, s, r, dtype=dtype, shift=shift, multiple=multiple, channels_last=channels_last
        )
    run = unshuffle_codes_op if traced() else _launch
    return run(x, s, r, dtype, shift, multiple, channels_last)


def _bytes_moved(x: Tensor, s: int, r: int, *, dtype: torch.dtype = torch.float32, multiple: int = 1, **_: Any) -> int:
    b, c, height, width = x.shape
    channels = -(-c * s * r // multiple) * multiple
    return x.numel() + b * channels * (height // s) * (width // r) * dtype.itemsize


KERNELS = (Kernel(op="unshuffle_codes", device_type="cuda", run=unshuffle_codes, bytes_moved=_bytes_moved),)
