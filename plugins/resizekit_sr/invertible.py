"""The network `invertible`: one reversible network for both directions.

    bands of high ─► low band a  ─► a + f(d) ────────────────► ... ─► low
                 └─► high band d ─► d · scale(a) + shift(a) ─► ... ─► dropped

It follows *Invertible Image Rescaling* (Xiao et al., 2020). The decoder runs the same couplings backwards, from the low
image and a high band of zeros. It is deterministic and has no weights of its own. All learned functions are initialized
to zero: the encoder starts as the mean of each block, the decoder repeats it.
"""

from typing import cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec
from resizekit.nn import LowResolutionNet, conv_add, conv_relu
from resizekit.nn.blocks import conv
from resizekit_sr.bands import Bands, mix_channels

__all__ = ["Coupling", "InvertibleOptions", "invertible"]


class InvertibleOptions(BaseModel):
    """Options of the network `invertible`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(32, ge=1, le=1024, description="channels inside the couplings")
    couplings: int = Field(6, ge=0, le=256, description="affine couplings, shared by encoder and decoder")
    clamp: float = Field(0.5, gt=0, lt=1, description="high frequencies are scaled by 1 - clamp to 1 + clamp")


class _CouplingFunction(nn.Module):
    """Three 3×3 convolutions, the last one initialized to zero: `b i h w -> b o h w`."""

    def __init__(self, channels_in: int, channels_out: int, width: int) -> None:
        super().__init__()
        self.head, self.middle, self.tail = conv(channels_in, width), conv(width, width), conv(width, channels_out)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function. Under autocast only the middle convolution runs in half precision."""
        with torch.autocast(x.device.type, enabled=False):
            features = conv_relu(self.head, x)
        deep = F.relu(conv_add(self.middle, features, features)).to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return cast(Tensor, self.tail(deep))


class Coupling(nn.Module):
    """One reversible step on both bands: `b m h w, b n h w -> b m h w, b n h w`.

    Args:
        low_channels: Channels of the low-frequency band, m.
        high_channels: Channels of the high-frequency band, n.
        width: Channels inside the learned functions.
        clamp: High frequencies are scaled by 1 - clamp to 1 + clamp.
    """

    def __init__(self, low_channels: int, high_channels: int, *, width: int, clamp: float) -> None:
        super().__init__()
        self.clamp = clamp
        self.add = _CouplingFunction(high_channels, low_channels, width)
        self.scale_shift = _CouplingFunction(low_channels, 2 * high_channels, width)

    def forward(self, low_band: Tensor, high_band: Tensor) -> tuple[Tensor, Tensor]:
        """Add a function of the high band to the low band, then scale and shift the high band by the result."""
        low_band = low_band + self.add(high_band)
        scale, shift = self._scale_shift(low_band)
        return low_band, high_band * scale + shift

    def inverse(self, low_band: Tensor, high_band: Tensor) -> tuple[Tensor, Tensor]:
        """Invert `forward`, up to rounding."""
        scale, shift = self._scale_shift(low_band)
        high_band = (high_band - shift) / scale
        return low_band - self.add(high_band), high_band

    def _scale_shift(self, low_band: Tensor) -> tuple[Tensor, Tensor]:
        # The scale is bounded, since an unbounded one makes training diverge. Softsign uses a division: exponentials
        # would give tiles other last bits than the entire image.
        scale, shift = self.scale_shift(low_band).chunk(2, 1)
        return 1 + self.clamp * F.softsign(scale), shift


class Couplings(nn.Module):
    """All couplings and the fixed transforms before and after them, on unshuffled pixels shifted to [-0.5, 0.5]."""

    shrink: Tensor
    high_frequencies: Tensor
    grow: Tensor

    def __init__(self, bands: Bands, options: InvertibleOptions) -> None:
        super().__init__()
        low_channels, high_channels = bands.low_basis.shape[0], bands.high_frequencies.shape[0]
        count = options.couplings if high_channels else 0  # without high frequencies the transforms are exact
        self.steps = nn.ModuleList(
            Coupling(low_channels, high_channels, width=options.width, clamp=options.clamp) for _ in range(count)
        )
        for name in ("shrink", "high_frequencies", "grow"):
            self.register_buffer(name, getattr(bands, name), persistent=False)

    def down(self, x: Tensor) -> Tensor:
        """Map the unshuffled high image to the unshuffled low image."""
        low_band, high_band = mix_channels(x, self.shrink), mix_channels(x, self.high_frequencies)
        for step in self.steps:
            low_band, high_band = step(low_band, high_band)
        return low_band

    def up(self, x: Tensor) -> Tensor:
        """Map the unshuffled low image to the unshuffled high image. The dropped high band is replaced by zeros."""
        low_band, high_band = x, x.new_zeros(x.shape[0], len(self.high_frequencies), *x.shape[2:])
        for step in reversed(self.steps):
            low_band, high_band = cast(Coupling, step).inverse(low_band, high_band)
        return mix_channels(low_band, self.grow) + mix_channels(high_band, self.high_frequencies.T)


class _Direction(LowResolutionNet):
    """One direction through the couplings. Encoder and decoder share them."""

    def __init__(self, couplings: Couplings, *, down: tuple[int, int], up: tuple[int, int]) -> None:
        super().__init__(down=down, up=up, shift=-0.5)
        self.couplings = couplings


class _Down(_Direction):
    """From the high image to the low image."""

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the couplings forwards on unshuffled pixels."""
        return self.couplings.down(x) - self.shift


class _Up(_Direction):
    """From the low image to the high image."""

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the couplings backwards on unshuffled pixels."""
        return self.couplings.up(x) - self.shift


def invertible(spec: ResizeSpec, low_channels: int, options: InvertibleOptions) -> tuple[nn.Module, nn.Module]:
    """Build the encoder `b (t c) (s h) (r w) -> b c h w` and the decoder back, which share their weights.

    Args:
        spec: The factors of one step.
        low_channels: Channels of the low image.
        options: Width, number of couplings and the bound of their scale.

    Returns:
        Encoder and decoder. Their input is in [0, 1], and the encoder returns the low image itself.

    Raises:
        ResizeShapeError: `t * low_channels` is not an integer.
    """
    bands = Bands.from_spec(spec, low_channels)
    couplings = Couplings(bands, options)
    high, low = (spec.s.numerator, spec.r.numerator), (spec.s.denominator, spec.r.denominator)
    return _Down(couplings, down=high, up=low), _Up(couplings, down=low, up=high)
