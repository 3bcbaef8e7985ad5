"""Which sides of a codec learn: both, or one while the other stays as it began."""

from resizekit.codec import Codec
from resizekit.errors import ConfigError
from resizekit.recipes.config import Side, TrainConfig

__all__ = ["set_learning"]


def set_learning(codec: Codec, config: TrainConfig) -> None:
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
            f"train.freeze = {side!r}: both sides of network {codec.names.network!r} are one set of weights, "
            "so neither can stay while the other learns; leave it out"
        )
    for parameter in named[side]:
        parameter.requires_grad_(False)
