"""The examples of the plugin page run, and the configs of the packaged plugins are valid."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch

import resizekit
from resizekit.codec import Recipe
from resizekit.plugin.registry import Registry, installed
from resizekit.recipes.assemble import assemble
from resizekit.recipes.config import RunConfig, TrainConfig

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def block(page: str, language: str, having: str) -> str:
    """The first block of a page that contains a text."""
    return next(source for source in blocks(page, language) if having in source)


def module(name: str, source: str) -> ModuleType:
    made = ModuleType(name)
    exec(compile(source, name, "exec"), made.__dict__)  # noqa: S102 - blocks of the project's own pages
    return made


@pytest.fixture
def registry(monkeypatch):
    """A copy of the real registry, for tests that add to it."""
    real = installed()
    copy = Registry(dict(real.tasks), dict(real.networks), dict(real.compressions), dict(real.weights))
    monkeypatch.setattr("resizekit.recipes.assemble.installed", lambda: copy)
    monkeypatch.setattr("resizekit.recipes.checkpoint.installed", lambda: copy)
    return copy


def test_readme_and_plugin_page_show_the_same_plugin():
    short, full = block("README.md", "python", "hookimpl"), blocks("plugins/README.md", "python")[0]
    for source in (short, full):
        task = module("half", source).half_width
        assert str(task.spec(task.config())) == "r=2"
    assert len([line for line in short.splitlines() if line]) <= 12


def test_first_plugin_works_unchanged(registry):
    page = "plugins/README.md"
    plugin = module("resizekit_half_width", blocks(page, "python")[0])
    registry.add(plugin, "half-width", "resizekit-half-width 0.1.0")
    project, config = (tomllib.loads(text) for text in blocks(page, "toml")[:2])
    assert project["project"]["entry-points"]["resizekit"] == {"half-width": "resizekit_half_width"}
    run = RunConfig.model_validate(config)
    codec = assemble(Recipe(task=run.task, config=run.config, network={"width": 8, "blocks": 1}))
    assert codec.down_tensor(torch.rand(1, 3, 8, 12)).shape == (1, 3, 8, 6)

    name = "resizekit_half_width"
    sys.modules[name] = plugin
    try:
        suite = module("suite", block(page, "python", "TaskConformance")).TestHalfWidth
    finally:
        del sys.modules[name]
    assert suite.task is plugin.half_width

    network = module("network", block(page, "python", "resizekit_register_networks"))
    registry.add(network, "network", "a page")
    made = assemble(
        Recipe(task="half-width", config={"network": "plain", "compression": "four-bit"}, network={"width": 16})
    )
    low = made.compression(torch.rand(1, 3, 8, 6))
    assert made.channels == 3
    assert made(torch.rand(1, 3, 8, 12)).restored.shape == (1, 3, 8, 12)
    assert len(low.unique()) <= 16
    assert torch.equal(resizekit.ops.to_uint8(low) * resizekit.ops.quantize(torch.ones(1) / 255), low)


def test_suite_of_the_plugin_page_is_offered(registry):
    registry.add(module("suite", block("plugins/README.md", "python", "resizekit_register_suites")), "mine", "a page")
    suite = registry.suite("mine")
    assert [column.weights for column in suite.columns] == [None, "mine-x2"]


def test_weights_of_the_plugin_page_fit_the_record():
    page = "plugins/README.md"
    source = block(page, "python", "Weights(").replace('files("my_package")', 'files("resizekit_sr")')
    task = module("weights", source).half_width
    assert task.weights["half-width"].metrics == {"Set5 high RGB": 40.1}
    source = block(page, "python", "weights_from_folder(").replace('files("my_package")', 'files("resizekit_sr")')
    found = module("found", source.replace("half-width", "sr-x4")).weights
    assert dict(found) == {name: installed().task("sr").weights[name] for name in ("sr-x4", "sr-x4-y")}


def test_weights_for_another_task_of_the_plugin_page_are_offered(registry):
    source = block("docs/plugins.md", "python", "resizekit_register_weights")
    source = source.replace('files("my_weights")', 'files("resizekit_weights_paper")').replace("mine-x2", "tad-x2")
    del registry.weights["tad-x2"]
    registry.add(module("weights", source), "mine", "a page")
    assert registry.weight("tad-x2") == installed().weight("tad-x2")
    assert registry.weights["tad-x2"].plugin == "mine"


def test_shipped_configs_are_valid():
    for path in sorted((ROOT / "plugins").glob("resizekit_*/configs/*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        RunConfig.model_validate(raw)
        assemble(Recipe(task=raw["task"], config=raw["config"]))
        TrainConfig.model_validate(raw["train"])
