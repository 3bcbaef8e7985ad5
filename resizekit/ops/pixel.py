"""Move pixels to channels and back, by integer factors that can differ in height and width.

`unshuffle` is the "reverse version of sub-pixel convolution" of the paper (section 3.2) without its convolution;
`shuffle` is the sub-pixel layer of Shi et al. (2016). The channels are ordered `(c s r)`, as in `pixel_shuffle` of
PyTorch. A tensor in channels-last memory format stays in it.
"""

from torch import SymInt, Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.kernel import op

__all__ = ["check_shuffle", "check_unshuffle", "in_channels_last", "shuffle", "unshuffle"]


def check_unshuffle(x: Tensor, s: int, r: int) -> None:
    """Raise a `ResizeShapeError` unless s divides the height and r the width."""
    _check_call("unshuffle", x, s, r)
    height, width = x.shape[2:]
    if height % s or width % r:
        raise ResizeShapeError(
            f"unshuffle by {s}x{r} got a height x width of {height}x{width}, which the factors do not divide: "
            f"crop to {height - height % s}x{width - width % r}"
        )


def check_shuffle(x: Tensor, s: int, r: int) -> None:
    """Raise a `ResizeShapeError` unless s * r divides the number of channels."""
    _check_call("shuffle", x, s, r)
    if x.shape[1] % (s * r):
        raise ResizeShapeError(f"shuffle by {s}x{r} got {x.shape[1]} channels: expected a multiple of {s * r} channels")


def _check_call(name: str, x: Tensor, s: int, r: int) -> None:
    integers = isinstance(s, int | SymInt) and isinstance(r, int | SymInt)
    if not integers or x.dim() != 4 or s < 1 or r < 1:
        raise ResizeShapeError(
            f"{name} by {s}x{r} got shape {tuple(x.shape)}: expected 'b c h w' and integer factors above 0"
        )


def in_channels_last(x: Tensor) -> bool:
    """Return whether a tensor `b c h w` is in channels-last memory format (`b h w c`) and not also contiguous."""
    return x.stride(1) == 1 and x.shape[1] > 1 and not x.is_contiguous()


@op
def unshuffle(x: Tensor, s: int, r: int) -> Tensor:
    """Move each block of s × r pixels into channels: `b c (h s) (w r) -> b (c s r) h w`.

    Args:
        x: Tensor of any dtype.
        s: Factor of the height.
        r: Factor of the width.

    Returns:
        A tensor of the same dtype and memory format, possibly a view.

    Raises:
        ResizeShapeError: s does not divide the height or r the width.

    >>> import torch
    >>> unshuffle(torch.arange(4).reshape(1, 1, 2, 2), 2, 2).flatten().tolist()
    [0, 1, 2, 3]
    >>> unshuffle(torch.zeros(1, 3, 4, 6), 2, 3).shape
    torch.Size([1, 18, 2, 2])
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
    """Move channels into blocks of s × r pixels, the inverse of `unshuffle`: `b (c s r) h w -> b c (h s) (w r)`.

    Args:
        x: Tensor of any dtype.
        s: Factor of the height.
        r: Factor of the width.

    Returns:
        A tensor of the same dtype and memory format, possibly a view.

    Raises:
        ResizeShapeError: s * r does not divide the number of channels.

    >>> import torch
    >>> shuffle(torch.arange(4).reshape(1, 4, 1, 1), 2, 2).tolist()
    [[[[0, 1], [2, 3]]]]
    """
    check_shuffle(x, s, r)
    b, channels, h, w = x.shape
    c = channels // (s * r)
    if in_channels_last(x):
        blocks = x.permute(0, 2, 3, 1).reshape(b, h, w, c, s, r).permute(0, 1, 4, 2, 5, 3)
        return blocks.reshape(b, h * s, w * r, c).permute(0, 3, 1, 2)
    return x.reshape(b, c, s, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c, h * s, w * r)
