"""Train a codec: data, schedule, optimizer, a state that resumes exactly, and the loop that joins them.

config ─► Session ─► for each step: crops ─► codec ─► loss ─► optimizer ─► averaged weights

Names are imported on first use.
"""

from typing import TYPE_CHECKING

from resizekit.system.lazy import lazy_names

if TYPE_CHECKING:
    from resizekit.training.packing import Packed as Packed
    from resizekit.training.packing import pack as pack
    from resizekit.training.steps import Steps as Steps

_WHERE = {
    "Packed": "resizekit.training.packing",
    "Steps": "resizekit.training.steps",
    "pack": "resizekit.training.packing",
}

__all__ = sorted(_WHERE)
__getattr__, __dir__ = lazy_names(__name__, _WHERE)
