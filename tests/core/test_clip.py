"""Frames of clips: the same pixels as single images, flat memory, and one manifest for each clip."""

import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images.clip import SmallClip, up_clip
from resizekit.images.sidecar import read_sidecar, write_sidecar
from resizekit.images.small_files import RestoreWarning
from resizekit.pictures.manifest import Manifest

FRAMES = list(np.random.default_rng(0).integers(0, 256, (5, 33, 48, 3), np.uint8))


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.fixture
def clip(codec):
    """The small frames of a clip, and its manifest."""
    small = SmallClip(codec, FRAMES)
    return list(small), small.manifest


# PyTorch convolves an input of at most 20480 values by another algorithm, so that a batch of smaller frames may have
# other last bits than its frames, on some processors
LARGE_FRAMES = np.random.default_rng(1).integers(0, 256, (3, 165, 168, 3), np.uint8)

KINDS = {
    "array": lambda frame: frame,
    "tensor": lambda frame: torch.from_numpy(frame).permute(2, 0, 1),
    "float": lambda frame: torch.from_numpy(frame).permute(2, 0, 1) / 255,
    "PIL": PIL.Image.fromarray,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_frames_equal_single_images(codec, kind, batch):
    frames = [KINDS[kind](frame) for frame in LARGE_FRAMES]
    lows = list(codec.down_frames(iter(frames), batch=batch))
    restored = list(codec.up_frames(lows, batch=batch, size=(168, 165)))
    for frame, low, high in zip(frames, lows, restored, strict=True):
        assert type(low) is type(high) is (PIL.Image.Image if kind == "PIL" else type(frame))
        assert np.array_equal(np.asarray(low), np.asarray(codec.down(frame)))
        assert np.array_equal(np.asarray(high), np.asarray(codec.up(low, size=(168, 165))))


def test_frames_of_grey_codecs_keep_two_axes():
    torch.manual_seed(0)
    grey = resizekit.build("sr", channels=1, network={"width": 4, "blocks": 1}).eval()
    (low,) = grey.down_frames([FRAMES[0][:, :, 0]])
    assert low.shape == (17, 24)
    assert np.array_equal(low, grey.down(FRAMES[0][:, :, 0]))


def test_frames_of_several_kinds_and_sizes_stay_in_order(codec):
    frames = [FRAMES[0], FRAMES[1][:20], PIL.Image.fromarray(FRAMES[2]), FRAMES[3][:20], KINDS["tensor"](FRAMES[4])]
    lows = list(codec.down_frames(frames))
    assert [type(low) for low in lows] == [np.ndarray, np.ndarray, PIL.Image.Image, np.ndarray, torch.Tensor]
    for frame, low in zip(frames, lows, strict=True):
        assert np.array_equal(np.asarray(low), np.asarray(codec.down(frame)))


def test_effort_improves_each_frame(codec):
    errors = []
    for effort in (0, 1):
        restored = codec.up_frames(codec.down_frames(FRAMES[:3], effort=effort), size=(48, 33))
        errors.append(
            [np.square(np.subtract(a, b, dtype=float)).mean() for a, b in zip(FRAMES, restored, strict=False)]
        )
    assert len(errors[1]) == 3
    assert all(improved < before for before, improved in zip(*errors, strict=True))


def test_one_batch_is_read_ahead(codec):
    read = []
    lows = codec.down_frames((read.append(i) or frame for i, frame in enumerate(FRAMES)), batch=2)
    assert read == []
    next(lows)
    assert read == [0, 1]


def test_frames_have_no_graph_and_leave_gradients_on(codec):
    frames = [KINDS["float"](frame).requires_grad_() for frame in FRAMES[:2]]
    for low in codec.down_frames(frames, batch=1):
        assert torch.is_grad_enabled()
        assert not low.requires_grad


@pytest.mark.parametrize("batch", [0, -1, 1.5, True])
def test_invalid_batch_is_refused_by_the_call(codec, batch):
    with pytest.raises(UsageError, match="expected an integer of 1 or more"):
        codec.down_frames(FRAMES, batch=batch)


@pytest.mark.parametrize("frame", [3, np.stack(FRAMES), torch.zeros(1, 3, 4, 4), np.zeros((4, 4, 3))])
def test_other_frames_are_refused(codec, frame):
    with pytest.raises(ImageError, match=r"invalid (frame of type|array of float64)"):
        next(codec.down_frames([frame]))


MEMORY = """
import resource
import numpy as np
import torch
import resizekit

torch.set_num_threads(1)
codec = resizekit.build("sr", network={"width": 4, "blocks": 1}).eval()
random = np.random.default_rng(0)
frames = (random.integers(0, 256, (128, 128, 3), np.uint8) for _ in range(1000))
for i, frame in enumerate(codec.up_frames(codec.down_frames(frames))):
    if i in (100, 999):
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is that of Linux")
def test_memory_is_flat_over_1000_frames():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    early, late = map(int, done.stdout.split())
    assert late - early < 20, "the 900 frames between have 44 MB, and their restored ones as much"


# --- the manifest ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [True, False], ids=["codec", "weights of the manifest"])
def test_clip_is_restored_by_its_sidecar(codec, clip, tmp_path, given):
    lows, manifest = clip
    write_sidecar(tmp_path / "small.mkv", manifest)
    read = Manifest.from_text(read_sidecar(tmp_path / "small.mkv"), "small.mkv")
    assert (read.weights, read.size, read.mode) == ("sr-x2-fast", (48, 33), "RGB")
    restored = list(up_clip(iter(lows), read, codec=codec if given else None))
    assert np.array_equal(restored, [codec.up(codec.down(frame), size=(48, 33)) for frame in FRAMES])


def test_clip_is_restored_by_the_text_of_its_sidecar(codec, clip):
    lows, manifest = clip
    assert np.array_equal(list(up_clip(lows, manifest.to_text())), list(up_clip(lows, manifest)))
    with pytest.raises(ManifestError, match=r"^small.mkv has no manifest: keep its sidecar .* read_sidecar\(path\)$"):
        next(up_clip(lows, None, source="small.mkv"))


@pytest.mark.parametrize("frame", [None, PIL.Image.new("RGB", (24, 17))], ids=["None", "PIL"])
def test_clip_of_other_frames_is_refused(codec, clip, frame):
    lows, manifest = clip
    with pytest.raises(ImageError, match=r"frame 1 of this clip is a \w+: expected an array h w c"):
        list(up_clip([lows[0], frame], manifest))


def test_manifest_does_not_depend_on_the_batch(codec, clip):
    small = SmallClip(codec, FRAMES, batch=1)
    assert len(list(small)) == 5
    assert small.manifest == clip[1]


@pytest.mark.parametrize("read", [0, 4])
def test_manifest_needs_every_frame(codec, read):
    small = SmallClip(codec, FRAMES)
    for _, _ in zip(range(read), small, strict=False):
        pass
    with pytest.raises(UsageError, match="iterate over the small frames first"):
        _ = small.manifest


def test_empty_clip_has_no_manifest(codec):
    small = SmallClip(codec, [])
    assert list(small) == []
    with pytest.raises(UsageError, match="covers all its frames"):
        _ = small.manifest


def _changed(lows):
    lows[3] = lows[3].copy()
    lows[3][0, 0, 0] ^= 1


CHANGES = {
    "one bit": _changed,
    "order": lambda lows: lows.reverse(),
    "missing": lambda lows: lows.pop(),
    "repeated": lambda lows: lows.append(lows[-1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_frames_are_noticed(codec, clip, change):
    lows, manifest = clip
    CHANGES[change](lows)
    with pytest.raises(ManifestError, match=r"a\.mkv are not those of its manifest"):
        list(up_clip(lows, manifest, codec=codec, source="a.mkv"))
    with pytest.warns(RestoreWarning, match=r"a\.mkv are not those of its manifest"):
        restored = list(up_clip(lows, manifest, codec=codec, source="a.mkv", force=True))
    assert len(restored) == len(lows)


def test_frames_of_another_size_are_refused_first(codec, clip):
    lows, manifest = clip
    with pytest.raises(ManifestError, match=r"frame 0 of this clip has the shape \(16, 24, 3\)"):
        next(up_clip([lows[0][:16]], manifest, codec=codec))


def test_other_weights_are_refused(clip):
    lows, manifest = clip
    with pytest.raises(ManifestError, match="was made with other weights"):
        next(up_clip(lows, manifest, codec=resizekit.load("sr-x2")))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            [FRAMES[0], FRAMES[1][:32]],
            r"frame 1 is uint8 of shape \(32, 48, 3\): expected uint8 of shape \(33, 48, 3\)",
        ),
        ([PIL.Image.fromarray(FRAMES[0])], "frame 0 is not an array `h w c`: use np.asarray"),
        ([FRAMES[0][:, :, 0]], "frame 0 is not an array"),
    ],
)
def test_other_frames_of_a_clip_are_refused(codec, frames, message):
    with pytest.raises(ImageError, match=message):
        list(SmallClip(codec, frames))


def test_lossy_compressions_and_codecs_without_weights_are_refused():
    with pytest.raises(UsageError, match="compression 'jpeg' is lossy"):
        SmallClip(resizekit.load("sr-x2-jpeg75"), FRAMES)
    with pytest.raises(UsageError, match="no weights"):
        SmallClip(resizekit.build("sr"), FRAMES)


def test_frames_in_memory_that_the_source_reuses_are_read_in_time(codec):
    def reused(frames):
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[...] = frame
            yield buffer

    lows = [codec.down(frame) for frame in FRAMES]
    clip = SmallClip(codec, reused(FRAMES))
    assert all(map(np.array_equal, clip, lows))
    restored = list(up_clip(reused(lows), clip.manifest))
    assert all(map(np.array_equal, restored, (codec.up(low, size=(48, 33)) for low in lows)))
    tensors = (torch.from_numpy(frame).permute(2, 0, 1) for frame in reused(FRAMES))
    assert all(np.array_equal(a.permute(1, 2, 0), b) for a, b in zip(codec.down_frames(tensors), lows, strict=True))


def test_clip_whose_source_failed_stays_incomplete(codec):
    def failing():
        yield from FRAMES[:2]
        raise ValueError("broken")

    clip = SmallClip(codec, failing(), batch=1)
    with pytest.raises(ValueError, match="broken"):
        list(clip)
    assert list(clip) == []
    with pytest.raises(UsageError, match="covers all its frames"):
        _ = clip.manifest


def test_clip_of_16_bits(codec):
    deep = codec.with_compression("uint16")
    frames = [frame.astype(np.uint16) * 257 for frame in LARGE_FRAMES[:2]]
    small = SmallClip(deep, frames)
    lows = list(small)
    assert (lows[0].dtype, small.manifest.bits) == (np.uint16, 16)
    assert np.array_equal(next(up_clip(lows, small.manifest)), deep.up(lows[0], size=(168, 165)))
