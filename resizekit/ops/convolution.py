"""A 3×3 convolution with what follows it in a residual block: the ReLU, or the sum with the input of the block."""

import torch
import torch.nn.functional as F
from torch import Tensor

from resizekit.errors import ResizeShapeError
from resizekit.ops.kernel import op

__all__ = ["check_conv3x3", "conv3x3"]


def check_conv3x3(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None) -> None:
    """Check the arguments of `conv3x3`.

    Raises:
        ResizeShapeError: The shapes or dtypes do not fit together.
    """
    outputs, inputs = weight.shape[:2]
    if weight.shape[2:] != (3, 3) or bias.shape != (outputs,):
        raise ResizeShapeError(
            f"weight {tuple(weight.shape)} and bias {tuple(bias.shape)}: expected o i 3 3 and o, as in an nn.Conv2d"
        )
    if x.dim() != 4 or x.shape[1] != inputs:
        raise ResizeShapeError(f"x has the shape {tuple(x.shape)}: expected b {inputs} h w")
    if other is not None and other.shape != (x.shape[0], outputs, *x.shape[2:]):
        raise ResizeShapeError(
            f"other has the shape {tuple(other.shape)}: expected that of the result, b {outputs} h w"
        )
    dtypes = {y.dtype for y in (x, weight, bias, other) if y is not None}
    if len(dtypes) > 1 or not x.is_floating_point():
        raise ResizeShapeError(f"got {', '.join(sorted(map(str, dtypes)))}: expected one floating dtype")


@op
def conv3x3(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """Convolve with zero padding, add `other`, and apply a ReLU: `b i h w -> b o h w`.

    A kernel does all of it in one pass, sums in float32, and rounds once. The reference rounds after each operation.

    Args:
        x: The input.
        weight: `o i 3 3`, as in an `nn.Conv2d`.
        bias: `o`.
        other: Added to the result, `b o h w`.
        relu: Whether negative results become 0.

    Returns:
        A new tensor of the same dtype, in channels-last memory format.

    Raises:
        ResizeShapeError: The shapes or dtypes do not fit together.

    >>> x = torch.ones(1, 1, 1, 2)
    >>> conv3x3(x, torch.ones(1, 1, 3, 3), torch.tensor([-5.0]), x).tolist()
    [[[[-2.0, -2.0]]]]
    >>> conv3x3(x, torch.ones(1, 1, 3, 3), torch.tensor([-5.0]), x, relu=True).tolist()
    [[[[0.0, 0.0]]]]
    """
    check_conv3x3(x, weight, bias, other)
    result = F.conv2d(x, weight, bias, padding=1)
    if other is not None:
        result = result + other
    return (F.relu(result) if relu else result).contiguous(memory_format=torch.channels_last)
