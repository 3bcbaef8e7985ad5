"""`Codec.down` and `Codec.up` as modules, for pipelines of transforms and for networks."""

import copy
from typing import TYPE_CHECKING, Any, Self

from torch import nn

from resizekit.codec.in_memory import Size
from resizekit.codec.refine.effort import Effort

if TYPE_CHECKING:
    from resizekit.codec.codec import Codec

__all__ = ["Down", "Up"]


class _Frozen(nn.Module):
    """Own a copy of a codec for inference, which neither training nor changes of the original affect."""

    def __init__(self, codec: "Codec") -> None:
        super().__init__()
        self.codec = copy.deepcopy(codec).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the flag `training` of this module; the codec stays in evaluation mode."""
        self.training = mode
        return self


class Down(_Frozen):
    """Downscale images in a pipeline of transforms or in a network: `codec.down` as a module.

    The weights are a frozen copy: an optimizer does not change them, and gradients flow to float inputs.

    Args:
        codec: The codec, which is copied.
        effort: As for `Codec.down`.

    Examples:
        >>> import torch, resizekit
        >>> down = resizekit.Down(resizekit.load("sr-x2-fast"))
        >>> down(torch.zeros(3, 32, 48, dtype=torch.uint8)).shape
        torch.Size([3, 16, 24])
        >>> torch.nn.Sequential(down, torch.nn.Flatten())(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 48])
    """

    def __init__(self, codec: "Codec", effort: int | Effort = 0) -> None:
        super().__init__(codec)
        self.effort = Effort.of(effort)

    def forward(self, image: Any) -> Any:
        """Downscale an image.

        Args:
            image: Of any kind that `Codec.down` accepts.

        Returns:
            The small image, of the same kind.
        """
        return self.codec.down(image, effort=self.effort)

    def extra_repr(self) -> str:
        """Describe the settings."""
        return f"effort={self.effort.level}"


class Up(_Frozen):
    """Restore small images in a pipeline of transforms or in a network: `codec.up` as a module.

    The weights are a frozen copy, as those of `Down`.

    Args:
        codec: The codec, which is copied.

    Examples:
        >>> import torch, resizekit
        >>> up = resizekit.Up(resizekit.load("sr-x2-fast"))
        >>> up(torch.zeros(3, 17, 24, dtype=torch.uint8), size=(48, 33)).shape
        torch.Size([3, 33, 48])
    """

    def forward(self, image: Any, size: Size = None) -> Any:
        """Restore an image.

        Args:
            image: A small image of any kind that `Codec.up` accepts.
            size: Size of the original, as for `Codec.up`.

        Returns:
            The restored image, of the same kind.
        """
        return self.codec.up(image, size=size)
