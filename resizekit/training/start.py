"""What a training begins with: a device, a precision, and perhaps weights that have learned something already."""

from typing import Any

from resizekit.checkpoint import load
from resizekit.codec import Codec
from resizekit.device import pick_device, pick_precision
from resizekit.errors import ConfigError, MissingExtraError

__all__ = ["accelerator_for", "begin_with"]


def begin_with(codec: Codec, start: str) -> None:
    """Copy trained weights, an installed name or a file, into a codec; `ConfigError` if they are of other shapes."""
    held = load(start).state_dict()
    wanted = codec.state_dict()
    if {name: t.shape for name, t in held.items()} != {name: t.shape for name, t in wanted.items()}:
        raise ConfigError(
            f"train.start = {start!r}: these weights are of other networks than the config's; "
            "give the config their network, its options, spec and channels (resizekit info tells), or leave it out"
        )
    codec.load_state_dict(held)


def accelerator_for(device: str, precision: str) -> Any:
    """Make Hugging Face's `Accelerator` for one training; `MissingExtraError` without it."""
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError:
        raise MissingExtraError('training needs accelerate: pip install "resizekit[train]"') from None
    chosen = pick_device(device)
    half = pick_precision(precision, chosen) == "bfloat16"
    AcceleratorState._reset_state()  # a process may train more than once, with other settings
    return Accelerator(cpu=chosen.type == "cpu", mixed_precision="bf16" if half else "no")
