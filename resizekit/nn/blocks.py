"""The layers that networks are built from: residual block, scaling layer down, scaling layer up.

Feature maps `b c h w`; every layer keeps or scales height and width exactly (3×3 kernels, zero padding).
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resizekit import ops
from resizekit.nn.collapse import compose, polyphase

__all__ = ["Down", "ResidualBlock", "Up", "conv"]


def conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 3×3 convolution that keeps height and width: `b i h w -> b o h w`."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class ResidualBlock(nn.Module):
    """conv ─► ReLU ─► conv ─► (+ input), no batch normalisation (section 3.2, as in EDSR): `b c h w -> b c h w`.

    What is added is multiplied by `scale` first, which keeps wide and deep trunks from running away.
    """

    def __init__(self, width: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.first = conv(width, width)
        self.second = conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find to what came in."""
        found = cast(Tensor, self.second(F.relu(self.first(x))))
        return x + (found if self.scale == 1 else self.scale * found)


class _Scaling(nn.Module):
    """Two convolutions with a pixel (un)shuffle between them, run as the one 5×5 convolution that they are.

    The input is padded once with zeros; between the two convolutions nothing is padded, so that merging is exact at the
    borders too.
    """

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d, s: int, r: int) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.s, self.r = s, r

    def _run(self, small: Tensor, first: Tensor, second: Tensor, biases: tuple[Tensor, Tensor]) -> Tensor:
        with torch.autocast(small.device.type, enabled=False):  # the merged kernel is made in full precision
            kernel, bias = compose(first, biases[0], second, biases[1])
        return F.conv2d(small, kernel.to(small.dtype), bias.to(small.dtype), padding=kernel.shape[2] // 2)


class Down(_Scaling):
    """The downscaling layer, "a reverse version of sub-pixel convolution" (3.2): `b i (s h) (r w) -> b o h w`.

    As written in the paper: conv i ─► o at full size, unshuffle to o·s·r channels, conv back to o.
    """

    def __init__(self, channels_in: int, channels_out: int, s: int, r: int) -> None:
        first, second = conv(channels_in, channels_out), conv(channels_out * s * r, channels_out)
        super().__init__(first, second, s, r)

    def forward(self, x: Tensor) -> Tensor:
        """Unshuffle the picture itself and run the merged convolution on the small grid."""
        return self.forward_low_resolution(ops.unshuffle(x, self.s, self.r))

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Do so with a picture that is unshuffled already: `b (i s r) h w -> b o h w`."""
        bias = self.first.bias, self.second.bias
        assert bias[0] is not None
        assert bias[1] is not None
        spread = bias[0].repeat_interleave(self.s * self.r)
        first = polyphase(self.first.weight, self.s, self.r)
        return self._run(x, first, self.second.weight, (spread, bias[1]))


class Up(_Scaling):
    """The upscaling layer and the convolution after it (sub-pixel convolution, 3.2): `b i h w -> b o (s h) (r w)`.

    As written in the paper: conv i ─► i·s·r, shuffle, conv i ─► o at full size.
    """

    def __init__(self, channels_in: int, channels_out: int, s: int, r: int) -> None:
        first, second = conv(channels_in, channels_in * s * r), conv(channels_in, channels_out)
        super().__init__(first, second, s, r)

    def forward(self, x: Tensor) -> Tensor:
        """Run the merged convolution on the small grid and shuffle last."""
        return ops.shuffle(self.forward_low_resolution(x), self.s, self.r)

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Leave the shuffle to the caller: `b i h w -> b (o s r) h w`."""
        bias = self.first.bias, self.second.bias
        assert bias[0] is not None
        assert bias[1] is not None
        spread = bias[1].repeat_interleave(self.s * self.r)
        second = polyphase(self.second.weight, self.s, self.r)
        return self._run(x, self.first.weight, second, (bias[0], spread))
