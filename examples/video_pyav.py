"""Make a video clip small and restore it, with PyAV: `pip install av`.

python video_pyav.py down clip.mp4 small.mkv
python video_pyav.py up small.mkv restored.mkv

The small frames are stored without loss, because the decoder reads their last bits. The sound is left out.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

import resizekit
from resizekit.images.clip import SmallClip, up_clip
from resizekit.images.sidecar import read_sidecar, write_sidecar

LOSSLESS = {"ffv1": ("bgr0", {}), "libx264rgb": ("rgb24", {"crf": "0"})}
"""Pixel format and options of the encoders that keep every value of red, green and blue."""
REFUSAL = (
    "{encoder} is lossy: at crf 18, the restored clip loses about 10 dB of PSNR; use --encoder ffv1 or libx264rgb, or "
    "pass --lossy"
)


def frames(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Decode a clip: `h w 3`, RGB."""
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def rate_of(path: Path) -> Fraction:
    """Read the frame rate of a clip."""
    with av.open(str(path)) as file:
        return file.streams.video[0].average_rate or Fraction(25)


def write(path: Path, pictures: Iterable[Any], rate: Fraction, encoder: str, crf: int) -> None:
    """Encode a clip."""
    pixel_format, options = LOSSLESS.get(encoder, ("yuv420p", {"crf": str(crf)}))
    pictures = iter(pictures)
    first = next(pictures, None)
    if first is None:
        raise SystemExit(f"error: {path} would have no frame: name a source with frames")
    height, width = first.shape[:2]
    if encoder not in LOSSLESS and (width % 2 or height % 2):
        raise SystemExit(
            f"error: {encoder} stores 4:2:0, which needs even sizes, and the frames have {width}x{height}: use "
            "--encoder ffv1 or libx264rgb, or crop the source"
        )
    with av.open(str(path), "w") as file:
        stream = file.add_stream(encoder, rate=rate, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
        for picture in itertools.chain([first], pictures):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


def main() -> None:
    """Run one direction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("direction", choices=["down", "up"])
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--weights", default="sr-x2-fast", help="for down")
    parser.add_argument("--encoder", default="ffv1", help="encoder of the output, such as ffv1 or libx264")
    parser.add_argument("--crf", type=int, default=18, help="quality of a lossy encoder")
    parser.add_argument("--lossy", action="store_true", help="write or read small frames that lost information")
    options = parser.parse_args()
    if options.direction == "down" and options.encoder not in LOSSLESS and not options.lossy:
        parser.error(REFUSAL.format(encoder=options.encoder))
    try:
        convert(options)
    except (resizekit.ResizeKitError, av.FFmpegError) as error:
        raise SystemExit(f"error: {error}") from None


def convert(options: argparse.Namespace) -> None:
    """Make the clip small, or restore it."""
    rate = rate_of(options.source)
    if options.direction == "up":
        text = read_sidecar(options.source)
        restored = up_clip(frames(options.source), text, force=options.lossy, source=options.source)
        write(options.output, restored, rate, options.encoder, options.crf)
        return
    clip = SmallClip(resizekit.load(options.weights), frames(options.source))
    write(options.output, clip, rate, options.encoder, options.crf)
    write_sidecar(options.output, clip.manifest, overwrite=True)


if __name__ == "__main__":
    main()
