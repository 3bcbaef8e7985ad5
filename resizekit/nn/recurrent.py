"""Networks that pass more than an image from one step to the next.

    image ─► step(first) ─► state ─► step ─► state ─► step(last) ─► image

Applied once, such a network works as any other. Between two steps, the state has its own number of channels: it holds
information for the next step that does not fit into an image.
"""

from torch import Tensor, nn

__all__ = ["Recurrent"]


class Recurrent(nn.Module):
    """Inherit it, set `state_channels`, define `step`, and declare `recurrent=True` in the `Network` record."""

    state_channels: int
    """Channels of the state between two steps."""

    def step(self, x: Tensor, *, first: bool, last: bool) -> Tensor:
        """Resize by one step in one direction.

        Args:
            x: `b c h w`: an image in [0, 1] for the first step, else a state with `state_channels` channels.
            first: Whether this is the first step.
            last: Whether this is the last step.

        Returns:
            `b c h w`: an image for the last step, else the state for the next one.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Resize by a single step: `b c h w -> b c h w`."""
        return self.step(x, first=True, last=True)
