"""The guide weight as a means to an end: steered until low is as close to its guide as was asked.

High and low trade against one another, and no weight says where: it depends on network, norms and length of training.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from resizekit.codec import Resized
from resizekit.errors import ConfigError
from resizekit.losses import Guided, Loss

__all__ = ["GuideWeightController"]

_MEMORY, _PACE = 0.02, 0.001
"""How much a step adds to the running error; how fast the weight moves, by natural logarithm, a step and dB."""
_ABOVE, _BELOW = 1.0, 3.0
"""dB off beyond which the weight moves no faster.  At first low is the guide itself, far above any target, and a weight
that fell for that long would have to be regained."""


class GuideWeightController(nn.Module):
    """A guide weight that follows the PSNR of low over recent crops; two numbers on the device, so no step waits."""

    log_weight: Tensor
    error: Tensor

    def __init__(self, target: float, weight: float) -> None:
        super().__init__()
        self.target = target
        # float64: one step changes the weight by less than float32 resolves
        self.register_buffer("log_weight", torch.tensor(max(weight, 1e-6), dtype=torch.float64).log())
        self.register_buffer("error", torch.tensor(10 ** (-target / 10), dtype=torch.float64))

    def weigh(self, loss: Loss) -> Loss:
        """Give a loss this weight; `ConfigError` for one of a task's own, which has none to steer."""
        if not isinstance(loss, Guided):
            raise ConfigError(
                "train.target_low_psnr steers a guide weight, and the loss of this task or stage has none; leave it out"
            )
        return replace(loss, weight=self.log_weight.exp().float())

    @staticmethod
    def measure(out: Resized) -> Tensor:
        """Give the mean squared error of one step's low against its guide: `b c h w -> ()`."""
        return (out.low.detach().float() - out.guide.detach().float()).square().mean()

    def update(self, error: Tensor) -> None:
        """Move the weight after a step with this mean squared error."""
        self.error.lerp_(error.to(self.error), _MEMORY)
        psnr = -10 * self.error.clamp_min(1e-10).log10()
        self.log_weight.sub_(_PACE * (psnr - self.target).clamp(-_BELOW, _ABOVE))
