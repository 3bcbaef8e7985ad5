"""The output of `down --plan`."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from resizekit.cli.progress import duration

if TYPE_CHECKING:
    from resizekit.codec.resize_plan import ResizePlan
    from resizekit.images.estimate import Estimate
    from resizekit.spec import HW

__all__ = ["plan_row", "plan_text"]


def plan_row(source: Path, plan: "ResizePlan", weights: str, estimate: "Estimate | None") -> dict[str, object]:
    """Return plain data for JSON; sizes are [width, height], as in all output."""
    sizes = {"high": plan.high, "intermediate_size": plan.intermediate_size, "low": plan.low}
    return {
        "in": str(source),
        "weights": weights,
        "times": plan.times,
        "step": plan.step.model_dump(mode="json"),
        **{name: size and list(size.wh) for name, size in sizes.items()},
        **({} if estimate is None else {"estimate": asdict(estimate)}),
    }


def plan_text(source: Path, plan: "ResizePlan", weights: str, estimate: "Estimate | None") -> str:
    """Return one line for the sizes, and one for each part of the resize."""
    return "\n".join([f"{source}: {_size(plan.high)} -> {_size(plan.low)}", *_parts(plan, weights), *_needs(estimate)])


def _parts(plan: "ResizePlan", weights: str) -> Iterator[str]:
    if plan.intermediate_size is not None:
        larger = [a > b for a, b in zip(plan.intermediate_size, plan.high, strict=True)]
        verb = "enlarges" if all(larger) else "resizes" if any(larger) else "shrinks"
        warning = "" if plan.times else "; no network is applied, and lost detail cannot be restored"
        yield f"  bicubic {verb} {_size(plan.high)} to {_size(plan.intermediate_size)}{warning}"
    if plan.times:
        steps = "one step" if plan.times == 1 else f"{plan.times} steps"
        yield f"  {weights} takes {_size(plan.size_before_steps)} to {_size(plan.low)} by {steps} of {plan.step}"
    elif plan.intermediate_size is None:
        yield "  the size stays: no network is applied, and no detail is lost"


def _needs(estimate: "Estimate | None") -> Iterator[str]:
    if estimate is None:
        return
    tiles = "without tiles" if estimate.tile is None else f"in tiles of {estimate.tile} pixels"
    yield f"  memory {estimate.memory / 10**6:.0f} MB {tiles}, about {duration(estimate.seconds)} on this machine"
    yield (
        f"  temporary files of {estimate.temporary / 10**6:,.0f} MB; the disk has space for "
        f"{estimate.possible_pixels / 10**6:,.0f} megapixels"
    )


def _size(size: "HW") -> str:
    return f"{size.w}x{size.h}"
