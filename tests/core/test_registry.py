"""The registry: conflicts name both providers, a broken plugin is left out whole, unknown names say what there is."""

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resizekit import (
    Compression,
    Kernel,
    Network,
    NoOptions,
    ResizeSpec,
    Suite,
    SuiteColumn,
    SuiteSet,
    Task,
    TaskConfig,
    Weights,
    guides,
    hookimpl,
    ops,
)
from resizekit.errors import PluginError, UnknownNameError
from resizekit.nn import TadOptions, tad
from resizekit.plugin import registry
from resizekit.plugin.registry import PluginWarning, Registry
from resizekit.storage.compressions import Float


def task(name: str = "mine", **fields: Any) -> Task[Any]:
    return Task(name=name, summary="s", config=TaskConfig, spec=lambda c: ResizeSpec(), guide=guides.bicubic, **fields)


def plugin(*offers: object) -> SimpleNamespace:
    """A plugin that offers these records, each through the hook of its kind."""
    hooks = {Task: "tasks", Network: "networks", Compression: "compressions", Kernel: "kernels", Suite: "suites"}
    named: dict[str, list[object]] = {}
    for offer in offers:
        named.setdefault(f"resizekit_register_{hooks[type(offer)]}", []).append(offer)
    return SimpleNamespace(**{name: hookimpl(_gives(name, records)) for name, records in named.items()})


def _gives(name: str, records: list[object]) -> Callable[[], list[object]]:
    def hook() -> list[object]:
        return list(records)

    hook.__name__ = name
    return hook


def tables(kept: Registry) -> tuple[dict[str, Any], ...]:
    return dict(kept.tasks), dict(kept.networks), dict(kept.compressions), dict(kept.weights), dict(kept.suites)


WEIGHTS = {"mine-x2": Weights(file=Path("mine.safetensors"), digest="0" * 64)}
NETWORK = Network(name="mine", options=TadOptions, build=tad)
COMPRESSION = Compression(name="mine", options=NoOptions, build=lambda options: Float())
SUITE = Suite(
    name="mine",
    summary="s",
    columns=(SuiteColumn(key="a", label="a", group="a", factor=2),),
    sets=(SuiteSet(name="Set5"),),
)


def test_what_is_offered_is_found_with_its_provider() -> None:
    kept, mine = Registry(), task(weights=WEIGHTS)
    kept.add(plugin(mine, NETWORK, COMPRESSION, SUITE), "entry", "distribution 1.0")
    assert kept.suite("mine") is SUITE
    assert kept.task("mine") is mine
    assert kept.network("mine") is NETWORK
    assert kept.compression("mine") is COMPRESSION
    assert kept.weight("mine-x2") == ("mine", WEIGHTS["mine-x2"])
    assert (kept.tasks["mine"].plugin, kept.tasks["mine"].provider) == ("entry", "distribution 1.0")


@pytest.mark.parametrize(
    ("kind", "offers"),
    [
        ("task", [task()]),
        ("network", [NETWORK]),
        ("compression", [COMPRESSION]),
        ("suite", [SUITE]),
        ("weights", [task("another", weights=WEIGHTS)]),
    ],
)
def test_a_second_offer_names_the_first_and_changes_nothing(kind: str, offers: list[object]) -> None:
    kept = Registry()
    kept.add(plugin(task(weights=WEIGHTS), NETWORK, COMPRESSION, SUITE), "first", "theirs 1.0")
    before = tables(kept)
    with pytest.raises(PluginError, match=rf"{kind} 'mine(-x2)?' is already offered by plugin 'first' of theirs 1.0"):
        kept.add(plugin(task("innocent"), *offers), "second", "ours 2.0")
    assert tables(kept) == before, "the second plugin is taken in whole or not at all"


def test_two_offers_of_one_plugin_conflict_too() -> None:
    with pytest.raises(PluginError, match="already offered by plugin 'twice'"):
        Registry().add(plugin(task(), task()), "twice", "ours 2.0")


@pytest.mark.parametrize("name", ["Mine", "2x", "", "mi ne", "mine\n", "-mine", "mïne"])
def test_names_that_nobody_could_type(name: str) -> None:
    with pytest.raises(PluginError, match="is not of the form"):
        Registry().add(plugin(task(name)), "entry", "ours 1.0")


def test_kernels_are_taken_out_again_when_their_plugin_fails() -> None:
    fine = Kernel(op="shuffle", device_type="nowhere", run=lambda x, s, r: x)
    unknown = Kernel(op="sharpen", device_type="nowhere", run=lambda x: x)
    kept = Registry()
    with pytest.raises(PluginError, match="no op 'sharpen'"):
        kept.add(plugin(task(), fine, unknown), "entry", "ours 1.0")
    assert not kept.tasks
    ops.install(fine)  # its place is free
    ops.uninstall(fine)


def test_unknown_names_say_what_is_installed() -> None:
    kept = Registry()
    with pytest.raises(UnknownNameError, match=r"no task 'mine' is installed; there are: none$"):
        kept.task("mine")
    kept.add(plugin(task("b"), task("a"), NETWORK), "entry", "ours 1.0")
    with pytest.raises(UnknownNameError, match=r"no task 'mine' is installed; there are: a, b$"):
        kept.task("mine")
    with pytest.raises(UnknownNameError, match=r"no network 'vast' is installed; there are: mine$"):
        kept.network("vast")
    with pytest.raises(UnknownNameError, match=r"no compression 'zip' is installed; there are: none$"):
        kept.compression("zip")
    with pytest.raises(UnknownNameError, match=r"no suite 'paper' is installed; there are: none$"):
        kept.suite("paper")
    with pytest.raises(UnknownNameError) as caught:
        kept.weight("w" * 10_000)
    assert len(str(caught.value)) < 200


# --- discovery ---------------------------------------------------------------------------------

GOOD = """
    from resizekit import ResizeSpec, Task, TaskConfig, guides, hookimpl
    @hookimpl
    def resizekit_register_tasks():
        yield Task(name="{name}", summary="s", config=TaskConfig, spec=lambda c: ResizeSpec(), guide=guides.bicubic)
"""
MISSPELT = (
    GOOD
    + """
    @hookimpl
    def resizekit_register_netwroks():
        return []
"""
)
WRONG_RECORD = (
    GOOD
    + """
    @hookimpl
    def resizekit_register_networks():
        yield "a network"
"""
)
NO_ITERABLE = (
    GOOD
    + """
    @hookimpl
    def resizekit_register_networks():
        return 3
"""
)
Make = Callable[..., Registry]


@pytest.fixture
def discovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Give the registry of a process in which just these distributions are installed."""

    def discover(**sources: str) -> Registry:
        for name, source in sources.items():
            (tmp_path / f"stranger_{name}.py").write_text(textwrap.dedent(source.replace("{name}", name)))
            info = tmp_path / f"their_{name}-1.5.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: their-{name}\nVersion: 1.5\n")
            (info / "entry_points.txt").write_text(f"[resizekit]\n{name} = stranger_{name}\n")
        found = metadata.EntryPoints(
            entry for each in metadata.distributions(path=[str(tmp_path)]) for entry in each.entry_points
        )
        monkeypatch.setattr(registry, "entry_points", lambda group: found.select(group=group))
        return registry.installed.__wrapped__()

    monkeypatch.delenv(registry.DISABLE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield discover
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nonexistent_module", "ModuleNotFoundError: No module named 'nonexistent_module'"),
        ("raise RuntimeError('one line\\nand another')", "RuntimeError: one line and another"),
        ("def def", "SyntaxError: invalid syntax"),
        (MISSPELT, "a hook of that name does not exist .*resizekit_register_netwroks"),
        (WRONG_RECORD, "a hook gave str where Network belongs"),
        (NO_ITERABLE, "TypeError: 'int' object is not iterable"),
        (GOOD.replace("{name}", "Not a name"), "'Not a name' is not of the form"),
    ],
    ids=["missing import", "raises", "no python", "misspelt hook", "wrong record", "no iterable", "bad name"],
)
def test_a_broken_plugin_is_left_out_whole_and_the_others_work(discovered: Make, source: str, reason: str) -> None:
    with pytest.warns(PluginWarning) as warned:
        kept = discovered(broken=source, afine=GOOD, zfine=GOOD)
    assert set(kept.tasks) == {"afine", "zfine"}
    assert set(kept.networks) == {"tad"}, "what the core offers stands"
    (told,) = [str(warning.message) for warning in warned]
    assert len(told.splitlines()) == 1
    assert told.startswith("plugin 'broken' of their-broken 1.5 is left out: ")
    assert told.endswith("(start without it: RESIZEKIT_DISABLE=broken)")
    assert re.search(f"left out: .*{reason}", told)
    assert [str(failure) for failure in kept.failures] == [told]


def test_an_unknown_name_tells_of_the_plugins_left_out(discovered: Make) -> None:
    with pytest.warns(PluginWarning):
        kept = discovered(broken="import nonexistent_module")
    with pytest.raises(UnknownNameError, match=r"there are: none; plugin 'broken' of their-broken 1.5 is left out"):
        kept.task("broken")


def test_a_conflict_names_both_providers_and_leaves_the_first(discovered: Make) -> None:
    with pytest.warns(PluginWarning, match=r"'second' of their-second 1.5 .*'first' of their-first 1.5"):
        kept = discovered(second=GOOD.replace("{name}", "same"), first=GOOD.replace("{name}", "same"))
    assert kept.tasks["same"].provider == "their-first 1.5"


def test_a_disabled_plugin_is_not_even_imported(discovered: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.DISABLE, "broken, other")
    kept = discovered(broken="raise RuntimeError", other=GOOD, fine=GOOD)
    assert set(kept.tasks) == {"fine"}
    assert not kept.failures
    assert "stranger_other" not in sys.modules


def test_nothing_installed_is_no_special_case(discovered: Make) -> None:
    kept = discovered()
    stored = {"uint8", "uint16", "round", "none", "jpeg"}
    assert (kept.tasks, set(kept.networks), set(kept.compressions)) == ({}, {"tad"}, stored)
