"""The Muon optimizer (Jordan et al., 2024): orthogonalize each update, so that all its singular values are about equal.

    gradients ─► momentum ─► stacked by shape ─► five Newton-Schulz iterations ─► kernels

`torch.optim.Muon` processes one matrix after another with about thirty kernel launches each, and on a GPU these
launches take most of the step. This implementation processes all matrices of one shape as a batch. It computes in
bfloat16 only on hardware that supports it: on a CPU without bfloat16 instructions it is nine times slower than float32.
"""

from collections.abc import Mapping
from itertools import groupby

import torch
from torch import Tensor, nn

from resizekit.system.device import pick_precision

__all__ = ["Muon", "orthogonalize"]

_MOMENTUM = 0.95
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Coefficients of the Newton-Schulz polynomial: the steepest at zero that leaves singular values of 0.7 to 1.2."""
_ITERATIONS = 5
_ADAM_RMS = 0.2
"""Root mean square of an update at a learning rate of 1. It is about that of Adam, so that both use similar learning
rates (Liu et al., 2025)."""


class Muon:
    """Muon with Nesterov momentum for convolution kernels, each treated as a matrix `o (h w i)`.

    Args:
        kernels: Convolution kernels `o i h w` by name.
    """

    def __init__(self, kernels: Mapping[str, nn.Parameter]) -> None:
        self._kernels = dict(sorted(kernels.items(), key=lambda item: item[1].shape))
        self.momenta: dict[str, Tensor] = {}
        """Momentum by kernel name, `o (h w i)`; only kernels that were updated at least once."""

    def make_momentum(self, name: str) -> None:
        """Create a zero momentum for a kernel."""
        kernel = self._kernels[name]
        self.momenta[name] = torch.zeros_like(_as_matrix(kernel.detach()), memory_format=torch.contiguous_format)

    def zero_grad(self) -> None:
        """Remove the gradients of all kernels."""
        for kernel in self._kernels.values():
            kernel.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update all kernels that have a gradient.

        Args:
            rate: Learning rate.
        """
        active = {name: kernel for name, kernel in self._kernels.items() if kernel.grad is not None}
        if not active:
            return
        for name in active:
            if name not in self.momenta:
                self.make_momentum(name)
        gradients = [_as_matrix(kernel.grad) for kernel in active.values() if kernel.grad is not None]
        momenta = [self.momenta[name] for name in active]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        updates = dict(zip(active, torch._foreach_lerp(gradients, momenta, _MOMENTUM), strict=True))
        for shape, group in groupby(active, key=lambda name: active[name].shape):
            names = list(group)
            o, i, h, w = shape
            matrices = orthogonalize(torch.stack([updates[name] for name in names])).to(gradients[0].dtype)
            steps = matrices.reshape(len(names), o, h, w, i).permute(0, 1, 4, 2, 3)
            scale = _ADAM_RMS * max(o, h * w * i) ** 0.5
            torch._foreach_add_([active[name] for name in names], list(steps.unbind()), alpha=-rate * scale)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Replace the singular values of a batch of matrices by values of about 1.

    Args:
        matrices: `n o k` with o <= k.

    Returns:
        `n o k`, in bfloat16 on hardware that supports it.
    """
    x = matrices.bfloat16() if pick_precision("auto", matrices.device) == "bfloat16" else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x


def _as_matrix(kernel: Tensor) -> Tensor:
    """`o i h w -> o (h w i)`; without a copy for kernels in channels_last."""
    return kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)
