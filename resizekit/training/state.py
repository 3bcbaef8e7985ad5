"""The state of a training on disk: weights, averages and moments in safetensors, counters as JSON in its header.

Crops, order, learning rate and stage are functions of the step, so this is all of it, and a resumed run goes on with
the very numbers of an uninterrupted one.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from resizekit.atomic import written_beside
from resizekit.errors import CheckpointError

__all__ = ["load_state", "save_state"]

_MOMENTS = ("exp_avg", "exp_avg_sq")


def _named(codec: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every tensor of the state under a name; parameters that are shared appear once."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("model", codec), ("average", average)):
        tensors |= {f"{prefix}.{name}": t.data for name, t in module.named_parameters()}
        tensors |= {f"{prefix}.{name}": t for name, t in module.named_buffers()}
    for name, parameter in codec.named_parameters():
        for moment in _MOMENTS:
            if moment in optimizer.state.get(parameter, {}):
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
    return tensors


def save_state(
    path: Path,
    codec: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    counters: Mapping[str, object],
) -> None:
    """Write everything beside `path` and rename."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in _named(codec, average, optimizer).items()}
    with written_beside(path) as beside:
        save_file(tensors, beside, metadata={"counters": json.dumps(dict(counters))})


def load_state(path: Path, codec: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """Put a saved state into place and give back its counters; `CheckpointError` if it does not fit."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:  # what Adam makes at its first step, made now so that it can be filled
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            **{moment: torch.zeros_like(parameter) for moment in _MOMENTS},
        }
    tensors = _named(codec, average, optimizer)
    try:
        with safe_open(path, framework="pt") as file:
            counters: dict[str, object] = json.loads((file.metadata() or {})["counters"])
            if set(file.keys()) != set(tensors):
                raise CheckpointError(f"{path} is the state of another network; use another --out folder")
            for name, tensor in tensors.items():
                held = file.get_tensor(name)
                if held.shape != tensor.shape:
                    raise CheckpointError(f"{path} is the state of another network; use another --out folder")
                tensor.copy_(held)
            step = int(str(counters["step"]))
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} is no training state ({error}); remove it to start anew") from None
    for parameter in parameters:
        optimizer.state[parameter]["step"].fill_(step)
    return counters
