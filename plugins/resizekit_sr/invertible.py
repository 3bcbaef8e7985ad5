"""The network `invertible`: one reversible map for both ways, after *Invertible Image Rescaling* (Xiao et al., 2020).

    bands of high ─► carrier a ─► a + f(d) ─► ... ─► low
                 └─► details d ─► d · scale(a) + shift(a) ─► ... ─► dropped

The way up runs the same couplings backwards from low and details of zero, so it is deterministic and needs no second
set of weights.  All functions start at zero: the map starts as the mean of each block and its repetition.
"""

from typing import cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from resizekit import ResizeSpec
from resizekit.nn import LowResolutionNet
from resizekit.nn.blocks import conv
from resizekit_sr.bands import Bands, change

__all__ = ["Coupling", "InvertibleOptions", "invertible"]


class InvertibleOptions(BaseModel):
    """Options of the network `invertible`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(32, ge=1, le=1024, description="channels inside the couplings")
    couplings: int = Field(6, ge=0, le=256, description="affine couplings, shared by both ways")
    clamp: float = Field(0.5, gt=0, lt=1, description="details are scaled by 1 - clamp to 1 + clamp")


class _Function(nn.Module):
    """Two 3×3 convolutions of `width` channels and one to `out` that starts at zero: `b i h w -> b out h w`."""

    def __init__(self, channels: int, out: int, width: int) -> None:
        super().__init__()
        self.head, self.middle, self.tail = conv(channels, width), conv(width, width), conv(width, out)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Only the convolution in the middle runs in half precision under autocast."""
        with torch.autocast(x.device.type, enabled=False):
            features = F.relu(self.head(x))
        deep = F.relu(features + self.middle(features)).to(x.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return cast(Tensor, self.tail(deep))


class Coupling(nn.Module):
    """One reversible step of carrier and details: `b m h w, b d h w -> b m h w, b d h w`."""

    def __init__(self, carrier: int, details: int, *, width: int, clamp: float) -> None:
        super().__init__()
        self.clamp = clamp
        self.add = _Function(details, carrier, width)
        self.scale_shift = _Function(carrier, 2 * details, width)

    def forward(self, carrier: Tensor, details: Tensor) -> tuple[Tensor, Tensor]:
        """Hide details in the carrier, then take from them what the carrier now tells."""
        carrier = carrier + self.add(details)
        scale, shift = self._scale_shift(carrier)
        return carrier, details * scale + shift

    def inverse(self, carrier: Tensor, details: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `forward`, up to rounding."""
        scale, shift = self._scale_shift(carrier)
        details = (details - shift) / scale
        return carrier - self.add(details), details

    def _scale_shift(self, carrier: Tensor) -> tuple[Tensor, Tensor]:
        # Bounded, since a scale that runs away ends a training; by a division, since exponentials differ in their last
        # bits between the whole of a picture and its tiles.
        bent, shift = self.scale_shift(carrier).chunk(2, 1)
        return 1 + self.clamp * F.softsign(bent), shift


class Couplings(nn.Module):
    """All couplings and the fixed change of basis at their ends, over unshuffled pixels shifted to mean zero."""

    shrink: Tensor
    details: Tensor
    grow: Tensor

    def __init__(self, bands: Bands, options: InvertibleOptions) -> None:
        super().__init__()
        carrier, details = bands.low.shape[0], bands.details.shape[0]
        steps = options.couplings if details else 0  # nothing to hide
        self.steps = nn.ModuleList(
            Coupling(carrier, details, width=options.width, clamp=options.clamp) for _ in range(steps)
        )
        for name in ("shrink", "details", "grow"):
            self.register_buffer(name, getattr(bands, name), persistent=False)

    def down(self, x: Tensor) -> Tensor:
        """Unshuffled high to unshuffled low."""
        carrier, details = change(x, self.shrink), change(x, self.details)
        for step in self.steps:
            carrier, details = step(carrier, details)
        return carrier

    def up(self, x: Tensor) -> Tensor:
        """Unshuffled low to unshuffled high; the details that `down` dropped are taken as zero."""
        carrier, details = x, x.new_zeros(len(x), len(self.details), *x.shape[2:])
        for step in reversed(self.steps):
            carrier, details = cast(Coupling, step).inverse(carrier, details)
        return change(carrier, self.grow) + change(details, self.details.T)


class _Way(LowResolutionNet):
    """One way through the couplings; both ways hold the same ones."""

    def __init__(self, couplings: Couplings, *, down: tuple[int, int], up: tuple[int, int]) -> None:
        super().__init__(down=down, up=up, shift=-0.5)
        self.couplings = couplings


class _Down(_Way):
    """High to low."""

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the couplings on unshuffled pixels."""
        return self.couplings.down(x) - self.shift


class _Up(_Way):
    """Low to high."""

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Run the couplings on unshuffled pixels."""
        return self.couplings.up(x) - self.shift


def invertible(spec: ResizeSpec, low_channels: int, options: InvertibleOptions) -> tuple[nn.Module, nn.Module]:
    """Build the pair: `b (t c) (s h) (r w) -> b c h w` and back, input in [0, 1]; the encoder gives low itself."""
    bands = Bands.of(spec, low_channels)
    couplings = Couplings(bands, options)
    high, low = (spec.s.numerator, spec.r.numerator), (spec.s.denominator, spec.r.denominator)
    return _Down(couplings, down=high, up=low), _Up(couplings, down=low, up=high)
