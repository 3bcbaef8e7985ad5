"""What a training begins with: a device, a precision, and perhaps weights that have learned something already."""

from typing import Any

from resizekit.checkpoint import load
from resizekit.codec import Codec
from resizekit.device import pick_device, pick_precision
from resizekit.errors import ConfigError, MissingExtraError

__all__ = ["accelerator_for", "begin_with"]


def begin_with(codec: Codec, start: str, *, strict: bool = True) -> None:
    """Copy trained weights, an installed name or a file, into a codec; `ConfigError` if they are of other shapes.

    Not strict, what agrees in name and shape is copied and the rest keeps its first values: so the trunk of a network
    for x2 serves x4 (EDSR, Lim et al., 2017, begins so).  `ConfigError` if nothing agrees.
    """
    held = load(start).state_dict()
    wanted = codec.state_dict()
    fitting = {name: t for name, t in held.items() if name in wanted and wanted[name].shape == t.shape}
    if strict and not held.keys() == wanted.keys() == fitting.keys():
        raise ConfigError(
            f"train.start = {start!r}: these weights are of other networks than the config's; "
            "give the config their network, its options, spec and channels (resizekit info tells), leave it out, "
            "or take the layers that fit with start_strict = false"
        )
    if not fitting:
        raise ConfigError(f"train.start = {start!r}: no layer of these weights fits the config's network; leave it out")
    codec.load_state_dict(wanted | fitting)


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
