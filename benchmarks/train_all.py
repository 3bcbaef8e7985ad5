"""Train every shipped weight from its config, measure it and, with --ship, put the better ones in place.

    python benchmarks/train_all.py --data PICTURES --validation OTHERS --sets Set5 --sets Set14 --budget "8 h" --ship

    config ─► train for its share of the time ─► measure on the sets ─► compare ─► weights, JSON, card

Interrupt it whenever you like: the same command goes on where it stopped.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from plan import PLAN
from records import ROOT, config_file, read_record
from rich.console import Console
from shipping import describe, ship, verdict
from training_run import StoppedError, figures_of, finished, trained

from resizekit.cli.options import Device
from resizekit.cli.output import echo_error
from resizekit.errors import ResizeKitError, UsageError
from resizekit.images.io.find import find_pictures
from resizekit.recipes.config import RunConfig, TrainConfig, apply_overrides, read_toml, validate


def planned(
    name: str, data: list[Path], validation: list[Path], budget: timedelta | None, compiled: bool = False
) -> RunConfig:
    """Read a config and put in its place what the command line says."""
    run = read_toml(config_file(ROOT, name) or f"{name}.toml")
    return apply_overrides(run, {"data": data, "validation": validation, "budget": budget, "compile": compiled or None})


def chosen(only: list[str]) -> list[str]:
    """Give the names to be worked on, in order; a word for each that has no config."""
    if unknown := [name for name in only if name not in PLAN]:
        raise UsageError(f"no weights {unknown[0]!r} are planned; there are: {', '.join(PLAN)}")
    names = [name for name in PLAN if not only or name in only]
    there = [name for name in names if config_file(ROOT, name)]
    for name in names:
        if name not in there:
            typer.echo(f"{name}: skipped, there is no config of that name")
    return there


def check_set(folder: Path, data: list[Path]) -> None:
    """Refuse a set that holds no picture, or any that is trained on; `UsageError`."""
    pictures = {path.resolve() for path in find_pictures([folder])}
    if not pictures:
        raise UsageError(f"no picture in {folder}; name a folder that holds some with --sets")
    if both := pictures & {path.resolve() for path in find_pictures(data)}:
        raise UsageError(f"{min(both)} is among --data and --sets; figures of pictures trained on tell nothing")


def work_on(
    name: str,
    run: RunConfig,
    folder: Path,
    sets: list[Path],
    device: str,
    hardware: str | None,
    *,
    shipping: bool,
    as_it_is: bool = False,
) -> None:
    """Train, measure and perhaps ship one of them, and tell in a line or two; `as_it_is` trains nothing."""
    console = Console(stderr=True, markup=False, emoji=False)
    typer.echo(f"{name}: {folder}")
    if as_it_is:
        done = finished(run, folder, hardware=hardware)
    else:
        done = trained(run, folder, device=device, hardware=hardware, console=console)
    plan = PLAN[name]
    mine = [folder for folder in sets if not plan.sets or folder.resolve().name in plan.sets]
    figures = figures_of(done.weights, mine, times=plan.times, device=device, console=console)
    words = [f"{which} {f.main('high'):.2f} (low {f.main('low'):.2f})" for which, f in figures.items()]
    typer.echo(
        f"{name}: {done.steps} steps in {timedelta(seconds=round(done.seconds))}; {', '.join(words)}".rstrip("; ")
    )
    if not shipping:
        return
    if not figures:
        raise UsageError(f"measured on none of {', '.join(plan.sets)}; name their folders with --sets")
    new = describe(
        ROOT, done.weights, name, summary=plan.summary, config=name, sets=figures, run=done.run, hardware=done.hardware
    )
    better, why = verdict(new, read_record(ROOT, name), plan.floors)
    typer.echo(f"{name}: {'shipped' if better else 'not shipped'}; {why}")
    if better:
        ship(done.weights, new, ROOT)


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def main(
    data: Annotated[list[Path] | None, typer.Option(help="Folders of pictures, instead of the configs'.")] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="The same for the validation.")] = None,
    sets: Annotated[list[Path] | None, typer.Option(help="Folders of pictures to measure on.")] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help='Time for all trainings together, such as "8 h", instead of the steps in the configs; '
            "measuring comes on top."
        ),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these weights; may be said repeatedly.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs, one for each weights; what it holds goes on.")] = Path(
        "runs"
    ),
    device: Device = "auto",
    compiled: Annotated[bool, typer.Option("--compile/--no-compile", help="Run through torch.compile.")] = False,
    hardware: Annotated[
        str | None, typer.Option(help="What the cards say it was trained on, instead of the processor's name.")
    ] = None,
    as_it_is: Annotated[
        bool, typer.Option("--finished", help="Train nothing: take the weights in the runs' folders, however trained.")
    ] = False,
    shipping: Annotated[bool, typer.Option("--ship/--no-ship", help="Replace shipped weights by better ones.")] = False,
) -> None:
    """Train all shipped weights from their configs, measure them, and ship what is better.

    Weights that are trained are not trained again, and what is measured is not measured again.
    """
    failed = 0
    try:
        if shipping and not sets:
            raise UsageError("--ship compares figures; name the folders to measure on with --sets")
        for folder in sets or []:  # found out now, not after hours of training
            check_set(folder, data or [])
        total = validate(TrainConfig, {"budget": budget}, where="command line").budget
        names = chosen(only or [])
        shares = sum(PLAN[name].share for name in names)
        for name in names:
            try:
                part = total * (PLAN[name].share / shares) if total else None
                run = planned(name, data or [], validation or [], part, compiled)
                work_on(name, run, runs / name, sets or [], device, hardware, shipping=shipping, as_it_is=as_it_is)
            except StoppedError:
                raise
            except (ResizeKitError, OSError, MemoryError, RuntimeError) as error:  # the others do not wait for it
                if isinstance(error, RuntimeError) and "memory" not in str(error):
                    raise
                failed += 1
                echo_error(f"{name}: {error}")
    except (StoppedError, KeyboardInterrupt):
        echo_error("interrupted; the same command goes on")
        raise typer.Exit(130) from None
    except ResizeKitError as error:
        echo_error(error)
        raise typer.Exit(error.exit_code) from None
    if failed:
        echo_error(f"{failed} of {len(names)} could not be done; the others are")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
