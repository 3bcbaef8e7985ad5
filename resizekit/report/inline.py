"""Pictures as text inside a page: without any loss, in whichever of WebP and PNG is smaller."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import PIL.Image

from resizekit.evaluation.channels import to_display
from resizekit.storage.formats import Pixels

__all__ = ["Inline", "inline"]


@dataclass(frozen=True)
class Inline:
    """One picture in a page."""

    uri: str
    width: int
    height: int


def inline(pixels: Pixels) -> Inline:
    """Write a picture `h w c` as a data URI; of more than 8 bits or many channels, what is shown of it."""
    codes = to_display(pixels)
    image = PIL.Image.fromarray(codes[:, :, 0] if codes.shape[2] == 1 else codes)
    kinds: dict[str, dict[str, object]] = {
        "png": {"optimize": True},
        "webp": {"lossless": True, "quality": 80, "method": 4},
    }
    files = {kind: _file(image, kind, options) for kind, options in kinds.items()}
    kind = min(files, key=lambda name: len(files[name]))
    return Inline(f"data:image/{kind};base64,{b64encode(files[kind]).decode('ascii')}", image.width, image.height)


def _file(image: PIL.Image.Image, kind: str, options: dict[str, object]) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
