"""Merge consecutive linear layers into one convolution at low resolution, exactly.

The paper's networks have no activation between a sub-pixel convolution, its shuffle and the convolution after it. The
same holds for the mirror image in the encoder. Each such pair of convolutions is equal to one small kernel. Running
this kernel costs a fraction of the operations and needs no feature map at full size.

Training uses the merged kernel too. The parameters stay the two convolutions of the paper, every call computes the
kernel from them, and the gradient flows through this computation.

    conv(high) ─► unshuffle  ==  unshuffle(high) ─► conv with `polyphase(kernel)`
    conv ─► conv             ==  conv with `compose(first, second)`
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["compose", "polyphase"]


def _tap_table(factor: int, size: int) -> tuple[tuple[int, ...], int]:
    """Map (phase out, phase in, tap at low resolution) to a tap of the full-size kernel; `size` means no tap."""
    radius = size // 2
    reach = -(-radius // factor)
    table = []
    for phase_out in range(factor):
        for phase_in in range(factor):
            for offset in range(-reach, reach + 1):
                tap = offset * factor + phase_in - phase_out + radius
                table.append(tap if 0 <= tap < size else size)
    return tuple(table), 2 * reach + 1


def polyphase(kernel: Tensor, s: int, r: int) -> Tensor:
    """Rewrite a full-size kernel as a kernel for pixels unshuffled by (s, r).

    Args:
        kernel: `o i kh kw`, with odd kh and kw.
        s: Factor of the height.
        r: Factor of the width.

    Returns:
        The equivalent kernel, `(o s r) (i s r) kh2 kw2`.

    >>> polyphase(torch.rand(8, 3, 3, 3), 2, 2).shape
    torch.Size([32, 12, 3, 3])
    """
    o, i, height, width = kernel.shape
    rows, kernel_height = _tap_table(s, height)
    columns, kernel_width = _tap_table(r, width)
    padded = F.pad(kernel, (0, 1, 0, 1))  # one tap of zeros, for table entries without a tap
    grid = padded.index_select(2, torch.tensor(rows, device=kernel.device))
    grid = grid.index_select(3, torch.tensor(columns, device=kernel.device))
    grid = grid.reshape(o, i, s, s, kernel_height, r, r, kernel_width)  # o i (s out)(s in) kh2 (r out)(r in) kw2
    return grid.permute(0, 2, 5, 1, 3, 6, 4, 7).reshape(o * s * r, i * s * r, kernel_height, kernel_width)


def compose(first: Tensor, first_bias: Tensor, second: Tensor, second_bias: Tensor) -> tuple[Tensor, Tensor]:
    """Merge two convolutions into one.

    The result is exact if the input is padded once, before the first convolution.

    Args:
        first: Kernel of the first convolution, `m i a b`.
        first_bias: Bias of the first convolution, `m`.
        second: Kernel of the second convolution, `o m c d`.
        second_bias: Bias of the second convolution, `o`.

    Returns:
        The merged kernel, `o i (a+c-1) (b+d-1)`, and the merged bias, `o`.

    >>> kernel, bias = compose(torch.rand(8, 3, 3, 3), torch.rand(8), torch.rand(5, 8, 3, 3), torch.rand(5))
    >>> kernel.shape, bias.shape
    (torch.Size([5, 3, 5, 5]), torch.Size([5]))
    """
    c, d = second.shape[2:]
    kernel = F.conv2d(first.transpose(0, 1), second.flip(2, 3), padding=(c - 1, d - 1))
    bias = second_bias + second.sum((2, 3)) @ first_bias
    return kernel.transpose(0, 1), bias
