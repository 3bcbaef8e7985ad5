"""Networks on the small grid: they meet a picture unshuffled and give one that is yet to be shuffled.

    picture ─► enter ─► b (i s r) h w ─► phases ─► b (o s r) h w ─► shuffle ─► picture

Since all moving of pixels stands at the two ends, it can be one pass with reading the bytes of a picture before, and
with rounding and writing them after.
"""

import torch
from torch import Tensor, nn

from resizekit import ops

__all__ = ["Phased", "fit_for", "floats"]


class Phased(nn.Module):
    """Inherit it and define `phases`; factors of 1 move nothing.

    `down` = (height, width) is what the picture is unshuffled by on entering, `up` what it is shuffled by on leaving,
    `shift` is added to its values first.  With `squeeze` above 1 both are so many times larger: the same resize on a
    coarser grid.  Where that does not fit, the last blocks are filled up from those before, and the rest is cut off.
    """

    def __init__(self, *, down: tuple[int, int], up: tuple[int, int], shift: float = 0.0, squeeze: int = 1) -> None:
        super().__init__()
        self.squeeze, self.shift = squeeze, shift
        self.down = squeeze * down[0], squeeze * down[1]
        self.up = squeeze * up[0], squeeze * up[1]

    def phases(self, x: Tensor) -> Tensor:
        """Do the work: `b (i down_s down_r) h w -> b (o up_s up_r) h w`, the input shifted already."""
        raise NotImplementedError

    def enter(self, x: Tensor) -> Tensor:
        """Make ready what comes, floats in [0, 1] or uint8 codes: `b i (s h) (r w) -> b (i s r) h w`."""
        if self.squeeze != 1:
            x = _filled(x, self.down)
        if x.dtype == torch.uint8:
            return ops.unshuffle_codes(x, *self.down, shift=self.shift, channels_last=x.shape[1] > 1)
        shifted = x + self.shift if self.shift else x
        return shifted if self.down == (1, 1) else ops.unshuffle(shifted, *self.down)

    def leave(self, x: Tensor) -> Tensor:
        """Put in place what `phases` gives: `b (o s r) h w -> b o (s h) (r w)`."""
        return x if self.up == (1, 1) else ops.shuffle(x, *self.up)

    def forward(self, x: Tensor) -> Tensor:
        """Resize one way: `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`; floats in [0, 1] or uint8 codes."""
        return self._cut(self.leave(self.phases(self.enter(x))), x)

    def to_codes(self, x: Tensor) -> Tensor:
        """As `forward`, rounded to uint8 codes that lie in memory as `b h w c`."""
        return self._cut(ops.shuffle_codes(self.phases(self.enter(x)), *self.up), x)

    def _cut(self, made: Tensor, x: Tensor) -> Tensor:
        """Cut off what came of the filling: `made` of `x`, or of more than `x`."""
        if self.squeeze == 1:
            return made
        height, width = (n * up // down for n, up, down in zip(x.shape[2:], self.up, self.down, strict=True))
        return made[:, :, :height, :width]


def _filled(x: Tensor, block: tuple[int, int]) -> Tensor:
    """Fill up the last blocks of height and width with the same places of the blocks before: `b c h w -> b c h2 w2`.

    Each place of a block carries a message of its own, so a copy of the nearest pixel would be misread on the way up.
    Less than one block repeats its last row or column.
    """
    for axis, by in zip((2, 3), block, strict=True):
        size = x.shape[axis]
        if size % by:
            place = torch.arange(size + -size % by, device=x.device)
            other = place - by if size > by else place.clamp_max(size - 1)
            x = x.index_select(axis, torch.where(place < size, place, other))
    return x


def floats(x: Tensor) -> Tensor:
    """Read codes of 8 or 16 bits as floats in [0, 1]; floats are themselves: `b c h w -> b c h w`."""
    if x.dtype == torch.uint16:
        return ops.floats16(x)
    return ops.unshuffle_codes(x, 1, 1, channels_last=x.shape[1] > 1) if x.dtype == torch.uint8 else x


def fit_for(network: nn.Module, x: Tensor) -> Tensor:
    """Give floats or codes as a network takes them: 8-bit codes stay codes for one that is `Phased`."""
    return x if isinstance(network, Phased) and x.dtype == torch.uint8 else floats(x)
