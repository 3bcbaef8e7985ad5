"""Operations on tensors: plain PyTorch references and the dispatch to faster kernels.

A kernel must give the same result as its reference; see `resizekit.testing.KernelConformance`.
"""

from resizekit.ops.convolution import conv3x3 as conv3x3
from resizekit.ops.fused import Guided as Guided
from resizekit.ops.fused import shuffle_codes as shuffle_codes
from resizekit.ops.fused import unshuffle_codes as unshuffle_codes
from resizekit.ops.fused import unshuffle_guide as unshuffle_guide
from resizekit.ops.fused import unshuffle_quantize as unshuffle_quantize
from resizekit.ops.kernel import Kernel as Kernel
from resizekit.ops.kernel import KernelTable as KernelTable
from resizekit.ops.kernel import kernels_installed as kernels_installed
from resizekit.ops.kernel import op as op
from resizekit.ops.kernel import op_names as op_names
from resizekit.ops.kernel import reference as reference
from resizekit.ops.kernel import references as references
from resizekit.ops.kernel import use_table as use_table
from resizekit.ops.listing import KernelInfo as KernelInfo
from resizekit.ops.listing import kernels as kernels
from resizekit.ops.listing import offered_kernels as offered_kernels
from resizekit.ops.pixel import shuffle as shuffle
from resizekit.ops.pixel import unshuffle as unshuffle
from resizekit.ops.quantize import Quantized as Quantized
from resizekit.ops.quantize import quantize as quantize
from resizekit.ops.quantize import quantize16 as quantize16
from resizekit.ops.quantize import quantize_codes as quantize_codes
from resizekit.ops.quantize import to_uint as to_uint
from resizekit.ops.quantize import to_uint8 as to_uint8
from resizekit.ops.quantize import to_uint16 as to_uint16
from resizekit.ops.quantize import uint16_to_float as uint16_to_float
from resizekit.ops.rate import lossless_bits as lossless_bits
from resizekit.ops.resample import resample as resample
from resizekit.ops.resample import resample_codes as resample_codes
from resizekit.ops.resample import resample_uint8 as resample_uint8
from resizekit.ops.switches import KernelWarning as KernelWarning
from resizekit.ops.timing_case import TimingCase as TimingCase
