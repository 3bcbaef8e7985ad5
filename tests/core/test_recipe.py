"""One description of a codec: what is saved loads as the same codec, and every written small image can be restored."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import resizekit
from resizekit import Codec
from resizekit.codec import Recipe
from resizekit.errors import CheckpointError, ResizeKitError, UsageError
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture
from resizekit.storage import Uint8, Uint16

NETWORKS = {
    "tad": {"width": 4, "blocks": 1},
    "wavelet": {"width": 4, "down_blocks": 1, "up_blocks": 1},
    "blocks": {"name": "wavelet", "width": 4, "down_blocks": 1, "up_blocks": 1, "block_size": 2},
    "recurrent": {"width": 4, "down_blocks": 1, "up_blocks": 1},
    "invertible": {"width": 4, "couplings": 1},
    "edsr": {"width": 4, "blocks": 1},
    "vdsr": {"width": 4, "layers": 2},
}
TASKS = {
    "sr": {"spec": {"s": 2, "r": 2}},
    "extreme": {},
    "colorize": {},
    "channels": {"spec": {"s": 2, "r": 2, "t": 3}},
}
COMPRESSIONS = st.sampled_from(["uint8", "round", "uint16", "none", "jpeg"])


@st.composite
def codecs(draw: st.DrawFn) -> Codec:
    """Any codec that can be built: task, networks, encoder, then up to three changes by `replace`."""
    task, network = draw(st.sampled_from(sorted(TASKS))), draw(st.sampled_from(sorted(NETWORKS)))
    if network == "recurrent" and TASKS[task].get("spec", {}).get("t", 1) != 1:
        network = "tad"
    if network == "recurrent" and task == "colorize":
        network = "invertible"
    encoder = draw(st.sampled_from([None, "none", {"name": "tad", "width": 4, "blocks": 0}]))
    torch.manual_seed(0)
    codec = resizekit.build(
        task,
        network={"name": network} | NETWORKS[network],
        encoder=encoder,
        compression=draw(st.sampled_from(["uint8", {"name": "jpeg", "quality": 60}])),
        **TASKS[task],
    ).eval()
    for _ in range(draw(st.integers(0, 3))):
        if codec.step.t == 1 and draw(st.booleans()):
            codec = codec.replace(times=draw(st.integers(1, 4)))
        if draw(st.booleans()):
            codec = codec.replace(compression=draw(COMPRESSIONS))
        if draw(st.booleans()):
            codec = codec.replace(self_ensemble=draw(st.booleans()))
    return codec


def described(codec: Codec) -> tuple[object, ...]:
    """Everything that a file must bring back."""
    assert codec.recipe is not None
    recipe = codec.recipe.model_copy(update={"weights": None})
    return (
        recipe, codec.info[:3], codec.digest, codec.spec, codec.times, codec.self_ensemble, codec.low_channels,
        codec.traits, codec.storage, type(codec.compression),
    )  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codec=codecs())
def test_saved_codec_loads_as_the_same_codec(tmp_path: Path, codec: Codec) -> None:
    file = tmp_path / "any.safetensors"
    resizekit.save(codec, file)
    again = resizekit.load(file)
    assert described(again) == described(codec)
    assert again.info.weights == "any"
    low = torch.rand(1, codec.low_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(again.up(low), codec.to(memory_format=torch.channels_last).up(low))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codec=codecs())
def test_down_file_writes_what_up_file_reads_or_refuses(tmp_path: Path, codec: Codec) -> None:
    image, weights = tmp_path / "in.png", tmp_path / "any.safetensors"
    pixels = np.random.default_rng(0).integers(0, 256, (33, 35, 3 if codec.channels == 3 else 1), np.uint8)
    write_picture(image, Picture(pixels=pixels), overwrite=True)
    resizekit.save(codec, weights)
    loaded = resizekit.load(weights)
    small = tmp_path / f"small{codec.storage.suffixes[0]}"
    small.unlink(missing_ok=True)
    try:
        manifest = resizekit.down_file(image, small, weights=loaded)
    except ResizeKitError:
        assert not small.exists()
        return
    assert manifest.compression == codec.info.compression
    for source in (loaded, weights):
        restored = tmp_path / "restored.png"
        resizekit.up_file(small, restored, weights=source, options=resizekit.RunOptions(overwrite=True))
        assert read_picture(restored).pixels.shape == pixels.shape


def test_steps_are_saved(tmp_path: Path) -> None:
    resizekit.save(resizekit.build("extreme").at(5), tmp_path / "deep.safetensors")
    assert resizekit.load(tmp_path / "deep.safetensors").times == 5


def test_replace_shares_weights_and_keeps_the_rest() -> None:
    codec = resizekit.build("sr", network={"width": 4, "blocks": 1})
    twin = codec.replace(times=2, compression="uint16", self_ensemble=True)
    assert [id(p) for p in twin.parameters()] == [id(p) for p in codec.parameters()]
    assert (twin.times, twin.info.compression, twin.self_ensemble) == (2, "uint16", True)
    assert (codec.times, codec.info.compression, codec.self_ensemble) == (1, "uint8", False)
    assert twin.replace(times=1, compression="uint8", self_ensemble=False).recipe == codec.recipe
    assert not twin.replace().eval().replace(times=3).training


def test_replace_with_the_present_compression_keeps_its_options() -> None:
    codec = resizekit.build("sr", compression={"name": "jpeg", "quality": 60})
    assert codec.replace(compression="jpeg").storage.options["quality"] == 60
    assert codec.replace(compression="uint8").replace(compression="jpeg").storage.options["quality"] == 75


@pytest.mark.parametrize("change", [{"times": 2}, {"self_ensemble": True}, {}], ids=str)
def test_anonymous_compression_leaves_no_recipe(tmp_path: Path, change: dict[str, object]) -> None:
    codec = resizekit.load("sr-x2-fast").with_compression(Uint16()).replace(**change)
    assert codec.recipe is None
    with pytest.raises(CheckpointError, match="no recipe"):
        resizekit.save(codec, tmp_path / "x.safetensors")
    write_picture(tmp_path / "in.png", Picture(pixels=np.zeros((32, 32, 3), np.uint8)))
    with pytest.raises(UsageError, match="name"):
        resizekit.down_file(tmp_path / "in.png", tmp_path / "small.png", weights=codec)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png"]


def test_codec_built_by_hand_takes_no_names() -> None:
    built = resizekit.build("sr", network={"width": 4, "blocks": 0})
    by_hand = Codec(
        step=built.step,
        low_channels=3,
        encoder=built.encoder,
        decoder=built.decoder,
        guide=built._make_guide,
        compression=Uint8(),
    )
    assert by_hand.info == ("unknown", "unknown", "unknown", None)
    with pytest.raises(UsageError, match="not built from a recipe; pass a compression module"):
        by_hand.replace(compression="uint16")
    with pytest.raises(UsageError, match="not built from a recipe"):
        by_hand.replace(compression="none")
    assert by_hand.replace(compression=Uint16()).storage.bits == 16
    with pytest.raises(UsageError, match="invalid compression 3: expected a name or"):
        by_hand.replace(compression=3)  # type: ignore[arg-type]


def test_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe(task="sr").task = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": 0}, "times=0: expected an integer of 1 or more"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "gpu"}, "gpu"),
        ({"precision": "half"}, "half"),
    ],
    ids=str,
)
def test_load_refuses_impossible_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resizekit.load("sr-x2-fast", **options)


def test_load_picks_a_device() -> None:
    assert resizekit.load("sr-x2-fast", device="auto").device.type in ("cpu", "cuda")
