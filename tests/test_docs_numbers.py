"""Numbers in the documents and the model cards come from the records."""

import json
import re
from pathlib import Path

import pytest

import resizekit
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import read_header

ROOT = Path(__file__).parents[1]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def numbers_of(name: str, which: str) -> list[str]:
    """The cells of a row of docs/numbers.md; `which` is a set, with the factor where there are several."""
    matches = [row for row in rows(text_of("docs/numbers.md")) if " | ".join(row).startswith(f"`{name}` | {which} |")]
    assert len(matches) == 1, (name, which)
    return matches[0]


def decibels(value: float) -> str:
    """A PSNR as tables show it; a decoder that works alone leaves low equal to its guide."""
    return "equal" if value == float("inf") else f"{value:.2f}"


def sets_of(weights: resizekit.Weights) -> set[str]:
    """Sets with metrics, with the factor where there are several: "Set5", "B100 x8"."""
    return {name.rsplit(" ", 2)[0] for name in weights.metrics}


@pytest.mark.parametrize("name", sorted(installed().weights))
def test_numbers_page_has_every_metric(name):
    weights = installed().weight(name)[1]
    for which in sets_of(weights):
        row = " | ".join(numbers_of(name, which.replace(" ", " | ")))
        for metric, value in weights.metrics.items():
            if metric.startswith(f"{which} "):
                assert decibels(value) in row, metric


def test_readme_gains_are_those_of_the_numbers_page():
    ranges = []
    for name, high in (("sr-x2", 2), ("sr-x4", 2), ("sr-x4", 6)):  # columns of effort 0 and effort 2
        table = [numbers_of(name, which) for which in ("Set5", "Set14", "B100", "Urban100")]
        for baseline in (lambda row: float(row[7].split(" / ")[0]), lambda row: float(row[8])):
            gains = [float(row[high].split(" / ")[0]) - baseline(row) for row in table]
            ranges.append(f"{min(gains):.1f} to {max(gains):.1f} dB")
    intro = " ".join(text_of("README.md").split("## Who")[0].split())
    assert [found.strip(" ") for found in re.findall(r"\d+\.\d to \d+\.\d dB", intro)] == ranges


def test_gains_of_the_repeated_pair_are_those_of_the_numbers_page(section):
    table = rows(section("docs/any-size.md", "## From x2 to x128 with one pair"))
    factors = table[0][1:]
    for row in table[2:]:
        for factor, cell in zip(factors, row[1:], strict=True):
            high, bicubic = (float(pair.split(" / ")[0]) for pair in numbers_of("extreme", f"{row[0]} | {factor}")[3:5])
            assert float(cell) == pytest.approx(high - bicubic, abs=0.051)


@pytest.mark.parametrize("name", sorted(installed().weights))
def test_model_card_record_and_file_agree(name):
    task, weights = installed().weight(name)
    header = read_header(str(weights.file))
    assert header.digest == weights.digest
    assert header.task == task
    card = Path(str(weights.file)).with_suffix(".md").read_text(encoding="utf-8")
    assert weights.digest in card
    assert "resizekit evaluate" in card
    assert f"{header.training['steps']:,}".replace(",", " ") in card
    kinds = ("RGB", "Y") if assemble(header.recipe).channels == 3 else ("Y",)
    labels = sets_of(weights)
    assert labels
    for which in labels:
        row = next(line for line in card.splitlines() if line.startswith(f"| {which.replace(' ', ' | ')} |"))
        for kind in kinds:
            for side in ("high", "low"):
                assert decibels(weights.metrics[f"{which} {side} {kind}"]) in row, (side, kind)


def test_benchmark_results_name_their_hardware_and_no_computer():
    for path in (ROOT / "benchmarks/results").glob("*.json"):
        results = json.loads(path.read_text(encoding="utf-8"))
        if "suite" in results:
            assert all(results["made_by"][key] for key in ("command", "machine", "torch", "threads"))
            continue
        if "points" in results:  # of a sweep, whose results do not depend on the hardware
            assert results["resizekit"]
            assert results["config"]["train"]["steps"] == results["points"][0]["steps"]
            continue
        assert {"processor", "torch", "threads", "python"} <= set(results["machine_info"])
        assert "node" not in results["machine_info"]
