"""Time a complete training step against only the forward pass, backward pass and Adam of the same network.

On a CPU the batch is 8 crops of 64×64, on a GPU 16 of 96×96 as in the paper. The trunks use bfloat16 if the device
supports it. On a GPU a round consists of many steps and waits only for the last loss. Compare the minima: other
programs can only increase the times.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F

from resizekit.recipes.config import RunConfig, TrainConfig
from resizekit.system.device import pick_precision
from resizekit.training.session import Session
from resizekit.training.setup import set_up
from resizekit.training.steps import Steps

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH, PATCH, STEPS = (16, 96, 50) if DEVICE.type == "cuda" else (8, 64, 1)
NETWORKS = {
    "tad": ("tad", {}),
    "wavelet": ("wavelet", {"width": 64, "down_blocks": 4, "up_blocks": 6}),
}
KINDS = ["bare", "adam", "muon", "compiled"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(4):
        noise = np.random.default_rng(i).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        PIL.Image.fromarray(noise).save(folder / f"{i}.png")
    return folder


def session_of(network: str, kind: str, pictures: Path, out: Path) -> Session:
    name, options = NETWORKS[network]
    settings = TrainConfig(
        data=(pictures,),
        batch=BATCH,
        patch=PATCH,
        optimizer="muon" if kind == "muon" else "adam",
        compile=kind == "compiled",
    )
    config = {"network": name, "guide_loss": "l2"}
    return set_up(RunConfig(task="sr", config=config, network=options, train=settings), out, DEVICE.type)


def bare(session: Session) -> Callable[[], torch.Tensor]:
    """Return a step of both networks on random numbers, without crops, guide, rounding, clipping or averages."""
    codec = session.state.codec
    optimizer = torch.optim.Adam(codec.parameters(), fused=True)
    shape = (BATCH, 3, PATCH, PATCH)
    high = torch.rand(shape, device=DEVICE).contiguous(memory_format=torch.channels_last)
    bfloat16 = pick_precision("auto", DEVICE) == "bfloat16"

    def step() -> torch.Tensor:
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=bfloat16):
            restored = codec.decoder(codec.encoder(high))  # type: ignore[misc]
        loss = F.l1_loss(restored, high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


@pytest.mark.filterwarnings("ignore")  # the compiler warns about its own code
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def bench_step(benchmark: Any, network: str, kind: str, pictures: Path, tmp_path: Path) -> None:
    session = session_of(network, kind, pictures, tmp_path)
    step = bare(session) if kind == "bare" else Steps(session, session.segments(10_000)[:1]).advance

    def steps() -> float:
        for _ in range(STEPS):
            loss = step()
        return loss.item()

    benchmark.extra_info["steps"] = STEPS
    benchmark.pedantic(steps, rounds=20, warmup_rounds=3)
