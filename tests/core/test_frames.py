"""One frame of an animation is the picture that a viewer shows."""

import io
import math
import struct
import sys
import time
import zlib
from fractions import Fraction

import numpy as np
import PIL.Image
import pytest

from resizekit.errors import ImageError, UsageError
from resizekit.pictures.io import frames as frames_module
from resizekit.pictures.io.read import read_picture

H, W = 12, 16
RNG = np.random.default_rng(7)
COLOURS = RNG.integers(0, 256, (16, 3), np.uint8)
BLANK = np.zeros((H, W, 4), np.uint8)
KEEP, CLEAR, RESTORE = 1, 2, 3
"""Disposals of a GIF."""


def patch(h, w, seed, *, levels=(0, 255)):
    """Colours of a palette, and alpha of the given levels."""
    rng = np.random.default_rng(seed)
    colours = COLOURS[rng.integers(0, 16, (h, w))]
    return np.dstack((colours, rng.choice(np.array(levels, np.uint8), (h, w))))


def over(below, above):
    """Draw over, for pixels that are not premultiplied, with exact fractions that are rounded half up."""
    result = below.copy()
    for at in np.ndindex(below.shape[:2]):
        a, b = Fraction(int(above[at][3]), 255), Fraction(int(below[at][3]), 255)
        total = a + b * (1 - a)
        if total:
            pairs = zip(above[at][:3].tolist(), below[at][:3].tolist(), strict=True)
            colours = [(upper * a + lower * b * (1 - a)) / total for upper, lower in pairs]
            result[at] = [math.floor(value + Fraction(1, 2)) for value in (*colours, total * 255)]
    return result


def play(steps):
    """Return what a viewer shows at each step: of (left, top, pixels, blends, disposal)."""
    canvas, shown = BLANK.copy(), []
    for left, top, pixels, blends, disposal in steps:
        before = canvas.copy()
        part = np.s_[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        canvas[part] = over(canvas[part], pixels) if blends else pixels
        shown.append(canvas.copy())
        if disposal == CLEAR:
            canvas[part] = 0
        elif disposal == RESTORE:
            canvas = before
    return shown


def scene(levels):
    return [
        (0, 0, patch(H, W, 1, levels=levels), True, KEEP),
        (2, 4, patch(5, 6, 2, levels=levels), True, CLEAR),
        (4, 2, patch(6, 8, 3, levels=levels), True, 0),
        (0, 4, patch(7, 4, 4, levels=levels), True, RESTORE),
        (6, 0, patch(4, 10, 5, levels=levels), True, KEEP),
        (0, 0, patch(H, W, 6, levels=levels), True, CLEAR),
        (8, 6, patch(3, 8, 7, levels=levels), True, KEEP),
        (0, 0, patch(H, W, 8, levels=(255,)), False, KEEP),
        (2, 2, patch(4, 4, 9, levels=levels), True, KEEP),
    ]


def gif(steps, size=(W, H), palettes="shared"):
    """Build a GIF by hand: Pillow writes neither every disposal nor frames without one."""
    index = {tuple(colour): number for number, colour in enumerate(COLOURS.tolist())}
    table = bytes(COLOURS.ravel()) + bytes(16 * 3)
    shared = 0x84 if palettes == "shared" else 0
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, shared, 0, 0), table * bool(shared)]
    for left, top, pixels, blends, disposal in steps:
        h, w = pixels.shape[:2]
        opaque = [[index[tuple(colour)] for colour in row] for row in pixels[:, :, :3].tolist()]
        indices = np.where(pixels[:, :, 3] == 0, 31, opaque).astype(np.uint8)
        image = PIL.Image.fromarray(indices)
        image.putpalette([*range(32 * 3)])
        file = io.BytesIO()
        image.save(file, "GIF", optimize=False)
        data = file.getvalue()
        at = data.index(b"," + struct.pack("<HHHH", 0, 0, w, h)) + 10
        at += 3 << (data[at - 1] & 7) + 1 if data[at - 1] & 0x80 else 0
        interlaced = data[data.index(b"," + struct.pack("<HHHH", 0, 0, w, h)) + 9] & 0x40
        parts += [
            b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | blends, 4, 31, 0),
            b"," + struct.pack("<HHHHB", left, top, w, h, interlaced | (0 if shared else 0x84)),
            b"" if shared else table,
            data[at:-1],
        ]
    return b"".join(parts) + b";"


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def apng(steps, size=(W, H), depth=8, default=None):
    """Build an APNG by hand, with colours and alpha of 8 or 16 bits."""
    dtype = ">u1" if depth == 8 else ">u2"

    def compressed(pixels):
        rows = pixels.astype(dtype)
        return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))

    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, 6, 0, 0, 0)),
        chunk(b"acTL", struct.pack(">II", len(steps), 0)),
    ]
    if default is not None:
        parts.append(chunk(b"IDAT", compressed(default)))
    for number, (left, top, pixels, blends, disposal) in enumerate(steps):
        h, w = pixels.shape[:2]
        op = {CLEAR: 1, RESTORE: 2}.get(disposal, 0)
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, w, h, left, top, 1, 25, op, blends)))
        data = compressed(pixels)
        if number == 0 and default is None:
            parts.append(chunk(b"IDAT", data))
        else:
            parts += [chunk(b"fdAT", bytes(4) + data[start : start + 200]) for start in range(0, len(data), 200)]
    return b"".join(parts) + chunk(b"IEND", b"")


def webp(steps, size=(W, H)):
    def part(name, body):
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    def number(value):
        return value.to_bytes(3, "little")

    body = [part(b"VP8X", bytes((0x12, 0, 0, 0)) + number(size[0] - 1) + number(size[1] - 1)), part(b"ANIM", bytes(6))]
    for left, top, pixels, blends, disposal in steps:
        file = io.BytesIO()
        PIL.Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True)
        image = file.getvalue()[12:]
        at = image.index(b"VP8L")
        h, w = pixels.shape[:2]
        head = b"".join(map(number, (left // 2, top // 2, w - 1, h - 1, 40)))
        body.append(part(b"ANMF", head + bytes(((disposal == CLEAR) | (not blends) << 1,)) + image[at:]))
    data = b"WEBP" + b"".join(body)
    return b"RIFF" + struct.pack("<I", len(data)) + data


SOFT = scene((0, 90, 200, 255))
HARD = scene((0, 255))
WITHOUT_RESTORE = [(*step[:4], CLEAR if step[4] == RESTORE else step[4]) for step in SOFT]
ANIMATIONS = {
    "GIF": (gif(HARD), HARD),
    "GIF with palettes of frames": (gif(HARD, palettes="own"), HARD),
    "APNG": (apng(SOFT), SOFT),
    "APNG with another default picture": (apng(SOFT, default=patch(H, W, 99)), SOFT),
    "WebP": (webp(WITHOUT_RESTORE), WITHOUT_RESTORE),
}


@pytest.fixture
def read(tmp_path):
    """Write data to a file, and read a frame of it."""

    def read(data, frame=None):
        (tmp_path / "x").write_bytes(data)
        return read_picture(tmp_path / "x", frame=frame)

    return read


def rgba(picture):
    alpha = np.full(picture.hw, 255, np.uint8) if picture.alpha is None else picture.alpha
    return np.dstack((np.broadcast_to(picture.pixels, (*picture.hw, 3)), alpha))


def same(picture, expected):
    """Compare pixels; the colours of transparent ones are arbitrary."""
    pixels = rgba(picture)
    assert np.array_equal(pixels[:, :, 3], expected[:, :, 3])
    visible = expected[:, :, 3] > 0
    return np.array_equal(pixels[visible], expected[visible])


@pytest.mark.parametrize(("data", "steps"), ANIMATIONS.values(), ids=ANIMATIONS)
def test_frame_is_composed_as_a_viewer_shows_it(read, data, steps):
    for number, expected in enumerate(play(steps), 1):
        assert same(read(data, number), expected), f"frame {number}"


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_frames_that_pillow_wrote_equal_their_sources(read, form):
    sources = [np.full((H, W, 3), COLOURS[i]) for i in range(4)]
    for i, source in enumerate(sources):
        source[i : i + 4, 3 : 9 + i] = COLOURS[i + 5]  # so that only a part of each frame changes
    file = io.BytesIO()
    first, *others = map(PIL.Image.fromarray, sources)
    first.save(
        file, form, save_all=True, append_images=others, duration=40, **{"lossless": True} if form == "WEBP" else {}
    )
    for number, source in enumerate(sources, 1):
        picture = read(file.getvalue(), number)
        assert picture.mode == "RGB"
        assert np.array_equal(picture.pixels, source), f"frame {number}"


def test_lossy_webp_frame_equals_pillows(read):
    rows, columns = np.mgrid[:40, :60]
    images = [PIL.Image.fromarray(np.dstack((4 * rows, 3 * columns, rows + 9 * i)).astype(np.uint8)) for i in range(3)]
    images = [image.convert("RGBA") for image in images]
    for i, image in enumerate(images):
        image.putalpha(PIL.Image.fromarray((rows * 6 + i).astype(np.uint8)))
    file = io.BytesIO()
    images[0].save(file, "WEBP", save_all=True, append_images=images[1:], quality=70, kmax=1)
    with PIL.Image.open(io.BytesIO(file.getvalue())) as image:
        for number in range(1, 4):
            image.seek(number - 1)
            assert same(read(file.getvalue(), number), np.asarray(image.convert("RGBA")))


def test_frame_of_sixteen_bits_keeps_them(read):
    pytest.importorskip("imagecodecs")
    first = RNG.integers(0, 65536, (H, W, 4)).astype(np.uint16)
    second = RNG.integers(0, 65536, (4, 6, 4)).astype(np.uint16)
    first[:, :, 3], second[:, :, 3] = 65535, 32768
    picture = read(apng([(0, 0, first, False, 0), (3, 2, second, True, 0)], depth=16), 2)
    assert picture.bits == 16
    expected = first[:, :, :3].astype(float)
    part = np.s_[2:6, 3:9]
    opacity = 32768 / 65535
    expected[part] = second[:, :, :3] * opacity + expected[part] * (1 - opacity)
    assert np.abs(picture.pixels - expected).max() <= 0.5


@pytest.mark.parametrize("data", [data for data, _ in ANIMATIONS.values()], ids=ANIMATIONS)
def test_animation_without_a_frame_is_refused(read, data):
    with pytest.raises(ImageError, match="several frames or pages: choose one with --frame, such as --frame 1"):
        read(data)
    with pytest.raises(ImageError, match="has no frame 10: it has 9 frames, so choose 1 to 9"):
        read(data, 10)
    with pytest.raises(UsageError, match="invalid frame 0: expected 1 or more; the first frame is 1"):
        read(data, 0)


@pytest.mark.parametrize("data", [data for data, _ in ANIMATIONS.values()], ids=ANIMATIONS)
def test_frames_before_a_cut_are_read(read, data):
    refusals = []
    for length in range(40, len(data), 97):
        try:
            assert read(data[:length], 2).hw == (H, W)
        except ImageError as error:
            refusals.append(str(error))
    assert refusals
    assert all(len(text.splitlines()) == 1 for text in refusals)


def test_frames_outside_the_canvas_are_clipped(read):
    large = patch(H + 4, W + 6, 3)
    data = gif([(0, 0, patch(H, W, 1, levels=(255,)), False, 0), (2, 4, large, True, 0)])
    expected = play([(0, 0, patch(H, W, 1, levels=(255,)), False, 0), (2, 4, large[: H - 4, : W - 2], True, 0)])
    assert same(read(data, 2), expected[1])


def test_only_visible_frames_are_decoded(read, monkeypatch):
    """A frame that covers all before it needs no work on them."""
    decoded = []
    draw = frames_module._draw
    monkeypatch.setattr(frames_module, "_draw", lambda canvas, frame: (decoded.append(frame.box), draw(canvas, frame)))
    read(gif(HARD), 9)
    assert len(decoded) == 2
    decoded.clear()
    read(gif(HARD), 5)
    assert len(decoded) == 3  # the first, the third and the fifth: the others are cleared or restored


def bomb_gif(size, count):
    """Frames of one colour that blend, so that each of them needs the one before."""
    image = PIL.Image.new("P", size)
    file = io.BytesIO()
    image.save(file, "GIF", optimize=False)
    single = file.getvalue()
    at = single.index(b"," + struct.pack("<HHHH", 0, 0, *size))
    control = b"!\xf9\x04" + struct.pack("<BHBB", KEEP << 2 | 1, 4, 31, 0)
    body = (control + single[at:-1]) * count
    return b"GIF89a" + struct.pack("<HH", *size) + single[10 : single.index(b",")] + body + b";"


def bomb_apng(size, count):
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    single = apng([(0, 0, pixels, True, 0)] * 2, size)
    start, end = single.rindex(b"fcTL") - 4, single.rindex(b"IEND") - 4
    return single[:start] + single[start:end] * (count - 1) + single[end:]


def bomb_webp(size, count):
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    pixels[0, 0, 3] = 90
    single = webp([(0, 0, pixels, True, 0)], size)
    at = single.index(b"ANMF")
    data = single[8:at] + single[at:] * count
    return b"RIFF" + struct.pack("<I", len(data)) + data


BOMBS = {
    "many GIF frames": (lambda: bomb_gif((4000, 4000), 40), 40, "too many pixels before this frame"),
    "a huge GIF": (lambda: bomb_gif((65535, 1300), 2), 2, "more than 128 MiB"),
    "many APNG frames": (lambda: bomb_apng((2000, 2000), 60), 60, "too many pixels before this frame"),
    "many WebP frames": (lambda: bomb_webp((2000, 2000), 60), 60, "too many pixels before this frame"),
    "many tiny GIF frames": (lambda: gif(HARD[:2] + [(*HARD[1][:4], KEEP)] * 20_000), 20_002, "too many pixels"),
    "a frame beyond many": (lambda: bomb_gif((4000, 4000), 40), 41, "has no frame 41: it has 40 frames"),
}


@pytest.mark.parametrize(("make", "number", "message"), BOMBS.values(), ids=BOMBS)
def test_hostile_animations_are_refused_early(tmp_path, make, number, message):
    path = tmp_path / "x"
    path.write_bytes(make())
    began = time.process_time()
    with pytest.raises(ImageError, match=message):
        read_picture(path, frame=number)
    assert time.process_time() - began < 2


def apng_of_palette(count, *chunks, size=(64, 64)):
    """Frames of one pixel after the first, with the given chunks in front of all."""
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 3, 0, 0, 0))]
    parts += [chunk(name, body) for name, body in chunks]
    parts.append(chunk(b"acTL", struct.pack(">II", count, 0)))
    for number in range(count):
        w, h = (1, 1) if number else size
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, w, h, number % w, 0, 1, 10, 0, 1)))
        data = zlib.compress((b"\0" + bytes([number % 2 + 1]) * w) * h)
        parts.append(chunk(b"fdAT", bytes(4) + data) if number else chunk(b"IDAT", data))
    return b"".join(parts) + chunk(b"IEND", b"")


PALETTE = b"PLTE", bytes(range(256)) * 3


@pytest.mark.parametrize(
    "chunks",
    [[PALETTE, (b"tRNS", bytes([100]) * 1_000_000)], [PALETTE] * 1300, [PALETTE, (b"tRNS", bytes([100]) * 256)]],
    ids=["a large tRNS", "many palettes", "valid"],
)
def test_palette_of_many_frames_is_held_once(tmp_path, measured, chunks):
    path = tmp_path / "x"
    path.write_bytes(apng_of_palette(16_000, *chunks))
    code = f"from resizekit.pictures.io.read import read_picture; print(read_picture({str(path)!r}, frame=16000).hw.wh)"
    status, out, _, memory, seconds = measured(sys.executable, "-c", code)
    assert (status, out) == (0, "(64, 64)\n")
    assert memory < 256
    assert seconds < 8


def test_first_palette_and_transparency_count_in_frames(read):
    more = [(b"PLTE", bytes(768)), (b"tRNS", bytes(256))]
    picture = read(apng_of_palette(2, PALETTE, (b"tRNS", bytes([255, 90, 255])), *more), 2)
    assert tuple(rgba(picture)[1, 0]) == (3, 4, 5, 90)
    assert tuple(rgba(picture)[0, 0]) == (6, 7, 8, 255)


LARGE = {
    "GIF": lambda: bomb_gif((7680, 4320), 2),
    "APNG": lambda: bomb_apng((5700, 5700), 2),
    "WebP": lambda: bomb_webp((5700, 5700), 2),
}
"""Frames of the largest size, which need each other."""


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_largest_frame_stays_within_its_memory(tmp_path, measured, make):
    path = tmp_path / "x"
    path.write_bytes(make())
    code = f"from resizekit.pictures.io.read import read_picture; print(read_picture({str(path)!r}, frame=2).hw.wh)"
    status, out, _, memory, seconds = measured(sys.executable, "-c", code)
    assert (status, out) == (0, "(7680, 4320)\n" if make is LARGE["GIF"] else "(5700, 5700)\n")
    assert memory < 1000
    assert seconds < 8
