"""The digest of a set of weights: what a manifest names, whatever file the weights came in."""

import hashlib

import torch
from torch import nn

__all__ = ["digest"]


def digest(module: nn.Module) -> str:
    """Hash the names, shapes, types and bytes of all parameters and buffers: 64 hexadecimal digits of SHA-256."""
    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        sha.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        sha.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()
