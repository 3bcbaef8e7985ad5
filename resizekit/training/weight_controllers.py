"""Adjust the weights of the loss during training until low reaches a target.

The guide weight trades the quality of the restored picture against that of the small picture, and the rate weight
against the size of its file. The weight that leads to a given target is unknown in advance: it depends on the network,
the norms and the length of the training.
"""

from abc import ABC, abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn

from resizekit.codec import Resized
from resizekit.errors import ConfigError
from resizekit.losses import Guided, Loss, rate

__all__ = ["GuideWeightController", "RateWeightController", "WeightController"]

_ERROR_RATE = 0.02
"""Weight of one step in the running mean of the measurement."""
_GAIN = 0.001
"""Change of the weight's natural logarithm for each step and each dB of deviation."""
_MAX_ABOVE, _MAX_BELOW = 1.0, 3.0
"""Limits of the deviation in dB. At the start, low equals its guide and its PSNR is far above any target. Without the
limit the weight would fall too far and would need a long time to recover."""
_FIRST_RATE_WEIGHT = 1e-3
_DB_PER_OCTAVE = 30
"""Deviation of the rate weight where the size is twice its target, on the scale of the guide weight's dB."""


class WeightController(nn.Module, ABC):
    """Controller of one weight of the loss.

    Both numbers of its state stay on the device, so a training step does not wait for the GPU.

    Args:
        weight: The weight at the start.
        measured: The measurement that needs no change of the weight.
    """

    name: str
    """Name of the weight in the log."""
    log_weight: Tensor
    """Natural logarithm of the weight: `()`."""
    error: Tensor
    """Running mean of the measurement: `()`."""

    def __init__(self, weight: float, measured: float) -> None:
        super().__init__()
        # float64: the change in one step is smaller than float32 resolves
        self.register_buffer("log_weight", torch.tensor(max(weight, 1e-6), dtype=torch.float64).log())
        self.register_buffer("error", torch.tensor(measured, dtype=torch.float64))

    @staticmethod
    @abstractmethod
    def measure(out: Resized, loss: Loss) -> Tensor:
        """Measure what the target limits, in the output of a step with this loss: `()`."""

    @abstractmethod
    def apply_to(self, loss: Loss) -> Loss:
        """Return the loss with the current weight.

        Raises:
            ConfigError: If the loss does not have this weight, such as a task's custom loss.
        """

    def update(self, measured: Tensor) -> None:
        """Adjust the weight after a step whose output was measured."""
        self.error.lerp_(measured.to(self.error), _ERROR_RATE)
        self.log_weight.add_(_GAIN * self._missing().clamp(-_MAX_ABOVE, _MAX_BELOW))

    @abstractmethod
    def _missing(self) -> Tensor:
        """Return how far the running mean is from the target, in dB; positive values raise the weight."""


class GuideWeightController(WeightController):
    """Controller of the guide weight; it measures the error of low against its guide.

    Args:
        target: PSNR of low against its guide in dB.
        weight: Guide weight at the start.
    """

    name = "guide_weight"

    def __init__(self, target: float, weight: float) -> None:
        super().__init__(weight, 10 ** (-target / 10))
        self.target = target

    @staticmethod
    def measure(out: Resized, loss: Loss) -> Tensor:
        """Return the mean squared error of low against its guide: `b c h w -> ()`."""
        return (out.low.detach().float() - out.guide.detach().float()).square().mean()

    def apply_to(self, loss: Loss) -> Loss:
        """Return the loss with the current guide weight."""
        return replace(_guided(loss, "target_low_psnr", "guide weight"), weight=self.log_weight.exp().float())

    def _missing(self) -> Tensor:
        return self.target + 10 * self.error.clamp_min(1e-10).log10()


class RateWeightController(WeightController):
    """Controller of the rate weight; it measures the estimated size of low relative to that of its guide.

    Args:
        target: The relative size; 1: as large as the guide.
        weight: Rate weight at the start.
    """

    name = "rate_weight"

    def __init__(self, target: float, weight: float) -> None:
        super().__init__(weight or _FIRST_RATE_WEIGHT, target)
        self.target = target

    @staticmethod
    def measure(out: Resized, loss: Loss) -> Tensor:
        """Return the estimated size of low relative to that of its guide: `b c h w -> ()`."""
        low = (out.low if out.encoded is None else out.encoded).detach().float()
        guide = out.guide.detach().float()
        bits = _guided(loss, "target_rate", "rate weight").bits
        return rate(low, bits) / rate(guide, bits).clamp_min(1e-6)

    def apply_to(self, loss: Loss) -> Loss:
        """Return the loss with the current rate weight."""
        return replace(_guided(loss, "target_rate", "rate weight"), rate_weight=self.log_weight.exp().float())

    def _missing(self) -> Tensor:
        return _DB_PER_OCTAVE * (self.error.clamp_min(1e-6) / self.target).log2()


def _guided(loss: Loss, key: str, weight: str) -> Guided:
    if isinstance(loss, Guided):
        return loss
    raise ConfigError(f"train.{key} adjusts the {weight}, but the loss of this task or stage has none; remove {key}")
