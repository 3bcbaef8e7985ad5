"""Train a classifier behind a frozen codec: it sees pictures of half the size, and gradients reach the full ones.

python classifier.py --steps 50
"""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import resizekit


def model(codec: resizekit.Codec, classes: int = 2) -> nn.Sequential:
    """Build a small classifier behind the codec: `b 3 h w -> b classes`."""
    return nn.Sequential(
        resizekit.Down(codec),  # frozen, and in evaluation mode during training
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(16, classes),
    )


def stripes(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw stripes, horizontal (class 0) or vertical (class 1), with noise: `b 3 64 64` in [0, 1]."""
    labels = torch.randint(0, 2, (batch,), generator=generator)
    rows = (torch.arange(64) // 4 % 2).float()[:, None].expand(64, 64)
    clean = torch.stack([rows.T if label else rows for label in labels])[:, None].expand(-1, 3, -1, -1)
    return (0.25 + 0.5 * clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp(0, 1), labels


def main() -> None:
    """Train, and print the accuracy and the gradient of the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="sr-x2-fast")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    classifier = model(resizekit.load(options.weights)).train()
    optimizer = torch.optim.AdamW((p for p in classifier.parameters() if p.requires_grad), lr=0.02)
    for _ in range(options.steps):
        pictures, labels = stripes(8, generator)
        loss = F.cross_entropy(classifier(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pictures, labels = stripes(32, generator)
    scores = classifier(pictures.requires_grad_())
    F.cross_entropy(scores, labels).backward()
    accuracy = (scores.argmax(1) == labels).float().mean()
    print(f"accuracy {accuracy:.2f}, gradient of the pictures {pictures.grad.abs().max():.2g}")


if __name__ == "__main__":
    main()
