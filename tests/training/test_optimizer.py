"""The optimizer: the layers that Muon updates, its numbers, and the restoring of moments."""

import copy

import pytest
import torch
from torch import nn

from resizekit.recipes.config import TrainConfig
from resizekit.training import muon
from resizekit.training.optimizer import Optimizer, is_hidden_kernel

CONFIG = TrainConfig(optimizer="muon", lr=1e-3, muon_lr=5e-3)


def network(memory_format=torch.channels_last):
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 3, 1)
    )
    return layers.to(memory_format=memory_format)


def run(module, optimizer, steps):
    for step in range(steps):
        optimizer.set_rate(1e-3)
        optimizer.zero_grad()
        x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        (module(x) - x).square().mean().backward()
        optimizer.step()


def test_muon_updates_only_kernels_between_feature_maps():
    assert [name for name, p in network().named_parameters() if is_hidden_kernel(p)] == ["2.weight"]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_muon_step_equalizes_the_directions_of_the_gradient(layout):
    module = network(layout)
    before = module[2].weight.detach().clone()
    run(module, Optimizer(module, CONFIG), 1)
    gradient = torch.linalg.svdvals(module[2].weight.grad.flatten(1))
    step = torch.linalg.svdvals((module[2].weight.detach() - before).flatten(1))
    assert step.median() / step.max() > 3 * gradient.median() / gradient.max()
    # same size as a step of Adam: five Newton-Schulz iterations leave a largest value between 0.7 and 1.2
    assert 0.6 < step.max() / (5e-3 * 0.2 * 144**0.5) < 1.3


def test_batched_muon_matches_torch_muon(monkeypatch):
    monkeypatch.setattr(muon, "pick_precision", lambda name, device: "bfloat16")  # torch always computes in bfloat16
    torch.manual_seed(0)
    sizes = {"a": (16, 16, 3, 3), "b": (24, 24, 3, 3), "c": (16, 16, 3, 3), "d": (16, 16, 1, 1)}
    kernels = {name: nn.Parameter(torch.randn(size)) for name, size in sizes.items()}
    matrices = {name: nn.Parameter(as_matrix(kernel.detach())) for name, kernel in kernels.items()}
    batched = muon.Muon(kernels)
    reference = torch.optim.Muon(matrices.values(), lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        for name, size in sizes.items():
            gradient = (
                None if (step, name) == (1, "c") else torch.randn(size)
            )  # kernels without a gradient stay unchanged
            kernels[name].grad, matrices[name].grad = gradient, None if gradient is None else as_matrix(gradient)
        batched.step(0.02)
        reference.step()
    for name, kernel in kernels.items():
        torch.testing.assert_close(as_matrix(kernel.detach()), matrices[name].detach(), rtol=0, atol=1e-3)


def as_matrix(kernel):
    return kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1).clone()


def test_both_optimizers_reduce_the_loss():
    for name in ("adam", "muon"):
        module = network()
        optimizer = Optimizer(module, TrainConfig(optimizer=name, lr=1e-3))
        x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(99))
        first = (module(x) - x).square().mean().item()
        run(module, optimizer, 100)
        assert (module(x) - x).square().mean().item() < 0.2 * first, name


def test_restored_moments_continue_exactly():
    module = network()
    optimizer = Optimizer(module, CONFIG)
    run(module, optimizer, 3)
    twin = copy.deepcopy(module)
    restored = Optimizer(twin, CONFIG)
    saved = optimizer.moments()
    restored.make_moments(set(saved))
    assert restored.moments().keys() == saved.keys()
    for name, moment in restored.moments().items():
        moment.copy_(saved[name])
    run(module, optimizer, 3)
    run(twin, restored, 3)
    for parameter, twin_parameter in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, twin_parameter)


@pytest.mark.parametrize("optimizer_name", ["adam", "muon"])
def test_restored_moments_of_partly_updated_modules_are_exact(optimizer_name):
    """Adam corrects the moments of each parameter by the number of its own steps."""
    config = TrainConfig(optimizer=optimizer_name, lr=1e-3)
    module = nn.ModuleDict({"first": network(), "second": network()})
    optimizer = Optimizer(module, config)
    for part in ("first", "second", "first", "first"):
        step_part(module, optimizer, part)
    twin = copy.deepcopy(module)
    restored = Optimizer(twin, config)
    saved = optimizer.moments()
    restored.make_moments(set(saved))
    for name, moment in restored.moments().items():
        moment.copy_(saved[name])
    step_part(module, optimizer, "second")
    step_part(twin, restored, "second")
    for parameter, twin_parameter in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, twin_parameter)


def step_part(module, optimizer, part):
    optimizer.zero_grad()
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    (module[part](x) - x).square().mean().backward()
    optimizer.step()
