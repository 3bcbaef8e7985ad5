"""What only a GPU can show of codecs."""

import numpy as np
import pytest
import torch

import resizekit


@pytest.mark.gpu
def test_float32_is_float32_there_too():
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    here, there = (resizekit.load("sr-x2-fast", device=device) for device in ("cpu", "cuda"))
    before = torch.backends.cudnn.conv.fp32_precision
    low = here.encode_step(torch.from_numpy(picture).permute(2, 0, 1)[None], 0)
    other = there.encode_step(torch.from_numpy(picture).permute(2, 0, 1)[None].cuda(), 0).cpu()
    assert (low - other).abs().max() < 1e-5  # rounded to 10 bits, convolutions are off by more than a thousandth
    assert torch.backends.cudnn.conv.fp32_precision == before
