"""The geometric self-ensemble: what a network makes of a picture, averaged over its symmetries (Lim et al., 2017)."""

from collections.abc import Callable

from torch import Tensor

__all__ = ["self_ensemble"]

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))


def self_ensemble(run: Callable[[Tensor], Tensor], x: Tensor, *, turned: bool) -> Tensor:
    """Average `run` over flips, and with `turned` over quarter turns too: `b c h w -> b c2 h2 w2`, float.

    Each way of holding `x` is undone on what `run` gives for it: eight ways in all, four where the axes keep apart.
    """
    total, ways = None, [(flips, turn) for flips in _FLIPS for turn in ((False, True) if turned else (False,))]
    for flips, turn in ways:
        held = x.flip(flips)
        given = run(held.mT if turn else held)
        upright = (given.mT if turn else given).flip(flips)
        total = upright if total is None else total + upright
    assert total is not None
    return total / len(ways)
