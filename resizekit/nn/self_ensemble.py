"""The geometric self-ensemble: the mean of a network over flips and quarter turns (Lim et al., 2017, EDSR+)."""

from collections.abc import Callable

from torch import Tensor

__all__ = ["self_ensemble"]

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))


def self_ensemble(run: Callable[[Tensor], Tensor], x: Tensor, *, turned: bool) -> Tensor:
    """Average a network over the symmetries of the image: `b c h w -> b c2 h2 w2`, float.

    Each flip or turn of the input is reversed in its output before the sum.

    Args:
        run: The network: `b c h w -> b c2 h2 w2`.
        x: The input, float.
        turned: Whether to use quarter turns too: eight symmetries instead of four. Height and width must then have
            the same factor.

    Examples:
        >>> import torch
        >>> x = torch.arange(6.0).reshape(1, 1, 2, 3)
        >>> torch.equal(self_ensemble(lambda x: 2 * x, x, turned=True), 2 * x)
        True
    """
    total, symmetries = None, [(flips, turn) for flips in _FLIPS for turn in ((False, True) if turned else (False,))]
    for flips, turn in symmetries:
        flipped = x.flip(flips)
        output = run(flipped.mT if turn else flipped)
        restored = (output.mT if turn else output).flip(flips)
        total = restored if total is None else total + restored
    assert total is not None
    return total / len(symmetries)
