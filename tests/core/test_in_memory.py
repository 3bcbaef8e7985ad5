"""`codec.down` and `codec.up` of every kind of image: the same pixels as files, and the same kind out."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from PIL import ImageCms
from PIL.PngImagePlugin import PngInfo

import resizekit
from resizekit.codec.batches import as_batch
from resizekit.codec.pad import reflect_batch, reflect_pad_or_crop
from resizekit.errors import ImageError, ManifestError, ResizeShapeError, UsageError
from resizekit.pictures.io.read import read_picture
from resizekit.spec import HW

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"
PHOTO = PIL.Image.open(ASTRONAUT).convert("RGB").crop((180, 40, 281, 103))
PIXELS = np.array(PHOTO)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def codec():
    return resizekit.load("sr-x2-fast")


@pytest.fixture(scope="module")
def through_files(tmp_path_factory):
    """Make the photograph small and restore it, in files."""
    folder = tmp_path_factory.mktemp("files")
    PHOTO.save(folder / "in.png")
    resizekit.down_file(folder / "in.png", folder / "small.png", weights="sr-x2-fast")
    resizekit.up_file(folder / "small.png", folder / "out.png")
    return [np.array(PIL.Image.open(folder / name)) for name in ("small.png", "out.png")]


def encoded(image, form="PNG"):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "unmake"),
    [
        (lambda: PIXELS, lambda x: x),
        (lambda: PIXELS[None].repeat(2, 0), lambda x: x[1]),
        (lambda: torch.from_numpy(PIXELS).permute(2, 0, 1), lambda x: x.permute(1, 2, 0).numpy()),
        (lambda: torch.from_numpy(PIXELS).permute(2, 0, 1)[None], lambda x: x[0].permute(1, 2, 0).numpy()),
        (lambda: torch.from_numpy(PIXELS).permute(2, 0, 1) / 255, lambda x: (x.permute(1, 2, 0) * 255).round().numpy()),
        (lambda: PHOTO, np.array),
        (lambda: [PHOTO], lambda x: np.array(x[0])),
    ],
    ids=["h w c", "b h w c", "uint8 c h w", "uint8 b c h w", "float c h w", "PIL", "list"],
)
def test_odd_sizes_equal_files_for_every_kind(codec, through_files, make, unmake):
    image = make()
    low = codec.down(image)
    restored = codec.up(low, size=(101, 63))
    assert type(low) is type(restored) is type(image)
    for result, expected in zip((low, restored), through_files, strict=True):
        assert np.abs(unmake(result).astype(int) - expected).max() <= (1 if torch.is_tensor(image) else 0)


@pytest.mark.parametrize("make", [encoded, lambda image: io.BytesIO(encoded(image))], ids=["bytes", "file object"])
def test_encoded_pictures_become_pil_images(codec, through_files, make):
    low = codec.down(make(PHOTO))
    assert np.array_equal(np.array(low), through_files[0])
    assert np.array_equal(np.array(codec.up(low)), through_files[1])


def test_path_becomes_a_pil_image(codec, tmp_path):
    PHOTO.save(tmp_path / "a.png")
    assert codec.down(tmp_path / "a.png").tobytes() == codec.down(str(tmp_path / "a.png")).tobytes()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "RGBa"])
def test_pil_modes_equal_files(codec, tmp_path, mode):
    image = PHOTO.convert("RGBA" if "A" in mode.upper() else mode)
    if "A" in mode.upper():
        image.putalpha(PIL.Image.linear_gradient("L").resize(image.size))
        image = image.convert(mode)
    image.convert("RGBA" if mode == "RGBa" else mode).save(tmp_path / "in.png")
    resizekit.down_file(tmp_path / "in.png", tmp_path / "small.png", weights="sr-x2-fast")
    resizekit.up_file(tmp_path / "small.png", tmp_path / "out.png")
    low = codec.down(image)
    for result, name in ((low, "small.png"), (codec.up(low), "out.png")):
        expected = read_picture(tmp_path / name)
        assert result.size == expected.hw.wh
        assert result.mode == expected.mode
        pixels = np.array(result).reshape(*expected.hw, -1)
        alpha = [] if expected.alpha is None else [expected.alpha]
        assert np.array_equal(pixels, np.dstack([expected.pixels, *alpha]))


def test_pil_image_keeps_orientation_and_profile(codec):
    exif = PIL.Image.Exif()
    exif[0x112] = 6
    data = io.BytesIO()
    PHOTO.save(data, "PNG", exif=exif, icc_profile=SRGB)
    low = codec.down(PIL.Image.open(data))
    assert low.size == (32, 51)
    assert low.info["icc_profile"] == codec.up(low).info["icc_profile"] == SRGB


def test_small_pil_image_that_was_resized_forgets_its_size(codec):
    low = codec.down(PHOTO).resize((40, 30))
    assert codec.up(low).size == (80, 60)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_small_file_in_any_form_becomes_what_up_file_gives(codec, tmp_path, suffix, mode):
    small, restored = tmp_path / f"small{suffix}", tmp_path / "restored.png"
    picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 45, 4), np.uint8)).convert(mode)
    resizekit.down_file(picture, small, weights=codec)
    resizekit.up_file(small, restored, weights=codec)
    expected = PIL.Image.open(restored)
    for form in (small, str(small), small.read_bytes(), io.BytesIO(small.read_bytes()), PIL.Image.open(small)):
        again = codec.up(form)
        assert (again.size, again.mode) == ((45, 33), mode)
        assert np.array_equal(again, expected)


def test_small_file_of_other_weights_or_steps_is_refused(codec, tmp_path):
    picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    resizekit.down_file(picture, tmp_path / "x4.png", weights="sr-x4-fast")
    resizekit.down_file(picture, tmp_path / "again.png", weights="extreme", target=resizekit.TargetSize(times=2))
    for name, other in (("x4.png", codec), ("again.png", resizekit.load("extreme", times=1))):
        for form in (tmp_path / name, PIL.Image.open(tmp_path / name)):
            with pytest.raises(ManifestError, match=r"was made with '.*' by .*: use resizekit\.up_file or up_bytes"):
                other.up(form)


def test_changed_small_file_is_refused_and_changed_image_is_enlarged(codec, tmp_path):
    resizekit.down_file(PIL.Image.new("RGB", (45, 33), "teal"), tmp_path / "small.png", weights=codec)
    opened = PIL.Image.open(tmp_path / "small.png")
    assert codec.up(opened.crop((0, 0, 20, 16))).size == (40, 32)
    manifest = PngInfo()
    manifest.add_itxt("resizekit", opened.info["resizekit"])
    opened.crop((0, 0, 20, 16)).save(tmp_path / "changed.png", pnginfo=manifest)
    with pytest.raises(ManifestError, match="was changed after it was made small"):
        codec.up(tmp_path / "changed.png")


def test_gradients_flow_through_a_padded_picture(codec):
    x = torch.rand(1, 3, 33, 47, requires_grad=True)
    codec.up(codec.down(x), size=(47, 33)).sum().backward()
    assert x.grad.shape == x.shape
    assert x.grad.abs().sum() > 0


def test_tensor_subclass_is_kept(codec):
    class Picture(torch.Tensor):
        pass

    assert type(codec.down(torch.zeros(3, 32, 32, dtype=torch.uint8).as_subclass(Picture))) is Picture


def test_effort_of_a_batch_improves_each_picture(codec):
    batch = np.stack([PIXELS, PIXELS[::-1]])
    error = [np.square(codec.up(codec.down(batch, effort=e), size=(101, 63)) - batch.astype(float)) for e in (0, 1)]
    assert (error[1].mean((1, 2, 3)) < error[0].mean((1, 2, 3))).all()


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((101, 63), True),
        ((102, 64), True),
        (HW(63, 101), True),
        ((100, 64), False),
        ((63, 101), False),
        ((0, 0), False),
    ],
)
def test_size_must_fit_the_small_picture(codec, size, fits):
    low = np.zeros((32, 51, 3), np.uint8)
    if fits:
        expected = size if isinstance(size, HW) else size[::-1]
        assert codec.up(low, size=size).shape[:2] == tuple(expected)
    else:
        with pytest.raises(UsageError, match="expected at most 102x64"):
            codec.up(low, size=size)


def test_files_that_cannot_be_read_are_refused_in_one_line(codec, tmp_path):
    PHOTO.save(tmp_path / "a.png")
    closed, lazy = io.BytesIO(encoded(PHOTO)), PIL.Image.open(file := (tmp_path / "a.png").open("rb"))
    closed.close()
    file.close()
    with (tmp_path / "b.png").open("wb") as written:
        for image in (closed, lazy, written):
            with pytest.raises(ImageError, match="cannot be read"):
                codec.down(image)
            with pytest.raises(ImageError, match="cannot be read"):
                resizekit.down_bytes(image, weights=codec)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (30, 4), (31, 31)])
def test_pil_images_of_a_few_pixels_equal_files(codec, tmp_path, size):
    image = PHOTO.resize(size)
    image.putalpha(PIL.Image.linear_gradient("L").resize(size))
    image.save(tmp_path / "in.png")
    resizekit.down_file(tmp_path / "in.png", tmp_path / "small.png", weights="sr-x2-fast")
    resizekit.up_file(tmp_path / "small.png", tmp_path / "out.png")
    low = codec.down(image)
    for result, name in ((low, "small.png"), (codec.up(low), "out.png")):
        assert result.tobytes() == PIL.Image.open(tmp_path / name).tobytes()


@pytest.mark.parametrize("size", ["83x65", (83.0, 65.0), (1, 2, 3), 5])
def test_size_must_be_two_integers(codec, size):
    with pytest.raises(UsageError, match=r"expected \(width, height\)"):
        codec.up(np.zeros((4, 4, 3), np.uint8), size=size)


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (PIL.Image.new("I;16", (4, 4)), "pass an array of uint16"),
        (PIL.Image.new("LAB", (4, 4)), "image.convert('RGB')"),
        (PIL.Image.new("CMYK", (4, 4)), "convert it to RGB"),
        (PIL.Image.new("L", (0, 1)), "at least 1"),
        (np.zeros((2, 2, 3)), "multiply floats by 255"),
        (np.zeros((2, 2, 2, 3, 1), np.uint8), "b h w c"),
        (np.zeros((2, 0, 3), np.uint8), "at least 1"),
        (torch.zeros(1, 3, 2, 2, dtype=torch.int64), "uint8"),
        (torch.zeros(2, 2), "c h w"),
        (torch.full((3, 2, 2), 255.0), "values from 255 to 255"),
        (torch.full((3, 2, 2), -0.1), "undo a normalization"),
        (torch.full((3, 2, 2), 1.01), "clamp them"),
        (torch.full((3, 2, 2), torch.nan), "values from nan to nan"),
        (torch.zeros(3, 2, 2).to_sparse(), "torch.sparse_coo"),
        (torch.zeros(3, 2, 2, dtype=torch.float8_e5m2), "float8"),
        (b"no picture", "not a picture"),
        (b"", "empty"),
        (io.StringIO("text"), "opened with 'rb'"),
        (3, "expected a PIL image, an array"),
    ],
)
def test_other_objects_are_refused_with_advice(codec, image, advice):
    with pytest.raises(ImageError) as refusal:
        codec.down(image)
    assert advice in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_floats_that_rounding_explains_are_accepted(codec):
    x = torch.tensor([-0.001, 1.001]).repeat(3, 4, 2)
    assert codec.down(x).shape == (3, 2, 2)


def test_other_numbers_of_channels_are_refused(codec):
    with pytest.raises(ResizeShapeError, match="high has 1 channels; this codec takes 3"):
        codec.down(np.zeros((4, 4), np.uint8))


def test_other_layouts_name_the_expected_one(codec):
    array, tensor = np.zeros((3, 8, 9), np.uint8), torch.zeros(2, 8, 9, 3)
    for run, name in ((codec.down, "high"), (codec.up, "low")):
        with pytest.raises(ResizeShapeError, match=f"^{name} has 9 channels.* takes 3: expected an array `h w c` or"):
            run(array)
        with pytest.raises(ResizeShapeError, match=f"^{name} has 8 channels.* takes 3: expected a tensor `c h w` or"):
            run(tensor)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_reflection_of_batches_equals_that_of_arrays(size, dtype):
    array = np.arange(size[0] * size[1] * 3).reshape(*size, 3).astype(dtype)
    expected = reflect_pad_or_crop(array, HW(9, 8))
    batch = torch.from_numpy(array).permute(2, 0, 1)[None]
    assert np.array_equal(reflect_batch(batch, HW(9, 8))[0].permute(1, 2, 0).numpy(), expected)


def test_batch_of_an_array_without_gaps_shares_its_memory():
    array = np.zeros((4, 6, 3), np.uint8)
    as_batch(array)[0].fill_(7)
    assert (array == 7).all()
