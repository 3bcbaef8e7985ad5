"""Codecs in larger programs: processes, threads, compilers, and settings of the process."""

import copy
import io
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import torch

import resizekit
from resizekit.codec.precision import inference_precision

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
NAMES = ["sr-x2-fast", "extreme", "colorize", "sr-x2-jpeg75"]


@pytest.fixture
def setting():
    """Lowered precision of matrix products, restored afterwards."""
    before = torch.get_float32_matmul_precision()
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


def _same(codec: resizekit.Codec, other: resizekit.Codec) -> None:
    low = codec.down(IMAGE)
    assert np.array_equal(other.down(IMAGE), low)
    assert np.array_equal(other.up(low), codec.up(low))
    assert (other.info, other.recipe, other.digest) == (codec.info, codec.recipe, codec.digest)


def _saved(codec: resizekit.Codec) -> resizekit.Codec:
    file = io.BytesIO()
    torch.save(codec, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {"pickle": lambda codec: pickle.loads(pickle.dumps(codec)), "deepcopy": copy.deepcopy, "torch.save": _saved}  # noqa: S301


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", COPIES)
def test_copy_of_loaded_codec_is_the_same_codec(name: str, how: str) -> None:
    codec = resizekit.load(name)
    _same(codec, COPIES[how](codec))


def test_copy_of_built_codec_is_independent() -> None:
    codec = resizekit.build("sr", network={"width": 4, "blocks": 1}).eval()
    twin = copy.deepcopy(codec)
    with torch.no_grad():
        next(twin.parameters()).add_(1)
    assert twin.digest != codec.digest
    _same(codec, pickle.loads(pickle.dumps(codec)))  # noqa: S301


def test_copy_keeps_working_with_replace() -> None:
    twin = pickle.loads(pickle.dumps(resizekit.load("sr-x2-fast")))  # noqa: S301
    assert twin.with_compression("uint16").storage.bits == 16
    assert twin.at(2).spec.s == 4


def test_codec_goes_to_spawned_workers() -> None:
    codec, context = resizekit.load("sr-x2-fast"), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        low = pool.submit(codec.down, IMAGE).result(timeout=100)
    assert np.array_equal(low, codec.down(IMAGE))


def test_codec_is_shared_by_threads() -> None:
    codecs = [resizekit.load("sr-x2-fast", precision=precision) for precision in ("float32", "bfloat16")]
    expected = [codec.up(codec.down(IMAGE)) for codec in codecs]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: codecs[i % 2].up(codecs[i % 2].down(IMAGE)), range(32)))
    for i, result in enumerate(results):
        assert np.array_equal(result, expected[i % 2]), i


@pytest.mark.parametrize("value", ["high", "medium"])
@pytest.mark.parametrize("name", ["sr-x2-fast", "colorize"])
def test_float32_ignores_a_lowered_matmul_precision(setting, name: str, value: str) -> None:
    codec, high = resizekit.load(name), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    low = codec.down(high)
    restored = codec.up(low)
    setting(value)
    assert torch.equal(codec.down(high), low)
    assert torch.equal(codec.up(low), restored)
    assert torch.get_float32_matmul_precision() == value


def test_lowered_settings_survive_threads(setting) -> None:
    setting("medium")
    before = torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
    codec = resizekit.load("colorize")
    x, started = torch.rand(1, 3, 64, 64), threading.Barrier(4)

    def run(_: int) -> torch.Tensor:
        started.wait()
        return codec.down(x)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, range(4)))
    assert all(torch.equal(result, results[0]) for result in results)
    assert (torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision) == before


def test_threads_under_a_lowered_setting_give_exact_pixels(setting) -> None:
    codec = resizekit.load("sr-x2-fast")
    low = codec.down(IMAGE)
    restored = codec.up(low)
    setting("medium")

    def run(_: int) -> bool:
        return np.array_equal(codec.down(IMAGE), low) and np.array_equal(codec.up(low), restored)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(100)))


def test_inherited_settings_stay_inherited() -> None:
    backend, codec = torch.backends.mkldnn, resizekit.load("sr-x2-fast")
    before = backend.fp32_precision
    children = [backend.matmul, backend.conv]
    explicit = [child.fp32_precision for child in children]
    try:
        for child in children:
            child.fp32_precision = "none"
        backend.fp32_precision = "bf16"
        codec.down(IMAGE)
        assert [child.fp32_precision for child in children] == ["bf16", "bf16"]
        backend.fp32_precision = "ieee"
        assert [child.fp32_precision for child in children] == ["ieee", "ieee"]
    finally:
        backend.fp32_precision = before
        for child, value in zip(children, explicit, strict=True):
            child.fp32_precision = value


def test_load_ignores_the_default_dtype() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert resizekit.load("sr-x2-fast").encoder.head.weight.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions_on_other_devices_forbid_tf32(monkeypatch, transposed: bool) -> None:
    """The meta device stands for a GPU: the call that reaches PyTorch is what matters."""
    seen = []
    monkeypatch.setattr(torch, "_convolution", lambda *args: seen.append(args) or args[0])
    kind = torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d
    layer, x = kind(3, 3, 3, padding=1, device="meta"), torch.zeros(1, 3, 8, 8, device="meta")
    with inference_precision("float32", "cpu"):
        layer(x)
    assert not seen, "nothing is intercepted on a CPU with default settings"
    from resizekit.codec import precision

    with precision._ExactFloat32():
        layer(x)
    (args,) = seen
    assert args[6] is transposed
    assert args[-1] is False, "TF32 is allowed"


@pytest.mark.parametrize("call", ["down_codes", "up_codes", "down_tensor", "up_tensor"])
def test_inference_compiles_to_one_graph(call: str) -> None:
    codec = resizekit.load("sr-x2-fast")
    x = torch.randint(0, 256, (1, 3, 32, 48), dtype=torch.uint8)
    x = x if call.endswith("codes") else x.float() / 255
    run = getattr(codec, call)
    torch.compiler.reset()
    with torch.no_grad():
        compiled = torch.compile(run, fullgraph=True, backend="eager")
        assert torch.equal(compiled(x), run(x))


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [(dtype, name) for dtype in (torch.float64, torch.bfloat16) for name in ("float32", "bfloat16", "float16")],
)
def test_weights_of_another_type_work(dtype, precision):
    codec = resizekit.load("sr-x2-fast", precision=precision).to(dtype)
    assert codec.up(codec.down(np.zeros((8, 12, 3), np.uint8))).shape == (8, 12, 3)
