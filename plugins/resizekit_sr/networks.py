"""The networks that this plugin provides. Any task can use them."""

from collections.abc import Iterator
from typing import Any

from resizekit import Network, hookimpl
from resizekit_sr.edsr import EdsrOptions, edsr
from resizekit_sr.invertible import InvertibleOptions, invertible
from resizekit_sr.recurrent import RecurrentOptions, recurrent
from resizekit_sr.vdsr import VdsrOptions, vdsr
from resizekit_sr.wavelet import WaveletOptions, wavelet


@hookimpl
def resizekit_register_networks() -> Iterator[Network[Any]]:
    """Register the pairs `wavelet`, `recurrent` and `invertible`, and the decoders `edsr` and `vdsr`."""
    yield Network(
        name="wavelet",
        options=WaveletOptions,
        build=wavelet,
        accepts_uint8=True,
        block_size=lambda options: options.block_size,
    )
    yield Network(name="recurrent", options=RecurrentOptions, build=recurrent, predicts_low=True, recurrent=True)
    yield Network(name="invertible", options=InvertibleOptions, build=invertible, predicts_low=True, accepts_uint8=True)
    yield Network(name="edsr", options=EdsrOptions, build=edsr, accepts_uint8=True)
    yield Network(name="vdsr", options=VdsrOptions, build=vdsr)
