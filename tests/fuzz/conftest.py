"""Seeds of the fuzz tests: pictures of every format, arrays, small files, weights files and configs."""

import io
import json
import struct
import tomllib
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch
from PIL.PngImagePlugin import PngInfo
from safetensors import safe_open
from safetensors.torch import load_file

import resizekit
from resizekit.images.files import down_file
from resizekit.storage.jxl import register_jxl
from resizekit.storage.png16 import PNG16

CONFIG = """
task = "sr"
[config]
spec = {s = 2, r = "3/2"}
channels = 3
guide_weight = 0.1
[network]
width = 8
blocks = 1
[train]
data = ["photos"]
steps = 100
batch = 4
patch = 32
budget = "20 min"
betas = [0.9, 0.99]
phases = [{share = 1.0, patch = 48}]
"""


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def pillow_pictures() -> Iterator[bytes]:
    """Encode a picture in every format that Pillow reads and writes, in up to six modes."""
    PIL.Image.init()
    register_jxl()
    rgba = PIL.Image.fromarray(pixels(11, 13, 4))
    for name in sorted(PIL.Image.SAVE.keys() & PIL.Image.OPEN.keys() - {"EPS", "PDF", "MPO"}):
        for mode in ("RGB", "L", "1", "P", "RGBA", "I;16"):
            file = io.BytesIO()
            picture = PIL.Image.fromarray(pixels(11, 13).astype(np.uint16)) if mode == "I;16" else rgba.convert(mode)
            try:
                with warnings.catch_warnings(action="ignore"):  # formats that Pillow will remove
                    picture.save(file, format=name)
            except (OSError, ValueError, SystemError, KeyError, NotImplementedError):  # not in this mode
                continue
            yield file.getvalue()


def deep_pictures() -> Iterator[bytes]:
    deep = pixels(6, 5, 4).astype(np.uint16) * 257
    file = io.BytesIO()
    PNG16.save(file, deep[:, :, :3])
    yield file.getvalue()
    for big in (False, True):
        file = io.BytesIO()
        with tifffile.TiffWriter(file, bigtiff=big) as tiff:
            for page in range(3):
                tiff.write(deep[:, :, page], photometric="minisblack", metadata=None, contiguous=False)
        yield file.getvalue()
    file = io.BytesIO()
    tifffile.imwrite(file, deep, photometric="rgb", extrasamples=["unassalpha"], compression="adobe_deflate")
    yield file.getvalue()


def arrays() -> Iterator[bytes]:
    for array in (pixels(4, 5, 6), pixels(4, 5, 6).astype(np.float32), pixels(4, 5, 6).astype(np.uint16)):
        file = io.BytesIO()
        np.save(file, array)
        yield file.getvalue()
        file = io.BytesIO()
        np.savez_compressed(file, picture=array)
        yield file.getvalue()


@pytest.fixture(scope="session")
def seeds(tmp_path_factory, small_weights) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("seeds")
    small_weights(folder / "tiny.safetensors")
    codec = resizekit.load(folder / "tiny.safetensors")
    PIL.Image.fromarray(pixels(24, 31, 3)).save(folder / "photo.png")
    manifest = down_file(folder / "photo.png", folder / "small.png", weights=codec)
    small = PIL.Image.open(folder / "small.png")
    small.load()

    def with_manifest(fields: object) -> bytes:
        """Write the small file with another manifest and the same pixels."""
        info, file = PngInfo(), io.BytesIO()
        info.add_itxt("resizekit", json.dumps(fields))
        small.save(file, "PNG", pnginfo=info)
        return file.getvalue()

    with safe_open(folder / "tiny.safetensors", framework="pt") as file:
        header = {key: json.loads(text) for key, text in file.metadata().items()}
    return SimpleNamespace(
        pictures=[*pillow_pictures(), *deep_pictures(), *arrays()],
        codec=codec,
        manifest=json.loads(manifest.to_text()),
        with_manifest=with_manifest,
        header=header,
        tensors=load_file(folder / "tiny.safetensors"),
        weights=(folder / "tiny.safetensors").read_bytes(),
        config=tomllib.loads(CONFIG),
        config_text=CONFIG,
    )


def with_valid_checksums(png: bytes) -> bytes:
    """Compute the checksums of a PNG again, so that a changed chunk reaches its parser."""
    data, at = bytearray(png), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(data)


@pytest.fixture(scope="session")
def checksums():
    return with_valid_checksums


@pytest.fixture
def tiny_limit(monkeypatch) -> None:
    """Lower Pillow's pixel limit, so that a case that exceeds it costs little, and one that ignores it is noticed."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 2**17)


@pytest.fixture
def scratch(tmp_path) -> Path:
    return tmp_path / "case"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
