"""Train the decoders of Table 1 at a budget that a CPU can pay, the same for all that are compared with one another.

    python benchmarks/table1.py --data PICTURES --validation OTHERS --runs RUNS
    resizekit evaluate --suite paper --data FOLDER --out paper.json --weights-from RUNS --columns NAMES

Network, losses and rates are those of the plugin's configs of the same names, which say more steps of larger crops, for
a GPU.  What is trained is not trained again, and an interrupted training goes on: the same command does both.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from script import run_script
from train_all import planned
from training_run import trained

from resizekit.recipes.config import apply_overrides

DECODERS = "tau-baseline", "vdsr", "edsr", "vdsr-on-tad", "edsr-on-tad"
BUDGETS: dict[str, dict[str, Any]] = {
    f"{decoder}-{which}": {"steps": steps, "batch": batch, "patch": patch}
    for which, steps, batch, patch in (("x4", 1000, 2, 80), ("x2-y", 700, 4, 56), ("x4-y", 700, 2, 80))
    for decoder in DECODERS
}
"""By the names of columns."""


def main(
    data: Annotated[list[Path], typer.Option(help="Folders of pictures.")],
    validation: Annotated[list[Path], typer.Option(help="Folders of others, to watch it by.")],
    runs: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("runs"),
    only: Annotated[list[str] | None, typer.Option(help="Of these columns alone.")] = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")] = "auto",
) -> None:
    """Train them all, one after the other, each into the folder of its name."""
    console = Console(stderr=True)
    for name in only or BUDGETS:
        if name not in BUDGETS:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(BUDGETS)}")
        run = apply_overrides(planned(name, data, validation, None), BUDGETS[name])
        done = trained(run, runs / name, device=device, hardware=None, console=console)
        typer.echo(f"{done.weights}  {done.steps} steps in {done.seconds:.0f} s")


if __name__ == "__main__":
    run_script(main)
