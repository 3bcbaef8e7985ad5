"""What `down --plan` says of a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resizekit.codec.resize_plan import ResizePlan

__all__ = ["plan_row", "plan_text"]


def plan_row(source: Path, route: "ResizePlan", weights: str) -> dict[str, object]:
    """Give plain data for JSON; sizes are [width, height], as everywhere a user sees them."""
    sizes = {"high": route.high, "middle": route.middle, "low": route.low}
    return {
        "in": str(source),
        "weights": weights,
        "times": route.times,
        "step": route.step.model_dump(mode="json"),
        **{name: size and [size[1], size[0]] for name, size in sizes.items()},
    }


def plan_text(source: Path, route: "ResizePlan", weights: str) -> str:
    """Write what happens to the sizes, a line for each part of it."""
    return "\n".join([f"{source}: {_size(route.high)} -> {_size(route.low)}", *_parts(route, weights)])


def _parts(route: "ResizePlan", weights: str) -> Iterator[str]:
    middle = route.middle or route.high
    if route.middle is not None:
        grows = [a > b for a, b in zip(route.middle, route.high, strict=True)]
        alone = "" if route.times else ", which does everything: nothing is learned, and what is lost stays lost"
        how = "enlarges" if all(grows) else "resizes" if any(grows) else "shrinks"
        yield f"  bicubic {how} {_size(route.high)} to {_size(route.middle)}{alone}"
    if route.times:
        steps = "one step" if route.times == 1 else f"{route.times} steps"
        yield f"  {weights} takes {_size(middle)} to {_size(route.low)} by {steps} of {route.step}"
    elif route.middle is None:
        yield "  stays as it is: no network is applied, nothing is lost"


def _size(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
