"""Start a training from trained weights: copy them, freeze one side, and record their origin."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from resizekit.codec import Codec
from resizekit.errors import ConfigError
from resizekit.recipes.checkpoint import header_of, load
from resizekit.recipes.config import Side, TrainConfig

__all__ = ["freeze_sides", "load_initial_weights", "provenance"]


def load_initial_weights(
    codec: Codec, start: str, *, strict: bool = True, side: Side | None = None, frozen: Side | None = None
) -> None:
    """Copy trained weights into a codec.

    With `strict=False`, tensors whose name and shape match are copied and the others keep their initial values. This
    allows, for example, the hidden layers of an x2 network to initialize an x4 network, as in EDSR (Lim et al., 2017).

    Args:
        codec: Codec to initialize; it is modified in place.
        start: Name of installed weights, or path of a .safetensors file.
        strict: Whether all tensors must match.
        side: If given, only the tensors of this side are compared and copied.
        frozen: Side that will be frozen. All its tensors must be copied.

    Raises:
        ConfigError: If the weights do not match: any tensor with `strict=True`, all tensors with `strict=False`, or any
            tensor of the frozen side.
    """
    source, target = (_tensors_of(side, tensors) for tensors in (load(start).state_dict(), codec.state_dict()))
    matching = {name: t for name, t in source.items() if name in target and target[name].shape == t.shape}
    if strict and not source.keys() == target.keys() == matching.keys():
        raise ConfigError(
            f"train.start = {start!r}: these weights belong to a different network than the config's; set the same "
            "network, options, spec and channels (see `resizekit info`), remove start, or copy only the matching "
            "layers with start_strict = false"
        )
    if not matching:
        raise ConfigError(f"train.start = {start!r}: no layer matches the config's network; remove start")
    if frozen is not None and not _tensors_of(frozen, codec.state_dict()).keys() <= matching.keys():
        raise ConfigError(
            f"train.start = {start!r}: the {frozen} of these weights does not match the config's, but train.freeze "
            "needs it; set config.encoder or config.network to their network and options (see `resizekit info`)"
        )
    codec.load_state_dict(codec.state_dict() | matching)


def freeze_sides(codec: Codec, config: TrainConfig) -> None:
    """Freeze the side that `train.freeze` names.

    Raises:
        ConfigError: If no start weights are set, the side cannot be frozen, nothing is left to train, or
            `target_low_psnr` is set although no encoder is trained.
    """
    for key, side in {"freeze": config.freeze, "start_side": config.start_side}.items():
        if side is not None and config.start is None:
            raise ConfigError(f"train.{key} = {side!r} needs initial weights, but train.start is not set; set it")
    if config.freeze is not None:
        _freeze(codec, config.freeze)
    if not any(parameter.requires_grad for parameter in codec.parameters()):
        raise ConfigError("nothing to train: no side of this codec has trainable weights")
    trains_encoder = codec.encoder is not None and any(p.requires_grad for p in codec.encoder.parameters())
    if config.target_low_psnr is not None and not trains_encoder:
        raise ConfigError("train.target_low_psnr needs an encoder that is trained; remove target_low_psnr")


def provenance(start: str | None) -> dict[str, Any]:
    """Describe the initial weights of a training for its header.

    Args:
        start: Name or path of the initial weights, or None for a training from scratch.

    Returns:
        Name and digest of the weights, and the total steps and seconds of all trainings that led to them. Empty for a
        training from scratch.
    """
    if start is None:
        return {}
    header = header_of(start)
    origin: dict[str, Any] = {"start": Path(start).stem, "start_digest": header.digest}
    for name in ("steps", "seconds"):
        amounts = (header.training.get(key) for key in (name, f"{name}_before"))
        origin[f"{name}_before"] = sum(amount for amount in amounts if isinstance(amount, int | float))
    return origin


def _freeze(codec: Codec, side: Side) -> None:
    """Exclude the parameters of a side from training: the optimizer then skips them, and their average is constant."""
    sides = {"encoder": codec.encoder, "decoder": codec.decoder}
    parameters = {name: set() if module is None else set(module.parameters()) for name, module in sides.items()}
    if not parameters[side]:
        raise ConfigError(f"train.freeze = {side!r}: the {side} of this codec has no weights; remove freeze")
    if parameters["encoder"] & parameters["decoder"]:
        raise ConfigError(
            f"train.freeze = {side!r}: encoder and decoder of network {codec.info.network!r} share their weights, "
            "so one side cannot be trained alone; remove freeze"
        )
    for parameter in parameters[side]:
        parameter.requires_grad_(False)


def _tensors_of(side: Side | None, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of one side, or all tensors if side is None."""
    return {name: t for name, t in tensors.items() if side is None or name.startswith(f"{side}.")}
