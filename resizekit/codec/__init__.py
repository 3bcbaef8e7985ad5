"""The codec: an encoder, a decoder and what lies between them, applied to tensors, images and tiles."""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit.codec.codec import Codec as Codec
    from resizekit.codec.codec import Names as Names
    from resizekit.codec.codec import Resized as Resized
    from resizekit.codec.convert import ImageLike as ImageLike
    from resizekit.codec.guides import Guide as Guide
    from resizekit.codec.resize_plan import ResizePlan as ResizePlan

_MODULES = {
    "Codec": "resizekit.codec.codec",
    "Guide": "resizekit.codec.guides",
    "ImageLike": "resizekit.codec.convert",
    "Names": "resizekit.codec.codec",
    "ResizePlan": "resizekit.codec.resize_plan",
    "Resized": "resizekit.codec.codec",
}

__all__ = sorted(_MODULES)
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
