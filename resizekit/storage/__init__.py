"""How the small image is stored: file formats, and compressions that can be used in training."""

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
