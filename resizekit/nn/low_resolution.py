"""Networks on the small grid: they meet a picture unshuffled and give one that is yet to be shuffled.

    picture ─► unshuffle_input ─► b (i s r) h w ─► forward_low_resolution ─► b (o s r) h w ─► shuffle ─► picture

Since all moving of pixels stands at the two ends, it can be one pass with reading the bytes of a picture before, and
with rounding and writing them after.
"""

import torch
from torch import Tensor, nn

from resizekit import ops

__all__ = ["LowResolutionNet", "to_float"]


class LowResolutionNet(nn.Module):
    """Inherit it and define `forward_low_resolution`; factors of 1 move nothing.

    `down` = (height, width) is what the picture is unshuffled by on entering, `up` what it is shuffled by on leaving,
    `shift` is added to its values first.  With `block_size` above 1 both are so many times larger: the same resize on a
    coarser grid.  Where that does not fit, the last blocks are filled up from those before, and the rest is cut off.
    """

    def __init__(self, *, down: tuple[int, int], up: tuple[int, int], shift: float = 0.0, block_size: int = 1) -> None:
        super().__init__()
        self.block_size, self.shift = block_size, shift
        self.down = block_size * down[0], block_size * down[1]
        self.up = block_size * up[0], block_size * up[1]

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Do the work: `b (i down_s down_r) h w -> b (o up_s up_r) h w`, the input shifted already."""
        raise NotImplementedError

    def unshuffle_input(self, x: Tensor) -> Tensor:
        """Make ready what comes, floats in [0, 1] or uint8 codes: `b i (s h) (r w) -> b (i s r) h w`."""
        if self.block_size != 1:
            x = _filled(x, self.down)
        if x.dtype == torch.uint8:
            return ops.unshuffle_codes(x, *self.down, shift=self.shift, channels_last=x.shape[1] > 1)
        shifted = x + self.shift if self.shift else x
        return shifted if self.down == (1, 1) else ops.unshuffle(shifted, *self.down)

    def shuffle_output(self, x: Tensor) -> Tensor:
        """Put in place what `forward_low_resolution` gives: `b (o s r) h w -> b o (s h) (r w)`."""
        return x if self.up == (1, 1) else ops.shuffle(x, *self.up)

    def forward(self, x: Tensor) -> Tensor:
        """Resize one way: `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`; floats in [0, 1] or uint8 codes."""
        return self._cut(self.shuffle_output(self.forward_low_resolution(self.unshuffle_input(x))), x)

    def forward_codes(self, x: Tensor) -> Tensor:
        """As `forward`, rounded to uint8 codes that lie in memory as `b h w c`."""
        return self._cut(ops.shuffle_codes(self.forward_low_resolution(self.unshuffle_input(x)), *self.up), x)

    def _cut(self, made: Tensor, x: Tensor) -> Tensor:
        """Cut off what came of the filling: `made` of `x`, or of more than `x`."""
        if self.block_size == 1:
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


def to_float(x: Tensor) -> Tensor:
    """Read codes of 8 or 16 bits as floats in [0, 1]; floats are themselves: `b c h w -> b c h w`."""
    if x.dtype == torch.uint16:
        return ops.uint16_to_float(x)
    return ops.unshuffle_codes(x, 1, 1, channels_last=x.shape[1] > 1) if x.dtype == torch.uint8 else x
