"""A codec gives the same bits with the kernels as with the references."""

from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

import resizekit
from resizekit import Codec, ops
from resizekit.ops import Kernel
from resizekit_kernels import kernels


@pytest.fixture
def served(kernel_device: torch.device) -> Iterator[list[str]]:
    """Install the kernels on the device of the codec, and record which ops they run."""
    seen: list[str] = []

    def recording(kernel: Kernel) -> Kernel:
        def run(*args: object, **kwargs: object) -> object:
            seen.append(kernel.op)
            return kernel.run(*args, **kwargs)

        return Kernel(op=kernel.op, device_type=kernel_device.type, run=run)

    with ops.kernels_installed(*map(recording, kernels())):
        yield seen


def tiny(device: torch.device, **config: object) -> Codec:
    torch.manual_seed(0)
    codec = resizekit.build("sr", network={"width": 4, "blocks": 1}, **config)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return codec.to(device)


CONFIGS = [{}, {"channels": 1}, {"spec": {"s": 2, "r": 3}}, {"compression": "round"}]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_inference_with_kernels_equals_the_references(
    served: list[str], kernel_device: torch.device, config: dict[str, object]
) -> None:
    codec = tiny(kernel_device, **config).eval()
    high = torch.randint(0, 256, (1, 8, 12, codec.channels), dtype=torch.uint8).permute(0, 3, 1, 2).to(kernel_device)
    with torch.inference_mode():
        low = codec.down_codes(high)
        restored = codec.up_codes(low)
        assert set(served) == {"unshuffle_guide", "to_uint8", "unshuffle_codes", "shuffle_codes"}
        with ops.references():
            assert torch.equal(low, codec.down_codes(high))
            assert torch.equal(restored, codec.up_codes(low))


def test_training_with_kernels_equals_the_references(served: list[str], kernel_device: torch.device) -> None:
    codec = tiny(kernel_device).train()
    high = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8).to(kernel_device)

    def step() -> list[torch.Tensor]:
        codec.zero_grad()
        out = codec(high)
        (out.restored.square().mean() + (out.low - out.guide).square().mean()).backward()
        return [*out, *(parameter.grad.clone() for parameter in codec.parameters())]

    fast = step()
    assert {"unshuffle_guide", "quantize", "shuffle"} <= set(served)
    with ops.references():
        slow = step()
    exact = kernel_device.type == "cpu"  # convolutions on a GPU can choose another algorithm each time
    for with_kernels, with_references in zip(fast, slow, strict=True):
        torch.testing.assert_close(with_kernels, with_references, rtol=0 if exact else 1e-5, atol=0 if exact else 1e-6)
