"""Match the channels of a picture to those of weights: one rule for files, metrics and training."""

from resizekit.errors import ImageError
from resizekit.storage.formats import Pixels
from resizekit.system.scratch import build

__all__ = ["match_channels"]


def match_channels(pixels: Pixels, channels: int, *, folds: bool, source: object = "this picture") -> Pixels:
    """Give a picture the channels that weights expect: repeat grey to RGB, and never drop colour.

    Args:
        pixels: `h w c`.
        channels: Number of channels that the weights expect.
        folds: Whether low has fewer channels than high. Grey pictures are then refused: they have no colour to store.
        source: The picture, for the error message.

    Returns:
        `h w channels`; the input itself if it has this number of channels.

    Raises:
        ImageError: The channels do not fit.
    """
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if have == 1 and folds:
        raise ImageError(
            f"{source} is grey, but these weights hide {channels} channels in fewer: use weights that keep the channels"
        )
    if (have, channels) == (1, 3):
        return build((*pixels.shape[:2], 3), pixels.dtype, lambda rows: pixels[rows].repeat(3, axis=2), pixels)
    if (have, channels) == (3, 1):
        advice = "use weights for RGB, or convert the picture to grey first"
    else:
        advice = f"give a picture of {channels}, or use weights for {have}"
    raise ImageError(f"{source} has {have} channel{'s' * (have > 1)}, and these weights take {channels}: {advice}")
