"""Pixels to channels and back, by whole factors that may differ in height and width.

`unshuffle` is the paper's "reverse version of sub-pixel convolution" without its convolution (3.2), `shuffle` the
sub-pixel layer of Shi et al. (2016).  Channels are ordered `(c s r)`, as torch's `pixel_shuffle` does.  What is laid
out in memory as `b h w c` stays so.
"""

from torch import SymInt, Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.kernel import op

__all__ = ["check_shuffle", "check_unshuffle", "in_channels_last", "shuffle", "unshuffle"]


def check_unshuffle(x: Tensor, s: int, r: int) -> None:
    """Refuse what s and r do not divide, with a `ResizeShapeError`."""
    _check_call("unshuffle", x, s, r)
    height, width = x.shape[2:]
    if height % s or width % r:
        raise ResizeShapeError(
            f"unshuffle by {s}x{r} cannot take a height x width of {height}x{width}; "
            f"crop to {height - height % s}x{width - width % r}"
        )


def check_shuffle(x: Tensor, s: int, r: int) -> None:
    """Refuse channels that s * r does not divide, with a `ResizeShapeError`."""
    _check_call("shuffle", x, s, r)
    if x.shape[1] % (s * r):
        raise ResizeShapeError(f"shuffle by {s}x{r} needs a multiple of {s * r} channels, got {x.shape[1]}")


def _check_call(name: str, x: Tensor, s: int, r: int) -> None:
    whole = isinstance(s, int | SymInt) and isinstance(r, int | SymInt)
    if not whole or x.dim() != 4 or s < 1 or r < 1:
        raise ResizeShapeError(
            f"{name} by {s}x{r} got shape {tuple(x.shape)}: give 'b c h w' and whole factors above 0"
        )


def in_channels_last(x: Tensor) -> bool:
    """Tell whether a tensor `b c h w` lies in memory as `b h w c`, and not also as it is written."""
    return x.stride(1) == 1 and x.shape[1] > 1 and not x.is_contiguous()


@op
def unshuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Move each s × r block of pixels into channels: `b c (h s) (w r) -> b (c s r) h w`.

    Raises `ResizeShapeError` if s does not divide the height or r the width.
    """
    check_unshuffle(x, s, r)
    b, c, height, width = x.shape
    h, w = height // s, width // r
    if in_channels_last(x):
        blocks = x.permute(0, 2, 3, 1).reshape(b, h, s, w, r, c).permute(0, 1, 3, 5, 2, 4)
        return blocks.reshape(b, h, w, c * s * r).permute(0, 3, 1, 2)
    return x.reshape(b, c, h, s, w, r).permute(0, 1, 3, 5, 2, 4).reshape(b, c * s * r, h, w)


@op
def shuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Move channels into s × r blocks of pixels, the inverse of `unshuffle`: `b (c s r) h w -> b c (h s) (w r)`.

    Raises `ResizeShapeError` if s * r does not divide the channels.
    """
    check_shuffle(x, s, r)
    b, channels, h, w = x.shape
    c = channels // (s * r)
    if in_channels_last(x):
        blocks = x.permute(0, 2, 3, 1).reshape(b, h, w, c, s, r).permute(0, 1, 4, 2, 5, 3)
        return blocks.reshape(b, h * s, w * r, c).permute(0, 3, 1, 2)
    return x.reshape(b, c, s, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c, h * s, w * r)
