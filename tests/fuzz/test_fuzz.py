"""Mutated files raise the project's own errors only: one short line, in bounded time and memory, no output.

RESIZEKIT_FUZZ sets the number of mutated files, and RESIZEKIT_FUZZ_SEED another sequence of them. A failure names its
seed, and leaves the file in the temporary folder of the test.
"""

import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import save_file

from resizekit.errors import ResizeKitError
from resizekit.images.files import up_file
from resizekit.images.small_files import read_small
from resizekit.recipes.assemble import recipe_of, resolve
from resizekit.recipes.checkpoint import load, outline, read_header
from resizekit.recipes.config import read_toml

CASES = int(os.environ.get("RESIZEKIT_FUZZ", "2000"))
FIRST_SEED = int(os.environ.get("RESIZEKIT_FUZZ_SEED", "0"))
SECONDS = 2.0
"""Maximum processor time of a case: reading and refusing takes milliseconds."""
MEMORY = 256 << 20
"""Maximum growth of the process over all cases, with the pixel limit of the fixture `tiny_limit`."""
NUMBERS = (
    0, 1, -1, 2, 3, 255, 4096, 65535, 65536, 999_999, 2**31 - 1, 2**31, 2**32, 2**63, 2**64, 10**30, -(2**63), 0.5,
    1e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
NAMES = (
    "", "x" * 100_000, "\x1b[31m\n\0", "999999/999998", "1/999999", "uint16", "float", "wavelet", "recurrent",
    "invertible", "vdsr", "extreme", "channels", "none",
)  # fmt: skip
SCALARS: tuple[object, ...] = (*NUMBERS, *NAMES, True, None, [], {}, [1] * 10_000)
"""Values that replace numbers and names."""


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, repeat or insert bytes in one to four places."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(min(len(out), rng.choice((64, 512, 1 << 20)))) if out else 0
        kind = rng.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            size = rng.choice((2, 4, 8))
            number = rng.choice(
                (0, 1, 2**7, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1, at, len(out))
            )
            out[at : at + size] = (number % 256**size).to_bytes(size, rng.choice(("little", "big")))
        elif kind == 2:
            del out[at : at + rng.choice((1, 4, 100, 1 << 20))]
        elif kind == 3:
            piece = out[at : at + rng.choice((4, 12, 100))]
            out[at:at] = piece * rng.choice((1, 2, 300))
        elif kind == 4:
            out[at:at] = rng.randbytes(rng.choice((1, 4, 50)))
        elif len(out) > at + 8:
            out[at : at + 4], out[at + 4 : at + 8] = out[at + 4 : at + 8], out[at : at + 4]
    return bytes(out)


def mutated_value(value: object, rng: random.Random) -> object:
    """Replace a random value inside nested dicts and lists; sometimes drop it or add a key."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        changed = dict(value)
        key = rng.choice(sorted(changed))
        action = rng.random()
        if action < 0.05:
            del changed[key]
        elif action < 0.1:
            changed[str(rng.choice(SCALARS))] = changed[key]
        else:
            changed[key] = mutated_value(changed[key], rng)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], mutated_value(value[at], rng), *value[at + 1 :]]
    return rng.choice(SCALARS)


def mutated_fields(fields: object, rng: random.Random) -> object:
    for _ in range(rng.randint(1, 3)):
        fields = mutated_value(fields, rng)
    return fields


def toml(value: object) -> str:
    """Write a value of TOML, with the numbers that JSON does not have."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan").replace("null", '"null"')


@contextmanager
def silent() -> Iterator[None]:
    """Check that nothing is printed, not even by C libraries."""
    with tempfile.TemporaryFile() as printed:
        kept = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        printed.seek(0)
        assert printed.read(2000) == b""


def run(count: int, scratch: Path, case: Callable[[random.Random], Callable[[], object]]) -> None:
    """Run cases, each from its own seed: `case` writes a file and returns the function that reads it."""
    refused = 0
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        read = case(random.Random(seed))
        began = time.process_time()
        try:
            with silent():
                read()
        except ResizeKitError as error:
            refused += 1
            message = str(error).replace(str(scratch.parent), "")
            assert len(message) < 400, f"seed {seed}: {message[:1000]}"
            assert len(message.splitlines()) == 1, f"seed {seed}: {message!r}"
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {error!r:.500}") from error
        seconds = time.process_time() - began
        assert seconds < SECONDS, f"seed {seed} took {seconds:.1f} s"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start  # in KiB on Linux
        assert grown << 10 < MEMORY, f"seed {seed}: the process grew by {grown >> 10} MiB"
    assert refused > count // 10, "most mutations of a file must break it"


pytestmark = pytest.mark.usefixtures("tiny_limit")


def test_mutated_pictures_are_refused(seeds, checksums, scratch):
    def case(rng):
        data = mutated_bytes(rng.choice(seeds.pictures), rng)
        if data.startswith(b"\x89PNG") and rng.random() < 0.8:
            data = checksums(data)
        scratch.write_bytes(data)
        return lambda: read_small(scratch)

    run(CASES * 6 // 10, scratch, case)


def test_mutated_manifests_are_refused(seeds, scratch):
    def case(rng):
        fields = mutated_fields(seeds.manifest, rng)
        scratch.write_bytes(seeds.with_manifest(fields))
        return lambda: up_file(scratch, scratch.with_suffix(".png"), weights=seeds.codec)

    run(CASES // 10, scratch, case)


def test_mutated_weights_files_are_refused(seeds, scratch):
    path = scratch.with_suffix(".safetensors")

    def case(rng):
        if rng.random() < 0.3:
            path.write_bytes(mutated_bytes(seeds.weights, rng))
        else:
            header = mutated_fields(seeds.header, rng)
            header = header if isinstance(header, dict) else {"recipe": header}
            tensors = dict(seeds.tensors)
            if rng.random() < 0.3:
                name = rng.choice(sorted(tensors))
                tensors[rng.choice(("x" * 100_000, "\x1b\n", name))] = tensors.pop(name).flatten()
            save_file(tensors, path, metadata={str(key): json.dumps(value) for key, value in header.items()})
        return rng.choice((lambda: load(path), lambda: outline(path), lambda: read_header(path)))

    run(CASES * 3 // 20, scratch, case)


def test_mutated_configs_are_refused(seeds, scratch):
    def case(rng):
        if rng.random() < 0.3:
            scratch.write_bytes(mutated_bytes(seeds.config_text.encode(), rng))
        else:
            fields = mutated_fields(seeds.config, rng)
            fields = fields if isinstance(fields, dict) else {"config": fields}
            lines = (f"{json.dumps(str(key))} = {toml(value)}\n" for key, value in fields.items())
            scratch.write_text("".join(lines), encoding="utf-8")
        return lambda: resolve(recipe_of(read_toml(scratch)))

    run(CASES * 3 // 20, scratch, case)
