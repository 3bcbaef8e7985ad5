"""Small files whose manifest was removed, moved to a sidecar, or changed."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from resizekit import RunOptions, down_file, up_file
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images import restoration
from resizekit.images.sidecar import sidecar_of
from resizekit.images.small_files import RestoreWarning, read_small, restored_suffix
from resizekit.pictures.io.read import read_picture

SIDECAR = RunOptions(sidecar=True)
WEIGHTS = "sr-x2-fast"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    rows, columns = np.mgrid[:37, :50]
    pixels = np.stack((4 * rows, 3 * columns, 90 + rows), 2).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def small(photo, tmp_path):
    """A small file, and the pixels that come back from it."""
    down_file(photo, tmp_path / "small.png", weights=WEIGHTS)
    up_file(tmp_path / "small.png", tmp_path / "expected.png")
    return tmp_path / "small.png", read_picture(tmp_path / "expected.png").pixels


def optimise(path):
    """Save the same pixels again without metadata, as an optimiser of files does."""
    with PIL.Image.open(path) as image:
        pixels = np.asarray(image)
    PIL.Image.fromarray(pixels).save(path, optimize=True)


def restore(path, **options):
    target = path.with_name("back.png")
    up_file(path, target, options=RunOptions(overwrite=True), **options)
    return read_picture(target).pixels


def test_file_without_manifest_is_restored_by_its_weights(small):
    path, expected = small
    optimise(path)
    with pytest.raises(
        ManifestError, match=r"carries no manifest.* `up --weights NAME` restores it \(in Python: weights="
    ):
        restore(path)
    with pytest.warns(RestoreWarning, match=r"carries no manifest: trusting --weights and its pixels$"):
        assert np.array_equal(restore(path, weights=WEIGHTS, size=(50, 37)), expected)
    with pytest.warns(RestoreWarning, match="restoring 50x38, unless --size is given"):
        back = restore(path, weights=WEIGHTS)
    assert np.array_equal(back[:36, :50], expected[:36])  # the last row of an odd height sees other padding


def test_size_must_fit_the_small_picture(small):
    path, _ = small
    optimise(path)
    with pytest.raises(UsageError, match=r"25x19 pixels.* at most 50x38"):
        restore(path, weights=WEIGHTS, size="60x37")


def test_sidecar_carries_the_manifest(photo, tmp_path):
    path = tmp_path / "small.png"
    manifest = down_file(photo, path, weights=WEIGHTS, options=SIDECAR)
    up_file(path, tmp_path / "expected.png")
    optimise(path)
    assert read_small(path)[1] == manifest
    assert np.array_equal(restore(path), read_picture(tmp_path / "expected.png").pixels)
    path.unlink()
    with pytest.raises(UsageError, match=r"small.png.json exists"):
        down_file(photo, path, weights=WEIGHTS, options=SIDECAR)
    assert not path.exists()


def test_file_and_sidecar_appear_without_another_writer_between(photo, tmp_path, monkeypatch):
    fcntl, held, replace = pytest.importorskip("fcntl"), [], Path.replace

    def replace_and_check(self, target):
        folder = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append((Path(target).name, False))
        except BlockingIOError:
            held.append((Path(target).name, True))
        os.close(folder)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_and_check)
    options = RunOptions(sidecar=True, overwrite=True)
    for _ in range(2):
        down_file(photo, tmp_path / "small.png", weights=WEIGHTS, options=options)
    assert held == [("small.png.json", True), ("small.png", True)] * 2


def test_sidecar_of_opaque_transparency(tmp_path, photo):
    with PIL.Image.open(photo) as image:
        image.convert("RGBA").save(tmp_path / "opaque.png")
    down_file(tmp_path / "opaque.png", tmp_path / "s.png", weights=WEIGHTS, options=SIDECAR)
    optimise(tmp_path / "s.png")
    assert restore(tmp_path / "s.png").shape == (37, 50, 3)


def test_broken_sidecars_are_reported(small):
    path, _ = small
    optimise(path)
    for content in (b"", b"[]", b"\xff", b"x" * 5000):
        sidecar_of(path).write_bytes(content)
        with pytest.raises(ManifestError, match="manifest"):
            restore(path)
    assert restored_suffix(path) == ".png"


def test_changed_pixels_need_force(small):
    path, expected = small
    text = read_picture(path).embedded_manifest
    with PIL.Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0] ^= 1
    note = PngInfo()
    note.add_itxt("resizekit", text)
    PIL.Image.fromarray(pixels).save(path, pnginfo=note)
    with pytest.raises(ManifestError, match="was changed after it was made small"):
        restore(path)
    with pytest.warns(RestoreWarning, match="was changed: the restored picture may differ"):
        back = restore(path, force=True)
    assert np.abs(back.astype(int) - expected)[10:, 10:].max() == 0


@pytest.mark.parametrize(("field", "value"), [("size", [49, 37]), ("mode", "L"), ("effort", 3)])
def test_forged_manifest_is_noticed(small, field, value):
    path, _ = small
    record = json.loads(read_picture(path).embedded_manifest)
    assert len(record["checksum"]) == 64
    note = PngInfo()
    note.add_itxt("resizekit", json.dumps(record | {field: value}))
    with PIL.Image.open(path) as image:
        pixels = np.asarray(image)
    PIL.Image.fromarray(pixels).save(path, pnginfo=note)
    with pytest.raises(ManifestError, match="manifest that was changed after it was made small"):
        restore(path)


def test_manifest_without_its_checksum_is_refused(small):
    path, _ = small
    record = json.loads(read_picture(path).embedded_manifest)
    del record["checksum"]
    note = PngInfo()
    note.add_itxt("resizekit", json.dumps(record))
    with PIL.Image.open(path) as image:
        pixels = np.asarray(image)
    PIL.Image.fromarray(pixels).save(path, pnginfo=note)
    with pytest.raises(ManifestError, match="has a manifest that was changed"):
        restore(path)


def test_small_file_is_read_before_the_weights(small, tmp_path, monkeypatch):
    path, _ = small
    loads = []
    monkeypatch.setattr(restoration, "_codec", lambda *_: loads.append(1))
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "changed.png", pnginfo=note_of(path))
    with pytest.raises(ManifestError, match="was changed after"):
        up_file(tmp_path / "changed.png", tmp_path / "back.png", weights=WEIGHTS)
    with pytest.raises(ImageError, match="does not exist"):
        up_file(tmp_path / "missing.png", tmp_path / "back.png", weights=WEIGHTS)
    with pytest.raises(UsageError, match="exists"):
        up_file(path, tmp_path / "expected.png", weights=WEIGHTS)
    assert not loads


def note_of(path):
    note = PngInfo()
    note.add_itxt("resizekit", read_picture(path).embedded_manifest)
    return note
