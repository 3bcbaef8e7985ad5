"""Do crops, batch and pictures fit the codec?  Asked before anything is written."""

from resizekit.codec import Codec
from resizekit.config import TrainConfig
from resizekit.errors import ConfigError
from resizekit.task import Stage

__all__ = ["check_stage", "measurable"]


def check_stage(stage: Stage, config: TrainConfig, processes: int) -> None:
    """Refuse a stage whose crops the factors do not divide, or whose batch the processes do not; `ConfigError`."""
    patch, batch = stage.patch or config.patch, stage.batch or config.batch
    rows, columns = stage.codec.spec.s.numerator, stage.codec.spec.r.numerator
    if patch % rows or patch % columns:
        raise ConfigError(f"train.patch = {patch}: crops are divided by {rows} and {columns}; use a multiple of both")
    if batch % processes:  # gradients are averaged over processes, so shares of other sizes would weigh differently
        raise ConfigError(f"train.batch = {batch} does not divide among {processes} processes; use a multiple of them")


def measurable(codec: Codec) -> int:
    """The smallest side of which high and low, cropped to what the factors divide, keep pixels within the border."""
    factors = codec.spec.s, codec.spec.r
    border = int(max(factors))
    return max(f.numerator * (2 * border // min(f.numerator, f.denominator) + 1) for f in factors)
