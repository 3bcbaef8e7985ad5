"""Weights files: save and load are exact, and broken or hostile files are refused before they cost anything."""

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file, save_model
from torch import nn

import resizekit
from resizekit import Codec, Network, NoOptions, ResizeSpec, hookimpl
from resizekit.errors import CheckpointError, ResizeKitError, UnknownNameError, UsageError
from resizekit.plugin.registry import installed
from resizekit.recipes.checkpoint import FORMAT, load, read_header, save
from resizekit.storage import Uint16


@pytest.fixture
def codec() -> Codec:
    torch.manual_seed(0)
    codec = resizekit.build("sr", channels=1, network={"width": 4, "blocks": 1})
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return codec


@pytest.fixture
def saved(codec: Codec, tmp_path: Path) -> Path:
    path = tmp_path / "mine.safetensors"
    save(codec, path, metrics={"Set5": 38.5}, training={"steps": 3})
    return path


def texts_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def rewritten(path: Path, tensors: dict[str, torch.Tensor] | None = None, **header: Any) -> Path:
    """Rewrite a file with other tensors or other header values."""
    texts = texts_of(path) | {key: json.dumps(value) for key, value in header.items()}
    save_file(load_file(path) if tensors is None else tensors, path, metadata=texts)
    return path


# --- finite values -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(codec: Codec, saved: Path, value: float) -> None:
    """The digest of the header is right: another program could write such a file."""
    tensors = load_file(saved)
    name = sorted(tensors)[-1]
    tensors[name].view(-1)[-1] = value
    codec.load_state_dict(tensors)
    rewritten(saved, tensors, digest=codec.digest)
    with pytest.raises(CheckpointError) as caught:
        load(saved)
    assert str(caught.value) == (
        f"{saved} holds weights that are not finite: tensor {name} contains NaN or infinity; get the file again, or "
        "train the weights again with a smaller learning rate"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_save_refuses_weights_that_are_not_finite(codec: Codec, saved: Path, value: float) -> None:
    before = saved.read_bytes()
    name, parameter = list(codec.named_parameters())[-1]
    with torch.no_grad():
        parameter.view(-1)[0] = value
    with pytest.raises(CheckpointError, match=f"cannot save {saved}: tensor {name} is not finite in float32"):
        save(codec, saved)
    assert [path.read_bytes() for path in saved.parent.iterdir()] == [before]


@pytest.mark.parametrize("network", ["tad", "invertible", "recurrent"])
def test_file_contains_the_same_as_one_of_safetensors(tmp_path: Path, network: str) -> None:
    """Encoder and decoder of `invertible` share their parameters."""
    codec = resizekit.build("sr", network=network)
    save(codec, tmp_path / "mine.safetensors")
    save_model(codec, str(tmp_path / "reference.safetensors"), metadata=texts_of(tmp_path / "mine.safetensors"))
    mine, reference = (load_file(tmp_path / f"{name}.safetensors") for name in ("mine", "reference"))
    assert mine.keys() == reference.keys()
    assert all(torch.equal(mine[name], reference[name]) for name in mine)
    assert texts_of(tmp_path / "mine.safetensors") == texts_of(tmp_path / "reference.safetensors")


# --- round trips -------------------------------------------------------------------------------


def test_float32_weights_load_bit_equal(codec: Codec, saved: Path) -> None:
    again = load(saved)
    assert again.digest == codec.digest
    for name, tensor in codec.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert (again.spec, again.channels, again.info[:3]) == (codec.spec, 1, ("sr", "tad", "uint8"))
    assert again.info.weights == "mine"
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_float16_weights_load_as_rounded(codec: Codec, saved: Path, tmp_path: Path) -> None:
    header = save(codec, tmp_path / "half.safetensors", dtype=torch.float16)
    again = load(tmp_path / "half.safetensors")
    for name, tensor in codec.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.half().float()), name
    assert again.digest == header.digest != codec.digest
    assert {tensor.dtype for tensor in load_file(tmp_path / "half.safetensors").values()} == {torch.float16}
    assert all(parameter.dtype == torch.float32 for parameter in codec.parameters()), "saving changed the codec"


def test_header_describes_the_codec(codec: Codec, saved: Path) -> None:
    header = read_header(saved)
    assert (header.format, header.task, header.spec, header.times) == (FORMAT, "sr", "s=2 r=2", 1)
    assert header.digest == codec.digest
    assert header.metrics == {"Set5": 38.5}
    assert header.training == {"steps": 3}
    assert header.provider.startswith("resizekit ")
    assert all(json.loads(text) is not None for text in texts_of(saved).values()), "each value is a JSON text"


def test_load_accepts_another_number_of_times(saved: Path) -> None:
    assert load(saved, times=2).spec == ResizeSpec(s=4, r=4)


def test_saving_a_loaded_codec_gives_the_same_file(saved: Path, tmp_path: Path) -> None:
    save(load(saved), tmp_path / "copy.safetensors", metrics={"Set5": 38.5}, training={"steps": 3})
    copy = tmp_path / "copy.safetensors"
    assert texts_of(copy) == texts_of(saved)
    assert load(copy).digest == load(saved).digest


@pytest.fixture
def shared() -> Iterator[None]:
    """Install a network whose encoder and decoder are the same convolution."""

    def twins(spec: ResizeSpec, channels: int, options: NoOptions) -> tuple[nn.Module, nn.Module]:
        convolution = nn.Conv2d(channels, channels, 3, padding=1)
        return convolution, convolution

    network = Network(name="twins", options=NoOptions, build=twins, predicts_low=True)
    registry = installed()
    before = dict(registry.networks)
    registry.add(SimpleNamespace(resizekit_register_networks=hookimpl(_offer(network))), "twins", "tests")
    yield
    registry.networks = before


def _offer(network: Network[Any]) -> Any:
    def resizekit_register_networks() -> Iterator[Network[Any]]:
        yield network

    return resizekit_register_networks


@pytest.mark.usefixtures("shared")
def test_shared_parameters_are_stored_once_and_stay_shared(tmp_path: Path) -> None:
    codec = resizekit.build("sr", spec={}, network="twins")
    save(codec, tmp_path / "twins.safetensors")
    assert len(load_file(tmp_path / "twins.safetensors")) == 2  # one weight, one bias
    again = load(tmp_path / "twins.safetensors")
    assert again.encoder is again.decoder
    assert again.digest == codec.digest


# --- refused files -----------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert path.name in message
    return message


def test_tampered_tensor_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    assert "the digest differs" in refused(saved)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_truncated_file_is_refused(saved: Path, length: int) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    assert "not a safetensors file" in refused(saved)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no weights file" in refused(tmp_path / "nowhere.safetensors")
    assert "no weights file" in refused(tmp_path)


def test_safetensors_file_without_header_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors", metadata={"format": "pt"})
    assert "no resizekit header" in refused(tmp_path / "foreign.safetensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    assert "no resizekit header" in refused(tmp_path / "foreign.safetensors")


def test_newer_format_is_refused(saved: Path) -> None:
    message = refused(rewritten(saved, format=FORMAT + 1, resizekit="99.0"))
    assert "written by resizekit 99.0 in format 2" in message
    assert "upgrade resizekit" in message


@pytest.mark.parametrize("key", ["task", "recipe", "digest"])
def test_incomplete_header_is_refused(saved: Path, key: str) -> None:
    assert "no resizekit header" in refused(rewritten(saved, **{key: None}))


def test_deeply_nested_header_is_refused(saved: Path) -> None:
    save_file(load_file(saved), saved, metadata=texts_of(saved) | {"recipe": "[" * 100_000})
    assert "no resizekit header" in refused(saved)


def test_unknown_task_is_refused(saved: Path) -> None:
    recipe = json.loads(texts_of(saved)["recipe"]) | {"task": "sharpen"}
    with pytest.raises(UnknownNameError, match=r"no task 'sharpen' is installed; installed: .*sr"):
        load(rewritten(saved, recipe=recipe, task="sharpen"))


def test_recipe_with_unknown_key_is_refused(saved: Path) -> None:
    recipe = json.loads(texts_of(saved)["recipe"]) | {"network": {"depth": 3}}
    with pytest.raises(ResizeKitError, match=r"header of mine.safetensors \[network\] of tad: unknown key 'depth'"):
        load(rewritten(saved, recipe=recipe))


@pytest.mark.parametrize("network", [{"width": 8, "blocks": 1}, {"width": 4, "blocks": 2}, {"width": 4, "blocks": 0}])
def test_header_of_another_network_is_refused(saved: Path, network: dict[str, int]) -> None:
    recipe = json.loads(texts_of(saved)["recipe"]) | {"network": network}
    assert "does not fit its own header" in refused(rewritten(saved, recipe=recipe))


GIANT = {"width": 1024, "blocks": 256}  # about 40 GB


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("tensor", [None, "encoder.tail.bias"], ids=["all tensors", "one that fits"])
def test_giant_network_is_refused_before_memory_is_allocated(saved: Path, tensor: str | None) -> None:
    import resource

    recipe = json.loads(texts_of(saved)["recipe"]) | {"network": GIANT}
    tensors = load_file(saved)
    tensors = tensors if tensor is None else {tensor: tensors[tensor]}
    path = rewritten(saved, tensors, recipe=recipe)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, limits[1]))  # at most half a gigabyte more
    try:
        assert "does not fit its own header" in refused(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


class Trap:
    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sprung,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_pickle_is_never_opened(write: Any, tmp_path: Path) -> None:
    path, sprung = tmp_path / "gift.safetensors", tmp_path / "sprung"
    with path.open("wb") as file:
        write({"weight": Trap(sprung)}, file)
    assert "not a safetensors file" in refused(path)
    assert not sprung.exists()


# --- failed writes -----------------------------------------------------------------------------


def test_failed_write_keeps_the_existing_file(codec: Codec, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    original = Path.write_bytes

    def fails(path: Path, content: bytes) -> int:
        original(path, content[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails)
    for target in (saved, saved.with_name("other.safetensors")):
        with pytest.raises(CheckpointError, match=r"no space left on device\); free space"):
            save(codec, target)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_missing_folder_is_refused(codec: Codec, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist; make it first"):
        save(codec, tmp_path / "nowhere" / "mine.safetensors")
    assert not list(tmp_path.iterdir())


def test_codec_without_recipe_is_refused(codec: Codec, tmp_path: Path) -> None:
    anonymous = codec.with_compression(Uint16())
    with pytest.raises(CheckpointError, match="no recipe"):
        save(anonymous, tmp_path / "mine.safetensors")
    assert not list(tmp_path.iterdir())
