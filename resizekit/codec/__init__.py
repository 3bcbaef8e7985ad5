"""The codec: an encoder and a decoder with a guide and a compression, applied to tensors, images and tiles."""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit.codec.codec import Codec as Codec
    from resizekit.codec.guides import Guide as Guide
    from resizekit.codec.in_memory import ImageLike as ImageLike
    from resizekit.codec.pair import Resized as Resized
    from resizekit.codec.recipe import CodecInfo as CodecInfo
    from resizekit.codec.recipe import Recipe as Recipe
    from resizekit.codec.resize_plan import ResizePlan as ResizePlan

_MODULES = {
    "Codec": "resizekit.codec.codec",
    "CodecInfo": "resizekit.codec.recipe",
    "Guide": "resizekit.codec.guides",
    "ImageLike": "resizekit.codec.in_memory",
    "ResizePlan": "resizekit.codec.resize_plan",
    "Recipe": "resizekit.codec.recipe",
    "Resized": "resizekit.codec.pair",
}

__all__ = sorted(_MODULES)
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
