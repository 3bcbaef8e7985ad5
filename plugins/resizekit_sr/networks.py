"""The networks that come with `sr`; like all installed ones they serve every task."""

from collections.abc import Iterator
from typing import Any

from resizekit import Network, hookimpl
from resizekit_sr.invertible import InvertibleOptions, invertible
from resizekit_sr.wavelet import WaveletOptions, wavelet


@hookimpl
def resizekit_register_networks() -> Iterator[Network[Any]]:
    """Offer `wavelet` and `invertible`."""
    yield Network(name="wavelet", options=WaveletOptions, build=wavelet)
    yield Network(name="invertible", options=InvertibleOptions, build=invertible, carrier=True)
