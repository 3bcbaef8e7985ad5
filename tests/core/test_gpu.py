"""Tests of codecs that need a GPU."""

import numpy as np
import pytest
import torch

import resizekit


@pytest.mark.gpu
def test_float32_is_exact_on_a_gpu():
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    on_cpu, on_gpu = (resizekit.load("sr-x2-fast", device=device) for device in ("cpu", "cuda"))
    before = torch.backends.cudnn.conv.fp32_precision
    low = on_cpu.encode_step(torch.from_numpy(image).permute(2, 0, 1)[None], 0)
    other = on_gpu.encode_step(torch.from_numpy(image).permute(2, 0, 1)[None].cuda(), 0).cpu()
    assert (low - other).abs().max() < 1e-5  # TF32 has 10 bits: its error is above 1e-3
    assert torch.backends.cudnn.conv.fp32_precision == before
