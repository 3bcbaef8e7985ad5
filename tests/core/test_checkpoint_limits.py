"""Weights files: work and memory follow the size of the file, not the numbers and names in its header."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import resizekit
from resizekit.errors import CheckpointError, ResizeKitError
from resizekit.nn import TadOptions, tad
from resizekit.recipes.checkpoint import load, outline, read_header, save
from resizekit.recipes.limited_tensors import LimitedTensors, TensorTooLargeError
from resizekit.spec import ResizeSpec

HUGE: list[dict[str, Any]] = [
    {"s": 999_999, "r": 999_999},
    {"s": 999_999, "r": 999_999, "t": 999_999},
    {"s": "1/999999", "r": "1/999999"},
    {"t": 999_999},
    {"s": 1000, "r": 1000},
    {"s": 64, "r": 64},
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save(resizekit.build("sr", network={"width": 4, "blocks": 1}), tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def rewritten(path: Path, tensors: dict[str, torch.Tensor] | None = None, **texts: str) -> Path:
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata()) | texts
    save_file(load_file(path) if tensors is None else tensors, path, metadata=metadata)
    return path


def with_network(path: Path, network: str, spec: dict[str, Any], **options: Any) -> Path:
    with safe_open(path, framework="pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    recipe["config"] |= {"network": network, "spec": spec}
    return rewritten(path, recipe=json.dumps(recipe | {"network": options}))


@pytest.mark.parametrize("spec", HUGE, ids=str)
@pytest.mark.parametrize("network", ["tad", "edsr", "vdsr", "wavelet", "recurrent", "invertible"])
def test_huge_factors_are_refused_at_once(saved: Path, network: str, spec: dict[str, Any]) -> None:
    path = with_network(saved, network, spec, width=1)
    began = time.process_time()
    with pytest.raises(ResizeKitError, match=r"^[^\n]{1,400}$"):
        load(path)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("network", ["tad", "wavelet", "recurrent", "invertible"])
def test_networks_too_large_for_the_file_are_named(saved: Path, network: str) -> None:
    path = with_network(saved, network, HUGE[0], width=1)
    size = path.stat().st_size
    with pytest.raises(CheckpointError, match=f"networks are too large for a file of {size} bytes; get"):
        load(path)
    with pytest.raises(CheckpointError, match="networks are too large"):
        outline(path)


def test_tensors_beyond_the_limit_are_refused() -> None:
    with torch.device("meta"), LimitedTensors(100):
        assert torch.zeros(10, 10).shape == (10, 10)
        with pytest.raises(TensorTooLargeError):
            torch.zeros(101)
        with pytest.raises(TensorTooLargeError):
            torch.zeros(2**40, 2**40)
        with pytest.raises(TensorTooLargeError):
            torch.arange(60)[:, None] * torch.arange(60)


def test_tad_starts_as_the_same_resize_for_any_width() -> None:
    """The decoder copies channels through every phase; with fewer features than channels, only those that fit."""
    for width in (2, 8):
        decoder = tad(ResizeSpec(s=2, r=3), 3, TadOptions(width=width, blocks=0))[1]
        low = torch.zeros(1, 3, 1, 1)
        with torch.no_grad():
            for parameter in decoder.join.parameters():
                assert not parameter.any()
            first, second = decoder.tail.first, decoder.tail.second
        copied = min(3, width)
        for channel in range(copied):
            assert decoder.head.weight[channel].nonzero().tolist() == [[channel, 1, 1]]
            for phase in range(6):
                assert first.weight[channel * 6 + phase].nonzero().tolist() == [[channel, 1, 1]]
            assert second.weight[channel, channel, 1, 1] == 1
        assert torch.all(second.bias == 0.5)
        assert decoder(low).shape == (1, 3, 2, 3)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "NaN", "0", "-1", "1" * 5000, "[1]", "{}", '"1"' * 2, "null"])
@pytest.mark.parametrize("key", ["format", "times"])
def test_numbers_without_a_range_are_refused(saved: Path, key: str, text: str) -> None:
    with pytest.raises(CheckpointError, match=r"^[^\n]{1,400}$"):
        read_header(rewritten(saved, **{key: text}))


def test_long_and_unprintable_names_are_cut(saved: Path) -> None:
    name = "\x1b[31m" + "a" * 100_000
    with pytest.raises(CheckpointError, match=r"unexpected tensor \\x1b\[31ma{72}; get the file again$"):
        load(rewritten(saved, load_file(saved) | {name: torch.zeros(1)}))


def test_long_values_of_a_newer_format_are_cut(saved: Path) -> None:
    path = rewritten(saved, format="9" * 1000, resizekit=json.dumps("9" * 1000))
    with pytest.raises(CheckpointError, match=r"by resizekit 9{80} in format 9{80}; .*upgrade resizekit$"):
        read_header(path)


def test_shapes_of_many_axes_are_cut(saved: Path) -> None:
    tensors = load_file(saved)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name].reshape(*[1] * 60, *tensors[name].shape)
    with pytest.raises(CheckpointError, match=r"has shape \[1, [^\n]{60,80}, expected \["):
        load(rewritten(saved, tensors))
