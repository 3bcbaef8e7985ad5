"""Hold everything that a training step changes: weights, optimizer, averages, weights of the loss and step count."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resizekit.codec import Codec
from resizekit.recipes.config import TrainConfig
from resizekit.training.optimizer import Optimizer
from resizekit.training.state_file import load_state, save_state
from resizekit.training.weight_controllers import GuideWeightController, RateWeightController, WeightController

__all__ = ["TrainState"]


class TrainState:
    """The state of a training.

    Args:
        codec: Codec to train, on its device.
        config: Settings of optimizer, averaging and guide weight.
        guide_weight: Guide weight at the start, used if `config.target_low_psnr` is set.
        rate_weight: Rate weight at the start, used if `config.target_rate` is set.
    """

    step: int
    """Number of completed steps."""
    optimizer: Optimizer
    controllers: Mapping[str, WeightController]
    """Controllers of the weights of the loss that are not constant, by the prefix of their tensors in the file."""

    def __init__(self, codec: Codec, config: TrainConfig, *, guide_weight: float, rate_weight: float = 0) -> None:
        self.codec, self._config = codec, config
        self._guide_weight, self._rate_weight = guide_weight, rate_weight
        self._initialize()

    def update(self) -> None:
        """Perform one step with the gradients of the codec's parameters."""
        self.optimizer.step()
        self._average.update_parameters(self.codec)
        self.step += 1

    def averaged(self) -> Codec:
        """Return the codec with the averaged weights, in eval mode."""
        assert isinstance(self._average.module, Codec)
        return self._average.module.eval()

    def copy_weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the current weights for `reset`."""
        return {name: tensor.clone() for name, tensor in self.codec.state_dict().items()}

    def reset(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Return to step 0 with the given weights and without any moments or averages."""
        self.codec.load_state_dict(weights)
        self._initialize()

    def save(self, path: Path, counters: Mapping[str, object]) -> None:
        """Write the state to a file, with additional counters in its header."""
        save_state(path, self._modules, self.optimizer, {"step": self.step, **counters})

    def load(self, path: Path) -> dict[str, object]:
        """Load the state from a file and return its counters.

        Raises:
            CheckpointError: If the file is not a training state, is not finite, or belongs to a different network.
        """
        counters = load_state(path, self._modules, self.optimizer)
        self.step = int(str(counters["step"]))
        self._average.n_averaged.fill_(self.step)
        return counters

    def _initialize(self) -> None:
        config = self._config
        self.step = 0
        self.optimizer = Optimizer(self.codec, config)
        self._average = _average_of(self.codec, config.ema)
        controllers: dict[str, WeightController] = {}
        if config.target_low_psnr is not None:
            controllers["balance"] = GuideWeightController(config.target_low_psnr, self._guide_weight)
        if config.target_rate is not None:
            controllers["rate_balance"] = RateWeightController(config.target_rate, self._rate_weight)
        self.controllers = {prefix: controller.to(self.codec.device) for prefix, controller in controllers.items()}

    @property
    def _modules(self) -> dict[str, nn.Module]:
        """Modules by the prefix of their tensors in the state file; the prefixes are part of the file format."""
        return {"model": self.codec, "average": self._average.module, **self.controllers}


def _average_of(codec: Codec, decay: float) -> AveragedModel:
    """Create an exponential moving average of a codec's weights.

    The decay starts small and grows to `decay`. With a constant decay close to 1, the average of a short training would
    consist mostly of the first steps.
    """

    def update(average: Any, current: Any, count: Any) -> None:
        n = float(count)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(average, current, count)  # type: ignore[no-untyped-call]

    return AveragedModel(codec, multi_avg_fn=update)
