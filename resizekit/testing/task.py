"""The laws of a task as tests: for every plugin author, ourselves first.

from resizekit.testing import TaskConformance

class TestMine(TaskConformance):
    task = mine
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from resizekit.codec import Codec
from resizekit.codec.convert import from_tensor, to_tensor
from resizekit.errors import ResizeShapeError
from resizekit.nn import to_float
from resizekit.ops import to_uint8
from resizekit.plugin.records import StageMixture, Task, TaskConfig
from resizekit.plugin.registry import Offer, installed
from resizekit.recipes.assemble import build, json_schema
from resizekit.recipes.checkpoint import load, save
from resizekit.spec import ResizeSpec

__all__ = ["TaskConformance"]


class TaskConformance:
    """Inherit it, name a task, and pytest holds the task to the laws; the task need not be installed.

    For a task of any (s, r, t), on small networks and pictures: a few seconds a task.
    """

    task: ClassVar[Task[Any]]
    """The task under test."""
    config: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Values of its config that differ from the defaults."""
    network: ClassVar[Mapping[str, Any]] = MappingProxyType({"width": 8, "blocks": 1})
    """Options of its network, chosen small; the defaults are those of `tad`."""
    stored_as_codes: ClassVar[bool] = True
    """False: the compression keeps more than the 256 codes of an 8-bit picture, as `none` does."""

    def setup_method(self) -> None:
        """Offer the task in the registry of this process, for the length of one test."""
        self._registry = installed()
        self._tasks, self._weights = dict(self._registry.tasks), dict(self._registry.weights)
        if not self._is_installed():
            self._registry.tasks[self.task.name] = Offer(value=self.task, provider="tests", plugin="tests")
            for name, weights in self.task.weights.items():
                pair = (self.task.name, weights)
                self._registry.weights[name] = Offer(value=pair, provider="tests", plugin="tests")

    def teardown_method(self) -> None:
        """Leave the registry as it was."""
        self._registry.tasks, self._registry.weights = self._tasks, self._weights

    def test_name_and_summary(self) -> None:
        """The name is well-formed and nobody else's; the summary is one line."""
        name, summary = self.task.name, self.task.summary
        assert re.fullmatch("[a-z][a-z0-9-]*", name), f"the name {name!r} is not of the form [a-z][a-z0-9-]*"
        assert name not in self._tasks or self._is_installed(), f"{name!r} is offered by another plugin already"
        assert summary.strip(), "the summary is empty"
        assert len(summary.splitlines()) == 1, f"the summary is more than one line: {summary!r}"

    def test_config(self) -> None:
        """The config works without a word from the user, survives JSON and has a schema."""
        defaults = self.task.config()
        plain = json.loads(json.dumps(defaults.model_dump(mode="json")))
        assert self.task.config.model_validate(plain) == defaults, "the defaults do not survive JSON"
        schema = json.loads(json.dumps(json_schema(self.task.name)))
        known = schema["properties"]["config"]["properties"]
        assert set(known) == set(self.task.config.model_fields), f"the schema names {sorted(known)}"

    def test_spec(self) -> None:
        """One config means one spec, and the codec is that step, repeated."""
        spec, times = self.task.spec(self._config()), self.task.times(self._config())
        assert isinstance(spec, ResizeSpec), f"spec gave a {type(spec).__name__}; give a ResizeSpec"
        assert self.task.spec(self._config()) == spec, "spec gave two answers for one config"
        codec = self._build()
        assert (codec.step, codec.times, codec.spec) == (spec, times, spec**times)

    def test_shapes(self) -> None:
        """Restored has the shape of high, low the spec's, guide that of low; all are finite."""
        codec = self._build()
        for cells in ((1, 1), (2, 3), (5, 4)):
            high = _picture(codec, cells)
            out = codec(high)
            assert out.restored.shape == high.shape, f"high {high.shape} was restored as {out.restored.shape}"
            wanted = (len(high), *codec.spec.low_shape(high.shape[1:]))
            assert out.low.shape == wanted, f"low is {out.low.shape}, the spec says {wanted}"
            assert out.guide.shape == out.low.shape, f"guide is {out.guide.shape}, low is {out.low.shape}"
            assert all(part.isfinite().all() for part in out), "NaN or infinity for an ordinary picture"

    def test_guide_of_one_colour(self) -> None:
        """A picture of one colour has a guide of one colour, in [0, 1]."""
        codec = self._build()
        for seed in range(4):
            colour = torch.rand(1, codec.channels, 1, 1, generator=torch.Generator().manual_seed(seed)).round(
                decimals=1
            )
            guide = codec.guide(colour.expand_as(_picture(codec, (4, 6))[:1]).contiguous())
            spread = (guide.amax((2, 3)) - guide.amin((2, 3))).max().item()
            assert spread < 1e-5, f"one colour became a guide whose values differ by {spread}"
            assert guide.min() > -1e-5, f"the guide falls to {guide.min().item()}"
            assert guide.max() < 1 + 1e-5, f"the guide rises to {guide.max().item()}"

    def test_low_is_what_is_stored(self) -> None:
        """Low in memory is bit-equal to low after storage, in 8 bits and in a real file, and so is what is restored."""
        codec = self._stirred().eval()
        if codec.info.compression == "none" or not self.stored_as_codes:
            return
        high = to_float(to_uint8(_picture(codec, (4, 6))[:1]))
        low = codec.down(high)
        read = to_tensor(from_tensor(low, like=np.zeros((1, 1, 1), np.uint8)))
        assert torch.equal(low, read), f"low changes by up to {(low - read).abs().max().item()} when it is stored"
        assert torch.equal(codec.up(low), codec.up(read))
        if codec.low_channels in codec.storage.channels:
            given = codec.down_codes(to_uint8(high))[0].permute(1, 2, 0).contiguous().numpy()
            kept = to_tensor(codec.storage.read_back(given))
            assert torch.equal(low, kept), f"a {codec.storage.format} gives back other codes than low has in memory"

    def test_size_that_does_not_divide(self) -> None:
        """A size that the spec does not divide is refused, and the message names the crop that would do."""
        codec = self._build()
        for axis, by in enumerate(codec.spec.multiple):
            if by == 1:
                continue
            shape = list(_picture(codec, (2, 2)).shape)
            shape[axis + 1] += 1
            message = _message_of(ResizeShapeError, codec.down, torch.zeros(shape))
            crop = str(codec.spec.crop(shape[1:]))
            assert crop in message, f"{message!r} does not name the crop {crop}"

    def test_gradient_reaches_every_parameter(self) -> None:
        """Each parameter is learned: the task's loss has a gradient for it, applied once or as often as configured."""
        codec = self._stirred().train()
        for depth in {1, codec.times}:
            deep = codec.at(depth)
            high = _picture(deep)
            self.task.loss(deep.spec, self._config())(deep(high), high).backward()  # type: ignore[no-untyped-call]
        for name, parameter in codec.named_parameters():
            reached = parameter.grad is not None and bool(parameter.grad.isfinite().all() and parameter.grad.any())
            assert reached, f"no finite gradient reaches {name}"

    def test_a_few_steps_lower_the_loss(self) -> None:
        """The task can be learned: on one batch, from the start that the network gives."""
        codec = self._build().train()
        high, loss_of = _picture(codec), self.task.loss(codec.spec, self._config())
        optimizer = torch.optim.Adam(codec.parameters(), lr=2e-3)
        losses = []
        for _ in range(25):
            loss = loss_of(codec(high), high)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert math.isfinite(losses[-1]), f"the loss went from {losses[0]} to {losses[-1]}"
        assert losses[-1] < losses[0], f"the loss went from {losses[0]} to {losses[-1]}"

    def test_curriculum(self) -> None:
        """The stages have positive shares and train the parameters of the codec that they were given."""
        codec = self._build()
        stages = list(self.task.curriculum(codec, self._config()))
        assert stages, "the curriculum is empty; give at least Stage(codec=codec)"
        own = {id(parameter) for parameter in codec.parameters()}
        mixed = [one for stage in stages for one in (stage.stages if isinstance(stage, StageMixture) else (stage,))]
        for stage in (*stages, *mixed):
            assert stage.share > 0, f"a stage has a share of {stage.share}"
        for stage in mixed:
            theirs = {id(parameter) for parameter in stage.codec.parameters()}
            assert theirs, "a stage trains nothing"
            assert theirs <= own, "a stage trains parameters that the codec does not have"

    def test_repeated(self) -> None:
        """`codec.at(2)` is the same networks, applied twice; only where the channels stay."""
        codec = self._build()
        if codec.step.t != 1:
            return
        twice = codec.at(2)
        assert twice.spec == codec.step**2
        assert [id(p) for p in twice.parameters()] == [id(p) for p in codec.parameters()], "at(2) copied the weights"
        high = _picture(twice, (2, 3))
        assert twice(high).restored.shape == high.shape

    def test_saved_and_loaded(self, tmp_path: Path) -> None:
        """A weights file gives back the same digest, and low and restored bit for bit."""
        codec = self._stirred().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        save(codec, tmp_path / "mine.safetensors")
        again = load(tmp_path / "mine.safetensors")
        assert again.digest == codec.digest, "the digest changed on the way through the file"
        assert (again.spec, again.info[:3]) == (codec.spec, codec.info[:3])
        with torch.no_grad():
            high = _picture(codec, (4, 6))
            low = codec.down(high)
            assert torch.equal(again.down(high), low), "low differs after loading"
            assert torch.equal(again.up(low), codec.up(low)), "restored differs after loading"

    def test_weights_that_ship(self) -> None:
        """Each of the task's weights loads by name, belongs to the task and is what its digest says."""
        for name, weights in self.task.weights.items():
            codec = load(name)
            assert codec.digest == weights.digest, f"{name} holds other weights than its digest names"
            assert codec.info.task == self.task.name, f"{name} belongs to {codec.info.task!r}"

    def _is_installed(self) -> bool:
        offer = self._tasks.get(self.task.name)
        return offer is not None and offer.value is self.task

    def _config(self) -> TaskConfig:
        return cast(TaskConfig, self.task.config(**self.config))

    def _build(self) -> Codec:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = {"name": self._config().network, **self.network}
            return build(self.task.name, **{**self.config, "network": network})

    def _stirred(self) -> Codec:
        """Give a codec whose parameters are all somewhat off their start, as after training."""
        codec, noise = self._build(), torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=noise))
        return codec


def _picture(codec: Codec, cells: tuple[int, int] | None = None) -> Tensor:
    """Two smooth random pictures of so many cells, or of about 24 pixels: `2 (t c) (s h) (r w)` in [0, 1]."""
    s, r = codec.spec.s.numerator, codec.spec.r.numerator
    high, wide = (-(-24 // s), -(-24 // r)) if cells is None else cells
    noise = torch.rand(2, codec.channels, 5, 5, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.interpolate(noise, (high * s, wide * r), mode="bilinear")


def _message_of(kind: type[Exception], run: Callable[[Tensor], object], x: Tensor) -> str:
    try:
        run(x)
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")
