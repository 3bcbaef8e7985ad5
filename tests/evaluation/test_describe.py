"""A task described: what its own records say, and what is counted."""

import json

import pytest

from resizekit import build, tasks
from resizekit.errors import UnknownNameError
from resizekit.evaluation.cost import multiply_adds
from resizekit.evaluation.describe import describe


@pytest.mark.parametrize("name", tasks())
def test_every_installed_task_is_described_as_it_is(name):
    told, codec = describe(name), build(name)
    assert told.shapes == codec.spec.describe()
    assert told.factors == {axis: str(getattr(codec.spec, axis)) for axis in "srt"}
    assert told.channels == (codec.channels, codec.low_channels)
    assert (told.network, told.compression) == codec.names[1:3]
    assert told.parameters == sum(parameter.numel() for parameter in codec.parameters())
    assert list(told.weights) == list(tasks()[name].weights)
    assert json.loads(json.dumps(told.as_dict()))["weights"].keys() == told.weights.keys()
    assert {"shapes", "guide", "parameters"} <= dict(told.rows()).keys()


def test_operations_are_counted_on_enough_pixels():
    down, up = describe("sr").multiply_adds
    assert (down, up) == pytest.approx(multiply_adds(build("sr"), cells=160), rel=0.02)


def test_an_unknown_task_is_told_what_there_is():
    with pytest.raises(UnknownNameError, match=r"there are: .*sr"):
        describe("nothing")
