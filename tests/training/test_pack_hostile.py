"""Broken and hostile packs are refused with one line, before memory is taken."""

import contextlib
import hashlib
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resizekit.errors import ImageError
from resizekit.training.pack_file import PackFile
from resizekit.training.packing import pack

NAMES = "sizes", "digests", "grey", "skipped"
DTYPES = {"pixels": np.uint8, "sizes": np.int64, "digests": np.uint8, "grey": np.uint8, "skipped": np.uint8}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "a.pack"
    random = np.random.default_rng(0)
    pack([random.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((4, 5), (7, 3), (1, 1))], path)
    return path.read_bytes()


def parts(content):
    length = int.from_bytes(content[:8], "little")
    entries, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    arrays = {}
    for name, dtype in DTYPES.items():
        first, end = entries[name]["data_offsets"]
        arrays[name] = np.frombuffer(data[first:end], dtype).copy()
    return entries, arrays


def joined(entries, arrays, *, length=None):
    header = json.dumps(entries).encode()
    header = header.ljust(4088)
    size = (len(header) if length is None else length).to_bytes(8, "little")
    return size + header + b"".join(array.tobytes() for array in arrays.values())


def with_digest(entries, arrays):
    sha = hashlib.sha256(b"".join(arrays[name].tobytes() for name in NAMES))
    entries["__metadata__"]["sha256"] = sha.hexdigest()
    return entries


def read(path):
    """Open a pack and read each picture."""
    pictures = PackFile(path).pictures
    return [np.array(pictures[i]) for i in range(len(pictures))]


def refused(path, content):
    """Return the message of the error; opening may take only little memory."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as error:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def test_parts_of_a_pack_can_be_joined_again(content):
    entries, arrays = parts(content)
    assert joined(with_digest(entries, arrays), arrays) == content


def test_every_truncated_pack_is_refused(content, tmp_path):
    for length in [*range(64), *range(4000, len(content))]:
        refused(tmp_path / "a.pack", content[:length])


def test_bytes_after_the_end_are_refused(content, tmp_path):
    assert "bytes instead of" in refused(tmp_path / "a.pack", content + b"\0")


@given(data=st.data())
def test_changed_bytes_are_refused_or_change_only_pixels(content, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "a.pack"
    header_end = content.index(b"}   ") + 1
    place = data.draw(st.integers(0, header_end) | st.integers(4096, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(changed)
    with contextlib.suppress(ImageError):  # every other exception fails the test
        assert [picture.shape for picture in read(path)] == [(4, 5, 3), (7, 3, 3), (1, 1, 3)]


HUGE = 2**62


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("pixels", {"shape": [HUGE], "data_offsets": [0, HUGE]}),
        ("pixels", {"shape": [2**40, 2**40], "data_offsets": [0, 2**80]}),
        ("pixels", {"data_offsets": [-8, 120]}),
        ("pixels", {"data_offsets": [0, 120.0]}),
        ("pixels", {"data_offsets": ["0", "128"]}),
        ("pixels", {"data_offsets": [8, 136]}),
        ("pixels", {"shape": [True], "data_offsets": [0, 1]}),
        ("pixels", {"shape": [-128], "data_offsets": [0, -128]}),
        ("pixels", {"dtype": "F32"}),
        ("sizes", {"dtype": "I32"}),
        ("sizes", {"shape": [HUGE, 2]}),
        ("sizes", {"data_offsets": [0, 48]}),
        ("grey", {"shape": [2], "data_offsets": [272, 274]}),
        ("skipped", None),
        ("digests", []),
        ("digests", "x" * 1000),
    ],
    ids=str,
)
def test_forged_array_is_refused(content, tmp_path, name, entry):
    entries, arrays = parts(content)
    entries[name] = entries[name] | entry if isinstance(entry, dict) else entry
    assert "is not a complete pack" in refused(tmp_path / "a.pack", joined(entries, arrays))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "its format is different"),
        ("version", "2", "its version is 2, and this resizekit reads 1"),
        ("version", "\x1b[31m", "its header is not readable"),
        ("version", None, "its header is not readable"),
        ("channels", "0", "its header is not readable"),
        ("channels", "-3", "its header is not readable"),
        ("channels", str(2**70), "its header is not readable"),
        ("channels", "9" * 5000, "its header is not readable"),
        ("channels", "4", "more or fewer bytes than the file"),
        ("channels", "1", "more or fewer bytes than the file"),
        ("sha256", "0" * 64, "the index was changed"),
    ],
)
def test_forged_metadata_is_refused(content, tmp_path, key, value, message):
    entries, arrays = parts(content)
    entries["__metadata__"][key] = value
    text = refused(tmp_path / "a.pack", joined(entries, arrays))
    assert message in text
    assert text.isprintable()


@pytest.mark.parametrize(
    "sizes",
    [
        [[4, 5], [7, 3], [1, 2**24]],
        [[4, 5], [7, 3], [2**24, 2**24]],
        [[4, 5], [7, 3], [2**40, 2**40]],
        [[4, 5], [7, 3], [-1, -1]],
        [[4, 5], [7, 3], [0, 1]],
        [[4, 5], [7, 3], [-(2**63), 1]],
        [[6, 7], [6, 7], [6, 7]],
        [[1, 1], [1, 1], [1, 1]],
    ],
    ids=str,
)
def test_forged_sizes_are_refused_even_with_a_valid_digest(content, tmp_path, sizes):
    entries, arrays = parts(content)
    arrays["sizes"] = np.array(sizes, np.int64)
    message = refused(tmp_path / "a.pack", joined(with_digest(entries, arrays), arrays))
    assert "sizes of its pictures are invalid" in message or "more or fewer bytes" in message


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\xff" * 8,
        (2**16).to_bytes(8, "little") + b" " * 2**16,
        (2**16 + 1).to_bytes(8, "little") + b" " * 2**17,
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (60_000).to_bytes(8, "little") + b"[" * 60_000,
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"null",
        (2).to_bytes(8, "little") + b"\xff\xfe",
    ],
    ids=lambda start: repr(start[:12]),
)
def test_file_that_is_not_a_pack_is_refused(tmp_path, start):
    assert "is not a complete pack" in refused(tmp_path / "a.pack", start)


def test_pack_without_pictures_is_refused(content, tmp_path):
    entries, arrays = parts(content)
    for name in ("sizes", "digests", "grey", "pixels"):
        arrays[name] = arrays[name][:0]
    end = 0
    for name, array in arrays.items():
        shape = {"sizes": [0, 2], "digests": [0, 32]}.get(name, [array.size])
        entries[name] |= {"shape": shape, "data_offsets": [end, end := end + array.nbytes]}
    assert "or none" in refused(tmp_path / "a.pack", joined(with_digest(entries, arrays), arrays))
