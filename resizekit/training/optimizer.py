"""Update the trainable parameters: Adam for all of them, or Muon for the hidden layers and Adam for the others."""

import torch
from torch import Tensor, nn

from resizekit.recipes.config import TrainConfig
from resizekit.training.muon import Muon

__all__ = ["Optimizer", "is_hidden_kernel"]

_MIN_CHANNELS = 16
"""Kernels with fewer channels are left to Adam: their matrices are too small for Muon to be worth its cost."""
_ADAM_MOMENTS = "exp_avg", "exp_avg_sq", "step"
"""Adam's state of a parameter. Each has its own step count, because a step of a stage mixture updates only some."""


def is_hidden_kernel(parameter: Tensor) -> bool:
    """Return whether Muon can update a parameter: a convolution kernel with as many output as input channels."""
    return parameter.ndim == 4 and parameter.shape[0] == parameter.shape[1] >= _MIN_CHANNELS


class Optimizer:
    """Optimizer of a module's trainable parameters whose entire state can be saved and restored.

    Args:
        module: Module to train. Parameters with `requires_grad=False` are skipped.
        config: Source of `optimizer`, `lr`, `muon_lr` and `betas`.
    """

    def __init__(self, module: nn.Module, config: TrainConfig) -> None:
        trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
        muon = {name: p for name, p in trainable.items() if config.optimizer == "muon" and is_hidden_kernel(p)}
        self._adam_parameters = {name: p for name, p in trainable.items() if name not in muon}
        self._adam = torch.optim.Adam(self._adam_parameters.values(), lr=config.lr, betas=config.betas, fused=True)
        self._muon = Muon(muon)
        self._muon_rate, self._ratio = config.muon_lr, config.muon_lr / config.lr

    def set_rate(self, lr: float) -> None:
        """Set Adam's learning rate of the next step; Muon's changes in proportion."""
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._muon_rate = lr * self._ratio

    def zero_grad(self) -> None:
        """Remove all gradients."""
        self._adam.zero_grad()
        self._muon.zero_grad()

    def step(self) -> None:
        """Update all parameters that have a gradient."""
        self._adam.step()
        self._muon.step(self._muon_rate)

    def moments(self) -> dict[str, Tensor]:
        """Return the optimizer's state by name; empty before the first step.

        Together with weights and gradients it determines the next step.
        """
        moments = {}
        for name, parameter in self._adam_parameters.items():
            for moment in _ADAM_MOMENTS:
                if moment in self._adam.state.get(parameter, {}):
                    moments[f"{moment}.{name}"] = self._adam.state[parameter][moment]
        return moments | {f"momentum.{name}": momentum for name, momentum in sorted(self._muon.momenta.items())}

    def make_moments(self, names: set[str]) -> None:
        """Create the moments with these names, filled with zeros, so that `moments` returns them.

        Args:
            names: Keys that `moments` of another optimizer returned.
        """
        for name, parameter in self._adam_parameters.items():
            if f"exp_avg.{name}" in names:
                self._adam.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        for name in sorted(names):
            if name.startswith("momentum."):
                self._muon.make_momentum(name.removeprefix("momentum."))
