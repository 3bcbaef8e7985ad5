"""The averaged weights of a training, which are the ones that ship."""

from typing import Any

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resizekit.codec import Codec

__all__ = ["averaged", "averages"]


def averages(codec: Codec, decay: float) -> AveragedModel:
    """Follow a codec's weights by an exponential average, closely at first.

    A plain average with a decay near 1 would be a short run's first steps for the most part.
    """

    def update(average: Any, current: Any, count: Any) -> None:
        n = float(count)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(average, current, count)  # type: ignore[no-untyped-call]

    return AveragedModel(codec, multi_avg_fn=update)


def averaged(model: AveragedModel) -> Codec:
    """Give the codec that holds the averages, in eval mode."""
    assert isinstance(model.module, Codec)
    return model.module.eval()
