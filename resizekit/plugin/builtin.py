"""The built-in plugin of the core: the network `tad` and the compressions."""

from collections.abc import Iterator
from typing import Any

from resizekit.nn import TadOptions, tad
from resizekit.plugin.marker import hookimpl
from resizekit.plugin.records import Compression, Network, NoOptions
from resizekit.storage.compressions import Float, JpegXl, Round, Uint8, Uint16, Webp
from resizekit.storage.jpeg import JpegOptions, jpeg
from resizekit.storage.video import AvifOptions, WebpLossyOptions, avif, webp_lossy


@hookimpl
def resizekit_register_networks() -> Iterator[Network[TadOptions]]:
    """Register `tad`, so that a third-party task works with all other plugins disabled."""
    yield Network(name="tad", options=TadOptions, build=tad, accepts_uint8=True)


@hookimpl
def resizekit_register_compressions() -> Iterator[Compression[Any]]:
    """Register `uint8`, `webp`, `jxl`, `uint16`, `round`, `none`, `jpeg`, `avif` and `webp-lossy`."""
    yield Compression(name="uint8", options=NoOptions, build=lambda options: Uint8())
    yield Compression(name="webp", options=NoOptions, build=lambda options: Webp())
    yield Compression(name="jxl", options=NoOptions, build=lambda options: JpegXl())
    yield Compression(name="uint16", options=NoOptions, build=lambda options: Uint16())
    yield Compression(name="round", options=NoOptions, build=lambda options: Round())
    yield Compression(name="none", options=NoOptions, build=lambda options: Float())
    yield Compression(name="jpeg", options=JpegOptions, build=jpeg)
    yield Compression(name="avif", options=AvifOptions, build=avif)
    yield Compression(name="webp-lossy", options=WebpLossyOptions, build=webp_lossy)
