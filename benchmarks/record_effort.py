"""Put measurements at a higher effort into the records of the shipped weights, and write cards and tables again.

    resizekit evaluate Set5 Set14 B100 Urban100 --weights sr-x4 --effort 2 --json > sr-x4.json
    python benchmarks/record_effort.py sr-x4.json

Several files of the same weights, such as one for each set, are put together. A file of results of the suite `paper`
fills sets that are missing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from cards import write
from plan import SETS
from records import ROOT, Figures, Record, Refined, label_of, plugin_of, read_record
from script import run_script

from resizekit.errors import UsageError
from resizekit.suites.results import Metric, Results, read_results

EFFORT = 2
_COMPARED: tuple[Metric, ...] = ("high_rgb", "high_y", "low_rgb", "low_y")
_TOLERANCE = 0.005


def main(files: Annotated[list[Path], typer.Argument(help="Files that `resizekit evaluate --json` wrote.")]) -> None:
    """Record the measurements."""
    for file in files:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        if "columns" in content:
            results = read_results(file)
            for column in results.columns:
                if column.effort == EFFORT:
                    record, folder = record_of(str(column.weights), file)
                    with_suite(record, results, column.key).write(folder)
        else:
            record, folder = record_of(content["weights"], file)
            with_effort(record, content["sets"]).write(folder)
    for path in write(ROOT):
        typer.echo(f"wrote {path.relative_to(ROOT)}")


def record_of(name: str, file: Path) -> tuple[Record, Path]:
    """Return the record of some weights and its folder."""
    record, plugin = read_record(ROOT, name), plugin_of(ROOT, "weights", f"{name}.json")
    if record is None or plugin is None:
        raise UsageError(f"{file}: {name!r} are not weights of this repository")
    return record, plugin / "weights"


def with_suite(record: Record, results: Results, key: str) -> Record:
    """Add the sets of a column that a record lacks.

    Sets whose column at effort 0 disagrees with the record are left out: they were measured by other rules, as Y of
    the grey picture of Set14.
    """
    known = {} if record.refined is None else record.refined.sets
    measured: list[Mapping[str, Any]] = []
    for item in results.sets:
        plain, means = results.means(record.name, item.name), results.means(key, item.name)
        complete = len(results.of(key, item.name)) == item.expected and item.name in record.sets
        if not complete or item.name in known:
            continue
        figures = record.sets[item.name].model_dump()
        recorded = {name: figures[name] for name in _COMPARED if figures[name] is not None}
        if all(abs((plain[name] or 0) - value) < _TOLERANCE for name, value in recorded.items()):
            bicubic = {name: value for name, value in figures.items() if name.startswith("bicubic_")}
            mean = bicubic | {name: means[name] for name in recorded}  # bicubic does not depend on the effort
            pictures = len(results.of(key, item.name))
            measured.append({"name": item.name, "effort": EFFORT, "pictures": pictures, "equal": None, "mean": mean})
    return with_effort(record, measured)


def with_effort(record: Record, sets: list[Mapping[str, Any]]) -> Record:
    """Add the measurements of one file to a record, in the order of the record's own measurements."""
    measured = {} if record.refined is None else dict(record.refined.sets)
    for item in sets:
        label = label_of(item["name"], item.get("factor"))
        if item.get("effort") != EFFORT or label not in record.sets:
            continue
        mean = {key: value for key, value in item["mean"].items() if key in Figures.model_fields}
        if record.channels == 1:
            mean = {key: value for key, value in mean.items() if not key.endswith("_rgb")}
        extra = {key: item[key] for key in ("times", "factor") if item.get(key)}
        measured[label] = Figures(pictures=item["pictures"], equal=item["equal"] or None, **mean, **extra)
    times = sorted({str(figures.times) for figures in measured.values() if figures.times})
    depths = f" --times {','.join(times)}" if times else ""
    command = f"resizekit evaluate {' '.join(SETS)} --weights {record.name}{depths} --effort {EFFORT}"
    ordered = {label: measured[label] for label in record.sets if label in measured}
    return record.model_copy(update={"refined": Refined(effort=EFFORT, command=command, sets=ordered)})


if __name__ == "__main__":
    run_script(main)
