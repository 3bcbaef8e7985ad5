"""Adjust the guide weight during training until the small picture reaches a target PSNR against its guide.

The guide weight trades the quality of the restored picture against that of the small picture. The weight that leads to
a given quality is unknown in advance: it depends on the network, the norms and the length of the training.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from resizekit.codec import Resized
from resizekit.errors import ConfigError
from resizekit.losses import Guided, Loss

__all__ = ["GuideWeightController"]

_ERROR_RATE = 0.02
"""Weight of one step in the running mean of the error."""
_GAIN = 0.001
"""Change of the weight's natural logarithm for each step and each dB of deviation."""
_MAX_ABOVE, _MAX_BELOW = 1.0, 3.0
"""Limits of the deviation in dB. At the start, low equals its guide and its PSNR is far above any target. Without the
limit the weight would fall too far and would need a long time to recover."""


class GuideWeightController(nn.Module):
    """Controller of the guide weight; its input is the PSNR of low against its guide over recent crops.

    Both numbers of its state stay on the device, so a training step does not wait for the GPU.

    Args:
        target: PSNR of low against its guide in dB.
        weight: Guide weight at the start.
    """

    log_weight: Tensor
    """Natural logarithm of the guide weight: `()`."""
    error: Tensor
    """Running mean of the squared error of low: `()`."""

    def __init__(self, target: float, weight: float) -> None:
        super().__init__()
        self.target = target
        # float64: the change in one step is smaller than float32 resolves
        self.register_buffer("log_weight", torch.tensor(max(weight, 1e-6), dtype=torch.float64).log())
        self.register_buffer("error", torch.tensor(10 ** (-target / 10), dtype=torch.float64))

    def apply_to(self, loss: Loss) -> Loss:
        """Return the loss with the current guide weight.

        Raises:
            ConfigError: If the loss has no guide weight, such as a task's custom loss.
        """
        if not isinstance(loss, Guided):
            raise ConfigError(
                "train.target_low_psnr adjusts the guide weight, but the loss of this task or stage has none; "
                "remove target_low_psnr"
            )
        return replace(loss, weight=self.log_weight.exp().float())

    @staticmethod
    def low_error(out: Resized) -> Tensor:
        """Return the mean squared error of low against its guide: `b c h w -> ()`."""
        return (out.low.detach().float() - out.guide.detach().float()).square().mean()

    def update(self, error: Tensor) -> None:
        """Adjust the weight after a step whose mean squared error was `error`."""
        self.error.lerp_(error.to(self.error), _ERROR_RATE)
        psnr = -10 * self.error.clamp_min(1e-10).log10()
        self.log_weight.sub_(_GAIN * (psnr - self.target).clamp(-_MAX_BELOW, _MAX_ABOVE))
