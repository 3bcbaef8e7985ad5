"""Networks that compute at low resolution. They move pixels to channels at the input, and back at the output.

    image ─► unshuffle_input ─► b (i s r) h w ─► forward_low_resolution ─► b (o s r) h w ─► shuffle_output ─► image

Because all rearranging is at the two ends, one pass can combine it with reading uint8 at the input, and with rounding
to uint8 at the output.
"""

import torch
from torch import Tensor, nn

from resizekit import ops

__all__ = ["LowResolutionNet", "to_float"]


class LowResolutionNet(nn.Module):
    """A network between an unshuffle and a shuffle. Inherit it and define `forward_low_resolution`.

    A `block_size` above 1 multiplies both factors: the same resize on a coarser grid. Where the size of the input is
    not a multiple, the last blocks are padded from the blocks before, and the output is cropped.

    Args:
        down: Factors (height, width) that the input is unshuffled by; 1 changes nothing.
        up: Factors (height, width) that the output is shuffled by; 1 changes nothing.
        shift: Added to the pixel values of the input.
        block_size: Side of the blocks that the network works on, in cells of the factors.
    """

    def __init__(self, *, down: tuple[int, int], up: tuple[int, int], shift: float = 0.0, block_size: int = 1) -> None:
        super().__init__()
        self.block_size, self.shift = block_size, shift
        self.down = block_size * down[0], block_size * down[1]
        self.up = block_size * up[0], block_size * up[1]

    def forward_low_resolution(self, x: Tensor) -> Tensor:
        """Apply the layers: `b (i down_s down_r) h w -> b (o up_s up_r) h w`.

        Args:
            x: The unshuffled input, with `shift` added.
        """
        raise NotImplementedError

    def unshuffle_input(self, x: Tensor) -> Tensor:
        """Prepare the input: `b i (s h) (r w) -> b (i s r) h w`, float.

        Args:
            x: Floats in [0, 1], or uint8.
        """
        if self.block_size != 1:
            x = _pad_blocks(x, self.down)
        if x.dtype == torch.uint8:
            return ops.unshuffle_codes(x, *self.down, shift=self.shift, channels_last=x.shape[1] > 1)
        shifted = x + self.shift if self.shift else x
        return shifted if self.down == (1, 1) else ops.unshuffle(shifted, *self.down)

    def shuffle_output(self, x: Tensor) -> Tensor:
        """Rearrange the output of `forward_low_resolution`: `b (o s r) h w -> b o (s h) (r w)`."""
        return x if self.up == (1, 1) else ops.shuffle(x, *self.up)

    def forward(self, x: Tensor) -> Tensor:
        """Resize: `b i (down_s h) (down_r w) -> b o (up_s h) (up_r w)`, float.

        Args:
            x: Floats in [0, 1], or uint8.
        """
        return self._crop(self.shuffle_output(self.forward_low_resolution(self.unshuffle_input(x))), x)

    def forward_codes(self, x: Tensor) -> Tensor:
        """Resize as `forward`, and round to uint8 in the same pass; in memory as `b h w c`."""
        return self._crop(ops.shuffle_codes(self.forward_low_resolution(self.unshuffle_input(x)), *self.up), x)

    def _crop(self, output: Tensor, x: Tensor) -> Tensor:
        """Crop the output to the size that follows from the unpadded input `x`."""
        if self.block_size == 1:
            return output
        height, width = (n * up // down for n, up, down in zip(x.shape[2:], self.up, self.down, strict=True))
        return output[:, :, :height, :width]


def _pad_blocks(x: Tensor, block: tuple[int, int]) -> Tensor:
    """Complete the last blocks of height and width with the pixels one block before: `b c h w -> b c h2 w2`.

    Each position in a block stores different information, so the decoder would misread a copy of the nearest
    pixel. If the input is smaller than a block, its last row or column is repeated.
    """
    for axis, by in zip((2, 3), block, strict=True):
        size = x.shape[axis]
        if torch.compiler.is_exporting() or size % by:  # an exported graph serves every size
            index = torch.arange((size + by - 1) // by * by, device=x.device)
            before = torch.where(index < by, size - 1, index - by)
            x = x.index_select(axis, torch.where(index < size, index, before))
    return x


def to_float(x: Tensor) -> Tensor:
    """Convert integer pixel values to floats in [0, 1]: `b c h w -> b c h w`.

    Args:
        x: uint8, uint16, or floats, which are returned unchanged.

    Examples:
        >>> to_float(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        tensor([[[[0., 1.]]]])
    """
    if x.dtype == torch.uint16:
        return ops.uint16_to_float(x)
    return ops.unshuffle_codes(x, 1, 1, channels_last=x.shape[1] > 1) if x.dtype == torch.uint8 else x
