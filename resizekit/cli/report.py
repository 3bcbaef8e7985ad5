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
        typer.Argument(metavar="RESULTS.json", help="Results of `resizekit evaluate --suite`.", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="The page to write.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option(
            help="The folder that contains the sets; adds the best and the worst pictures.", show_default=False
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="The column whose pictures are shown, by its key (default: the first featured column).",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, max=20, help="How many best and worst pictures to show.")] = 3,
    sweep: Annotated[
        Path | None, typer.Option(metavar="SWEEP.json", help="A file of `resizekit sweep`.", show_default=False)
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="COMPARE.json", help="The output of `resizekit compare --json`.", show_default=False),
    ] = None,
    pyramid: Annotated[
        list[Path] | None, typer.Option(help="A folder of `resizekit pyramid`.", show_default=False)
    ] = None,
    roundtrip: Annotated[
        list[Path] | None, typer.Option(help="A folder of `resizekit roundtrip`.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the results of a suite as one HTML page: tables, plots, and pictures to compare with a slider."""
    from rich.console import Console

    from resizekit.cli.progress import counted
    from resizekit.report.cases import load_column_codec, make_cases
    from resizekit.report.folders import pyramid_views, roundtrip_view
    from resizekit.report.gains import column_of, extremes, gains
    from resizekit.report.page import Contents, check_jinja, render_page
    from resizekit.report.rate import read_rate
    from resizekit.report.sweep import read_tradeoff
    from resizekit.suites.results import read_results
    from resizekit.system.atomic_write import atomic_write, check_target

    check_jinja()
    content = read_results(results)
    check_target(out, source=results, overwrite=overwrite)
    if not out.parent.is_dir():
        raise UsageError(f"the folder {out.parent} does not exist; make it first")
    chosen = column_of(content, column)
    found = gains(content, chosen) if chosen is not None else []
    tradeoff = None if sweep is None else read_tradeoff(sweep)
    rate = None if compare is None else read_rate(compare)
    pyramids = [pyramid_views(folder) for folder in pyramid or []]
    roundtrips = [roundtrip_view(folder) for folder in roundtrip or []]
    cases = []
    if data is not None and pictures:
        if chosen is None or not found:
            raise UsageError(f"{results} has no networks that were measured together with bicubic: leave out --data")
        codec = load_column_codec(chosen)
        best, worst = extremes(found, pictures)
        with counted(Console(stderr=True), "pictures", 1) as count:
            cases = make_cases(codec, best, worst, data, effort=chosen.effort, progress=count.part)
    contents = Contents(
        results=content,
        column=chosen,
        gains=found,
        cases=cases,
        sweep=tradeoff,
        rate=rate,
        pyramids=pyramids,
        roundtrips=roundtrips,
    )
    with atomic_write(out, overwrite=overwrite) as temporary:
        temporary.write_text(render_page(contents), encoding="utf-8")
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
