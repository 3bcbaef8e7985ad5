import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit.errors import ManifestError
from resizekit.pictures.manifest import FORMAT, LIMIT, Manifest
from resizekit.pictures.picture import Picture
from resizekit.spec import LIMIT as FACTOR_LIMIT
from resizekit.spec import ResizeSpec

MADE = Manifest(
    resizekit="1.2.3",
    task="some-task",
    weights="some-weights_1.0",
    digest="0" * 64,
    spec=ResizeSpec(s=2, r="3/2"),
    compression="uint8",
    size=(640, 480),
    mode="RGBA",
    pixels="f" * 64,
    precision="float32",
)
VALUES = json.loads(MADE.to_text())

factors = st.fractions(Fraction(1, 99), 99, max_denominator=99)
manifests = st.builds(
    Manifest,
    task=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
    weights=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
    digest=st.text("0123456789abcdef", min_size=64, max_size=64),
    spec=st.builds(ResizeSpec, s=factors, r=factors, t=factors),
    times=st.integers(0, 64),
    intermediate_size=st.none() | st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)),
    compression=st.just("uint8"),
    size=st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)),
    mode=st.sampled_from(["L", "RGB", "LA", "RGBA"]),
    bits=st.sampled_from([8, 16]),
    value_range=st.none() | st.just((-0.1, 1e300)),
    pixels=st.just("a" * 64),
    precision=st.sampled_from(["float32", "bfloat16"]),
)


@given(manifests)
def test_manifest_survives_text_and_back(manifest):
    assert Manifest.from_text(manifest.to_text(), "x") == manifest


def test_longest_manifest_stays_under_the_limit():
    name, factor = "a" * 64, Fraction(FACTOR_LIMIT, FACTOR_LIMIT - 1)
    longest = Manifest(
        resizekit="9" * 64,
        task=name,
        weights=name,
        digest="0" * 64,
        spec=ResizeSpec(s=factor, r=factor, t=factor),
        times=64,
        intermediate_size=(2**31 - 1, 2**31 - 1),
        compression=name,
        size=(2**31 - 1, 2**31 - 1),
        mode="CUBE",
        bits=32,
        channels=4096,
        value_range=(-1.2345678901234567e-300, 1.2345678901234567e300),
        pixels="0" * 64,
        precision="bfloat16",
    )
    assert len(longest.to_text()) < LIMIT / 2


FORMAT_1 = (
    '{"format":1,"resizekit":"0.1.0","task":"sr","weights":"sr-x2","digest":"' + "1" * 64 + '",'
    '"spec":{"s":2,"r":2,"t":1},"times":1,"compression":"uint8","size":[512,480],"mode":"RGB","pixels":"'
    + "2" * 64
    + '"}'
)
FORMAT_2 = (
    '{"format":2,"resizekit":"0.1.0","task":"bands","weights":"bands","digest":"' + "1" * 64 + '",'
    '"spec":{"s":2,"r":2,"t":31},"times":1,"middle":[400,300],"compression":"uint16","size":[512,480],"mode":"CUBE",'
    '"pixels":"' + "2" * 64 + '","bits":32,"channels":31,"span":[-20.0,80.0]}'
)


def test_format_1_stays_readable():
    manifest = Manifest.from_text(FORMAT_1, "x")
    assert (manifest.format, manifest.size, manifest.spec, manifest.mode) == (
        1,
        (512, 480),
        ResizeSpec(s=2, r=2),
        "RGB",
    )
    assert (manifest.bits, manifest.intermediate_size, manifest.value_range, manifest.precision) == (
        8,
        None,
        None,
        None,
    )


def test_format_2_stays_readable_under_the_present_names():
    manifest = Manifest.from_text(FORMAT_2, "x")
    assert (manifest.format, manifest.intermediate_size, manifest.value_range) == (2, (400, 300), (-20.0, 80.0))
    assert (manifest.bits, manifest.channels, manifest.precision) == (32, 31, None)
    assert Manifest.from_text(manifest.to_text(), "x") == manifest


@pytest.mark.parametrize("name", ["middle", "span"])
def test_format_3_refuses_the_names_of_format_2(name):
    with pytest.raises(ManifestError, match=name):
        Manifest.from_text(json.dumps(VALUES | {name: [1, 2]}), "x")


@pytest.mark.parametrize(
    "field", [{"precision": "float32"}, {"intermediate_size": [400, 300]}, {"value_range": [0.0, 1.0]}], ids=str
)
def test_format_2_refuses_the_fields_of_format_3(field):
    with pytest.raises(ManifestError, match="of format 3"):
        Manifest.from_text(json.dumps(json.loads(FORMAT_2) | field), "x")


@pytest.mark.parametrize(("name", "present"), [("middle", "intermediate_size"), ("span", "value_range")])
def test_format_2_is_validated_under_the_present_names(name, present):
    with pytest.raises(ManifestError, match=present):
        Manifest.from_text(json.dumps(json.loads(FORMAT_2) | {name: [0]}), "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": FORMAT + 1, "fresh": "key"}, "made by resizekit 1.2.3 in manifest format 4"),
        ({"format": 0}, "format"),
        ({"format": "1"}, "format"),
        ({"extra": 1}, "extra"),
        ({"resizekit": "1.0\nline"}, "resizekit"),
        ({"weights": "../../etc/passwd"}, "weights"),
        ({"weights": "/w.safetensors"}, "weights"),
        ({"weights": "Name"}, "weights"),
        ({"weights": "name\n"}, "weights"),
        ({"weights": ""}, "weights"),
        ({"task": "a" * 65}, "task"),
        ({"digest": "0" * 63}, "digest"),
        ({"spec": {"s": 1.5}}, "spec"),
        ({"spec": {"s": 0}}, "spec"),
        ({"times": -1}, "times"),
        ({"precision": None}, "precision is missing"),
        ({"precision": "int7"}, "precision"),
        ({"intermediate_size": [0, 5]}, "intermediate_size"),
        ({"intermediate_size": [2**31, 5]}, "intermediate_size"),
        ({"intermediate_size": [5]}, "intermediate_size"),
        ({"intermediate_size": "5x5"}, "intermediate_size"),
        ({"times": 10**9}, "times"),
        ({"size": [0, 5]}, "size"),
        ({"size": [5]}, "size"),
        ({"size": [2**31, 5]}, "size"),
        ({"mode": "CMYK"}, "mode"),
        ({"pixels": None}, "pixels"),
        ({"bits": 12}, "bits"),
        ({"bits": "16"}, "bits"),
        ({"bits": 32}, "contradict"),
        ({"mode": "CUBE"}, "contradict"),
        ({"channels": 5}, "contradict"),
        ({"mode": "CUBE", "channels": 4097}, "channels"),
        ({"value_range": [1, 1]}, "value_range"),
        ({"value_range": [0, None]}, "value_range"),
        ({"value_range": [-1e308, 1e308]}, "invalid value_range: expected LOW, HIGH"),
    ],
)
def test_broken_or_newer_manifest_is_refused_in_one_line(change, message):
    with pytest.raises(ManifestError) as refusal:
        Manifest.from_text(json.dumps(VALUES | change), "small.png")
    assert message in str(refusal.value)
    assert "small.png" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "carries no manifest"),
        ("", "broken manifest"),
        ("{", "broken manifest"),
        ("[" * 2000, "broken manifest"),
        ("[]", "broken manifest"),
        (json.dumps(VALUES) + " " * LIMIT, "over 2048 bytes"),
        ("✓" * 1000, "over 2048 bytes"),
        (json.dumps(VALUES | {"k\n\x1b[31m" * 9: 1}), "broken manifest"),
    ],
)
def test_hostile_text_is_refused_in_one_printable_line(text, message):
    with pytest.raises(ManifestError) as refusal:
        Manifest.from_text(text, "small.png")
    assert message in str(refusal.value)
    assert str(refusal.value).isprintable()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(VALUES)), anything)
def test_any_value_in_any_field_is_accepted_or_refused(key, value):
    refusal = None
    try:
        manifest = Manifest.from_text(json.dumps(VALUES | {key: value}), "x")
    except ManifestError as error:
        refusal = str(error)
    if refusal is None:
        assert manifest == MADE.model_copy(update={key: getattr(manifest, key)})
    else:
        assert refusal.isprintable()
        assert len(refusal) < 400


@given(st.text())
def test_text_that_is_not_a_manifest_is_refused(text):
    with pytest.raises(ManifestError):
        Manifest.from_text(text, "x")


def test_digest_depends_on_size_mode_colours_and_alpha():
    flat = np.arange(12, dtype=np.uint8)
    same = Picture(pixels=flat.reshape(2, 2, 3)).digest
    assert same == Picture(pixels=flat.reshape(2, 2, 3).copy(), icc=b"x", embedded_manifest="y").digest
    others = [
        Picture(pixels=flat.reshape(1, 4, 3)),
        Picture(pixels=flat.reshape(4, 3, 1)),
        Picture(pixels=flat[::-1].reshape(2, 2, 3)),
        Picture(pixels=flat.reshape(2, 2, 3), alpha=np.zeros((2, 2), np.uint8)),
        Picture(pixels=flat.reshape(2, 2, 3), alpha=np.ones((2, 2), np.uint8)),
        Picture(pixels=flat[:8].reshape(2, 4, 1), alpha=flat[:8].reshape(2, 4)),
    ]
    assert len({same, *(other.digest for other in others)}) == 7
