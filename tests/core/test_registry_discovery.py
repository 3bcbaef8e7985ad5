"""Discovery of installed plugins: broken plugins, conflicts, and the selection of plugins."""

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resizekit.errors import UnknownNameError
from resizekit.plugin import registry
from resizekit.plugin.registry import PluginWarning, Registry

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
WEIGHTS_ONLY = """
    from pathlib import Path
    from resizekit import TaskWeights, Weights, hookimpl
    @hookimpl
    def resizekit_register_weights():
        for task in "{tasks}".split():
            yield TaskWeights(task=task, weights={f"{name}-{task}": Weights(file=Path("some"), digest="0" * 64)})
"""
NO_ITERABLE = (
    GOOD
    + """
    @hookimpl
    def resizekit_register_networks():
        return 3
"""
)
EXITS_IN_A_HOOK = (
    GOOD
    + """
    @hookimpl
    def resizekit_register_networks():
        raise SystemExit(3)
"""
)
Make = Callable[..., Registry]


@pytest.fixture
def discovered(tmp_path: Path, discover_in_folder: Callable[[], Registry]) -> Iterator[Make]:
    """Return the registry of a process in which only these distributions are installed."""

    def discover(**sources: str) -> Registry:
        for name, source in sources.items():
            (tmp_path / f"other_{name}.py").write_text(textwrap.dedent(source.replace("{name}", name)))
            info = tmp_path / f"their_{name}-1.5.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: their-{name}\nVersion: 1.5\n")
            (info / "entry_points.txt").write_text(f"[resizekit]\n{name} = other_{name}\n")
        return discover_in_folder()

    yield discover
    for name in [name for name in sys.modules if name.startswith("other_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nonexistent_module", "ModuleNotFoundError: No module named 'nonexistent_module'"),
        ("raise RuntimeError('one line\\nand another')", "RuntimeError: one line and another"),
        ("def def", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit('my licence has expired')", "SystemExit: my licence has expired"),
        (EXITS_IN_A_HOOK, "SystemExit: 3"),
        (MISSPELT, "there is no hook of this name .*resizekit_register_netwroks"),
        (WRONG_RECORD, "a hook returned a str: expected a Network"),
        (NO_ITERABLE, "TypeError: 'int' object is not iterable"),
        (GOOD.replace("{name}", "Not a name"), "invalid task name 'Not a name': expected the form"),
    ],
    ids=[
        "missing import",
        "raises",
        "no python",
        "exits",
        "exits in a hook",
        "misspelt hook",
        "wrong record",
        "no iterable",
        "bad name",
    ],
)
def test_broken_plugin_is_not_loaded_and_the_others_work(discovered: Make, source: str, reason: str) -> None:
    with pytest.warns(PluginWarning) as warned:
        collected = discovered(broken=source, afine=GOOD, zfine=GOOD)
    assert set(collected.tasks) == {"afine", "zfine"}
    assert set(collected.networks) == {"tad"}, "the core's own records are always there"
    (message,) = [str(warning.message) for warning in warned]
    assert len(message.splitlines()) == 1
    assert message.startswith("plugin 'broken' of their-broken 1.5 was not loaded: ")
    assert message.endswith(
        "(to start without it, set RESIZEKIT_DISABLE=broken, or list the others in RESIZEKIT_PLUGINS)"
    )
    assert re.search(f"was not loaded: .*{reason}", message)
    assert [str(failure) for failure in collected.failures] == [message]


def test_unknown_name_lists_the_failed_plugins(discovered: Make) -> None:
    with pytest.warns(PluginWarning):
        collected = discovered(broken="import nonexistent_module")
    with pytest.raises(UnknownNameError, match=r"installed: none; plugin 'broken' of their-broken 1.5 was not loaded"):
        collected.task("broken")


def test_conflict_names_both_providers_and_keeps_the_first(discovered: Make) -> None:
    with pytest.warns(PluginWarning, match=r"'second' of their-second 1.5 .*'first' of their-first 1.5"):
        collected = discovered(second=GOOD.replace("{name}", "same"), first=GOOD.replace("{name}", "same"))
    assert collected.tasks["same"].provider == "their-first 1.5"


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_weights_are_found_in_any_order_of_the_plugins(discovered: Make, name: str) -> None:
    collected = discovered(mine=GOOD, **{name: WEIGHTS_ONLY.replace("{tasks}", "mine")})
    assert list(collected.weights_of("mine")) == [f"{name}-mine"]
    assert collected.weights[f"{name}-mine"].provider == f"their-{name} 1.5"
    assert not collected.failures


def test_plugin_with_weights_of_an_unknown_task_is_left_out(discovered: Make) -> None:
    chained = WEIGHTS_ONLY.replace("{tasks}", "broken")
    with pytest.warns(PluginWarning) as warned:
        collected = discovered(broken=GOOD + WEIGHTS_ONLY.replace("{tasks}", "absent"), chained=chained, fine=GOOD)
    assert (set(collected.tasks), collected.weights) == ({"fine"}, {})
    assert collected.plugins == {"core", "fine"}
    messages = [str(warning.message) for warning in warned]
    assert messages == [str(failure) for failure in collected.failures]
    assert [re.sub(r"^plugin .* was not loaded: | \(to start .*$", "", message) for message in messages] == [
        "weights 'broken-absent' are for task 'absent', which is not installed; installed: broken, fine",
        "weights 'chained-broken' are for task 'broken', which is not installed; installed: fine",
    ]
    assert [failure.provider for failure in collected.failures] == ["their-broken 1.5", "their-chained 1.5"]


def test_failure_keeps_another_plugin_with_the_same_entry_name(discovered: Make, tmp_path: Path) -> None:
    info = tmp_path / "their_twin-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-twin\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[resizekit]\nfine = other_twin\n")
    (tmp_path / "other_twin.py").write_text(textwrap.dedent(WEIGHTS_ONLY.replace("{tasks}", "absent")))
    with pytest.warns(PluginWarning, match="plugin 'fine' of their-twin 1.5 was not loaded"):
        collected = discovered(fine=GOOD)
    assert (set(collected.tasks), collected.plugins) == ({"fine"}, {"core", "fine"})


def test_weights_of_a_plugin_that_was_not_selected_are_left_out(
    discovered: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.DISABLE, "mine")
    collected = discovered(mine=GOOD, fine=GOOD, more=WEIGHTS_ONLY.replace("{tasks}", "mine fine"))
    assert set(collected.weights) == {"more-fine"}, "the other weights of the plugin work"
    assert not collected.failures
    with pytest.raises(UnknownNameError, match=r"no weights 'more-mine' is installed; .* left out the plugins mine$"):
        collected.weight("more-mine")


def test_disabled_plugin_is_not_imported(discovered: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.DISABLE, "broken, other")
    collected = discovered(broken="raise RuntimeError", other=GOOD, fine=GOOD)
    assert set(collected.tasks) == {"fine"}
    assert not collected.failures
    assert "other_other" not in sys.modules


def test_allow_list_loads_the_named_plugins_only(discovered: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.ENABLE, " fine ,, good")
    collected = discovered(broken="raise RuntimeError", other=GOOD, fine=GOOD, good=GOOD)
    assert set(collected.tasks) == {"fine", "good"}
    assert set(collected.networks) == {"tad"}, "the core's own records are always there"
    assert not collected.failures
    assert "other_broken" not in sys.modules


@pytest.mark.parametrize("value", ["", " ", ","])
def test_empty_allow_list_means_no_restriction(discovered: Make, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(registry.ENABLE, value)
    assert set(discovered(other=GOOD, fine=GOOD).tasks) == {"fine", "other"}


def test_deny_list_wins_over_the_allow_list(discovered: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.ENABLE, "fine,other")
    monkeypatch.setenv(registry.DISABLE, "other")
    assert set(discovered(other=GOOD, fine=GOOD).tasks) == {"fine"}


def test_allow_list_warns_of_names_that_are_not_installed(discovered: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.ENABLE, "fine,fin,othr")
    named = r"^RESIZEKIT_PLUGINS names fin, othr: not installed; installed plugins: fine, other$"
    with pytest.warns(PluginWarning, match=named):
        collected = discovered(other=GOOD, fine=GOOD)
    assert set(collected.tasks) == {"fine"}


def test_unknown_name_lists_the_plugins_that_were_not_selected(
    discovered: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.DISABLE, "other")
    collected = discovered(other=GOOD, fine=GOOD)
    left_out = r"installed: fine; RESIZEKIT_PLUGINS or RESIZEKIT_DISABLE left out the plugins other$"
    with pytest.raises(UnknownNameError, match=left_out):
        collected.task("other")


def test_core_works_without_any_plugin(discovered: Make) -> None:
    collected = discovered()
    stored = {"uint8", "webp", "jxl", "uint16", "round", "none", "jpeg", "avif", "webp-lossy"}
    assert (collected.tasks, set(collected.networks), set(collected.compressions)) == ({}, {"tad"}, stored)
