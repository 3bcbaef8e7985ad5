"""The optimiser: Adam for every parameter, or Muon for those between feature maps and Adam for the rest.

Muon (Jordan et al., 2024) makes each step an orthogonal matrix, so that all directions of a layer learn at one pace.
It is meant for hidden layers: here the convolutions with as many channels out as in, seen as matrices `o (h w i)`.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from resizekit.config import TrainConfig

__all__ = ["Optimizer", "hidden"]

_SMALLEST = 16
"""Fewer channels than this make a matrix too small to be worth a step of its own."""


def hidden(parameter: Tensor) -> bool:
    """Tell whether Muon serves a parameter: a kernel from a feature map to one with as many channels."""
    return parameter.ndim == 4 and parameter.shape[0] == parameter.shape[1] >= _SMALLEST


class Optimizer:
    """What a training steps: a module's parameters that learn, by name, with moments to be stored and filled again."""

    def __init__(self, module: nn.Module, config: TrainConfig) -> None:
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        chosen = {name for name, p in named.items() if config.optimizer == "muon" and hidden(p)}
        self._adam_names = {name: p for name, p in named.items() if name not in chosen}
        self._matrices = {name: _matrix(named[name]) for name in named if name in chosen}
        self._kernels = {name: named[name] for name in self._matrices}
        self._adam = torch.optim.Adam(self._adam_names.values(), lr=config.lr, betas=config.betas, fused=True)
        self._muon = (
            torch.optim.Muon(self._matrices.values(), weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
            if self._matrices
            else None
        )
        self._ratio = config.muon_lr / config.lr

    def set_rate(self, lr: float) -> None:
        """Set Adam's learning rate of the next step; Muon's keeps its proportion to it."""
        for optimizer, rate in ((self._adam, lr), (self._muon, lr * self._ratio)):
            for group in optimizer.param_groups if optimizer else ():
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forget all gradients."""
        self._adam.zero_grad()
        for kernel in self._kernels.values():
            kernel.grad = None

    def step(self) -> None:
        """Step along the gradients that the module's parameters hold."""
        for name, kernel in self._kernels.items():
            self._matrices[name].grad = None if kernel.grad is None else _flat(kernel.grad)
        for optimizer in self._all():
            optimizer.step()

    def moments(self) -> dict[str, Tensor]:
        """Give what the next step depends on besides weights and gradients, by name; empty before the first step."""
        held = {}
        for name, parameter in self._adam_names.items():
            for moment in ("exp_avg", "exp_avg_sq"):
                if moment in self._adam.state.get(parameter, {}):
                    held[f"{moment}.{name}"] = self._adam.state[parameter][moment]
        for name, matrix in self._matrices.items():
            if self._muon is not None and matrix in self._muon.state:
                held[f"momentum.{name}"] = self._muon.state[matrix]["momentum_buffer"]
        return held

    def make_moments(self, names: set[str], steps: int) -> None:
        """Make the moments of these names, zero as yet, as after so many steps, for `moments` to give."""
        for name, parameter in self._adam_names.items():
            if f"exp_avg.{name}" in names:
                self._adam.state[parameter] = {
                    "step": torch.full((), float(steps), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        for name, matrix in self._matrices.items():
            if self._muon is not None and f"momentum.{name}" in names:
                self._muon.state[matrix] = {"momentum_buffer": torch.zeros_like(matrix)}

    def _all(self) -> Iterator[torch.optim.Optimizer]:
        yield self._adam
        if self._muon is not None:
            yield self._muon


def _flat(kernel: Tensor) -> Tensor:
    """`o i h w -> o (h w i)`: in channels_last this moves nothing."""
    return kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)


def _matrix(kernel: nn.Parameter) -> nn.Parameter:
    """A parameter over the very memory of a kernel: stepping one steps the other."""
    if not _shares(kernel):
        kernel.data = kernel.data.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(_flat(kernel.detach()))


def _shares(kernel: Tensor) -> bool:
    return _flat(kernel.detach()).data_ptr() == kernel.data_ptr()
