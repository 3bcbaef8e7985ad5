"""Networks: base classes and blocks, the builder of the paper's networks, and tools that work on any network."""

from resizekit.nn.blocks import Down as Down
from resizekit.nn.blocks import ResidualBlock as ResidualBlock
from resizekit.nn.blocks import ResidualBlocks as ResidualBlocks
from resizekit.nn.blocks import Up as Up
from resizekit.nn.build import Resizer as Resizer
from resizekit.nn.build import TadOptions as TadOptions
from resizekit.nn.build import high_channels as high_channels
from resizekit.nn.build import tad as tad
from resizekit.nn.build import tad_decoder as tad_decoder
from resizekit.nn.fused import conv_add as conv_add
from resizekit.nn.fused import conv_relu as conv_relu
from resizekit.nn.low_resolution import LowResolutionNet as LowResolutionNet
from resizekit.nn.low_resolution import to_float as to_float
from resizekit.nn.receptive_field import receptive_field as receptive_field
from resizekit.nn.recurrent import Recurrent as Recurrent
from resizekit.nn.self_ensemble import self_ensemble as self_ensemble
from resizekit.nn.uint8 import PixelShuffleUint8 as PixelShuffleUint8
from resizekit.nn.uint8 import PixelUnshuffleUint8 as PixelUnshuffleUint8
from resizekit.nn.uint8 import Quantize as Quantize
