"""How the small image is stored: file formats, and compressions that can be used in training.

Names are imported on first use, so that reading pictures does not import torch.
"""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit.storage.compressions import CompressionModule as CompressionModule
    from resizekit.storage.compressions import EightBit as EightBit
    from resizekit.storage.compressions import Float as Float
    from resizekit.storage.compressions import Lossy as Lossy
    from resizekit.storage.compressions import Round as Round
    from resizekit.storage.compressions import Uint8 as Uint8
    from resizekit.storage.compressions import Uint16 as Uint16
    from resizekit.storage.compressions import as_compression as as_compression
    from resizekit.storage.compressions import read_back as read_back
    from resizekit.storage.formats import PNG as PNG
    from resizekit.storage.formats import Pixels as Pixels
    from resizekit.storage.formats import Storage as Storage
    from resizekit.storage.png16 import PNG16 as PNG16

_MODULES = {
    "CompressionModule": "resizekit.storage.compressions",
    "EightBit": "resizekit.storage.compressions",
    "Float": "resizekit.storage.compressions",
    "Lossy": "resizekit.storage.compressions",
    "PNG": "resizekit.storage.formats",
    "PNG16": "resizekit.storage.png16",
    "Pixels": "resizekit.storage.formats",
    "Round": "resizekit.storage.compressions",
    "Storage": "resizekit.storage.formats",
    "Uint8": "resizekit.storage.compressions",
    "Uint16": "resizekit.storage.compressions",
    "as_compression": "resizekit.storage.compressions",
    "read_back": "resizekit.storage.compressions",
}

__all__ = sorted(_MODULES)
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
