"""Save and load the state of a training: tensors as safetensors, counters as JSON in the header.

The tensors are weights, averaged weights and optimizer moments. Crops, learning rate and stage are functions of the
step and are not stored. A resumed training computes exactly the same numbers as an uninterrupted one.

A folder holds the last two states, and a state with NaN or infinity is never written:
tensors ─► finite? ─► temporary file ─► last state becomes the previous one ─► temporary file becomes the last state
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from resizekit.codec.finite import first_not_finite
from resizekit.errors import CheckpointError
from resizekit.system.atomic_write import atomic_write
from resizekit.training.optimizer import Optimizer

__all__ = [
    "STATE_FILE", "NotFiniteError", "find_state", "load_state", "previous_state", "save_state", "stored_step",
]  # fmt: skip

STATE_FILE = "state.safetensors"
_UNREADABLE = SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError


class NotFiniteError(CheckpointError):
    """A state whose tensor `tensor` contains NaN or infinity."""

    def __init__(self, message: str, tensor: str) -> None:
        super().__init__(message)
        self.tensor = tensor


def previous_state(path: Path) -> Path:
    """Return the file that holds the state before the one in `path`: `state.previous.safetensors`."""
    return path.with_suffix(f".previous{path.suffix}")


def find_state(folder: Path) -> Path | None:
    """Return the newest state file in a folder, or None."""
    path = folder / STATE_FILE
    return next((state for state in (path, previous_state(path)) if state.exists()), None)


def stored_step(path: Path) -> int | None:
    """Return the number of completed steps of a state file, or None if the file cannot be read."""
    try:
        with safe_open(path, framework="np") as file:  # "pt" opens the file twice
            return int(str(_counters(file)["step"]))
    except _UNREADABLE:
        return None


def save_state(
    path: Path, modules: Mapping[str, nn.Module], optimizer: Optimizer, counters: Mapping[str, object]
) -> None:
    """Write the state of a training atomically. The state that the file held before becomes the previous state.

    Args:
        path: File to write. If writing fails, the file stays unchanged.
        modules: Modules by the prefix of their tensors' names.
        optimizer: Optimizer whose moments are stored.
        counters: JSON-compatible values for the header: "step", "steps" and "seconds" are required for loading.

    Raises:
        NotFiniteError: If a tensor contains NaN or infinity; nothing is written.
        CheckpointError: If the file cannot be written.
    """
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in _tensors(modules, optimizer).items()}
    if (name := first_not_finite(tensors)) is not None:
        raise NotFiniteError(f"cannot write {path}: tensor {name} is not finite; set a smaller train.lr", name)
    try:
        with atomic_write(path, overwrite=True) as temporary:
            # `save_file` of safetensors would create a second temporary file, which a killed process leaves
            temporary.write_bytes(save(tensors, metadata={"counters": json.dumps(dict(counters))}))
            if path.is_file():
                path.replace(previous_state(path))
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
        NotFiniteError: If a tensor contains NaN or infinity.
        CheckpointError: If the file is not a training state, or belongs to a different network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            counters = _counters(file)
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
                if first_not_finite({name: stored}):
                    message = f"{path} holds a state that is not finite: tensor {name} contains NaN or infinity"
                    raise NotFiniteError(f"{message}; {_fix(path)}", name)
                tensor.copy_(stored)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path} is not a training state ({error}); {_fix(path)}") from None
    return counters


def _counters(file: Any) -> dict[str, object]:
    counters: dict[str, object] = json.loads((file.metadata() or {})["counters"])
    return counters


def _fix(path: Path) -> str:
    """Describe how to continue without an unusable state file."""
    previous = previous_state(path)
    return f"delete it to resume from {previous}" if previous.exists() else "delete it to start over"


def _tensors(modules: Mapping[str, nn.Module], optimizer: Optimizer) -> dict[str, Tensor]:
    """Return all tensors of the state by name; shared parameters appear once."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors |= {f"{prefix}.{name}": t.data for name, t in module.named_parameters()}
        tensors |= {f"{prefix}.{name}": t for name, t in module.named_buffers()}
    return tensors | optimizer.moments()


def _different_network(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is the state of a different network; pass a different --out folder")
