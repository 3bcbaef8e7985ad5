"""The laws of a task, held against every installed task and against tasks of specs that nobody ships."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import resizekit
from resizekit import ResizeSpec, Task, TaskConfig, Weights, guides, losses, ops
from resizekit.errors import ResizeShapeError
from resizekit.plugin.registry import installed
from resizekit.testing import TaskConformance


def conformance(task: Task[Any], config: Mapping[str, Any] | None = None) -> type[TaskConformance]:
    return type("Test", (TaskConformance,), {"task": task, "config": config or {}})


def made(name: str, spec: ResizeSpec, **fields: Any) -> Task[TaskConfig]:
    fields = {"config": TaskConfig, "guide": guides.bicubic} | fields
    return Task(name=name, summary=str(spec), spec=lambda config: spec, **fields)


for _name, _task in resizekit.tasks().items():
    globals()[f"TestInstalled_{_name}"] = conformance(_task)


class TestSuperResolutionByFractions(TaskConformance):
    task = resizekit.tasks()["sr"]
    config: ClassVar = {"spec": {"s": "3/2", "r": "3/2"}, "channels": 1, "float_share": 0.5, "guide_loss": "l2"}


class TestTheWaveletNetwork(TaskConformance):
    task = resizekit.tasks()["sr"]
    config: ClassVar = {
        "spec": {"s": 3, "r": "3/2"},
        "network": "wavelet",
        "guide_loss": "l2",
        "restoration_loss": "rms",
    }
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1}


class TestTheWaveletNetworkOnLargerBlocks(TaskConformance):
    task = resizekit.tasks()["sr"]
    config: ClassVar = {"spec": {"s": 2, "r": "3/2"}, "network": "wavelet", "guide_loss": "l2"}
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1, "squeeze": 2}


class TestTheWaveletNetworkOnLargerBlocksOfColour(TaskConformance):
    task = resizekit.tasks()["colorize"]
    config: ClassVar = {"network": "wavelet", "compression": "uint8"}
    network: ClassVar = {"width": 8, "down_blocks": 1, "up_blocks": 1, "squeeze": 3}


class TestTheDecoderAlone(TaskConformance):
    task = resizekit.tasks()["colorize"]
    config: ClassVar = {"encoder": "none"}


class TestMixedChannels(TaskConformance):
    task = resizekit.tasks()["channels"]
    config: ClassVar = {"spec": {"s": 3, "r": "1/2", "t": 2}, "channels": 2, "float_share": 0.5}


class TestTheInvertibleNetwork(TaskConformance):
    task = resizekit.tasks()["sr"]
    config: ClassVar = {"spec": {"s": 2, "r": 2}, "network": "invertible"}
    network: ClassVar = {"width": 8, "couplings": 2}


class TestTheInvertibleNetworkOnChannels(TaskConformance):
    task = made("folded-invertibly", ResizeSpec(t=3), guide=guides.channel_mean)
    config: ClassVar = {"network": "invertible", "channels": 2, "restoration_loss": "charbonnier"}
    network: ClassVar = {"width": 8, "couplings": 2}


class TestWidthOnly(TaskConformance):
    task = made("width-only", ResizeSpec(r=2))


class TestUnequalFactors(TaskConformance):
    task = made("unequal", ResizeSpec(s="3/2", r=2), guide=guides.lanczos)


class TestGrey(TaskConformance):
    task = made("grey", ResizeSpec(t=3), guide=guides.luma)
    config: ClassVar = {"channels": 1, "guide_weight": 5.0}


class TestFoldedChannels(TaskConformance):
    task = made("folded", ResizeSpec(t=3), guide=guides.channel_mean)
    config: ClassVar = {"channels": 2}


class TestEverything(TaskConformance):
    task = made("everything", ResizeSpec(s=2, r=2, t=3), guide=guides.luma)
    config: ClassVar = {"channels": 1}


class TestTwice(TaskConformance):
    task = made("twice", ResizeSpec(s=2, r=2), times=lambda config: 2, residual=False)


class TestRounding(TaskConformance):
    task = made("rounding", ResizeSpec(s=2, r=3))
    config: ClassVar = {"compression": "round", "float_share": 0.25}


class TestUnstored(TaskConformance):
    task = made("unstored", ResizeSpec(s=2, r=2))
    config: ClassVar = {"compression": "none"}


class TestJpeg(TaskConformance):
    task = made("in-jpeg", ResizeSpec(s=2, r=2))
    config: ClassVar = {"compression": "jpeg", "guide_loss": "l2"}


class TestGreyJpeg(TaskConformance):
    task = made("in-grey-jpeg", ResizeSpec(s=2, r=2, t=3), guide=guides.luma)
    config: ClassVar = {"compression": "jpeg", "channels": 1, "float_share": 0.25}


# --- the laws can fail -------------------------------------------------------------------------

HALF = ResizeSpec(s=2, r=2)
SPECS, TIMES = itertools.count(1), itertools.count(1)


def speckled(spec: ResizeSpec, config: object) -> guides.Guide:
    return lambda high: guides.bicubic(spec)(high) + 0.1 * (torch.arange(high.shape[3] // 2) % 2)


def deaf(spec: ResizeSpec, config: object) -> losses.Loss:
    return lambda out, high: (out.low - out.guide).abs().mean()


def idle(spec: ResizeSpec, config: object) -> losses.Loss:
    return lambda out, high: 0 * out.restored.sum() + 1


WANTING = {
    "test_name_and_summary": made("Not a name", HALF),
    "test_spec": Task(
        name="undecided",
        summary="another spec each time",
        config=TaskConfig,
        spec=lambda config: ResizeSpec(s=next(SPECS)),
        guide=guides.bicubic,
    ),
    "test_shapes": made("striped", HALF, guide=lambda spec, config: lambda high: high[..., ::2, :1]),
    "test_guide_of_one_colour": made("speckled", HALF, guide=speckled),
    "test_gradient_reaches_every_parameter": made("deaf", HALF, loss=deaf),
    "test_a_few_steps_lower_the_loss": made("idle", HALF, loss=idle),
    "test_curriculum": made("truant", HALF, curriculum=lambda codec, config: []),
    "test_saved_and_loaded": made("slow", HALF, residual=False, times=lambda config: next(TIMES)),
}


@pytest.mark.parametrize("law", WANTING)
def test_a_task_that_breaks_a_law_fails(law: str, tmp_path: Path) -> None:
    suite = conformance(WANTING[law])()
    suite.setup_method()
    try:
        with pytest.raises((AssertionError, ResizeShapeError)):
            getattr(suite, law)(*[tmp_path] * (law == "test_saved_and_loaded"))
    finally:
        suite.teardown_method()


def test_a_compression_that_does_not_round_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resizekit.storage.compressions.Uint8.forward", lambda self, low, guide=0: guide + low)
    suite = TestWidthOnly()
    suite.setup_method()
    with pytest.raises(AssertionError, match="when it is stored"):
        suite.test_low_is_what_is_stored()
    suite.teardown_method()


def test_a_compression_that_says_too_much_of_its_storage_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "resizekit.storage.compressions.Lossy.forward", lambda self, low, guide=None: ops.quantize(low, guide)
    )
    suite = TestJpeg()
    suite.setup_method()
    with pytest.raises(AssertionError, match="a JPEG gives back other codes"):
        suite.test_low_is_what_is_stored()
    suite.teardown_method()


def test_weights_with_another_digest_are_found_out(tmp_path: Path) -> None:
    codec = resizekit.build("sr", network={"width": 4, "blocks": 0})
    resizekit.save(codec, tmp_path / "theirs.safetensors")
    theirs = Weights(file=tmp_path / "theirs.safetensors", digest=codec.digest)
    suite = conformance(made("borrower", HALF, weights={"borrowed": theirs}))()
    suite.setup_method()
    with pytest.raises(AssertionError, match="belongs to 'sr'"):
        suite.test_weights_that_ship()
    suite.teardown_method()


def test_the_registry_is_left_as_it_was() -> None:
    before = dict(installed().tasks), dict(installed().weights)
    suite = TestWidthOnly()
    suite.setup_method()
    assert "width-only" in installed().tasks
    suite.teardown_method()
    assert (installed().tasks, installed().weights) == before
