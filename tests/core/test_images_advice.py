"""Advice against small pictures: which pictures get it, and which do not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resizekit.images.advice import advise_on_bytes, advise_on_picture
from resizekit.pictures.picture import Picture

PHOTO = Image.open(Path(__file__).parents[2] / "examples" / "astronaut.png").convert("RGB")
rng = np.random.default_rng(0)


def kind_of(pixels):
    pixels = np.asarray(pixels)
    advice = advise_on_picture(Picture(pixels=pixels if pixels.ndim == 3 else pixels[:, :, None]), "a.png")
    return advice and advice.kind


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (PHOTO, None),
        (PHOTO.convert("L"), None),
        (PHOTO.quantize(16).convert("RGB"), None),
        (PHOTO.convert("1").convert("L"), "noisy"),
        (PHOTO.convert("1").convert("RGB"), "noisy"),
        (PHOTO.resize((200, 16)), None),
        (PHOTO.resize((200, 15)), "tiny"),
        (PHOTO.resize((1, 1)), "tiny"),
    ],
)
def test_advice_on_photographs_and_their_dithered_copies(image, kind):
    assert kind_of(image) == kind


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_advice_does_not_depend_on_the_number_format(dtype):
    noise = rng.random((64, 64, 3))
    scale = 1 if dtype is np.float32 else np.iinfo(dtype).max
    assert kind_of((noise * scale).astype(dtype)) == "noisy"
    smooth = np.linspace(0, 1, 64)[:, None, None].repeat(64, 1).repeat(3, 2)
    assert kind_of((smooth * scale).astype(dtype)) is None


def test_advice_ignores_faint_noise_on_a_flat_picture():
    assert kind_of(rng.integers(120, 136, (64, 64, 3), np.uint8)) is None


def test_advice_on_a_large_picture_looks_at_all_parts():
    pixels = np.zeros((700, 900, 1), np.uint8)
    pixels[:, 300:] = rng.integers(0, 2, (700, 600, 1), np.uint8) * 255
    assert kind_of(pixels) == "noisy"


@pytest.mark.parametrize(("small", "text"), [(999, None), (1000, None), (2048, "2.0 KiB, source 1.0 KiB")])
def test_advice_on_bytes_names_both_sizes(small, text):
    advice = advise_on_bytes("a.png", 1000, "b.png", small)
    assert (advice and advice.text) == (text and f"b.png has more bytes than a.png: {text}")
