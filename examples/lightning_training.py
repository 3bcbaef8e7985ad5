"""Train in the loop of Lightning instead of `resizekit train`; the weights are the same.

pip install lightning
python examples/lightning_training.py mine.toml photos --out runs/lightning
"""

import argparse
from pathlib import Path

from torch import Tensor
from torch.utils.data import DataLoader

from resizekit.training import Steps

try:
    from lightning.pytorch import LightningModule, Trainer
except ImportError:
    raise SystemExit("this example needs Lightning: pip install lightning") from None


class Training(LightningModule):
    """The steps of a training, with the optimizer of its config."""

    def __init__(self, steps: Steps, state_every: int = 500) -> None:
        super().__init__()
        self.automatic_optimization = False  # `Steps` updates the weights
        self.steps, self.codec, self.state_every = steps, steps.codec, state_every

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Return the batches of the remaining steps."""
        remaining = range(self.steps.step, self.steps.total)
        return DataLoader(remaining, batch_size=None, collate_fn=self.steps.batch)  # type: ignore[arg-type]

    def training_step(self, batch: Tensor) -> None:
        """Perform one step."""
        self.manual_backward(self.steps.loss(batch))
        loss = self.steps.update()
        self.log("loss", loss, prog_bar=True)
        if self.steps.step % self.state_every == 0:
            self.steps.write_state()

    def configure_optimizers(self) -> None:
        """Return nothing: the optimizer belongs to `Steps`."""

    def on_train_end(self) -> None:
        """Write the state, and at the end the weights."""
        self.steps.write_state()
        if self.steps.step == self.steps.total:
            self.steps.write_weights()


def main() -> None:
    """Train, or resume the training in the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="TOML config with train.steps")
    parser.add_argument("data", type=Path, help="folder or pack of training pictures")
    parser.add_argument("--out", type=Path, default=Path("runs/lightning"))
    options = parser.parse_args()
    steps = Steps.open(options.config, options.out, data=[options.data], device="cpu")
    trainer = Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(Training(steps))


if __name__ == "__main__":
    main()
