"""Which channels a picture may have for weights: the one rule for files, figures and trainings."""

from resizekit.errors import ImageError
from resizekit.storage.formats import Pixels

__all__ = ["match_channels"]


def match_channels(pixels: Pixels, channels: int, *, folds: bool, where: object = "this picture") -> Pixels:
    """Give a picture `h w c` the channels that weights take: grey is repeated to three, colour is never dropped.

    `folds` says that the weights keep fewer channels than they take: a grey picture then has nothing that they could
    hide.  Raises `ImageError` for channels that do not fit.
    """
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if have == 1 and folds:
        raise ImageError(
            f"{where} is grey, and these weights fold {channels} channels: there is no colour to hide; "
            "use weights that keep the channels"
        )
    if (have, channels) == (1, 3):
        return pixels.repeat(3, axis=2)
    if (have, channels) == (3, 1):
        advice = "use weights for RGB, or convert the picture to grey first"
    else:
        advice = f"give a picture of {channels}, or use weights for {have}"
    raise ImageError(f"{where} has {have} channel{'s' * (have > 1)}, and these weights take {channels}: {advice}")
