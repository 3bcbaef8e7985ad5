"""Pixels to channels and back, by whole factors that may differ in height and width.

`unshuffle` is the paper's "reverse version of sub-pixel convolution" without its convolution (3.2), `shuffle` the
sub-pixel layer of Shi et al. (2016).  Channels are ordered `(c s r)`, as torch's `pixel_shuffle` does.
"""

from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.kernel import op

__all__ = ["shuffle", "unshuffle"]


@op
def unshuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Move each s × r block of pixels into channels: `b c (h s) (w r) -> b (c s r) h w`.

    Raises `ResizeShapeError` if s does not divide the height or r the width.
    """
    b, c, height, width = x.shape
    if height % s or width % r:
        raise ResizeShapeError(
            f"unshuffle by {s}x{r} cannot take a height x width of {height}x{width}; "
            f"crop to {height - height % s}x{width - width % r}"
        )
    h, w = height // s, width // r
    return x.reshape(b, c, h, s, w, r).permute(0, 1, 3, 5, 2, 4).reshape(b, c * s * r, h, w)


@op
def shuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Move channels into s × r blocks of pixels, the inverse of `unshuffle`: `b (c s r) h w -> b c (h s) (w r)`.

    Raises `ResizeShapeError` if s * r does not divide the channels.
    """
    b, channels, h, w = x.shape
    if channels % (s * r):
        raise ResizeShapeError(f"shuffle by {s}x{r} needs a multiple of {s * r} channels, got {channels}")
    c = channels // (s * r)
    return x.reshape(b, c, s, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c, h * s, w * r)
