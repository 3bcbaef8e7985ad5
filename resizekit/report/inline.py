"""Encode pictures as data URIs: lossless, as WebP or PNG, whichever is smaller."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import PIL.Image

from resizekit.evaluation.channels import to_display
from resizekit.storage.formats import Pixels

__all__ = ["InlinePicture", "inline_picture"]


@dataclass(frozen=True)
class InlinePicture:
    """A picture inside a page."""

    uri: str
    width: int
    height: int


def inline_picture(pixels: Pixels) -> InlinePicture:
    """Encode a picture `h w c`, converted by `to_display` to 8 bits and 1 or 3 channels."""
    converted = to_display(pixels)
    image = PIL.Image.fromarray(converted[:, :, 0] if converted.shape[2] == 1 else converted)
    formats: dict[str, dict[str, object]] = {
        "png": {"optimize": True},
        "webp": {"lossless": True, "quality": 80, "method": 4},
    }
    files = {name: _encode(image, name, options) for name, options in formats.items()}
    best = min(files, key=lambda name: len(files[name]))
    return InlinePicture(
        f"data:image/{best};base64,{b64encode(files[best]).decode('ascii')}", image.width, image.height
    )


def _encode(image: PIL.Image.Image, name: str, options: dict[str, object]) -> bytes:
    file = BytesIO()
    image.save(file, name, **options)
    return file.getvalue()
