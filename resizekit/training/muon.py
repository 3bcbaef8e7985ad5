"""Muon (Jordan et al., 2024): each step of a matrix is made orthogonal, so that all its directions learn at one pace.

    gradients ─► momentum ─► stacked by shape ─► five Newton-Schulz steps ─► kernels

`torch.optim.Muon` takes one matrix after the other, some thirty launches each: on a GPU most of a step then went into
launching them.  Here all matrices of a shape are one batch, and in bfloat16 only where the device multiplies it: a CPU
that does not takes nine times as long for it as for float32.
"""

from collections.abc import Mapping
from itertools import groupby

import torch
from torch import Tensor, nn

from resizekit.system.device import pick_precision

__all__ = ["Muon", "orthogonal"]

_MOMENTUM = 0.95
_A, _B, _C = 3.4445, -4.7750, 2.0315
"""Of the Newton-Schulz polynomial: the steepest at zero, which leaves singular values between 0.7 and 1.2."""
_STEPS = 5
_LIKE_ADAM = 0.2
"""Root mean square of a step at a rate of 1, about Adam's, so that rates mean the same (Liu et al., 2025)."""


class Muon:
    """Steps convolutions' kernels, `o i h w`, as matrices `o (h w i)`; momentum with Nesterov's look ahead."""

    def __init__(self, kernels: Mapping[str, nn.Parameter]) -> None:
        self._kernels = dict(sorted(kernels.items(), key=lambda item: item[1].shape))
        self.momenta: dict[str, Tensor] = {}
        """Of each kernel that has been stepped, by name: `o (h w i)`."""

    def make_momentum(self, name: str) -> None:
        """Let a kernel begin with no momentum."""
        kernel = self._kernels[name]
        self.momenta[name] = torch.zeros_like(_flat(kernel.detach()), memory_format=torch.contiguous_format)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for kernel in self._kernels.values():
            kernel.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Step along the gradients that the kernels hold; those without are left as they are."""
        met = {name: kernel for name, kernel in self._kernels.items() if kernel.grad is not None}
        if not met:
            return
        for name in met:
            if name not in self.momenta:
                self.make_momentum(name)
        gradients = [_flat(kernel.grad) for kernel in met.values() if kernel.grad is not None]
        momenta = [self.momenta[name] for name in met]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        ahead = dict(zip(met, torch._foreach_lerp(gradients, momenta, _MOMENTUM), strict=True))
        for shape, names in groupby(met, key=lambda name: met[name].shape):
            alike = list(names)
            o, i, h, w = shape
            even = orthogonal(torch.stack([ahead[name] for name in alike])).to(gradients[0].dtype)
            steps = even.reshape(len(alike), o, h, w, i).permute(0, 1, 4, 2, 3)
            size = _LIKE_ADAM * max(o, h * w * i) ** 0.5
            torch._foreach_add_([met[name] for name in alike], list(steps.unbind()), alpha=-rate * size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Give the nearest matrices with all singular values about 1: `n o k -> n o k` for o <= k."""
    x = matrices.bfloat16() if pick_precision("auto", matrices.device) == "bfloat16" else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x


def _flat(kernel: Tensor) -> Tensor:
    """`o i h w -> o (h w i)`: in channels_last this moves nothing."""
    return kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1)
