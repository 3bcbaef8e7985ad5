"""Write the model cards and docs/numbers.md from the JSON files next to the weights, and from nothing else.

python benchmarks/cards.py            # writes them
python benchmarks/cards.py --check    # lists the files that would change
"""

import os
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
    "wavelet": "the network `wavelet`, a residual encoder and decoder on frequency bands of pixel blocks",
    "recurrent": "the network `recurrent`, a residual encoder and decoder that pass a state from step to step",
    "invertible": "the network `invertible`, reversible couplings of low and high frequency bands",
}
NUMBERS = Path("docs/numbers.md")
MARKS = "<!-- numbers -->", "<!-- end of numbers -->"


def crops(training: Training) -> str:
    """Describe the crops of a training step, for each part of the training."""
    texts = [f"batch {part.batch}, crops of {part.patch}x{part.patch}" for part in training.parts]
    if len(texts) == 1:
        return texts[0]
    total = sum(part.share for part in training.parts)
    return "; ".join(f"{part.share / total:.0%}: {text}" for part, text in zip(training.parts, texts, strict=True))


def duration(seconds: float) -> str:
    """Format a duration in minutes, or in seconds below two minutes."""
    return f"{round(seconds / 60)} minutes" if seconds >= 120 else f"{round(seconds)} seconds"


def earlier_training(training: Training) -> str:
    """Describe the initial weights of a training and how long they were trained, or return ""."""
    if training.start is None:
        return ""
    steps, time = whole(training.steps_before), duration(training.seconds_before)
    return f"; initialized with the weights {training.start}, trained for {steps} steps in {time}"


def measurement(record: Record) -> str:
    """Describe how the PSNR was measured."""
    pixels = f"a border of {record.border} pixel{'s' * (record.border > 1)}"
    border = "a border as wide as the factor, unless the picture is too small for it" if record.deep else pixels
    stored = "an ordinary PNG file" if record.as_png else f"a file of the compression `{record.compression}`"
    text = f"Mean PSNR in dB. Pictures have 8 bits per channel, and the small picture is stored as {stored}.\n"
    if record.channels == 1:
        return f"{text}Y is the luma (16 to 235) without {border}. Set14 `bridge` is grey and used unchanged."
    return f"{text}RGB covers the full picture. Y (luma, 16 to 235) leaves out {border}."


def references(record: Record) -> str:
    """Describe the pictures that high and low are compared with."""
    if "t=" in record.spec:
        low, bicubic = "its guide, such as luma", "The bicubic columns hold the guide repeated in every channel."
    else:
        low, bicubic = "MATLAB's bicubic picture", "The bicubic columns hold bicubic downscaling and upscaling."
    return f"High compares the restored picture with the original. Low compares the small one with {low}.\n{bicubic}"


def exceptions(record: Record) -> str:
    """List the sets whose mean leaves out pictures, and why."""
    texts = []
    for which, figures in record.sets.items():
        if some := {n for n in (figures.equal or {}).values() if n < figures.pictures}:
            texts.append(f"{which} {' or '.join(map(str, sorted(some)))} of {figures.pictures}")
    if not texts:
        return ""
    reason = "without colours, which equal their guide" if "t=" in record.spec else "without any difference"
    return f"\n\n\\* The mean leaves out pictures {reason}: {', '.join(texts)}."


def table(record: Record) -> str:
    """Format the metrics of every set as a table; with several depths, bicubic is next to high."""
    kinds = ("y",) if record.channels == 1 else ("rgb", "y")
    sides = ("high", "bicubic", "low") if record.deep else ("high", "low", "bicubic")
    keys = [f"{side}_{kind}" for side in sides for kind in kinds]
    heads = [key.replace("_rgb", " RGB").replace("_y", " Y") for key in keys]
    rows = [["set", *(["factor"] if record.deep else []), *heads]]
    for name, factor, figures in record.rows():
        label = [name, factor or "–"] if record.deep else [name]
        rows.append([*label, *(cell(figures, key) for key in keys)])
    return lines(rows) + exceptions(record)


def refined(record: Record) -> str:
    """Write the section about a higher effort, or return ""."""
    more = record.refined
    if more is None:
        return ""
    kinds = ("y",) if record.channels == 1 else ("rgb", "y")
    keys = [f"{side}_{kind}" for side in ("high", "low") for kind in kinds]
    heads = [key.replace("_rgb", " RGB").replace("_y", " Y") for key in keys]
    rows = [["set", *heads], *([label, *(cell(figures, key) for key in keys)] for label, figures in more.sets.items())]
    return f"""
With effort {more.effort}, which improves each small picture for the decoder, measured with

    {more.command}

{lines(rows)}
"""


def card(record: Record, others: list[Record], data: str = "DATA.md") -> str:
    """Write the model card of one weights file; `data` is the link to the description of the training data."""
    training = record.training
    network = NETWORKS.get(record.network, f"the network `{record.network}`")
    network += ", its decoder alone, on the guide itself" if record.alone else ""
    single = " of a single channel," if record.channels == 1 else ""
    twins = [f"[{other.name}]({other.name}.md)" for other in others if other.digest == record.digest]
    same = f"\n\nThese weights are identical to {' and '.join(twins)}." if twins else ""
    count = whole(record.parameters)
    hardware = [training.hardware] if training.hardware else []
    hardware += [f"{training.precision} for the hidden layers" if training.precision != "float32" else "float32"]
    return f"""# {record.name}

Weights of the task `{record.task}` for {record.summary}: {network},{single} {count} parameters.{same}

| | |
|---|---|
| digest | `{record.digest}` |
| file | {record.bytes / 1e6:.2f} MB, stored in {record.stored} |
| cost | {record.kmac_per_pixel:.0f} thousand multiply-adds per pixel of the original, for down and up together |
| config | `configs/{record.config}.toml` |
| command | `{training.command}` |
| steps | {whole(training.steps)}, {crops(training)}, seed {training.seed}{earlier_training(training)} |
| hardware | {"; ".join([*hardware, duration(training.seconds)])} |

## Data

{training.pictures} photographs. [DATA.md]({data}) lists their sources and terms. No picture of Set5, Set14, B100 or
Urban100 was used for training.

## Results

{measurement(record)}
{references(record)} Measured with

    {record.command}

{table(record)}
{refined(record)}"""


def data_of(root: Path, plugin: Path) -> str:
    """Return the link to DATA.md from the cards of a plugin: in its own folder, or in that of another plugin."""
    holders = [plugin, *plugins(root)]
    first = next((holder for holder in holders if (holder / "weights/DATA.md").is_file()), plugin)
    return Path(os.path.relpath(first / "weights/DATA.md", plugin / "weights")).as_posix()


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
        places[record.name] = f"../{path.relative_to(root).as_posix()}"
    page = root / NUMBERS
    old = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"{MARKS[0]}\n.*\n{MARKS[1]}", flags=re.DOTALL)
    if len(pattern.findall(old)) != 1:
        raise ConfigError(f"{page} has no place for the numbers: put them between {MARKS[0]} and {MARKS[1]}")
    made[page] = pattern.sub(lambda _: f"{MARKS[0]}\n{numbers(records, places)}\n{MARKS[1]}", old)
    return made


def stale(root: Path) -> list[Path]:
    """List the files that differ from the records."""
    return [p for p, text in texts(root).items() if not p.exists() or p.read_text(encoding="utf-8") != text]


def write(root: Path) -> list[Path]:
    """Write the files that have changed, and list them."""
    made = texts(root)
    changed = stale(root)
    for path in changed:
        with atomic_write(path, overwrite=True) as beside:
            beside.write_text(made[path], encoding="utf-8")
    return changed


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if anything would change.")] = False,
) -> None:
    """Write the model cards and docs/numbers.md from the JSON files next to the weights."""
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
