"""Model cards and the README's numbers, written from the JSON beside the weights and from nothing else.

python benchmarks/cards.py            # writes them
python benchmarks/cards.py --check    # says whether any would change
"""

import re
from pathlib import Path
from typing import Annotated

import typer
from numbers_table import cell, lines, numbers, whole
from records import ROOT, Record, Training, plugin_of, plugins, read_records

from resizekit.errors import ConfigError, ResizeKitError
from resizekit.system.atomic_write import atomic_write

__all__ = ["texts", "write"]

NETWORKS = {
    "tad": "the network `tad` of *Task-Aware Image Downscaling* (section 3.2)",
    "wavelet": "the network `wavelet`, a residual pair around a fixed carrier",
    "recurrent": "the network `recurrent`, a residual pair that hands a state to its next application",
    "invertible": "the network `invertible`, reversible couplings around a fixed carrier",
}
MARKS = "<!-- numbers -->", "<!-- end of numbers -->"


def crops(training: Training) -> str:
    """Say what a step saw, part after part."""
    said = [f"batch {part.batch}, crops of {part.patch}x{part.patch}" for part in training.parts]
    if len(said) == 1:
        return said[0]
    total = sum(part.share for part in training.parts)
    return "; ".join(f"{part.share / total:.0%}: {s}" for part, s in zip(training.parts, said, strict=True))


def lasted(seconds: float) -> str:
    """Say a time in minutes, or in seconds where these are few."""
    return f"{round(seconds / 60)} minutes" if seconds >= 120 else f"{round(seconds)} seconds"


def before(training: Training) -> str:
    """Say what a training began with, if with weights."""
    if training.start is None:
        return ""
    steps, time = whole(training.steps_before), lasted(training.seconds_before)
    return f"; from the weights {training.start}, which {steps} steps in {time} had made"


def means_what(record: Record) -> str:
    """Say how the figures were measured."""
    whole_ones = "a border of the factor, or none on a picture too small for it"
    border = whole_ones if record.deep else f"a border of {record.border}"
    stored = "a real PNG" if record.as_png else f"its compression `{record.compression}` stores it"
    how = f"Mean PSNR in dB, 8-bit pictures, the small one stored as {stored}; "
    if record.channels == 1:
        how += "on the luma of the pictures (16 to 235; Set14 `bridge` is grey and taken as it is), "
        how += f"with {border}."
    else:
        how += f"RGB without a border, Y (16 to 235) with {border}."
    return how


def against(record: Record) -> str:
    """Say what the figures compare with."""
    if "t=" in record.spec:
        low = "its guide, such as luma, and\nbicubic is that guide repeated in every channel"
        return f"High is the restored picture against the original, low the small one against {low}."
    low = "MATLAB's bicubic, bicubic is bicubic down\nand up"
    return f"High is the restored picture against the original, low the small one against {low}."


def exceptions(record: Record) -> str:
    """Say where a mean leaves out pictures, and why."""
    said = []
    for which, figures in record.sets.items():
        if some := {n for n in (figures.equal or {}).values() if n < figures.pictures}:
            said.append(f"{which} {' or '.join(map(str, sorted(some)))} of {figures.pictures}")
    if not said:
        return ""
    which = "without colours, which equal their guide" if "t=" in record.spec else "on which nothing differs"
    return f"\n\n\\* The mean leaves out pictures {which}: {', '.join(said)}."


def table(record: Record) -> str:
    """Write the figures of every set, of several depths with bicubic's beside those of high."""
    kinds = ("y",) if record.channels == 1 else ("rgb", "y")
    sides = ("high", "bicubic", "low") if record.deep else ("high", "low", "bicubic")
    keys = [f"{side}_{kind}" for side in sides for kind in kinds]
    heads = [key.replace("_rgb", " RGB").replace("_y", " Y") for key in keys]
    rows = [["set", *(["factor"] if record.deep else []), *heads]]
    for name, factor, figures in record.rows():
        where = [name, factor or "–"] if record.deep else [name]
        rows.append([*where, *(cell(figures, key) for key in keys)])
    return lines(rows) + exceptions(record)


def card(record: Record, others: list[Record], data: str = "DATA.md") -> str:
    """Write the card of one file of weights; `data` is where it is told what was trained on."""
    training = record.training
    network = NETWORKS.get(record.network, f"the network `{record.network}`")
    network += ", its decoder alone, on the guide itself" if record.alone else ""
    single = " of a single channel," if record.channels == 1 else ""
    twins = [f"[{other.name}]({other.name}.md)" for other in others if other.digest == record.digest]
    same = f"\n\nThe very weights of {' and '.join(twins)}." if twins else ""
    hardware = [training.hardware] if training.hardware else []
    hardware += [f"{training.precision} trunks" if training.precision != "float32" else "float32"]
    return f"""# {record.name}

Weights of task `{record.task}` for {record.summary}: {network},{single} {whole(record.parameters)} parameters.{same}

| | |
|---|---|
| digest | `{record.digest}` |
| file | {record.bytes / 1e6:.2f} MB, stored in {record.stored} |
| cost | {record.kmac_per_pixel:.0f} thousand multiply-adds for each pixel of the original, down and up together |
| config | `configs/{record.config}.toml` |
| command | `{training.command}` |
| steps | {whole(training.steps)}, {crops(training)}, seed {training.seed}{before(training)} |
| hardware | {"; ".join([*hardware, lasted(training.seconds)])} |

## Data

{training.pictures} photographs; [DATA.md]({data}) says which, and under which terms. No picture of Set5, Set14, B100
or Urban100 was trained on.

## Figures

{means_what(record)}
{against(record)} Measured by

    {record.command}

{table(record)}
"""


def data_of(root: Path, plugin: Path) -> str:
    """Say where DATA.md lies, seen from the cards of a plugin: beside them, or beside those of another plugin."""
    holders = [plugin, *plugins(root)]
    first = next((holder for holder in holders if (holder / "weights/DATA.md").is_file()), plugin)
    return "DATA.md" if first == plugin else f"../../{first.name}/weights/DATA.md"


def texts(root: Path) -> dict[Path, str]:
    """Give every file that follows from the records, with what belongs into it; `ConfigError` without the marks."""
    records = read_records(root)
    made = {}
    places = {}
    for record in records:
        plugin = plugin_of(root, "weights", f"{record.name}.json")
        assert plugin is not None, "it was read from there"
        others = [other for other in records if other.name != record.name]
        path = plugin / "weights" / f"{record.name}.md"
        made[path] = card(record, others, data_of(root, plugin))
        places[record.name] = path.relative_to(root).as_posix()
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8")
    pattern = re.compile(rf"{MARKS[0]}\n.*\n{MARKS[1]}", flags=re.DOTALL)
    if len(pattern.findall(old)) != 1:
        raise ConfigError(f"{readme} has no place for the numbers: put them between {MARKS[0]} and {MARKS[1]}")
    made[readme] = pattern.sub(lambda _: f"{MARKS[0]}\n{numbers(records, places)}\n{MARKS[1]}", old)
    return made


def stale(root: Path) -> list[Path]:
    """Name the files that are not what the records say."""
    return [p for p, text in texts(root).items() if not p.exists() or p.read_text(encoding="utf-8") != text]


def write(root: Path) -> list[Path]:
    """Write what has changed, and name it."""
    made = texts(root)
    changed = stale(root)
    for path in changed:
        with atomic_write(path) as beside:
            beside.write_text(made[path], encoding="utf-8")
    return changed


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if anything would change.")] = False,
) -> None:
    """Write the model cards and the README's numbers from the JSON beside the weights."""
    from resizekit.cli.output import echo_error

    try:
        changed = stale(ROOT) if check else write(ROOT)
    except ResizeKitError as error:
        echo_error(error)
        raise typer.Exit(error.exit_code) from None
    for path in changed:
        typer.echo(f"{'would change' if check else 'wrote'} {path.relative_to(ROOT)}")
    if check and changed:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
