"""Small files in memory and file objects: the same bytes and pixels as files on disk."""

import copy
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest
import torch

import resizekit
from resizekit.errors import ImageError, ManifestError, UsageError
from resizekit.images.advice import Advice
from resizekit.images.run_options import RunOptions
from resizekit.images.target_size import TargetSize
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import write_picture
from resizekit.pictures.picture import Picture

CPU = RunOptions(device="cpu")


def pixels(height=45, width=38, channels=3, dtype=np.uint8):
    """Make a smooth picture with some detail, `h w c`."""
    y, x = np.mgrid[:height, :width] / 5
    layers = [0.5 + 0.4 * np.sin(x + k) * np.cos(y * (1 + k / 3)) for k in range(channels)]
    return np.rint(np.stack(layers, 2) * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    exif = PIL.Image.Exif()
    exif[0x13B] = "An author"
    PIL.Image.fromarray(pixels()).save(path, quality=95, exif=exif, dpi=(300, 300))
    return path


def down_to_file(source, folder, name="low.png", **options):
    resizekit.down_file(source, folder / name, **options)
    return (folder / name).read_bytes()


OPTIONS = {
    "plain": ({}, "low.png"),
    "any size": ({"target": TargetSize(scale="5/2")}, "low.png"),
    "two steps": ({"target": TargetSize(times=2)}, "low.png"),
    "webp": ({"compression": "webp"}, "low.webp"),
    "effort": ({"effort": 1}, "low.png"),
}


@pytest.mark.parametrize(("options", "name"), OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", [str, "bytes", "file object"])
def test_down_bytes_equals_the_bytes_of_down_file(tmp_path, codec, photo, options, name, kind):
    expected = down_to_file(photo, tmp_path, name, weights=codec, **options)
    image = {"bytes": photo.read_bytes(), "file object": io.BytesIO(photo.read_bytes())}.get(kind, str(photo))
    assert resizekit.down_bytes(image, weights=codec, **options) == expected


def test_down_bytes_with_a_limit_equals_down_file(tmp_path, photo):
    options = {"weights": "sr-x2-jpeg75", "max_bytes": 1500}
    data = resizekit.down_bytes(photo, **options)
    assert data == down_to_file(photo, tmp_path, "low.jpg", **options)
    assert data[:2] == b"\xff\xd8"
    assert 700 < len(data) <= 1500


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P"])
def test_pil_images_are_files_without_metadata(tmp_path, codec, mode):
    image = PIL.Image.fromarray(pixels(channels=4), "RGBA").convert("L" if mode == "LA" else mode)
    if mode == "LA":
        image.putalpha(PIL.Image.fromarray(pixels()[:, :, 0]))
    image.save(tmp_path / "in.png")
    data = resizekit.down_bytes(image, weights=codec)
    assert data == down_to_file(tmp_path / "in.png", tmp_path, weights=codec)
    restored = resizekit.up_bytes(data)
    resizekit.up_file(tmp_path / "low.png", tmp_path / "out.png")
    with PIL.Image.open(tmp_path / "out.png") as written:
        assert (restored.mode, restored.size) == (written.mode, (38, 45))
        assert np.array_equal(np.asarray(restored), np.asarray(written))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2"])
def test_arrays_are_read_as_their_npy_file(tmp_path, codec, dtype):
    pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    options = {} if dtype is np.uint8 else {"compression": "uint16"}
    array = pixels(dtype=np.uint8 if dtype is np.uint8 else np.uint16).astype(dtype)
    np.save(tmp_path / "in.npy", array, allow_pickle=False)
    data = resizekit.down_bytes(array, weights=codec, **options)
    assert data == down_to_file(tmp_path / "in.npy", tmp_path, weights=codec, **options)
    grey = resizekit.down_bytes(array[:, :, 0], weights=codec, **options)
    assert grey == resizekit.down_bytes(array[:, :, :1], weights=codec, **options) != data


def test_sixteen_bits_and_cubes_go_through_file_objects(tmp_path, toy_weights):
    pytest.importorskip("imagecodecs", reason="imagecodecs is not installed")
    deep = Picture(pixels=pixels(dtype=np.uint16))
    write_picture(tmp_path / "deep.png", deep)
    data = resizekit.down_bytes(tmp_path / "deep.png", weights="toy-rgb", compression="uint16")
    assert read_picture(data).bits == 16
    with pytest.raises(ImageError, match=r"^<bytes> restores 3 channels of uint16, .*: use up_file"):
        resizekit.up_bytes(data)
    restored = io.BytesIO()
    resizekit.up_file(data, restored)
    after = read_picture(restored.getvalue())
    assert (after.bits, after.pixels.shape) == (16, (45, 38, 3))
    assert np.abs(after.pixels.astype(int) - deep.pixels).mean() < 6000
    with pytest.raises(ImageError, match=r"^this array has more than 8 bits a channel"):
        resizekit.down_bytes(deep.pixels, weights="toy-rgb")


def test_cubes_are_restored_as_npy(tmp_path):
    network = {"width": 8, "blocks": 1}
    untrained = resizekit.build("channels", channels=1, spec={"s": 2, "r": 2, "t": 6}, network=network)
    resizekit.save(untrained, tmp_path / "cube.safetensors")
    codec = resizekit.load(tmp_path / "cube.safetensors")
    cube = pixels(channels=6)
    data = resizekit.down_bytes(cube, weights=codec)
    with pytest.raises(ImageError, match="6 channels of uint8, which a PIL image cannot hold"):
        resizekit.up_bytes(data, weights=codec)
    restored = io.BytesIO()
    resizekit.up_file(io.BytesIO(data), restored, weights=codec)
    assert np.load(io.BytesIO(restored.getvalue())).shape == (45, 38, 6)


def test_up_bytes_equals_up_file_and_keeps_metadata(tmp_path, codec, photo):
    data = down_to_file(photo, tmp_path, weights=codec)
    resizekit.up_file(tmp_path / "low.png", tmp_path / "out.png")
    for source in (data, io.BytesIO(data), tmp_path / "low.png", str(tmp_path / "low.png")):
        restored = resizekit.up_bytes(source, weights=codec)
        assert np.array_equal(np.asarray(restored), read_picture(tmp_path / "out.png").pixels)
    assert restored.getexif()[0x13B] == "An author"
    assert restored.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_up_bytes_refuses_what_up_file_refuses(codec):
    file = io.BytesIO()
    PIL.Image.fromarray(pixels()).save(file, "PNG")
    with pytest.raises(ManifestError, match=r"^<bytes> carries no manifest"):
        resizekit.up_bytes(file.getvalue())
    with pytest.raises(ImageError, match=r"^<bytes> is not a picture"):
        resizekit.up_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"^<bytes> is empty"):
        resizekit.up_bytes(b"")
    with pytest.raises(ImageError, match="invalid picture of type PngImageFile: expected a path"):
        resizekit.up_bytes(PIL.Image.open(file))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (3, ImageError, "invalid picture of type int: expected a path, bytes"),
        (np.zeros((4, 4, 3)), ImageError, r"this array holds values of type float64: save uint8"),
        (np.zeros((0, 4, 3), np.uint8), ImageError, "this array holds an empty array"),
        (np.zeros((1, 4, 4, 3), np.uint8), ImageError, r"this array holds an array of shape \(1, 4, 4, 3\)"),
        (np.zeros((4, 4, 3), np.float32), ImageError, "--value-range"),
        (PIL.Image.new("I;16", (4, 4)), ImageError, "invalid PIL image of mode 'I;16'"),
        (b"", ImageError, "<bytes> is empty"),
        (io.StringIO("text"), ImageError, "expected a path, bytes, or a file object opened with 'rb'"),
    ],
    ids=["int", "float64", "empty", "batch", "float32 without range", "deep PIL", "no bytes", "text file"],
)
def test_unusable_images_are_refused(codec, image, error, message):
    with pytest.raises(error, match=message):
        resizekit.down_bytes(image, weights=codec)


def test_a_frame_needs_a_file(codec):
    with pytest.raises(UsageError, match="invalid frame 2 of this array: pass a file"):
        resizekit.down_bytes(pixels(), weights=codec, frame=2)


class Log(io.BytesIO):
    """A file object that records the sizes of its writes."""

    def __init__(self, name=None):
        super().__init__()
        self.writes = []
        if name is not None:
            self.name = name

    def write(self, data):
        self.writes.append(len(data))
        return super().write(data)


@pytest.mark.parametrize(("name", "kind"), [(None, "PNG"), ("a.webp", "WEBP"), ("/tmp/tmp0", "PNG"), ("a.PNG", "PNG")])
def test_small_file_objects_get_one_write_in_the_named_format(tmp_path, codec, photo, name, kind):
    file = Log(name)
    resizekit.down_file(photo, file, weights=codec)
    assert file.writes == [len(file.getvalue())]
    assert PIL.Image.open(io.BytesIO(file.getvalue())).format == kind
    restored = Log(name)
    resizekit.up_file(file.getvalue(), restored)
    assert restored.writes == [len(restored.getvalue())]
    assert PIL.Image.open(io.BytesIO(restored.getvalue())).format == kind


def test_file_objects_of_other_formats_are_refused_as_paths_are(codec, photo):
    file = Log("low.jpg")
    with pytest.raises(UsageError, match=r"a small image of these weights is a PNG: name it \.png, not low\.jpg"):
        resizekit.down_file(photo, file, weights=codec)
    assert file.writes == []


def test_restored_jpegs_have_their_quality(codec, photo):
    data, sizes = resizekit.down_bytes(photo, weights=codec), []
    for quality in (20, 90):
        file = Log("restored.jpg")
        resizekit.up_file(data, file, quality=quality)
        sizes.append(len(file.getvalue()))
    assert sizes[0] * 1.5 < sizes[1]
    with pytest.raises(UsageError, match=r"^\.png has no quality, and <file object> is exact"):
        resizekit.up_file(data, io.BytesIO(), quality=20)


def test_errors_write_nothing(tmp_path, codec, photo):
    file = Log()
    with pytest.raises(ImageError, match="is not a picture"):
        resizekit.down_file(b"no picture", file, weights=codec)
    assert file.writes == []
    with pytest.raises(UsageError, match="a sidecar needs a path"):
        resizekit.down_file(photo, file, weights=codec, options=RunOptions(sidecar=True))
    for wrong in (io.StringIO(), object(), 7):
        with pytest.raises(UsageError, match="expected a path, or a file object opened with 'wb'"):
            resizekit.down_file(photo, wrong, weights=codec)
    (tmp_path / "x").touch()
    with (tmp_path / "x").open("rb") as read_only, pytest.raises(UsageError, match="x is not open for writing"):
        resizekit.down_file(photo, read_only, weights=codec)


def test_failed_writes_name_the_file_object(codec, photo):
    class Full(Log):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(ImageError, match=r"^cannot write full\.png \(.*No space left"):
        resizekit.down_file(photo, Full("full.png"), weights=codec)


def test_raw_files_get_all_bytes(tmp_path, codec, photo):
    class Slow(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data[:1000])
            return min(len(data), 1000)

    file = Slow()
    resizekit.down_file(photo, file, weights=codec)
    assert file.data == down_to_file(photo, tmp_path, weights=codec)
    assert not file.closed


def test_advice_compares_bytes_in_memory(codec):
    advice: list[Advice] = []
    file = io.BytesIO()
    PIL.Image.fromarray(pixels(64, 64)).save(file, "JPEG", quality=5)
    data = resizekit.down_bytes(file.getvalue(), weights=codec, options=RunOptions(on_advice=advice.append))
    assert [(reason.kind, reason.text.split(":")[0]) for reason in advice] == [
        ("larger", "<file object> has more bytes than <bytes>")
    ]
    assert f"{len(data) / 1024:,.1f} KiB, source {len(file.getvalue()) / 1024:,.1f} KiB" in advice[0].text


def test_eight_threads_share_one_codec(codec, photo):
    sizes = [(45 + index, 38 + 2 * index) for index in range(8)]
    images = [pixels(*size) for size in sizes]

    def both(image):
        data = resizekit.down_bytes(image, weights=codec, options=CPU)
        return data, np.asarray(resizekit.up_bytes(data, weights=codec, options=CPU)).tobytes()

    alone = [both(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(both, images * 2))
    assert together == alone * 2


@pytest.mark.parametrize("effort", [0, 1])
def test_weights_with_nan_make_no_file(effort):
    codec = copy.deepcopy(resizekit.load("sr-x2-fast"))
    with torch.no_grad():
        next(codec.decoder.parameters()).fill_(float("nan"))
    with pytest.raises(UsageError, match=r"the weights hold NaN or infinity \(decoder\."):
        resizekit.down_bytes(pixels(), weights=codec, effort=effort)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_that_no_file_holds_make_no_file(dtype):
    codec = copy.deepcopy(resizekit.load("sr-x2-fast")).to(dtype)
    with pytest.raises(UsageError, match=rf"weights in {dtype} .* cannot be saved as they are"):
        resizekit.down_bytes(pixels(), weights=codec)
