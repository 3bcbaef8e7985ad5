"""The requested size of a small image: the resulting size, and invalid requests."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit.errors import UsageError
from resizekit.images.target_size import TargetSize
from resizekit.spec import HW

sides = st.integers(1, 4096)
factors = st.fractions(1, 64, max_denominator=64)


@pytest.mark.parametrize(
    ("fields", "low"),
    [
        ({"size": "320x200"}, (200, 320)),
        ({"size": (640, 480)}, (480, 640)),
        ({"scale": 3}, (160, 214)),
        ({"scale": "5/2"}, (192, 256)),
        ({"scale": Fraction(5, 2)}, (192, 256)),
        ({"scale": "2.5"}, (192, 256)),
        ({"scale": 2.5}, (192, 256)),
        ({"scale": 1.1}, (437, 582)),
        ({"scale": "2x1.25"}, (384, 320)),
        ({"scale": "2x3/2"}, (320, 320)),
        ({"scale": (2, "3/2")}, (320, 320)),
        ({"max_side": 512}, (384, 512)),
        ({"max_side": "7"}, (5, 7)),
        ({"max_side": 1}, (1, 1)),
        ({"max_side": 4000}, (480, 640)),
    ],
    ids=str,
)
def test_target_size_of_a_picture_of_640x480(fields, low):
    assert TargetSize(**fields).low(HW(480, 640)) == low


@given(sides, sides, factors, factors)
def test_scale_is_exact_and_rounds_up(h, w, r, s):
    if r > w or s > h:
        with pytest.raises(UsageError, match="the largest factor that works is"):
            TargetSize(scale=(r, s)).low(HW(h, w))
    else:
        low = TargetSize(scale=(r, s)).low(HW(h, w))
        assert low == TargetSize(scale=f"{r}x{s}").low(HW(h, w))
        for small, side, factor in zip(low, (h, w), (s, r), strict=True):
            assert small - 1 < side / factor <= small


@given(sides, sides, sides)
def test_max_side_keeps_proportions(h, w, most):
    low = TargetSize(max_side=most).low(HW(h, w))
    assert max(low) == min(most, max(h, w))
    assert (
        abs(min(low) - Fraction(min(h, w) * max(low), max(h, w))) <= max(Fraction(1, 2), 1 - min(low)) or min(low) == 1
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "none of them is set"),
        ({"size": "3x3", "scale": 2}, "size, scale contradict one another"),
        ({"max_side": 5, "times": 2}, "max_side, times contradict one another"),
        ({"times": 0}, "invalid times 0: expected an integer of at least 1"),
        ({"times": "2"}, "invalid times '2'"),
        ({"times": True}, "invalid times True"),
        ({"size": ""}, "WIDTHxHEIGHT"),
        ({"size": "640"}, "WIDTHxHEIGHT"),
        ({"size": "0x480"}, "WIDTHxHEIGHT"),
        ({"size": "-3x480"}, "WIDTHxHEIGHT"),
        ({"size": "6.5x480"}, "WIDTHxHEIGHT"),
        ({"size": "640x480\n"}, "WIDTHxHEIGHT"),
        ({"size": "٣x٣"}, "WIDTHxHEIGHT"),
        ({"size": "9" * 5000 + "x1"}, "WIDTHxHEIGHT"),
        ({"size": (3, 0)}, "WIDTHxHEIGHT"),
        ({"size": (3.0, 2)}, "WIDTHxHEIGHT"),
        ({"scale": 0}, "a factor is positive"),
        ({"scale": "0"}, "a factor is positive"),
        ({"scale": "-2"}, "a factor is positive"),
        ({"scale": 0.5}, "at least 1"),
        ({"scale": "0.0"}, "a factor is positive"),
        ({"scale": 1 / 3}, "write 2 or '3/2'"),
        ({"scale": "1.0001"}, "write 2 or '3/2'"),
        ({"scale": "1e1"}, "write 2 or '3/2'"),
        ({"scale": float("nan")}, "write 2 or '3/2'"),
        ({"scale": "1/2"}, "at least 1"),
        ({"scale": "2x"}, "write 2 or '3/2'"),
        ({"scale": "2x2x2"}, "write 2 or '3/2'"),
        ({"scale": (2, 2, 2)}, "two as in 2x3/2"),
        ({"scale": "many"}, "write 2 or '3/2'"),
        ({"max_side": 0}, "a number of pixels"),
        ({"max_side": "-1"}, "a number of pixels"),
        ({"max_side": "1e3"}, "a number of pixels"),
        ({"max_side": True}, "a number of pixels"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_invalid_target_is_refused_without_a_picture(fields, message):
    with pytest.raises(UsageError) as refusal:
        TargetSize(**fields)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": "641x480"}, "641x480 is larger than the picture of 640x480"),
        ({"size": "640x481"}, "give a size inside the picture"),
        ({"scale": 481}, "the largest factor that works is 480"),
        ({"scale": "641x2"}, "a width of 640: the largest factor that works is 640"),
    ],
    ids=str,
)
def test_target_larger_than_the_picture_is_refused(fields, message):
    with pytest.raises(UsageError, match=message):
        TargetSize(**fields).low(HW(480, 640))
