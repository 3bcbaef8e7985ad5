import stat

import numpy as np
import PIL.Image
import pytest

from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io.icc import gamma, make_profile
from resizekit.pictures.io.read import read_picture
from resizekit.pictures.io.write import output, write_picture
from resizekit.pictures.picture import Picture

RNG = np.random.default_rng(0)
RGB_PROFILE, GREY_PROFILE = bytes(16) + b"RGB " + bytes(8), bytes(16) + b"GRAY" + bytes(8)


def picture(channels=3, *, alpha=False, **more):
    pixels = RNG.integers(0, 256, (5, 4, channels), np.uint8)
    return Picture(pixels=pixels, alpha=RNG.integers(0, 256, (5, 4), np.uint8) if alpha else None, **more)


OPAQUE = [(suffix, False) for suffix in (".png", ".webp", ".tif", ".TIFF", ".bmp")]


@pytest.mark.parametrize(("suffix", "alpha"), [*OPAQUE, (".png", True), (".webp", True), (".tif", True)])
def test_lossless_formats_keep_every_value(tmp_path, suffix, alpha):
    before = picture(alpha=alpha)
    write_picture(tmp_path / f"x{suffix}", before)
    assert read_picture(tmp_path / f"x{suffix}").digest == before.digest


@pytest.mark.parametrize("alpha", [False, True], ids=["L", "LA"])
def test_png_keeps_grey_profile_and_manifest(tmp_path, alpha):
    before = picture(1, alpha=alpha, icc=GREY_PROFILE, embedded_manifest="text ✓")
    write_picture(tmp_path / "x.png", before)
    after = read_picture(tmp_path / "x.png")
    assert (after.digest, after.icc, after.embedded_manifest) == (before.digest, before.icc, before.embedded_manifest)


def test_write_drops_a_profile_for_other_colours(tmp_path):
    write_picture(tmp_path / "x.png", picture(1, icc=RGB_PROFILE))
    assert read_picture(tmp_path / "x.png").icc is None


def test_small_png_keeps_a_profile_for_other_colours(tmp_path):
    write_picture(tmp_path / "x.png", picture(1, icc=RGB_PROFILE, embedded_manifest="text"))
    with PIL.Image.open(tmp_path / "x.png") as image:
        assert "icc_profile" not in image.info
    assert read_picture(tmp_path / "x.png").icc == RGB_PROFILE


def test_jpeg_is_close_and_keeps_its_profile(tmp_path):
    smooth = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    write_picture(tmp_path / "x.jpg", Picture(pixels=smooth, icc=RGB_PROFILE))
    after = read_picture(tmp_path / "x.jpg")
    assert after.icc == RGB_PROFILE
    assert np.abs(after.pixels.astype(int) - smooth).mean() < 2


@pytest.mark.parametrize(
    ("name", "like", "message"),
    [
        ("x.xyz", picture(), "use one of the suffixes .png"),
        ("x", picture(), "use one of the suffixes .png"),
        ("x.jpg", picture(alpha=True), "would lose the transparency"),
        ("x.bmp", picture(alpha=True), "would lose the transparency"),
        ("x.bmp", picture(icc=RGB_PROFILE), "would lose the colour profile"),
        ("x.webp", picture(embedded_manifest="n"), "would lose the manifest"),
        ("folder.png", picture(), "is a folder"),
        ("old.png", picture(), "--overwrite"),
        ("missing/x.png", picture(), "does not exist"),
    ],
)
def test_output_refuses_impossible_paths_before_the_work(tmp_path, name, like, message):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "old.png").write_bytes(b"old")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as refusal, output(tmp_path / name, like):
        pytest.fail("the work began")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "old.png").read_bytes() == b"old"


def test_output_never_overwrites_the_input(tmp_path):
    write_picture(tmp_path / "x.png", picture())
    (tmp_path / "link.png").symlink_to(tmp_path / "x.png")
    for name in ("x.png", "link.png"):
        with (
            pytest.raises(UsageError, match="input itself"),
            output(tmp_path / name, picture(), source=tmp_path / "x.png", overwrite=True),
        ):
            pytest.fail("the work began")


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_output_failure_keeps_the_old_file(tmp_path, failure):
    (tmp_path / "x.png").write_bytes(b"old")

    def work():
        with output(tmp_path / "x.png", picture(), overwrite=True) as save:
            save(picture())
            raise failure

    with pytest.raises(failure):
        work()
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes() == b"old"


def test_write_failure_leaves_no_file(tmp_path):
    wide = Picture(pixels=np.zeros((1, 20_000, 3), np.uint8))  # WebP ends at 16383
    with pytest.raises(ImageError, match=r"cannot write .*x\.webp"):
        write_picture(tmp_path / "x.webp", wide)
    assert list(tmp_path.iterdir()) == []


def test_output_keeps_a_file_that_appears_meanwhile(tmp_path):
    def work():
        with output(tmp_path / "x.png", picture()) as save:
            save(picture())
            (tmp_path / "x.png").write_bytes(b"another program's")

    with pytest.raises(UsageError, match="exists"):
        work()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"another program's"]


def test_write_overwrites_with_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    for _ in range(2):
        write_picture(tmp_path / "x.png", picture(), overwrite=True)
    mode = stat.S_IMODE((tmp_path / "x.png").stat().st_mode)
    assert mode == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    PIL.Image.open(tmp_path / "x.png").verify()


def test_quality_makes_lossy_formats_smaller(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    for suffix in (".jpg", ".avif", ".webp"):
        sizes = []
        for quality in (20, 80, None):
            path = tmp_path / f"{quality}{suffix}"
            write_picture(path, Picture(pixels=pixels), quality=quality)
            sizes.append(path.stat().st_size)
        assert sizes[0] < sizes[1] < sizes[2]


def test_quality_is_refused_where_it_has_no_meaning(tmp_path):
    picture = Picture(pixels=np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(UsageError, match="is exact without it: leave out --quality"):
        write_picture(tmp_path / "x.png", picture, quality=80)
    with pytest.raises(UsageError, match=r"invalid quality 0 of .*: expected 1 to 100"):
        write_picture(tmp_path / "x.jpg", picture, quality=0)
    assert not list(tmp_path.iterdir())


def test_grey_in_a_format_of_rgb_has_a_profile_that_fits(tmp_path):
    grey = Picture(pixels=np.full((4, 4, 1), 90, np.uint8), icc=make_profile("x", gamma(1.0), None))
    write_picture(tmp_path / "x.webp", grey)
    found = read_picture(tmp_path / "x.webp")
    assert found.icc[16:20] == b"RGB "
    assert (found.pixels == 90).all()
