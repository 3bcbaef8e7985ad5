"""The rules for a task as tests, for plugin authors.

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
from unittest import SkipTest

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
    """Inherit from this class and set `task`: pytest then checks that the task follows the rules.

    The task does not have to be installed. The tests use small networks and images and take a few seconds for a task
    of any (s, r, t). A test that does not apply to the task is skipped with the reason.
    """

    task: ClassVar[Task[Any]]
    """The task under test."""
    config: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Values of its config that differ from the defaults."""
    network: ClassVar[Mapping[str, Any]] = MappingProxyType({"width": 8, "blocks": 1})
    """Small options for its network; the default fits `tad`."""
    stored_as_codes: ClassVar[bool] = True
    """False if the compression keeps more than 8-bit values, as `none` does."""

    def setup_method(self) -> None:
        """Add the task to the registry of the process for one test."""
        self._registry = installed()
        self._tasks, self._weights = dict(self._registry.tasks), dict(self._registry.weights)
        if not self._is_installed():
            self._registry.tasks[self.task.name] = Offer(value=self.task, provider="tests", plugin="tests")
            for name, weights in self.task.weights.items():
                pair = (self.task.name, weights)
                self._registry.weights[name] = Offer(value=pair, provider="tests", plugin="tests")

    def teardown_method(self) -> None:
        """Restore the registry."""
        self._registry.tasks, self._registry.weights = self._tasks, self._weights

    def test_name_and_summary(self) -> None:
        """The name is valid and no other plugin offers it; the summary is one line."""
        name, summary = self.task.name, self.task.summary
        assert re.fullmatch("[a-z][a-z0-9-]*", name), f"invalid name {name!r}: expected the form [a-z][a-z0-9-]*"
        assert name not in self._tasks or self._is_installed(), f"another plugin already offers the task {name!r}"
        assert summary.strip(), "the summary is empty"
        assert len(summary.splitlines()) == 1, f"the summary has more than one line: {summary!r}"

    def test_config(self) -> None:
        """The default config is complete, survives JSON and has a schema."""
        defaults = self.task.config()
        read = json.loads(json.dumps(defaults.model_dump(mode="json")))
        assert self.task.config.model_validate(read) == defaults, "the defaults change when they go through JSON"
        schema = json.loads(json.dumps(json_schema(self.task.name)))
        fields = schema["properties"]["config"]["properties"]
        assert set(fields) == set(self.task.config.model_fields), f"the schema lists {sorted(fields)}"

    def test_spec(self) -> None:
        """A config always gives the same spec, and the codec repeats the step of that spec `times` times."""
        spec, times = self.task.spec(self._config()), self.task.times(self._config())
        assert isinstance(spec, ResizeSpec), f"spec returned a {type(spec).__name__}: expected a ResizeSpec"
        assert self.task.spec(self._config()) == spec, "spec returned different results for the same config"
        codec = self._build()
        assert (codec.step, codec.times, codec.spec) == (spec, times, spec**times)

    def test_shapes(self) -> None:
        """Restored has the shape of high, low that of the spec and guide that of low; all values are finite."""
        codec = self._build()
        for cells in ((1, 1), (2, 3), (5, 4)):
            high = _picture(codec, cells)
            out = codec(high)
            assert out.restored.shape == high.shape, f"restored has shape {out.restored.shape}, high {high.shape}"
            expected = (len(high), *codec.spec.low_shape(high.shape[1:]))
            assert out.low.shape == expected, f"low has shape {out.low.shape}, the spec requires {expected}"
            assert out.guide.shape == out.low.shape, f"guide has shape {out.guide.shape}, low {out.low.shape}"
            assert all(part.isfinite().all() for part in out), "an ordinary image leads to NaN or infinity"

    def test_guide_of_one_colour(self) -> None:
        """The guide of an image with a single colour has a single colour too, in [0, 1]."""
        codec = self._build()
        for seed in range(4):
            colour = torch.rand(1, codec.channels, 1, 1, generator=torch.Generator().manual_seed(seed)).round(
                decimals=1
            )
            guide = codec.guide(colour.expand_as(_picture(codec, (4, 6))[:1]).contiguous())
            spread = (guide.amax((2, 3)) - guide.amin((2, 3))).max().item()
            assert spread < 1e-5, f"the guide of a single color has values that differ by {spread}"
            assert guide.min() > -1e-5, f"the minimum of the guide is {guide.min().item()}"
            assert guide.max() < 1 + 1e-5, f"the maximum of the guide is {guide.max().item()}"

    def test_low_is_what_is_stored(self) -> None:
        """Low in memory is bit-equal to low stored in 8 bits, and so is the restored image."""
        codec, _, low = self._stored_low()
        read = to_tensor(from_tensor(low))
        assert torch.equal(low, read), f"low changes by up to {(low - read).abs().max().item()} when it is stored"
        assert torch.equal(codec.up(low), codec.up(read)), "restored changes when low is stored"

    def test_low_survives_a_file(self) -> None:
        """Low in memory is bit-equal to low read from a file in the format of the compression."""
        codec, high, low = self._stored_low()
        if codec.low_channels not in codec.storage.channels:
            raise SkipTest(f"a {codec.storage.format} cannot hold the {codec.low_channels} channels of low")
        pixels = codec.down_codes(to_uint8(high))[0].permute(1, 2, 0).contiguous().numpy()
        read = to_tensor(codec.storage.read_back(pixels))
        assert torch.equal(low, read), f"a {codec.storage.format} returns other values than low has in memory"

    def test_size_that_does_not_divide(self) -> None:
        """A shape that the factors do not divide raises an error, and its message gives a crop that works."""
        codec = self._build()
        axes = [axis for axis, multiple in enumerate(codec.spec.multiple) if multiple != 1]
        if not axes:
            raise SkipTest("the spec divides every shape")
        for axis in axes:
            shape = list(_picture(codec, (2, 2)).shape)
            shape[axis + 1] += 1
            message = _message_of(ResizeShapeError, codec.down_tensor, torch.zeros(shape))
            crop = str(codec.spec.crop(shape[1:]))
            assert crop in message, f"the message {message!r} does not contain the crop {crop}"

    def test_gradient_reaches_every_parameter(self) -> None:
        """The task's loss has a gradient for each parameter, with one step and with the configured number."""
        codec = self._stirred().train()
        for depth in {1, codec.times}:
            deep = codec.at(depth)
            high = _picture(deep)
            self.task.loss(deep.spec, self._config())(deep(high), high).backward()  # type: ignore[no-untyped-call]
        for name, parameter in codec.named_parameters():
            reached = parameter.grad is not None and bool(parameter.grad.isfinite().all() and parameter.grad.any())
            assert reached, f"no finite gradient reaches {name}"

    def test_a_few_steps_lower_the_loss(self) -> None:
        """Training a new codec on a single batch lowers the loss."""
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
        """The stages have positive shares and train parameters of the codec that the curriculum receives."""
        codec = self._build()
        stages = list(self.task.curriculum(codec, self._config()))
        assert stages, "the curriculum is empty: it needs at least Stage(codec=codec)"
        own = {id(parameter) for parameter in codec.parameters()}
        flat = [part for stage in stages for part in (stage.stages if isinstance(stage, StageMixture) else (stage,))]
        for stage in (*stages, *flat):
            assert stage.share > 0, f"a stage has the share {stage.share}: expected more than 0"
        for stage in flat:
            trained = {id(parameter) for parameter in stage.codec.parameters()}
            assert trained, "a stage trains no parameters"
            assert trained <= own, "a stage trains parameters that the codec does not have"

    def test_repeated(self) -> None:
        """`codec.at(2)` applies the same networks twice."""
        codec = self._build()
        if codec.step.t != 1:
            raise SkipTest(f"a step with t={codec.step.t} changes the channels and cannot be repeated")
        twice = codec.at(2)
        assert twice.spec == codec.step**2
        shared = [id(p) for p in twice.parameters()] == [id(p) for p in codec.parameters()]
        assert shared, "codec.at(2) copied the weights"
        high = _picture(twice, (2, 3))
        assert twice(high).restored.shape == high.shape

    def test_saved_and_loaded(self, tmp_path: Path) -> None:
        """A weights file preserves the digest, and low and restored bit for bit."""
        codec = self._stirred().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        save(codec, tmp_path / "mine.safetensors")
        again = load(tmp_path / "mine.safetensors")
        assert again.digest == codec.digest, "the digest differs after loading"
        assert (again.spec, again.info[:3]) == (codec.spec, codec.info[:3])
        with torch.no_grad():
            high = _picture(codec, (4, 6))
            low = codec.down(high)
            assert torch.equal(again.down(high), low), "low differs after loading"
            assert torch.equal(again.up(low), codec.up(low)), "restored differs after loading"

    def test_weights_that_ship(self) -> None:
        """All weights of the task, also those of other plugins, load by name, match their digest and belong to it."""
        packaged = self._registry.weights_of(self.task.name)
        if not packaged:
            raise SkipTest("the task has no packaged weights")
        for name, weights in packaged.items():
            codec = load(name)
            assert codec.digest == weights.digest, f"the digest of {name} is {codec.digest}, not {weights.digest}"
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
        """Build a codec and add noise to its parameters, so that all differ from their initial values."""
        codec, noise = self._build(), torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in codec.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=noise))
        return codec

    def _stored_low(self) -> tuple[Codec, Tensor, Tensor]:
        """Return a codec, an image and its low, if the compression stores 8-bit values."""
        codec = self._stirred().eval()
        if codec.info.compression == "none" or not self.stored_as_codes:
            raise SkipTest("the compression stores other values than 8-bit integers")
        high = to_float(to_uint8(_picture(codec, (4, 6))[:1]))
        return codec, high, codec.down(high)


def _picture(codec: Codec, cells: tuple[int, int] | None = None) -> Tensor:
    """Return two smooth random images of this many cells or of about 24 pixels: `2 (t c) (s h) (r w)` in [0, 1]."""
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
