"""ResizeSpec and plans: the group, the shapes, the texts and the refused values."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from functools import reduce
from operator import mul
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from resizekit.codec.resize_plan import ResizePlan, plan_resize, size_before_steps
from resizekit.errors import ResizeShapeError
from resizekit.spec import LIMIT, ResizeSpec

# the product of three of these, or the fourth power of one, stays below LIMIT
factors = st.builds(Fraction, st.integers(1, 16), st.integers(1, 16))
specs = st.builds(ResizeSpec, s=factors, r=factors, t=factors)
shapes = st.tuples(*[st.integers(1, 5000)] * 3)
sizes = st.tuples(st.integers(1, 4096), st.integers(1, 4096))
IDENTITY = ResizeSpec()
HALF = ResizeSpec(s=2, r=2)


# --- the group ---------------------------------------------------------------------------------


@given(specs, specs, specs)
def test_composition_is_an_abelian_group(a: ResizeSpec, b: ResizeSpec, c: ResizeSpec) -> None:
    assert a * b == b * a
    assert (a * b) * c == a * (b * c)
    assert a * IDENTITY == a
    assert a * a.inverse() == a**0 == IDENTITY
    assert hash(a * b) == hash(b * a)


@given(specs, st.integers(1, 4), st.integers(-4, 4))
def test_power_repeats(a: ResizeSpec, n: int, m: int) -> None:
    assert a**n == reduce(mul, [a] * n)
    assert a**-n == (a**n) ** -1
    assume(abs(n + m) <= 4)
    assert a ** (n + m) == a**n * a**m


def test_power_of_a_huge_exponent_is_fast() -> None:
    assert IDENTITY ** -(10**30) == IDENTITY
    for exponent in (20, -20, 10**30, -(10**30)):
        with pytest.raises(ValidationError, match=f"at most {LIMIT}"):
            HALF**exponent
    assert ResizeSpec(s=2**19, r=2**19) == HALF**19


def test_composition_refuses_other_types() -> None:
    other: Any = 2
    with pytest.raises(TypeError):
        HALF * other
    with pytest.raises(TypeError):
        HALF ** Fraction(1, 2)  # type: ignore[operator]


# --- shapes ------------------------------------------------------------------------------------


@given(specs, shapes)
def test_crop_is_the_largest_multiple_inside(spec: ResizeSpec, high: tuple[int, int, int]) -> None:
    assume(all(size >= by for size, by in zip(high, spec.multiple, strict=True)))
    crop = spec.crop(high)
    assert spec.crop(crop) == crop
    for size, cut, by in zip(high, crop, spec.multiple, strict=True):
        assert cut % by == 0
        assert cut <= size < cut + by
    c, h, w = spec.low_shape(crop)
    assert [c * spec.t, h * spec.s, w * spec.r] == [Fraction(size) for size in crop]


@given(specs, shapes)
def test_pad_is_the_smallest_multiple_around(spec: ResizeSpec, high: tuple[int, int, int]) -> None:
    padded = spec.pad(high[1:])
    for size, wide, by in zip(high[1:], padded, spec.multiple[1:], strict=True):
        assert wide % by == 0
        assert wide - by < size <= wide


@given(specs, shapes)
def test_high_shape_inverts_low_shape(spec: ResizeSpec, base: tuple[int, int, int]) -> None:
    c, h, w = base
    low = (c * spec.t.denominator, h * spec.s.denominator, w * spec.r.denominator)
    high = spec.high_shape(low)
    assert spec.low_shape(high) == low
    assert spec.inverse().low_shape(low) == high


@given(specs, shapes)
def test_low_shape_is_exact_or_raises(spec: ResizeSpec, high: tuple[int, int, int]) -> None:
    exact = (high[0] / spec.t, high[1] / spec.s, high[2] / spec.r)
    if all(size.denominator == 1 for size in exact):
        assert [Fraction(size) for size in spec.low_shape(high)] == list(exact)
    else:
        with pytest.raises(ResizeShapeError):
            spec.low_shape(high)


def test_shape_errors_name_the_value_and_the_fix() -> None:
    spec = ResizeSpec(s="3/2", r=2)
    for call, parts in (
        (lambda: spec.low_shape((3, 511, 512)), ("(3, 511, 512)", "(1, 3, 2)", "(3, 510, 512)")),
        (lambda: spec.high_shape((3, 5, 7)), ("low shape", "(1, 2, 1)", "(3, 4, 7)")),
        (lambda: spec.low_shape((3, 2, 8)), ("(3, 2, 8)", "too small", "(1, 3, 2)")),
        (lambda: spec.crop((8, 3, 8, 8)), ("(8, 3, 8, 8)", "(C, H, W)", "batch")),
        (lambda: spec.pad((0, 8)), ("(0, 8)", "empty")),
    ):
        with pytest.raises(ResizeShapeError) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        assert all(part in message for part in parts), message


# --- factors, texts and the schema ---------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, "2", "4/2", Fraction(2)])
def test_factor_accepts_int_string_and_fraction(factor: int | str | Fraction) -> None:
    assert ResizeSpec(s=factor) == ResizeSpec(s=2)
    assert type(ResizeSpec(s=factor).s) is Fraction


REFUSED: list[tuple[Any, str]] = [
    (1.1, "a factor is exact: write 2 or '3/2', not 1.1"),
    (2.0, "not 2.0"),
    (True, "not True"),
    ("1.5", "not '1.5'"),
    ("3 / 2", "write 2 or '3/2'"),
    ("2\n", "write 2 or '3/2'"),
    ("٢", "write 2 or '3/2'"),
    ("-2", "not '-2'"),
    ("2/0", "not '2/0'"),
    ("1e5", "not '1e5'"),
    (None, "not None"),
    ([2], "write 2 or '3/2'"),
    ("9" * 10**6, "write 2 or '3/2'"),
    (0, "a factor is positive"),
    (-2, "a factor is positive"),
    (LIMIT + 1, f"at most {LIMIT}"),
    (10**5000, f"at most {LIMIT}"),
    (Fraction(1, LIMIT + 1), f"at most {LIMIT}"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=lambda x: repr(type(x)))
def test_factor_is_refused_with_a_reason(value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)) as caught:
        ResizeSpec(s=value)
    assert len(str(caught.value)) < 500


def test_unknown_keys_positions_and_changes_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        ResizeSpec.model_validate({"s": 2, "scale": 2})
    with pytest.raises(TypeError):
        ResizeSpec(2, 2)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        HALF.s = Fraction(3)


@given(specs)
def test_json_round_trip_is_exact(spec: ResizeSpec) -> None:
    text = spec.model_dump_json()
    assert ResizeSpec.model_validate_json(text) == spec
    assert json.loads(text) == spec.model_dump(mode="json")
    assert ResizeSpec.model_validate(spec.model_dump()) == spec


def test_json_factor_is_an_integer_or_a_fraction() -> None:
    assert ResizeSpec(s=2, r="6/4").model_dump(mode="json") == {"s": 2, "r": "3/2", "t": 1}


def _schema_takes(value: object) -> bool:
    """Check a factor against the JSON schema by hand."""
    integer, text = ResizeSpec.model_json_schema()["properties"]["s"]["anyOf"]
    assert (integer["type"], text["type"]) == ("integer", "string")
    if isinstance(value, int) and not isinstance(value, bool):
        return bool(integer["minimum"] <= value <= integer["maximum"])
    return isinstance(value, str) and bool(re.search(text["pattern"].replace("$", r"\Z"), value))


def _validator_takes(value: object) -> bool:
    try:
        ResizeSpec.model_validate({"s": value})
    except ValidationError:
        return False
    return True


@given(st.one_of(st.integers(), st.text("0123456789/-+. e\n", max_size=16), st.booleans()))
def test_schema_and_validator_agree(value: object) -> None:
    assert _schema_takes(value) == _validator_takes(value)


@pytest.mark.parametrize("value", [1, 2, LIMIT, "3/2", f"{LIMIT}/{LIMIT}", *(v for v, _ in REFUSED)], ids=type)
def test_schema_and_validator_agree_on_edges(value: object) -> None:
    if not isinstance(value, Fraction):
        assert _schema_takes(value) == _validator_takes(value)


def test_schema_forbids_unknown_keys_and_defaults_to_one() -> None:
    schema = ResizeSpec.model_json_schema()
    assert schema["additionalProperties"] is False
    assert [schema["properties"][name]["default"] for name in "srt"] == [1, 1, 1]
    assert "required" not in schema


@pytest.mark.parametrize(
    ("spec", "text", "einops"),
    [
        (IDENTITY, "identity", "b c h w -> b c h w"),
        (HALF, "s=2 r=2", "b c (2 h) (2 w) -> b c h w"),
        (ResizeSpec(t=3), "t=3", "b (3 c) h w -> b c h w"),
        (ResizeSpec(s=2, r=2, t=3), "s=2 r=2 t=3", "b (3 c) (2 h) (2 w) -> b c h w"),
        (ResizeSpec(s="3/2", r="3/2"), "s=3/2 r=3/2", "b c (3 h) (3 w) -> b c (2 h) (2 w)"),
        (HALF**-1, "s=1/2 r=1/2", "b c h w -> b c (2 h) (2 w)"),
    ],
    ids=str,
)
def test_spec_texts(spec: ResizeSpec, text: str, einops: str) -> None:
    assert str(spec) == text
    assert spec.describe() == einops


# --- plans ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("high", "low", "times", "middle"),
    [
        ((1200, 900), (400, 300), 1, (800, 600)),  # x3 = 3/2, then x2
        ((1060, 1060), (200, 200), 2, (800, 800)),  # x5.3 = 5.3/4, then x4
        ((2048, 1536), (16, 12), 7, None),  # x128: exact
        ((5, 5), (3, 3), 1, None),  # an odd size is padded
        ((512, 512), (512, 512), 0, None),
        ((512, 512), (300, 300), 1, (600, 600)),  # less than one step: bicubic enlarges first
        ((512, 512), (512, 300), 1, (1024, 600)),
        ((1, 1), (1, 1), 0, None),
        ((2**40, 2**40), (1, 1), 19, (2**19, 2**19)),  # as many steps as a spec allows
    ],
)
def test_plans(high: tuple[int, int], low: tuple[int, int], times: int, middle: Any) -> None:
    assert plan_resize(high, low, HALF) == ResizePlan(
        times=times, step=HALF, high=high, intermediate_size=middle, low=low
    )


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.tuples(*[st.integers(1, 64)] * 2))
def test_plan_of_an_exact_size_needs_no_bicubic_part(s: int, r: int, times: int, low: tuple[int, int]) -> None:
    assume(s * r > 1)
    step = ResizeSpec(s=s, r=r)
    _, *high = (step**times).high_shape((1, *low))
    found = plan_resize((high[0], high[1]), low, step)
    assert (found.times, found.intermediate_size) == (times, None)


@given(sizes, sizes, st.builds(ResizeSpec, s=st.integers(1, 5), r=st.integers(1, 5)))
def test_plan_uses_every_step_that_fits(a: tuple[int, int], b: tuple[int, int], step: ResizeSpec) -> None:
    high, low = (max(a[0], b[0]), max(a[1], b[1])), (min(a[0], b[0]), min(a[1], b[1]))
    found = plan_resize(high, low, step)
    learned = step**found.times
    if found.intermediate_size is None:
        assert low == learned.low_shape((1, *learned.pad(high)))[1:]
    else:
        assert found.intermediate_size == learned.high_shape((1, *low))[1:]
    wide = found.intermediate_size or high
    if found.times > 1:  # bicubic enlarges nothing, but to where padding would reach as well
        assert all(mid <= size for mid, size in zip(wide, learned.pad(high), strict=True))
    if found.times:  # with one more step, bicubic would enlarge
        more = (step ** (found.times + 1)).high_shape((1, *low))[1:]
        assert any(n > size for n, size in zip(more, high, strict=True))
    changed = [f > 1 and small < size for f, small, size in zip((step.s, step.r), low, high, strict=True)]
    assert (found.times > 0) == any(changed)


@given(st.integers(1, 4096), st.integers(1, 4096), st.integers(2, 5))
def test_plan_leaves_bicubic_less_than_one_step(a: int, b: int, by: int) -> None:
    high, low = max(a, b), min(a, b)
    found = plan_resize((high, high), (low, low), ResizeSpec(s=by, r=by))
    middle = (found.intermediate_size or (high, high))[0]
    assert middle < by * high
    assert high < by * middle


@given(sizes, sizes, specs)
def test_plan_of_any_step_leads_to_low(a: tuple[int, int], b: tuple[int, int], step: ResizeSpec) -> None:
    high, low = (max(a[0], b[0]), max(a[1], b[1])), (min(a[0], b[0]), min(a[1], b[1]))
    found = plan_resize(high, low, step)
    if found.intermediate_size is not None:
        assert found.intermediate_size == size_before_steps(low, step, found.times)
        for mid, small, f in zip(found.intermediate_size, low, (step.s, step.r), strict=True):
            assert 0 <= mid - small * f**found.times < 1
    if step.t != 1:
        assert found.times == 1
    assert ResizePlan.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("step", [IDENTITY, HALF**-1, ResizeSpec(s=2, r="1/2")], ids=str)
def test_plan_never_uses_a_step_that_does_not_downscale(step: ResizeSpec) -> None:
    assert plan_resize((64, 64), (7, 7), step) == ResizePlan(
        times=0, step=step, high=(64, 64), intermediate_size=(7, 7), low=(7, 7)
    )


def test_a_step_of_channels_is_taken_once() -> None:
    found = plan_resize((64, 60), (32, 10), ResizeSpec(t=3))
    assert (found.times, found.intermediate_size) == (1, (32, 10))
    assert plan_resize((64, 60), (64, 60), ResizeSpec(s=2, t=3)).intermediate_size == (128, 60)


@pytest.mark.parametrize("low", [(65, 32), (32, 65), (0, 32), (32, -1)])
def test_a_plan_refuses_to_enlarge_and_empty_sizes(low: tuple[int, int]) -> None:
    with pytest.raises(ResizeShapeError, match=re.escape(f"invalid low size (h, w) {low}")):
        plan_resize((64, 64), low, HALF)


def test_spec_does_not_import_torch() -> None:
    modules = "resizekit.spec, resizekit.codec.resize_plan, resizekit.images.target_size"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("spec", "short"),
    [
        (HALF**7, "x128"),
        (ResizeSpec(s="9/4", r="9/4"), "x9/4"),
        (ResizeSpec(s=2), "s=2"),
        (ResizeSpec(s=2, r=2, t=3), "s=2 r=2 t=3"),
    ],
)
def test_short_is_the_usual_name(spec: ResizeSpec, short: str) -> None:
    assert spec.short == short
