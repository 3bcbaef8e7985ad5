"""`resizekit report`."""

from pathlib import Path
from typing import Annotated

import typer

from resizekit.cli.options import Overwrite
from resizekit.errors import UsageError

__all__ = ["report"]


def report(
    results: Annotated[
        Path,
        typer.Argument(metavar="RESULTS.json", help="A file of `resizekit evaluate --suite`.", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="The page.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the sets' folders: shows the best and worst pictures.", show_default=False),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="The column to look at closely, by its key.  [default: the first of ours]"),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, max=20, help="So many of the best, and of the worst.")] = 3,
    sweep: Annotated[
        Path | None, typer.Option(metavar="SWEEP.json", help="What `resizekit sweep` wrote.", show_default=False)
    ] = None,
    ladder: Annotated[
        list[Path] | None, typer.Option(help="A folder that `resizekit pyramid` wrote.", show_default=False)
    ] = None,
    roundtrip: Annotated[
        list[Path] | None, typer.Option(help="A folder that `resizekit roundtrip` wrote.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Show results as one page that needs no network: tables, curves, and pictures to compare by a slider."""
    from rich.console import Console

    from resizekit.cli.progress import counted
    from resizekit.report.cases import codec_of, make_cases
    from resizekit.report.folders import ladder as read_ladder
    from resizekit.report.folders import triptych
    from resizekit.report.gains import column_of, extremes, gains
    from resizekit.report.page import Contents, check_jinja, page
    from resizekit.report.sweep import read_tradeoff
    from resizekit.suites.results import read_results
    from resizekit.system.atomic_write import atomic_write, check_target

    check_jinja()
    told = read_results(results)
    check_target(out, source=results, overwrite=overwrite)
    if not out.parent.is_dir():
        raise UsageError(f"the folder {out.parent} does not exist; make it first")
    chosen = column_of(told, column)
    found = gains(told, chosen) if chosen is not None else []
    tradeoff = None if sweep is None else read_tradeoff(sweep)
    ladders = [read_ladder(folder) for folder in ladder or []]
    triptychs = [triptych(folder) for folder in roundtrip or []]
    cases = []
    if data is not None and pictures:
        if chosen is None or not found:
            raise UsageError(f"{results} holds no networks measured beside bicubic: leave out --data")
        codec = codec_of(chosen)
        best, worst = extremes(found, pictures)
        with counted(Console(stderr=True), "pictures", 1) as count:
            cases = make_cases(codec, best, worst, data, count.part)
    contents = Contents(
        results=told,
        column=chosen,
        gains=found,
        cases=cases,
        sweep=tradeoff,
        ladders=ladders,
        triptychs=triptychs,
    )
    with atomic_write(out) as beside:
        beside.write_text(page(contents), encoding="utf-8")
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
