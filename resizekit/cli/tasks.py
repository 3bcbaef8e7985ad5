"""`resizekit tasks`."""

from typing import Annotated

import typer

from resizekit.cli.options import Json

__all__ = ["tasks"]


def tasks(
    describe: Annotated[
        str | None, typer.Option(metavar="TASK", help="Show the details of one task.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """List the installed tasks with their plugins and weights."""
    if describe is None:
        _list(as_json)
    else:
        _describe(describe, as_json)


def _describe(name: str, as_json: bool) -> None:
    from resizekit.cli.output import echo_json
    from resizekit.cli.task_tables import print_description
    from resizekit.evaluation.describe import describe

    task = describe(name)
    if as_json:
        echo_json(task.as_dict())
    else:
        print_description(task)


def _list(as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from resizekit.cli.output import echo_json
    from resizekit.plugin.registry import installed

    registry = installed()
    rows = [
        {
            "task": name,
            "summary": offer.value.summary,
            "provider": offer.provider,
            "weights": {label: dict(w.metrics) for label, w in registry.weights_of(name).items()},
        }
        for name, offer in sorted(registry.tasks.items())
    ]
    if as_json:
        others = {
            "networks": {name: offer.provider for name, offer in registry.networks.items()},
            "compressions": {name: offer.provider for name, offer in registry.compressions.items()},
            "suites": {name: offer.provider for name, offer in registry.suites.items()},
            "left_out": [str(failure) for failure in registry.failures],
        }
        echo_json({"tasks": rows} | others)
        return
    table = Table("task", "summary", "provider", "weights", box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("task", "summary", "provider")), ", ".join(row["weights"]))
    console = Console(markup=False, emoji=False)
    console.print(table)
    console.print(f"networks: {', '.join(sorted(registry.networks))}", highlight=False)
    console.print(f"compressions: {', '.join(sorted(registry.compressions))}", highlight=False)
    if registry.suites:
        console.print(f"suites: {', '.join(sorted(registry.suites))}", highlight=False)
