"""The registry: conflicts, invalid names, kernels, removal, and unknown names."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

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
    TaskWeights,
    Weights,
    guides,
    hookimpl,
    ops,
)
from resizekit.errors import PluginError, UnknownNameError
from resizekit.nn import TadOptions, tad
from resizekit.plugin import registry
from resizekit.plugin.registry import Registry
from resizekit.storage.compressions import Float


def task(name: str = "mine", **fields: Any) -> Task[Any]:
    return Task(name=name, summary="s", config=TaskConfig, spec=lambda c: ResizeSpec(), guide=guides.bicubic, **fields)


def plugin(*offers: object) -> SimpleNamespace:
    """A plugin that offers these records, each with its own hook."""
    hooks = {
        Task: "tasks", TaskWeights: "weights", Network: "networks", Compression: "compressions", Kernel: "kernels",
        Suite: "suites",
    }  # fmt: skip
    named: dict[str, list[object]] = {}
    for offer in offers:
        named.setdefault(f"resizekit_register_{hooks[type(offer)]}", []).append(offer)
    return SimpleNamespace(**{name: hookimpl(_hook_returning(name, records)) for name, records in named.items()})


def _hook_returning(name: str, records: list[object]) -> Callable[[], list[object]]:
    def hook() -> list[object]:
        return list(records)

    hook.__name__ = name
    return hook


def tables(collected: Registry) -> tuple[dict[Any, Any], ...]:
    every = (
        collected.tasks,
        collected.networks,
        collected.compressions,
        collected.weights,
        collected.suites,
        collected.kernels,
        collected.kernel_table,
    )
    return tuple(dict(table) for table in every)


WEIGHTS = {"mine-x2": Weights(file=Path("mine.safetensors"), digest="0" * 64)}
NETWORK = Network(name="mine", options=TadOptions, build=tad)
COMPRESSION = Compression(name="mine", options=NoOptions, build=lambda options: Float())
SUITE = Suite(
    name="mine",
    summary="s",
    columns=(SuiteColumn(key="a", label="a", group="a", factor=2),),
    sets=(SuiteSet(name="Set5"),),
)


def test_offers_are_found_with_their_provider() -> None:
    collected, mine = Registry(), task(weights=WEIGHTS)
    collected.add(plugin(mine, NETWORK, COMPRESSION, SUITE), "entry", "distribution 1.0")
    assert collected.suite("mine") is SUITE
    assert collected.task("mine") is mine
    assert collected.network("mine") is NETWORK
    assert collected.compression("mine") is COMPRESSION
    assert collected.weight("mine-x2") == ("mine", WEIGHTS["mine-x2"])
    assert (collected.tasks["mine"].plugin, collected.tasks["mine"].provider) == ("entry", "distribution 1.0")


@pytest.mark.parametrize(
    ("kind", "offers"),
    [
        ("task", [task()]),
        ("network", [NETWORK]),
        ("compression", [COMPRESSION]),
        ("suite", [SUITE]),
        ("weights", [task("another", weights=WEIGHTS)]),
        ("weights", [TaskWeights(task="mine", weights=WEIGHTS)]),
    ],
)
def test_second_offer_names_the_first_and_changes_nothing(kind: str, offers: list[object]) -> None:
    collected = Registry()
    collected.add(plugin(task(weights=WEIGHTS), NETWORK, COMPRESSION, SUITE), "first", "other-plugin 1.0")
    before = tables(collected)
    with pytest.raises(
        PluginError, match=rf"{kind} 'mine(-x2)?' is already offered by plugin 'first' of other-plugin 1.0"
    ):
        collected.add(plugin(task("innocent"), *offers), "second", "my-plugin 2.0")
    assert tables(collected) == before, "a plugin is added completely or not at all"


def test_two_offers_of_one_plugin_conflict() -> None:
    with pytest.raises(PluginError, match="already offered by plugin 'twice'"):
        Registry().add(plugin(task(), task()), "twice", "my-plugin 2.0")


@pytest.mark.parametrize("name", ["Mine", "2x", "", "mi ne", "mine\n", "-mine", "mïne"])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(PluginError, match="expected the form"):
        Registry().add(plugin(task(name)), "entry", "my-plugin 1.0")


def more(name: str, task_name: str = "mine") -> TaskWeights:
    return TaskWeights(task=task_name, weights={name: Weights(file=Path(f"{name}.safetensors"), digest="1" * 64)})


def test_weights_of_other_plugins_follow_those_of_the_task() -> None:
    collected, first = Registry(), more("a-first")
    collected.add(plugin(first), "early", "early-plugin 1.0", tasks_follow=True)
    collected.add(plugin(task(weights=WEIGHTS), task("other")), "entry", "my-plugin 1.0")
    collected.add(plugin(more("later"), more("elsewhere", "other")), "late", "late-plugin 1.0")
    assert list(collected.weights_of("mine")) == ["mine-x2", "a-first", "later"]
    assert list(collected.weights_of("other")) == ["elsewhere"]
    assert collected.weight("a-first") == ("mine", first.weights["a-first"])
    assert (collected.weights["later"].plugin, collected.weights["later"].provider) == ("late", "late-plugin 1.0")


def test_weights_of_an_unknown_task_are_refused() -> None:
    collected = Registry()
    collected.add(plugin(task()), "first", "other-plugin 1.0")
    before = tables(collected)
    unknown = r"weights 'more' are for task 'absent', which is not installed; installed: mine, new$"
    with pytest.raises(PluginError, match=unknown):
        collected.add(plugin(task("new"), more("fits", "new"), more("more", "absent")), "second", "my-plugin 2.0")
    assert tables(collected) == before
    assert "second" not in collected.plugins


@pytest.mark.parametrize("name", ["Mine", "my weights", ""])
def test_invalid_names_of_weights_are_refused(name: str) -> None:
    with pytest.raises(PluginError, match=r"invalid weights name .*expected the form"):
        Registry().add(plugin(task(), more(name)), "entry", "my-plugin 1.0")


def test_remove_takes_out_weights_for_a_task_of_another_plugin() -> None:
    collected = Registry()
    collected.add(plugin(task(weights=WEIGHTS)), "task", "my-plugin 1.0")
    before = tables(collected)
    collected.add(plugin(more("later")), "weights", "other-plugin 1.0")
    collected.remove("weights")
    assert (tables(collected), collected.plugins) == (before, {"task"})
    collected.add(plugin(more("later")), "weights", "other-plugin 1.0")
    collected.remove("task")
    collected.add(plugin(task()), "task", "my-plugin 1.1")
    assert list(collected.weights_of("mine")) == ["later"], "they stay without their task, and come back with it"


def test_unknown_weights_name_the_distribution_to_install() -> None:
    collected = Registry()
    collected.add(plugin(task(weights_elsewhere={"later": "install it with pip"})), "task", "my-plugin 1.0")
    with pytest.raises(UnknownNameError, match=r"^no weights 'later' is installed; install it with pip$"):
        collected.weight("later")
    with pytest.raises(UnknownNameError, match=r"^no weights 'never' is installed; installed: none$"):
        collected.weight("never")
    collected.add(plugin(more("later")), "weights", "other-plugin 1.0")
    assert collected.weight("later")[0] == "mine"
    assert collected.how_to_install("later") is None


def test_kernels_are_not_added_if_their_plugin_fails() -> None:
    fine = Kernel(op="shuffle", device_type="nowhere", run=lambda x, s, r: x)
    unknown = Kernel(op="sharpen", device_type="nowhere", run=lambda x: x)
    collected = Registry()
    with pytest.raises(PluginError, match="unknown op 'sharpen'"):
        collected.add(plugin(task(), fine, unknown), "entry", "my-plugin 1.0")
    assert not collected.tasks
    assert not collected.kernels
    assert not collected.kernel_table
    collected.add(plugin(fine), "entry", "my-plugin 1.0")  # the op and device are still free
    assert collected.kernel_table == {("shuffle", "nowhere"): fine}


SHUFFLE = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 5)


def test_second_kernel_for_an_op_and_device_is_refused() -> None:
    collected = Registry()
    collected.add(plugin(SHUFFLE), "first", "other-plugin 1.0")
    with pytest.raises(
        PluginError, match="a kernel for 'shuffle' on 'cpu' is already offered by plugin 'first' of other-plugin"
    ):
        collected.add(plugin(Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x)), "second", "my-plugin 2.0")
    assert collected.kernel_table == {("shuffle", "cpu"): SHUFFLE}


def test_conflict_of_kernels_names_both_plugins_and_the_fix() -> None:
    collected = Registry()
    collected.add(plugin(SHUFFLE), "first", "other-plugin 1.0")
    fix = r"'first' of other-plugin 1\.0; to use that of 'second', set RESIZEKIT_DISABLE=first"
    with pytest.raises(PluginError, match=fix):
        collected.add(plugin(SHUFFLE), "second", "my-plugin 2.0")


MINE = Kernel(op="shuffle", device_type="cpu", run=lambda x, s, r: x + 6)


@pytest.mark.parametrize("own_first", [True, False])
def test_kernel_of_another_distribution_replaces_that_of_resizekit(own_first: bool) -> None:
    collected, key = Registry(), ("shuffle", "cpu")
    added = [(SHUFFLE, "own", "resizekit 0.1.0"), (MINE, "mine", "resizekit-extra 1.0")]
    for kernel, name, provider in added if own_first else reversed(added):
        collected.add(plugin(kernel), name, provider)
    table = collected.kernel_table
    assert table == {key: MINE}
    assert collected.kernels[key].plugin == "mine"
    for removed, left in (("mine", {key: SHUFFLE}), ("own", {})):
        collected.remove(removed)
        assert collected.kernel_table is table
        assert table == left, "the kernel of resizekit comes back"


def test_kernel_that_is_unavailable_replaces_none() -> None:
    collected = Registry()
    collected.add(plugin(SHUFFLE), "own", "resizekit 0.1.0")
    missing = Kernel(op="shuffle", device_type="cpu", run=MINE.run, unavailable="no such GPU")
    collected.add(plugin(missing), "mine", "my-plugin 1.0")
    assert collected.kernel_table == {("shuffle", "cpu"): SHUFFLE}
    assert [offer.value for offer in collected.kernel_offers.values()] == [SHUFFLE, missing]


def test_throwaway_registry_changes_no_dispatch() -> None:
    collected = Registry()
    collected.add(plugin(SHUFFLE), "entry", "my-plugin 1.0")
    assert ops.shuffle(torch.zeros(1, 1, 1, 1), 1, 1).item() == 0
    Registry().add(plugin(SHUFFLE), "entry", "my-plugin 1.0")  # the op and device are still free in another registry


def test_process_registry_dispatches_to_added_kernels_until_removed() -> None:
    collected, x = registry.installed(), torch.zeros(1, 1, 1, 1)
    collected.add(plugin(SHUFFLE), "temporary", "my-plugin 1.0")
    try:
        assert ops.shuffle(x, 1, 1).item() == 5
    finally:
        collected.remove("temporary")
    assert ops.shuffle(x, 1, 1).item() == 0


def test_remove_takes_out_everything_a_plugin_offered() -> None:
    collected = Registry()
    collected.add(
        plugin(task("other"), Kernel(op="shuffle", device_type="cuda", run=SHUFFLE.run)), "other", "other-plugin 1.0"
    )
    before = tables(collected)
    collected.add(plugin(task(weights=WEIGHTS), NETWORK, COMPRESSION, SUITE, SHUFFLE), "mine", "my-plugin 2.0")
    assert all(len(now) > len(then) for now, then in zip(tables(collected), before, strict=True))
    collected.remove("mine")
    assert tables(collected) == before
    collected.add(plugin(task(weights=WEIGHTS), NETWORK, COMPRESSION, SUITE, SHUFFLE), "mine", "my-plugin 2.0")
    assert collected.task("mine").name == "mine"


def test_remove_of_an_unknown_plugin_names_the_added_ones() -> None:
    collected = Registry()
    collected.add(plugin(), "empty", "my-plugin 1.0")
    with pytest.raises(UnknownNameError, match=r"no plugin 'mine' was added; added: empty$"):
        collected.remove("mine")
    collected.remove("empty")  # a plugin without offers can be removed too
    assert not collected.plugins


def test_unknown_names_list_what_is_installed() -> None:
    collected = Registry()
    with pytest.raises(UnknownNameError, match=r"no task 'mine' is installed; installed: none$"):
        collected.task("mine")
    collected.add(plugin(task("b"), task("a"), NETWORK), "entry", "my-plugin 1.0")
    with pytest.raises(UnknownNameError, match=r"no task 'mine' is installed; installed: a, b$"):
        collected.task("mine")
    with pytest.raises(UnknownNameError, match=r"no network 'vast' is installed; installed: mine$"):
        collected.network("vast")
    with pytest.raises(UnknownNameError, match=r"no compression 'zip' is installed; installed: none$"):
        collected.compression("zip")
    with pytest.raises(UnknownNameError, match=r"no suite 'paper' is installed; installed: none$"):
        collected.suite("paper")
    with pytest.raises(UnknownNameError) as caught:
        collected.weight("w" * 10_000)
    assert len(str(caught.value)) < 200
