"""Modules between 8-bit pixel values and the floats of a network: the ops of `resizekit.ops` for `nn.Sequential`.

uint8 ─► PixelUnshuffleUint8 ─► network ─► PixelShuffleUint8 ─► uint8
"""

import torch
from torch import Tensor, nn

from resizekit import ops
from resizekit.ops.quantize import ClampGradient

__all__ = ["PixelShuffleUint8", "PixelUnshuffleUint8", "Quantize"]


class PixelUnshuffleUint8(nn.Module):
    """Convert 8-bit values to the input of a network: `b c (h s) (w r)` uint8 `-> b (c s r) h w` floats.

    `torch.nn.PixelUnshuffle` for bytes, with the conversion to floats in the same pass: `x / 255 + shift`.

    Args:
        s: Factor of the height.
        r: Factor of the width.
        dtype: Floating dtype of the result.
        shift: Added to values in [0, 1], for example -0.5.
        multiple: Pad with channels of zeros to a multiple of this number.
        channels_last: Return the channels-last memory format.

    >>> unshuffle = PixelUnshuffleUint8(2, 2)
    >>> unshuffle(torch.full((1, 3, 4, 6), 255, dtype=torch.uint8)).shape
    torch.Size([1, 12, 2, 3])
    """

    def __init__(
        self,
        s: int,
        r: int,
        *,
        dtype: torch.dtype = torch.float32,
        shift: float = 0.0,
        multiple: int = 1,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.s, self.r, self.dtype, self.shift = s, r, dtype, shift
        self.multiple, self.channels_last = multiple, channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Call `resizekit.ops.unshuffle_codes`."""
        return ops.unshuffle_codes(
            x,
            self.s,
            self.r,
            dtype=self.dtype,
            shift=self.shift,
            multiple=self.multiple,
            channels_last=self.channels_last,
        )

    def extra_repr(self) -> str:
        """Name the arguments."""
        return (
            f"s={self.s}, r={self.r}, dtype={self.dtype}, shift={self.shift}, multiple={self.multiple}, "
            f"channels_last={self.channels_last}"
        )


class PixelShuffleUint8(nn.Module):
    """Convert the output of a network to 8-bit values: `b (c s r) h w` floats `-> b c (h s) (w r)` uint8.

    `torch.nn.PixelShuffle` with the rounding in the same pass: `255 * (x + shift)`, clamped and rounded half to even.
    The result has no gradient and is in channels-last memory format.

    Args:
        s: Factor of the height.
        r: Factor of the width.
        shift: Added before scaling, for example 0.5.

    >>> network = nn.Sequential(PixelUnshuffleUint8(2, 2, shift=-0.5), PixelShuffleUint8(2, 2, shift=0.5))
    >>> x = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4)
    >>> torch.equal(network(x), x)
    True
    """

    def __init__(self, s: int, r: int, *, shift: float = 0.0) -> None:
        super().__init__()
        self.s, self.r, self.shift = s, r, shift

    def forward(self, x: Tensor) -> Tensor:
        """Call `resizekit.ops.shuffle_codes`."""
        return ops.shuffle_codes(x, self.s, self.r, shift=self.shift)

    def extra_repr(self) -> str:
        """Name the arguments."""
        return f"s={self.s}, r={self.r}, shift={self.shift}"


class Quantize(nn.Module):
    """Clamp to [0, 1] and round to 8 bits with a straight-through gradient, for training: `... -> ...`.

    Args:
        clamp_gradient: The gradient outside [0, 1], see `resizekit.ops.quantize.ClampGradient`.

    >>> (Quantize()(torch.tensor([-0.2, 0.501, 1.7])) * 255).tolist()
    [0.0, 128.0, 255.0]
    >>> Quantize(clamp_gradient="identity")
    Quantize(clamp_gradient='identity')
    """

    def __init__(self, *, clamp_gradient: ClampGradient = "identity_if_towards") -> None:
        super().__init__()
        self.clamp_gradient: ClampGradient = clamp_gradient

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """Call `resizekit.ops.quantize`; a guide is added first."""
        return ops.quantize(x, guide, clamp_gradient=self.clamp_gradient)

    def extra_repr(self) -> str:
        """Name the arguments."""
        return f"clamp_gradient={self.clamp_gradient!r}"
