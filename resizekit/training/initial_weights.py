"""What a training begins with: a device, a precision, and perhaps weights that have learned something already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from resizekit.codec import Codec
from resizekit.errors import ConfigError, MissingExtraError
from resizekit.recipes.checkpoint import header_of, load
from resizekit.recipes.config import Side, TrainConfig
from resizekit.system.device import pick_device, pick_precision

__all__ = ["accelerator_for", "freeze_sides", "load_initial_weights", "provenance"]


def load_initial_weights(
    codec: Codec, start: str, *, strict: bool = True, side: Side | None = None, frozen: Side | None = None
) -> None:
    """Copy trained weights, an installed name or a file, into a codec; `ConfigError` if they are of other shapes.

    With a `side` only that one is copied, and compared.  A `frozen` side must be among what is copied, and whole.
    Not strict, what agrees in name and shape is copied and the rest keeps its first values: so the trunk of a network
    for x2 serves x4 (EDSR, Lim et al., 2017, begins so).  `ConfigError` if nothing agrees.
    """
    held, wanted = (_of(side, source.state_dict()) for source in (load(start), codec))
    fitting = {name: t for name, t in held.items() if name in wanted and wanted[name].shape == t.shape}
    if strict and not held.keys() == wanted.keys() == fitting.keys():
        raise ConfigError(
            f"train.start = {start!r}: these weights are of other networks than the config's; "
            "give the config their network, its options, spec and channels (resizekit info tells), leave it out, "
            "or take the layers that fit with start_strict = false"
        )
    if not fitting:
        raise ConfigError(f"train.start = {start!r}: no layer of these weights fits the config's network; leave it out")
    if frozen is not None and not _of(frozen, codec.state_dict()).keys() <= fitting.keys():
        raise ConfigError(
            f"train.start = {start!r}: the {frozen} of these weights is not the config's, and train.freeze keeps it; "
            f"give config.encoder or config.network their network and options (resizekit info tells)"
        )
    codec.load_state_dict(codec.state_dict() | fitting)


def _of(side: Side | None, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those tensors of a codec that belong to a side, or all."""
    return {name: t for name, t in tensors.items() if side is None or name.startswith(f"{side}.")}


def provenance(start: str | None) -> dict[str, Any]:
    """Say what weights to begin with are, and how long they and what they began with were trained."""
    if start is None:
        return {}
    header = header_of(start)
    told: dict[str, Any] = {"start": Path(start).stem, "start_digest": header.digest}
    for name in ("steps", "seconds"):
        before = (header.training.get(key) for key in (name, f"{name}_before"))
        told[f"{name}_before"] = sum(value for value in before if isinstance(value, int | float))
    return told


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


def freeze_sides(codec: Codec, config: TrainConfig) -> None:
    """Freeze the side that the config names; `ConfigError` where that leaves nothing to learn, or nothing to steer."""
    for key, side in {"freeze": config.freeze, "start_side": config.start_side}.items():
        if side is not None and config.start is None:
            raise ConfigError(
                f"train.{key} = {side!r} speaks of the weights of train.start, and it names none; name some"
            )
    if config.freeze is not None:
        _freeze(codec, config.freeze)
    if not any(parameter.requires_grad for parameter in codec.parameters()):
        raise ConfigError("nothing is left to learn: no side of this codec has weights that may change")
    moving = codec.encoder is not None and any(parameter.requires_grad for parameter in codec.encoder.parameters())
    if config.target_low_psnr is not None and not moving:
        raise ConfigError(
            "train.target_low_psnr steers low towards its guide, and no encoder learns here; leave it out"
        )


def _freeze(codec: Codec, side: Side) -> None:
    """Let no gradient reach a side: its optimiser has no moments, and its average is itself."""
    sides = {"encoder": codec.encoder, "decoder": codec.decoder}
    named = {name: set() if module is None else set(module.parameters()) for name, module in sides.items()}
    if not named[side]:
        raise ConfigError(f"train.freeze = {side!r}: the {side} of this codec has no weights; leave it out")
    if named["encoder"] & named["decoder"]:
        raise ConfigError(
            f"train.freeze = {side!r}: both sides of network {codec.info.network!r} are one set of weights, "
            "so neither can stay while the other learns; leave it out"
        )
    for parameter in named[side]:
        parameter.requires_grad_(False)
