"""The documents cannot drift from the code: what they show is run, what they count is compared."""

import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch

import resizekit
from resizekit.codec import Recipe
from resizekit.plugin.records import TaskConfig
from resizekit.plugin.registry import Registry, installed
from resizekit.recipes.assemble import assemble
from resizekit.recipes.checkpoint import read_header
from resizekit.recipes.config import RunConfig, TrainConfig

ROOT = Path(__file__).parents[1]


def blocks(path: str, language: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def module(name: str, source: str) -> ModuleType:
    made = ModuleType(name)
    exec(compile(source, name, "exec"), made.__dict__)  # noqa: S102 - our own documents
    return made


@pytest.fixture
def registry(monkeypatch):
    """The real registry, put back as it was after a test has added to it."""
    real = installed()
    copy = Registry(dict(real.tasks), dict(real.networks), dict(real.compressions), dict(real.weights))
    monkeypatch.setattr("resizekit.recipes.assemble.installed", lambda: copy)
    monkeypatch.setattr("resizekit.recipes.checkpoint.installed", lambda: copy)
    return copy


def test_readme_library_lines_run(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    module("readme", blocks("README.md", "python")[0])
    size, decibel = re.fullmatch(r"\((.*)\), PSNR ([\d.]+) dB\n", capsys.readouterr().out).groups()
    assert size == "256, 256"
    assert float(decibel) > 35


def test_readme_plugin_and_the_first_page_of_plugins_are_one(registry):
    short, whole = blocks("README.md", "python")[1], blocks("plugins/README.md", "python")[0]
    for source in (short, whole):
        task = module("half", source).half_width
        assert str(task.spec(task.config())) == "r=2"
    assert len([line for line in short.splitlines() if line]) <= 12


def test_first_plugin_works_as_it_stands(registry, tmp_path):
    pages = blocks("plugins/README.md", "python")
    plugin = module("resizekit_half_width", pages[0])
    registry.add(plugin, "half-width", "resizekit-half-width 0.1.0")
    project, config = (tomllib.loads(text) for text in blocks("plugins/README.md", "toml"))
    assert project["project"]["entry-points"]["resizekit"] == {"half-width": "resizekit_half_width"}
    run = RunConfig.model_validate(config)
    codec = assemble(Recipe(task=run.task, config=run.config, network={"width": 8, "blocks": 1}))
    assert codec.down_tensor(torch.rand(1, 3, 8, 12)).shape == (1, 3, 8, 6)

    name = "resizekit_half_width"
    sys.modules[name] = plugin
    try:
        suite = module("suite", pages[4]).TestHalfWidth
    finally:
        del sys.modules[name]
    assert suite.task is plugin.half_width

    network = module("network", pages[3])
    registry.add(network, "network", "a page")
    made = assemble(
        Recipe(task="half-width", config={"network": "plain", "compression": "four-bit"}, network={"width": 16})
    )
    low = made.compression(torch.rand(1, 3, 8, 6))
    assert made.channels == 3
    assert made(torch.rand(1, 3, 8, 12)).restored.shape == (1, 3, 8, 12)
    assert len(low.unique()) <= 16
    assert torch.equal(resizekit.ops.to_uint8(low) * resizekit.ops.quantize(torch.ones(1) / 255), low)


def test_a_suite_is_offered_as_the_page_shows(registry):
    registry.add(module("suite", blocks("plugins/README.md", "python")[5]), "mine", "a page")
    suite = registry.suite("mine")
    assert [column.weights for column in suite.columns] == [None, "mine-x2"]


def test_pages_show_weights_as_the_record_takes_them():
    source = blocks("plugins/README.md", "python")[1].replace('files("my_package")', 'files("resizekit_sr")')
    task = module("weights", source).half_width
    assert task.weights["half-width"].metrics == {"Set5 high RGB": 40.1}
    source = blocks("plugins/README.md", "python")[2].replace('files("my_package")', 'files("resizekit_sr")')
    found = module("found", source.replace("half-width", "tad-x2")).weights
    assert dict(found) == {name: installed().task("sr").weights[name] for name in ("tad-x2", "tad-x2-y")}


def test_verbs_of_the_readme_exist():
    from typer.main import get_command

    from resizekit.cli.app import app

    verbs = set(get_command(app).commands)
    told = set()
    for text in blocks("README.md", "sh"):
        told |= set(re.findall(r"(?:^|&& )resizekit ([a-z-]+)", text, flags=re.MULTILINE))
    assert told <= verbs
    assert {"down", "up", "info", "evaluate", "train", "roundtrip"} <= told


def test_readme_shows_a_plan_as_it_is_told(monkeypatch, capsys):
    from resizekit.cli import main

    (line,) = (text for text in blocks("README.md", "sh") if "--plan" in text)
    (told,) = blocks("README.md", "text")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out == told


def test_every_hook_and_field_is_told():
    from resizekit.plugin import hookspecs
    from resizekit.plugin.records import Task

    page = (ROOT / "plugins/README.md").read_text(encoding="utf-8")
    kernels = (ROOT / "kernels/README.md").read_text(encoding="utf-8")
    for name in vars(hookspecs):
        if name.startswith("resizekit_register_"):
            assert name in page + kernels
    for name in set(Task.__dataclass_fields__) - {"name", "summary"}:
        assert f"| `{name}" in page
    for op in resizekit.ops.ops():
        assert f"`{op}`" in kernels


def test_shipped_configs_say_only_what_exists():
    for path in sorted((ROOT / "plugins").glob("resizekit_*/configs/*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        RunConfig.model_validate(raw)
        assemble(Recipe(task=raw["task"], config=raw["config"]))
        TrainConfig.model_validate(raw["train"])


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
    labels = told_sets(weights)
    assert labels
    for which in labels:
        row = next(line for line in card.splitlines() if line.startswith(row_of(which)))
        for kind in kinds:
            for side in ("high", "low"):
                assert shown(weights.metrics[f"{which} {side} {kind}"]) in row, (which, side, kind)


def shown(value):
    """A figure as tables show it; a decoder alone leaves low as its guide."""
    return "equal" if value == float("inf") else f"{value:.2f}"


def told_sets(weights):
    """Sets that figures are told of, with the factor where there are several: "Set5", "B100 x8"."""
    return {figure.rsplit(" ", 2)[0] for figure in weights.metrics}


def row_of(label):
    """How the row of a set begins in a table."""
    return f"| {label.replace(' ', ' | ')} |"


def test_readme_numbers_are_the_records():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, offer in installed().weights.items():
        metrics = offer.value[1].metrics
        for which in told_sets(offer.value[1]):
            rows = [line for line in text.splitlines() if line.startswith(f"| `{name}` {row_of(which)}")]
            assert len(rows) == 1, (name, which)
            for figure, value in metrics.items():
                if figure.startswith(f"{which} "):
                    assert shown(value) in rows[0], figure


def test_benchmark_results_name_their_machine_and_nobody():
    for path in (ROOT / "benchmarks/results").glob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        if "suite" in told:
            assert all(told["made_by"][key] for key in ("command", "machine", "torch", "threads"))
            continue
        if "points" in told:  # of a sweep: what trained it does not matter to what it shows
            assert told["resizekit"]
            assert told["config"]["train"]["steps"] == told["points"][0]["steps"]
            continue
        assert {"processor", "torch", "threads", "python"} <= set(told["machine_info"])
        assert "node" not in told["machine_info"]


def test_guide_weight_of_the_record_is_the_papers():
    assert TaskConfig().guide_weight == 0.1
