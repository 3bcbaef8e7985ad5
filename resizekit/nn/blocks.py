"""Building blocks of the networks: residual block, downscaling layer, upscaling layer.

All layers work on feature maps `b c h w` with 3×3 kernels and zero padding. Each layer keeps height and width or
scales them by exact factors.
"""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resizekit import ops
from resizekit.nn.collapse import compose, polyphase
from resizekit.nn.derived import derived
from resizekit.nn.fused import conv_add, conv_relu
from resizekit.nn.int8 import Ranges, int8_blocks
from resizekit.nn.winograd import residual_blocks

__all__ = ["Down", "ResidualBlock", "ResidualBlocks", "Up", "conv"]


def conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """Return a 3×3 convolution that keeps height and width: `b i h w -> b o h w`."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class ResidualBlock(nn.Module):
    """conv ─► ReLU ─► conv ─► (+ input), without batch normalization, as in EDSR (section 3.2).

    The shape stays the same: `b c h w -> b c h w`. Under autocast, the sum is computed in half precision too, but not
    in training mode, where small updates would be lost in it.

    Args:
        width: Channels of the input and the output.
        scale: Factor applied to the output of the convolutions before it is added. Small values stabilize the training
            of wide and deep networks.

    >>> ResidualBlock(8)(torch.rand(1, 8, 5, 6)).shape
    torch.Size([1, 8, 5, 6])
    """

    def __init__(self, width: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.first = conv(width, width)
        self.second = conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Add the output of the two convolutions to the input."""
        device = x.device.type
        if x.dtype == torch.float32 and not self.training and torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))  # the sum with float32 would be float32, at twice the cost
        inner = conv_relu(self.first, x)
        if self.scale == 1:
            return conv_add(self.second, inner, x)
        residual = self.scale * cast(Tensor, self.second(inner))
        return residual.add_(x) if residual.dtype == x.dtype else x + residual


class ResidualBlocks(nn.Sequential):
    """A row of residual blocks: `b c h w -> b c h w`. With the precisions "winograd" and "int8", it runs in other
    libraries.

    The names of the weights are those of an `nn.Sequential`.

    Args:
        count: Number of blocks; 0 changes nothing.
        width: Channels of the input and the output.
        scale: As in `ResidualBlock`.

    >>> ResidualBlocks(2, 8)(torch.rand(1, 8, 5, 6)).shape
    torch.Size([1, 8, 5, 6])
    """

    def __init__(self, count: int, width: int, *, scale: float = 1.0) -> None:
        super().__init__(*(ResidualBlock(width, scale=scale) for _ in range(count)))
        self.ranges: list[Ranges] | None = None
        """Largest values, for the precision "int8"; None: not recorded. Part of copies, but not of saved weights."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the blocks one after the other."""
        fast = residual_blocks(self, x)
        if fast is None:
            fast = int8_blocks(self, x)
        if fast is None:
            return cast(Tensor, super().forward(x))  # type: ignore[no-untyped-call]
        return fast

    def each(self) -> Iterator[ResidualBlock]:
        """Yield the blocks, with their type."""
        yield from cast("Iterator[ResidualBlock]", iter(self))


class _Scaling(nn.Module):
    """Two convolutions with a pixel shuffle or unshuffle between them, computed as one merged 5×5 convolution.

    The input is padded with zeros once, and nothing is padded between the two convolutions. The merged convolution is
    therefore exact at the borders too.
    """

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d, s: int, r: int) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.s, self.r = s, r

    def _merged(self) -> tuple[Tensor, Tensor]:
        """Return the weight and the bias of the merged convolution."""
        raise NotImplementedError

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the merged convolution at low resolution: unshuffled in `Down`, not shuffled yet in `Up`."""
        with torch.autocast(x.device.type, enabled=False):  # merge the kernels in full precision
            kernel, bias = derived(self, "merged", self._merged)
        return F.conv2d(x, kernel.to(x.dtype), bias.to(x.dtype), padding=kernel.shape[2] // 2)


class Down(_Scaling):
    """The downscaling layer, "a reverse version of sub-pixel convolution" (section 3.2): `b i (s h) (r w) -> b o h w`.

    The paper describes three steps: a convolution i ─► o at full size, an unshuffle to o·s·r channels, and a
    convolution back to o channels. This layer merges them into one convolution at low resolution.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        s: Factor of the height.
        r: Factor of the width.

    >>> Down(3, 8, 2, 2)(torch.rand(1, 3, 10, 12)).shape
    torch.Size([1, 8, 5, 6])
    """

    def __init__(self, channels_in: int, channels_out: int, s: int, r: int) -> None:
        first, second = conv(channels_in, channels_out), conv(channels_out * s * r, channels_out)
        super().__init__(first, second, s, r)

    def forward(self, x: Tensor) -> Tensor:
        """Unshuffle the input and run the merged convolution at low resolution."""
        return self.forward_low_resolution(ops.unshuffle(x, self.s, self.r))

    def _merged(self) -> tuple[Tensor, Tensor]:
        bias = self.first.bias, self.second.bias
        assert bias[0] is not None
        assert bias[1] is not None
        repeated = bias[0].repeat_interleave(self.s * self.r)
        first = polyphase(self.first.weight, self.s, self.r)
        return compose(first, repeated, self.second.weight, bias[1])


class Up(_Scaling):
    """The upscaling layer and the convolution after it (sub-pixel convolution, 3.2): `b i h w -> b o (s h) (r w)`.

    The paper describes three steps: a convolution i ─► i·s·r, a shuffle, and a convolution i ─► o at full size. This
    layer merges them into one convolution at low resolution, followed by the shuffle.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        s: Factor of the height.
        r: Factor of the width.

    >>> Up(8, 3, 2, 2)(torch.rand(1, 8, 5, 6)).shape
    torch.Size([1, 3, 10, 12])
    """

    def __init__(self, channels_in: int, channels_out: int, s: int, r: int) -> None:
        first, second = conv(channels_in, channels_in * s * r), conv(channels_in, channels_out)
        super().__init__(first, second, s, r)

    def forward(self, x: Tensor) -> Tensor:
        """Run the merged convolution at low resolution and shuffle its output."""
        return ops.shuffle(self.forward_low_resolution(x), self.s, self.r)

    def _merged(self) -> tuple[Tensor, Tensor]:
        bias = self.first.bias, self.second.bias
        assert bias[0] is not None
        assert bias[1] is not None
        repeated = bias[1].repeat_interleave(self.s * self.r)
        second = polyphase(self.second.weight, self.s, self.r)
        return compose(self.first.weight, bias[0], second, repeated)
