"""Residual blocks: the precision of their sum, and what they leave unchanged."""

import pytest
import torch
import torch.nn.functional as F

from resizekit.nn import ResidualBlock


@pytest.fixture
def block():
    torch.manual_seed(0)
    return ResidualBlock(8, scale=0.5).eval()


def test_block_in_float32_equals_its_formula_bit_by_bit(block):
    x = torch.rand(2, 8, 5, 6)
    before = x.clone()
    expected = x + 0.5 * block.second(F.relu(block.first(x)))
    assert torch.equal(block(x), expected)
    assert torch.equal(x, before)


def test_block_gradient_equals_that_of_its_formula(block):
    x, y = (torch.rand(1, 8, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    block(x).square().sum().backward()
    (y + 0.5 * block.second(F.relu(block.first(y)))).square().sum().backward()
    assert torch.allclose(x.grad, y.grad, rtol=1e-6)


@pytest.mark.parametrize(("training", "expected"), [(True, torch.float32), (False, torch.bfloat16)])
def test_sum_under_autocast_is_half_in_evaluation_only(block, training, expected):
    block.train(training)
    with torch.autocast("cpu", torch.bfloat16):
        result = block(torch.rand(1, 8, 4, 4))
    assert result.dtype == expected


def test_sum_under_autocast_is_close_to_float32(block):
    x = torch.rand(1, 8, 4, 4)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            half = block(x).float()
        assert torch.allclose(half, block(x), atol=0.02)
        assert not torch.equal(half, block(x))
