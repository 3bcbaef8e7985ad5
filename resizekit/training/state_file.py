"""Save and load the state of a training: tensors as safetensors, counters as JSON in the header.

The tensors are weights, averaged weights and optimizer moments. Crops, learning rate and stage are functions of the
step and are not stored. A resumed training computes exactly the same numbers as an uninterrupted one.
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


def save_state(
    path: Path, modules: Mapping[str, nn.Module], optimizer: Optimizer, counters: Mapping[str, object]
) -> None:
    """Write the state of a training atomically.

    Args:
        path: File to write. If writing fails, the previous file stays unchanged.
        modules: Modules by the prefix of their tensors' names.
        optimizer: Optimizer whose moments are stored.
        counters: JSON-compatible values for the header: "step", "steps" and "seconds" are required for loading.

    Raises:
        CheckpointError: If the file cannot be written.
    """
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in _tensors(modules, optimizer).items()}
    try:
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata={"counters": json.dumps(dict(counters))})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot write {path} ({error}); free disk space and run the command again") from None


def load_state(path: Path, modules: Mapping[str, nn.Module], optimizer: Optimizer) -> dict[str, object]:
    """Load a saved state into modules and optimizer.

    Args:
        path: File that `save_state` wrote.
        modules: Modules to fill, by the same prefixes as in `save_state`.
        optimizer: Optimizer to fill.

    Returns:
        The counters from the header.

    Raises:
        CheckpointError: If the file is not a training state, or belongs to a different network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            counters: dict[str, object] = json.loads((file.metadata() or {})["counters"])
            _ = int(str(counters["step"])), int(str(counters["steps"])), float(str(counters["seconds"]))
            names = set(file.keys())
            optimizer.make_moments(names)  # a state from before the first step has no moments
            tensors = _tensors(modules, optimizer)
            if names != set(tensors):
                raise _different_network(path)
            for name, tensor in tensors.items():
                stored = file.get_tensor(name)
                if stored.shape != tensor.shape:
                    raise _different_network(path)
                tensor.copy_(stored)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a training state ({error}); delete it to start over") from None
    return counters


def _tensors(modules: Mapping[str, nn.Module], optimizer: Optimizer) -> dict[str, Tensor]:
    """Return all tensors of the state by name; shared parameters appear once."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{name}": t.data for name, t in module.named_parameters()}
        tensors |= {f"{prefix}.{name}": t for name, t in module.named_buffers()}
    return tensors | optimizer.moments()


def _different_network(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is the state of a different network; pass a different --out folder")
