"""Linear layers that follow one another are one convolution on the small grid: exact merging.

No activation stands between a sub-pixel convolution, its shuffle and the convolution after it, nor between the mirror
image of these in the encoder.  Each such pair is one small kernel, and running that instead costs a fraction of the
operations and touches no feature map at full size.  Training runs merged as well: the parameters stay the paper's two
convolutions, the kernel is made from them at each call, and the gradient goes through the making.

    conv(high) ─► unshuffle  ==  unshuffle(high) ─► conv with `polyphase(kernel)`
    conv ─► conv             ==  conv with `compose(first, second)`
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["compose", "polyphase"]


def _taps(factor: int, size: int) -> tuple[tuple[int, ...], int]:
    """For (phase out, phase in, tap on the small grid): which tap of the full-size kernel, or `size` for none."""
    radius = size // 2
    reach = -(-radius // factor)
    table = []
    for out in range(factor):
        for inside in range(factor):
            for offset in range(-reach, reach + 1):
                tap = offset * factor + inside - out + radius
                table.append(tap if 0 <= tap < size else size)
    return tuple(table), 2 * reach + 1


def polyphase(kernel: Tensor, s: int, r: int) -> Tensor:
    """Rewrite a full-size kernel for s × r unshuffled pixels: `o i kh kw -> (o s r) (i s r) kh2 kw2`, kh and kw odd."""
    o, i, height, width = kernel.shape
    rows, high = _taps(s, height)
    columns, wide = _taps(r, width)
    padded = F.pad(kernel, (0, 1, 0, 1))  # one tap of zeros, where the table says "none"
    grid = padded.index_select(2, torch.tensor(rows, device=kernel.device))
    grid = grid.index_select(3, torch.tensor(columns, device=kernel.device))
    grid = grid.reshape(o, i, s, s, high, r, r, wide)  # o i (s out)(s in) kh2 (r out)(r in) kw2
    return grid.permute(0, 2, 5, 1, 3, 6, 4, 7).reshape(o * s * r, i * s * r, high, wide)


def compose(first: Tensor, first_bias: Tensor, second: Tensor, second_bias: Tensor) -> tuple[Tensor, Tensor]:
    """Merge two convolutions into one: `m i a b`, `o m c d -> o i (a+c-1) (b+d-1)`, and the bias of the pair.

    Exact where the input is padded once, before the first of the two.
    """
    c, d = second.shape[2:]
    kernel = F.conv2d(first.transpose(0, 1), second.flip(2, 3), padding=(c - 1, d - 1))
    bias = second_bias + second.sum((2, 3)) @ first_bias
    return kernel.transpose(0, 1), bias
