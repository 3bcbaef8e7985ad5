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
    """Write everything beside `path` and rename; `CheckpointError` if the disk refuses, and the last state stands."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in _named(codec, average, optimizer).items()}
    try:
        with written_beside(path) as beside:
            save_file(tensors, beside, metadata={"counters": json.dumps(dict(counters))})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot write {path} ({error}); free space and run again: it goes on") from None


def load_state(path: Path, codec: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """Put a saved state into place and give back its counters; `CheckpointError` if it does not fit."""
    try:
        with safe_open(path, framework="pt") as file:
            counters: dict[str, object] = json.loads((file.metadata() or {})["counters"])
            step, _ = int(str(counters["step"])), float(str(counters["seconds"]))
            names = set(file.keys())
            for name, parameter in codec.named_parameters():
                if f"{_MOMENTS[0]}.{name}" in names:  # a state from before the first step has none
                    # what Adam makes at its first step, made now so that it can be filled
                    optimizer.state[parameter] = {
                        "step": torch.full((), float(step), dtype=torch.float32, device=parameter.device),
                        **{moment: torch.zeros_like(parameter) for moment in _MOMENTS},
                    }
            tensors = _named(codec, average, optimizer)
            if names != set(tensors):
                raise CheckpointError(f"{path} is the state of another network; use another --out folder")
            for name, tensor in tensors.items():
                held = file.get_tensor(name)
                if held.shape != tensor.shape:
                    raise CheckpointError(f"{path} is the state of another network; use another --out folder")
                tensor.copy_(held)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no training state ({error}); remove it to start anew") from None
    return counters
