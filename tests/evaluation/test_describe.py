"""A task described: what its own records say, and what is counted."""

import json
from dataclasses import replace

import pytest

from resizekit import build, load, tasks
from resizekit.errors import UnknownNameError
from resizekit.evaluation.cost import multiply_adds
from resizekit.evaluation.describe import describe
from resizekit.plugin.registry import installed


@pytest.mark.parametrize("name", tasks())
def test_every_installed_task_is_described_as_it_is(name):
    told, codec = describe(name), build(name)
    assert told.shapes == codec.spec.describe()
    assert told.factors == {axis: str(getattr(codec.spec, axis)) for axis in "srt"}
    assert told.channels == (codec.channels, codec.low_channels)
    assert (told.network, told.compression) == codec.info[1:3]
    assert told.parameters == sum(parameter.numel() for parameter in codec.parameters())
    assert list(told.weights) == list(tasks()[name].weights)
    assert json.loads(json.dumps(told.as_dict()))["weights"].keys() == told.weights.keys()


@pytest.mark.parametrize("name", tasks())
def test_weights_are_described_by_their_own_networks(name):
    for label, told in describe(name).weights.items():
        codec = load(label)
        assert (told.pair.shapes, told.pair.times) == (codec.spec.describe(), codec.times)
        assert (told.pair.network, told.pair.compression) == codec.info[1:3]
        assert told.pair.parameters == sum(parameter.numel() for parameter in codec.parameters())


def test_weights_that_cannot_be_read_keep_nobody_from_the_rest(monkeypatch, tmp_path):
    task = tasks()["sr"]
    broken = replace(task.weights["sr-x2"], file=tmp_path / "absent.safetensors")
    registry = installed()
    offer = registry.tasks["sr"]
    monkeypatch.setitem(registry.tasks, "sr", replace(offer, value=replace(task, weights={"sr-x2": broken})))
    monkeypatch.setitem(registry.weights, "sr-x2", replace(registry.weights["sr-x2"], value=(task, broken)))
    assert describe("sr").weights["sr-x2"].pair is None


def test_operations_are_counted_on_enough_pixels():
    down, up = describe("sr").multiply_adds
    assert (down, up) == pytest.approx(multiply_adds(build("sr"), cells=64))


def test_an_unknown_task_is_told_what_there_is():
    with pytest.raises(UnknownNameError, match=r"there are: .*sr"):
        describe("nothing")
