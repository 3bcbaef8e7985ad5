"""The optimiser: Adam for every parameter, or Muon for those between feature maps and Adam for the rest.

Muon is meant for hidden layers: here the convolutions with as many channels out as in.
"""

import torch
from torch import Tensor, nn

from resizekit.recipes.config import TrainConfig
from resizekit.training.muon import Muon

__all__ = ["Optimizer", "hidden"]

_SMALLEST = 16
"""Fewer channels than this make a matrix too small to be worth a step of its own."""
_MOMENTS = "exp_avg", "exp_avg_sq", "step"
"""What Adam remembers of a parameter: a mixture's step does not step them all, so each has a count of its own."""


def hidden(parameter: Tensor) -> bool:
    """Tell whether Muon serves a parameter: a kernel from a feature map to one with as many channels."""
    return parameter.ndim == 4 and parameter.shape[0] == parameter.shape[1] >= _SMALLEST


class Optimizer:
    """What a training steps: a module's parameters that learn, by name, with moments to be stored and filled again."""

    def __init__(self, module: nn.Module, config: TrainConfig) -> None:
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        chosen = {name for name, p in named.items() if config.optimizer == "muon" and hidden(p)}
        self._adam_names = {name: p for name, p in named.items() if name not in chosen}
        self._adam = torch.optim.Adam(self._adam_names.values(), lr=config.lr, betas=config.betas, fused=True)
        self._muon = Muon({name: named[name] for name in chosen})
        self._muon_rate, self._ratio = config.muon_lr, config.muon_lr / config.lr

    def set_rate(self, lr: float) -> None:
        """Set Adam's learning rate of the next step; Muon's keeps its proportion to it."""
        for group in self._adam.param_groups:
            group["lr"] = lr
        self._muon_rate = lr * self._ratio

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._adam.zero_grad()
        self._muon.zero_grad()

    def step(self) -> None:
        """Step along the gradients that the module's parameters hold."""
        self._adam.step()
        self._muon.step(self._muon_rate)

    def moments(self) -> dict[str, Tensor]:
        """Give what the next step depends on besides weights and gradients, by name; empty before the first step."""
        held = {}
        for name, parameter in self._adam_names.items():
            for moment in _MOMENTS:
                if moment in self._adam.state.get(parameter, {}):
                    held[f"{moment}.{name}"] = self._adam.state[parameter][moment]
        return held | {f"momentum.{name}": momentum for name, momentum in sorted(self._muon.momenta.items())}

    def make_moments(self, names: set[str]) -> None:
        """Make the moments of these names, zero as yet, for `moments` to give."""
        for name, parameter in self._adam_names.items():
            if f"exp_avg.{name}" in names:
                self._adam.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        for name in sorted(names):
            if name.startswith("momentum."):
                self._muon.make_momentum(name.removeprefix("momentum."))
