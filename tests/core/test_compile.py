"""Every call of a codec on tensors compiles to one graph that returns the values of eager mode."""

import pytest
import torch

import resizekit
from resizekit.codec.calibration import set_precision

SMALL = {"width": 4, "blocks": 1}


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def codes(h, w, channels=3):
    return torch.randint(0, 256, (1, channels, h, w), dtype=torch.uint8, generator=torch.Generator().manual_seed(h))


def small(task="sr", **config):
    torch.manual_seed(0)
    return resizekit.build(task, **config).eval()


CALLS = {
    "forward": lambda codec, x, low: (codec(x / 255).restored, codec(x / 255).low),
    "down_tensor": lambda codec, x, low: codec.down_tensor(x / 255),
    "down_codes": lambda codec, x, low: codec.down_codes(x),
    "down": lambda codec, x, low: (codec.down(x), codec.down(x[0]), codec.down(x / 255)),
    "up_tensor": lambda codec, x, low: codec.up_tensor(low / 255),
    "up_codes": lambda codec, x, low: codec.up_codes(low),
    "up": lambda codec, x, low: (codec.up(low), codec.up(low[0]), codec.up(low / 255)),
}


def assert_compiles(codec, names=CALLS, backend="aot_eager", size=(32, 48)):
    """Compile several calls in one graph, which is faster than one graph for each."""

    def run(x, low):
        return [CALLS[name](codec, x, low) for name in names]

    x, low = codes(*size), codes(16, 24, codec.low_channels)
    with torch.no_grad():
        compiled, eager = torch.compile(run, fullgraph=True, backend=backend)(x, low), run(x, low)
    torch.testing.assert_close(compiled, eager, rtol=0, atol=0)


@pytest.mark.parametrize("calls", [["forward"], ["down_tensor", "down_codes", "down"], ["up_tensor", "up_codes", "up"]])
def test_calls_compile_to_one_graph(calls):
    assert_compiles(small(network=SMALL), calls)


def test_odd_sizes_compile_to_one_graph():
    assert_compiles(small(network=SMALL), ["down"], size=(33, 47))


def test_steps_compile_to_one_graph():
    assert_compiles(resizekit.load("extreme", times=2), ["down_codes", "up_codes"])


def test_colorize_compiles_to_one_graph():
    assert_compiles(resizekit.load("colorize"), ["down_codes", "up_codes"])


def test_modules_compile_to_one_graph():
    model = torch.nn.Sequential(resizekit.Down(small(network=SMALL)), resizekit.Up(small(network=SMALL)))
    x = codes(32, 48)
    assert torch.equal(torch.compile(model, fullgraph=True, backend="aot_eager")(x), model(x))


def test_one_dynamic_graph_serves_all_sizes():
    codec = small(network=SMALL)
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    compiled = torch.compile(codec.down, fullgraph=True, dynamic=True, backend=backend)
    with torch.no_grad():
        for size in ((33, 47), (35, 51), (41, 39)):
            assert torch.equal(compiled(codes(*size)), codec.down(codes(*size)))
    assert len(graphs) == 1


def test_gradients_of_a_compiled_codec_are_those_of_eager_mode():
    codec = small(network=SMALL)
    grads = []
    for run in (codec, torch.compile(codec, fullgraph=True, backend="aot_eager")):
        x = (codes(32, 32) / 255).requires_grad_()
        run(x).restored.square().mean().backward()
        grads.append(x.grad)
    torch.testing.assert_close(*grads, rtol=1e-5, atol=1e-9)


@pytest.mark.slow  # it compiles C++
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_inductor_returns_the_values_of_eager_mode():
    codec = small(network=SMALL)
    x = codes(32, 48)
    with torch.no_grad():
        compiled = torch.compile(codec.up_codes, fullgraph=True)(x)
    assert (compiled.int() - codec.up_codes(x).int()).abs().max() <= 1


def test_compression_of_16_bits_compiles_to_one_graph():
    codec = small(network=SMALL, compression="uint16")
    x = codes(32, 48).to(torch.int32).mul(257).to(torch.uint16)
    with torch.no_grad():
        assert torch.equal(torch.compile(codec.down, fullgraph=True, backend="aot_eager")(x), codec.down(x))


def test_compiled_codec_refuses_values_that_a_file_cannot_hold():
    codec = small(network=SMALL, compression="none")
    x = codes(32, 48)
    with pytest.raises(resizekit.ResizeKitError, match="an 8-bit file cannot hold"):
        codec.down_codes(x)
    with torch.no_grad(), pytest.raises(RuntimeError, match="an 8-bit file cannot hold"):
        torch.compile(codec.down_codes, fullgraph=True, backend="aot_eager")(x)


@pytest.mark.parametrize("precision", ["winograd", "int8", "bfloat16", "float16"])
def test_compile_works_in_every_precision(precision):
    codec = resizekit.load("sr-x2-fast")
    set_precision(codec, precision)
    low = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with torch.inference_mode():
        restored = torch.compile(codec.up_codes, fullgraph=True, backend="eager")(low)
    assert restored.shape == (1, 3, 16, 16)
