"""The rules for a task, checked on every installed task, on unusual specs and on tasks that break them."""

import copy
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import pytest
import torch
from torch import Tensor

import resizekit
from resizekit import Codec, ResizeSpec, Task, TaskConfig, Weights, guides, losses, ops
from resizekit.errors import ResizeKitError, ResizeShapeError
from resizekit.plugin.registry import Offer, installed
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
LAWS = {name for name in vars(TaskConformance) if name.startswith("test_")}
SPECS, CALLS = itertools.count(1), itertools.count(1)


def speckled(spec: ResizeSpec, config: object) -> guides.Guide:
    return lambda high: guides.bicubic(spec)(high) + 0.1 * (torch.arange(high.shape[3] // 2) % 2)


def drifting(spec: ResizeSpec, config: object) -> guides.Guide:
    return lambda high: guides.bicubic(spec)(high) * (0.5 + next(CALLS) % 2 / 4)


def deaf(spec: ResizeSpec, config: object) -> losses.Loss:
    return lambda out, high: (out.low - out.guide).abs().mean()


def idle(spec: ResizeSpec, config: object) -> losses.Loss:
    return lambda out, high: 0 * out.restored.sum() + 1


class TupleConfig(TaskConfig):
    """A config whose default becomes a list in JSON."""

    pair: Any = (1, 2)


BROKEN = {
    "test_name_and_summary": (made("Not a name", HALF), "invalid name 'Not a name'"),
    "test_config": (made("tuple-config", HALF, config=TupleConfig), "change when they go through JSON"),
    "test_spec": (
        Task(
            name="undecided",
            summary="another spec each time",
            config=TaskConfig,
            spec=lambda config: ResizeSpec(s=next(SPECS)),
            guide=guides.bicubic,
        ),
        "different results for the same config",
    ),
    "test_shapes": (
        made("striped", HALF, residual=False, guide=lambda spec, config: lambda high: high[..., ::2, :1]),
        r"guide has shape torch\.Size\(\[2, 3, 2, 1\]\)",
    ),
    "test_guide_of_one_colour": (made("speckled", HALF, guide=speckled), "values that differ by 0.1"),
    "test_gradient_reaches_every_parameter": (made("deaf", HALF, loss=deaf), "no finite gradient reaches decoder"),
    "test_a_few_steps_lower_the_loss": (made("idle", HALF, loss=idle), "the loss went from 1.0 to 1.0"),
    "test_curriculum": (made("truant", HALF, curriculum=lambda codec, config: []), "the curriculum is empty"),
    "test_saved_and_loaded": (made("drifting", HALF, guide=drifting), "low differs after loading"),
}
"""Tasks that break a rule, by rule, with the message of the failure."""


def run_law(suite: TaskConformance, law: str, tmp_path: Path) -> None:
    suite.setup_method()
    try:
        getattr(suite, law)(*[tmp_path] * (law == "test_saved_and_loaded"))
    finally:
        suite.teardown_method()


def check_law_fails(suite: TaskConformance, law: str, message: str, tmp_path: Path) -> None:
    """Check that a rule fails by its own assertion, and not by another error."""
    with pytest.raises(AssertionError, match=message) as caught:
        run_law(suite, law, tmp_path)
    assert type(caught.value) is AssertionError


@pytest.mark.parametrize("law", BROKEN)
def test_task_that_breaks_a_law_fails(law: str, tmp_path: Path) -> None:
    task, message = BROKEN[law]
    check_law_fails(conformance(task)(), law, message, tmp_path)


def no_rounding(self: object, low: Tensor, guide: Any = 0) -> Tensor:
    return guide + low


def rounding_only(self: object, low: Tensor, guide: Tensor | None = None) -> Tensor:
    return ops.quantize(low, guide)


def any_size(self: Codec, high: Tensor) -> Tensor:
    return high


def vague_error(self: Codec, high: Tensor) -> Tensor:
    raise ResizeShapeError("the size is wrong")


def copying(self: Codec, times: int, at: Any = Codec.at) -> Codec:
    return copy.deepcopy(at(self, times))


UINT8, LOSSY = "resizekit.storage.compressions.Uint8.forward", "resizekit.storage.compressions.Lossy.forward"
DOWN, AT = "resizekit.codec.codec.Codec.down_tensor", "resizekit.codec.codec.Codec.at"
PATCHED: list[tuple[str, type[TaskConformance], str, Any, str]] = [
    ("test_low_is_what_is_stored", TestWidthOnly, UINT8, no_rounding, "when it is stored"),
    ("test_low_survives_a_file", TestJpeg, LOSSY, rounding_only, "a JPEG returns other values than low"),
    ("test_size_that_does_not_divide", TestWidthOnly, DOWN, any_size, "no ResizeShapeError was raised"),
    ("test_size_that_does_not_divide", TestWidthOnly, DOWN, vague_error, "does not contain the crop"),
    ("test_repeated", TestWidthOnly, AT, copying, r"codec\.at\(2\) copied the weights"),
]
"""Rules that a task alone cannot break: rule, suite, function to replace, replacement and message."""


@pytest.mark.parametrize(("law", "suite", "function", "replacement", "message"), PATCHED)
def test_codec_that_breaks_a_law_fails(
    law: str,
    suite: type[TaskConformance],
    function: str,
    replacement: Any,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_law(suite(), law, tmp_path)
    monkeypatch.setattr(function, replacement)
    check_law_fails(suite(), law, message, tmp_path)


def test_every_law_has_a_failing_case() -> None:
    assert BROKEN.keys() | {row[0] for row in PATCHED} | {"test_weights_that_ship"} == LAWS


@pytest.mark.parametrize(
    ("law", "suite", "reason"),
    [
        ("test_low_is_what_is_stored", TestUnstored, "stores other values than 8-bit integers"),
        ("test_low_survives_a_file", TestUnstored, "stores other values than 8-bit integers"),
        ("test_low_survives_a_file", TestFoldedChannels, "a PNG cannot hold the 2 channels"),
        ("test_size_that_does_not_divide", conformance(made("same", ResizeSpec())), "divides every shape"),
        ("test_repeated", TestGrey, "t=3 changes the channels"),
        ("test_weights_that_ship", TestGrey, "no packaged weights"),
    ],
)
def test_law_that_does_not_apply_is_skipped(
    law: str, suite: type[TaskConformance], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(SkipTest, match=reason):
        run_law(suite(), law, tmp_path)


@pytest.mark.parametrize(
    ("digest", "message"), [(None, "borrowed belongs to 'sr'"), ("0" * 64, "digest")], ids=["task", "digest"]
)
def test_weights_of_another_task_or_digest_fail(digest: str | None, message: str, tmp_path: Path) -> None:
    codec = resizekit.build("sr", network={"width": 4, "blocks": 0})
    resizekit.save(codec, tmp_path / "other.safetensors")
    weights = Weights(file=tmp_path / "other.safetensors", digest=digest or codec.digest)
    suite = conformance(made("borrower", HALF, weights={"borrowed": weights}))()
    suite.setup_method()
    try:
        with pytest.raises(ResizeKitError if digest else AssertionError, match=message):
            suite.test_weights_that_ship()
    finally:
        suite.teardown_method()


@pytest.mark.parametrize(
    ("digest", "message"), [(None, "borrowed belongs to 'sr'"), ("0" * 64, "digest")], ids=["task", "digest"]
)
def test_weights_that_another_plugin_offers_are_checked(digest: str | None, message: str, tmp_path: Path) -> None:
    codec = resizekit.build("sr", network={"width": 4, "blocks": 0})
    resizekit.save(codec, tmp_path / "other.safetensors")
    weights = Weights(file=tmp_path / "other.safetensors", digest=digest or codec.digest)
    suite = conformance(resizekit.tasks()["extreme"])()
    suite.setup_method()
    try:
        installed().weights["borrowed"] = Offer(value=("extreme", weights), provider="another 1.0", plugin="another")
        with pytest.raises(ResizeKitError if digest else AssertionError, match=message):
            suite.test_weights_that_ship()
    finally:
        suite.teardown_method()


def test_registry_is_restored_after_a_test() -> None:
    before = dict(installed().tasks), dict(installed().weights)
    suite = TestWidthOnly()
    suite.setup_method()
    assert "width-only" in installed().tasks
    suite.teardown_method()
    assert (installed().tasks, installed().weights) == before
