"""All that learning changes: a codec, its optimiser, its averages, the guide weight that is steered, the steps done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resizekit.codec import Codec
from resizekit.recipes.config import TrainConfig
from resizekit.training.guide_weight_controller import GuideWeightController
from resizekit.training.optimizer import Optimizer
from resizekit.training.state_file import load_state, save_state

__all__ = ["TrainState", "averaged", "averages"]


class TrainState:
    """A codec that learns; `guide_weight` is where steering towards a `target_low_psnr` begins."""

    def __init__(self, codec: Codec, config: TrainConfig, *, guide_weight: float) -> None:
        self.codec, self._config, self._guide_weight = codec, config, guide_weight
        self._begin()

    def _begin(self) -> None:
        config = self._config
        self.step = 0
        """Steps done."""
        self.optimizer = Optimizer(self.codec, config)
        self.average = averages(self.codec, config.ema)
        self.balance: GuideWeightController | None = None
        if config.target_low_psnr is not None:
            self.balance = GuideWeightController(config.target_low_psnr, self._guide_weight).to(self.codec.device)

    def keep(self) -> dict[str, torch.Tensor]:
        """Give a copy of the weights for `begin_anew`."""
        return {name: tensor.clone() for name, tensor in self.codec.state_dict().items()}

    def begin_anew(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Go back to step 0 with these weights, as if no step had been done."""
        self.codec.load_state_dict(weights)
        self._begin()

    def update(self) -> None:
        """Take one step along the gradients that the codec's parameters hold."""
        self.optimizer.step()
        self.average.update_parameters(self.codec)
        self.step += 1

    def averaged(self) -> Codec:
        """Give the codec of the averaged weights, in eval mode."""
        return averaged(self.average)

    @property
    def _modules(self) -> dict[str, nn.Module]:
        held: dict[str, nn.Module] = {"model": self.codec, "average": self.average.module}
        return held | ({"balance": self.balance} if self.balance else {})

    def save(self, path: Path, told: Mapping[str, object]) -> None:
        """Write all of it, with what else is to be `told`."""
        save_state(path, self._modules, self.optimizer, {"step": self.step, **told})

    def load(self, path: Path) -> dict[str, object]:
        """Put a saved state into place and give back what it told; `CheckpointError` if it does not fit."""
        told = load_state(path, self._modules, self.optimizer)
        self.step = int(str(told["step"]))
        self.average.n_averaged.fill_(self.step)
        return told


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
