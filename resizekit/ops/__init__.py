"""What may be done to a tensor: plain-torch references, the truth that kernels are held to."""

from resizekit.ops.kernel import Kernel as Kernel
from resizekit.ops.kernel import install as install
from resizekit.ops.kernel import op as op
from resizekit.ops.kernel import ops as ops
from resizekit.ops.kernel import uninstall as uninstall
from resizekit.ops.pixel import shuffle as shuffle
from resizekit.ops.pixel import unshuffle as unshuffle
from resizekit.ops.quantize import codes as codes
from resizekit.ops.quantize import quantize as quantize
from resizekit.ops.resample import resample as resample
from resizekit.ops.resample import resample_uint8 as resample_uint8
