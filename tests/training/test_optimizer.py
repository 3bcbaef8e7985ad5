"""The optimiser: which layers Muon serves, that it steps the very weights, and that moments are all it remembers."""

import copy

import pytest
import torch
from torch import nn

from resizekit.recipes.config import TrainConfig
from resizekit.training import muon
from resizekit.training.optimizer import Optimizer, hidden

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


def test_muon_serves_kernels_between_feature_maps_only():
    assert [name for name, p in network().named_parameters() if hidden(p)] == ["2.weight"]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_step_of_muon_evens_out_the_directions_of_the_gradient(layout):
    module = network(layout)
    before = module[2].weight.detach().clone()
    run(module, Optimizer(module, CONFIG), 1)
    gradient = torch.linalg.svdvals(module[2].weight.grad.flatten(1))
    step = torch.linalg.svdvals((module[2].weight.detach() - before).flatten(1))
    assert step.median() / step.max() > 3 * gradient.median() / gradient.max()
    # as large as a step of Adam: five Newton-Schulz steps leave a largest value between 0.7 and 1.2
    assert 0.6 < step.max() / (5e-3 * 0.2 * 144**0.5) < 1.3


def test_matrices_together_step_as_torch_steps_them_one_by_one(monkeypatch):
    monkeypatch.setattr(muon, "pick_precision", lambda name, device: "bfloat16")  # as torch computes
    torch.manual_seed(0)
    sizes = {"a": (16, 16, 3, 3), "b": (24, 24, 3, 3), "c": (16, 16, 3, 3), "d": (16, 16, 1, 1)}
    kernels = {name: nn.Parameter(torch.randn(size)) for name, size in sizes.items()}
    matrices = {name: nn.Parameter(flat(kernel.detach())) for name, kernel in kernels.items()}
    ours, theirs = (
        muon.Muon(kernels),
        torch.optim.Muon(matrices.values(), lr=0.02, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    )
    for step in range(4):
        for name, size in sizes.items():
            gradient = None if (step, name) == (1, "c") else torch.randn(size)  # what took no part stays as it is
            kernels[name].grad, matrices[name].grad = gradient, None if gradient is None else flat(gradient)
        ours.step(0.02)
        theirs.step()
    for name, kernel in kernels.items():
        torch.testing.assert_close(flat(kernel.detach()), matrices[name].detach(), rtol=0, atol=1e-3)


def flat(kernel):
    return kernel.permute(0, 2, 3, 1).reshape(len(kernel), -1).clone()


def test_both_optimisers_learn():
    for which in ("adam", "muon"):
        module = network()
        optimizer = Optimizer(module, TrainConfig(optimizer=which, lr=1e-3))
        x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(99))
        first = (module(x) - x).square().mean().item()
        run(module, optimizer, 100)
        assert (module(x) - x).square().mean().item() < 0.2 * first, which


def test_filled_moments_go_on_exactly():
    module = network()
    optimizer = Optimizer(module, CONFIG)
    run(module, optimizer, 3)
    twin = copy.deepcopy(module)
    again = Optimizer(twin, CONFIG)
    held = optimizer.moments()
    again.make_moments(set(held))
    assert again.moments().keys() == held.keys()
    for name, moment in again.moments().items():
        moment.copy_(held[name])
    run(module, optimizer, 3)
    run(twin, again, 3)
    for one, other in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("which", ["adam", "muon"])
def test_what_took_no_part_in_a_step_goes_on_exactly_too(which):
    """Adam corrects its moments by the number of steps that each parameter has had."""
    config = TrainConfig(optimizer=which, lr=1e-3)
    module = nn.ModuleDict({"one": network(), "other": network()})
    optimizer = Optimizer(module, config)
    for part in ("one", "other", "one", "one"):
        alone(module, optimizer, part)
    twin = copy.deepcopy(module)
    again = Optimizer(twin, config)
    held = optimizer.moments()
    again.make_moments(set(held))
    for name, moment in again.moments().items():
        moment.copy_(held[name])
    for model, theirs in ((module, optimizer), (twin, again)):
        alone(model, theirs, "other")
    for one, other in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


def alone(module, optimizer, part):
    optimizer.zero_grad()
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    (module[part](x) - x).square().mean().backward()
    optimizer.step()
