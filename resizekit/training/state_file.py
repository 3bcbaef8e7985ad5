"""The state of a training on disk: weights, averages and moments in safetensors, counters as JSON in its header.

Crops, order, learning rate and stage are functions of the step, so this is all of it, and a resumed run goes on with
the very numbers of an uninterrupted one.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from resizekit.errors import CheckpointError
from resizekit.system.atomic_write import atomic_write
from resizekit.training.optimizer import Optimizer

__all__ = ["load_state", "save_state"]


def _named(modules: Mapping[str, nn.Module], optimizer: Optimizer) -> dict[str, Tensor]:
    """Every tensor of the state under a name; parameters that are shared appear once."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{name}": t.data for name, t in module.named_parameters()}
        tensors |= {f"{prefix}.{name}": t for name, t in module.named_buffers()}
    return tensors | optimizer.moments()


def save_state(
    path: Path, modules: Mapping[str, nn.Module], optimizer: Optimizer, counters: Mapping[str, object]
) -> None:
    """Write everything beside `path` and rename; `CheckpointError` if the disk refuses, and the last state stands."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in _named(modules, optimizer).items()}
    try:
        with atomic_write(path) as beside:
            save_file(tensors, beside, metadata={"counters": json.dumps(dict(counters))})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot write {path} ({error}); free space and run again: it goes on") from None


def load_state(path: Path, modules: Mapping[str, nn.Module], optimizer: Optimizer) -> dict[str, object]:
    """Put a saved state into place and give back its counters; `CheckpointError` if it does not fit."""
    try:
        with safe_open(path, framework="pt") as file:
            counters: dict[str, object] = json.loads((file.metadata() or {})["counters"])
            _ = int(str(counters["step"])), int(str(counters["steps"])), float(str(counters["seconds"]))
            names = set(file.keys())
            optimizer.make_moments(names)  # a state from before the first step has none
            tensors = _named(modules, optimizer)
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
