"""How to run a resize of files: where, how precisely, and what to do with existing files."""

from collections.abc import Callable
from dataclasses import dataclass

from resizekit.codec.grid import Progress, Tile
from resizekit.images.advice import Advice
from resizekit.images.budget import Budget
from resizekit.pictures.metadata import MetadataPolicy
from resizekit.system.device import pick_device, pick_precision
from resizekit.system.precisions import Precision

__all__ = ["RunOptions"]


_NO_LIMITS = Budget()


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options that change how a resize runs, for every function that takes files.

    The number of CPU threads is not among them, since it belongs to the process: call `torch.set_num_threads`.

    Examples:
        >>> RunOptions(device="cpu", overwrite=True).resolved_precision
        'float32'
    """

    tile: Tile = "auto"
    """Side of the tiles in pixels of the original, at least 64; "auto": what fits in memory; "off": no tiles."""
    device: str = "auto"
    """Where to compute: "auto", "cpu" or "cuda"."""
    precision: str = "float32"
    """Precision of the networks: "float32", "winograd", "bfloat16", "float16", "int8" or "auto"."""
    budget: Budget = _NO_LIMITS
    """Limits on memory and on the size of pictures; with a limit on memory, "auto" is a side that fits in it."""
    overwrite: bool = False
    """Replace output files that exist."""
    metadata: MetadataPolicy = "keep"
    """Which metadata `down` keeps: "keep": all but the location and camera notes; "all", "minimal" or "none"."""
    sidecar: bool = False
    """Whether `down` writes the manifest into a sidecar too, such as small.png.json, which survives more programs."""
    progress: Progress | None = None
    """Called with (done, total): tiles, or parts of the work in any unit above effort 0; the ratio is the progress."""
    on_gain: Callable[[float], None] | None = None
    """Called after each level of effort, with the total gain in PSNR over effort 0 in dB."""
    on_advice: Callable[[Advice], None] | None = None
    """Called by `down` for each reason not to make a picture small: it is tiny or noise, or gains no bytes."""

    @property
    def resolved_precision(self) -> Precision:
        """The precision that is used on this device, with "auto" resolved; raises `UsageError` for unknown names."""
        return pick_precision(self.precision, pick_device(self.device))
