"""Descriptions of tasks match their records and their codecs."""

import json
from dataclasses import replace

import pytest

from resizekit import build, load, tasks
from resizekit.errors import UnknownNameError
from resizekit.evaluation.cost import multiply_adds
from resizekit.evaluation.describe import describe
from resizekit.plugin.registry import installed


@pytest.mark.parametrize("name", tasks())
def test_description_of_a_task_matches_its_default_codec(name):
    task, codec = describe(name), build(name)
    assert task.shapes == codec.spec.describe()
    assert task.factors == {axis: str(getattr(codec.spec, axis)) for axis in "srt"}
    assert task.channels == (codec.channels, codec.low_channels)
    assert (task.network, task.compression) == codec.info[1:3]
    assert task.parameters == sum(parameter.numel() for parameter in codec.parameters())
    assert list(task.weights) == list(installed().weights_of(name))
    assert list(task.weights)[: len(tasks()[name].weights)] == list(tasks()[name].weights)
    assert json.loads(json.dumps(task.as_dict()))["weights"].keys() == task.weights.keys()


@pytest.mark.parametrize("name", tasks())
def test_description_of_weights_matches_their_codec(name):
    for label, item in describe(name).weights.items():
        codec = load(label)
        assert (item.codec.shapes, item.codec.times) == (codec.spec.describe(), codec.times)
        assert (item.codec.network, item.codec.compression) == codec.info[1:3]
        assert item.codec.parameters == sum(parameter.numel() for parameter in codec.parameters())


def test_unreadable_weights_do_not_hide_the_task(monkeypatch, tmp_path):
    task = tasks()["sr"]
    broken = replace(task.weights["sr-x2"], file=tmp_path / "absent.safetensors")
    registry = installed()
    offer = registry.tasks["sr"]
    monkeypatch.setitem(registry.tasks, "sr", replace(offer, value=replace(task, weights={"sr-x2": broken})))
    monkeypatch.setitem(registry.weights, "sr-x2", replace(registry.weights["sr-x2"], value=(task, broken)))
    assert describe("sr").weights["sr-x2"].codec is None


def test_multiply_adds_do_not_change_on_larger_pictures():
    down, up = describe("sr").multiply_adds
    assert (down, up) == pytest.approx(multiply_adds(build("sr"), cells=64))


def test_unknown_task_lists_the_installed_tasks():
    with pytest.raises(UnknownNameError, match=r"installed: .*sr"):
        describe("nothing")
