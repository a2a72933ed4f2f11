"""Networks: those of bench/, what they cost, and what they compute, layer by layer."""

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from fastconv.testing import reference, shapes

BENCH = Path(__file__).parent.parent / "bench"
DOCS = BENCH.parent / "docs"
sys.path.insert(0, str(BENCH))
pytest.importorskip("networks", reason="the package of bench/ is not beside the tests")

from networks import report  # noqa: E402
from networks.compare import Case, Ncnn, costs  # noqa: E402
from networks.layers import Concat, Conv, Dense, Flatten, Network, Pool  # noqa: E402
from networks.peers import TorchRunner, onnx_model  # noqa: E402
from networks.run import Runner  # noqa: E402
from networks.zoo import NETWORKS, build  # noqa: E402

FORMATS = ("channels_first", "channels_last")

# Images so small that a test is quick, of odd lengths where the network allows it.
SMALL = {"lenet5": 32, "alexnet": 75, "vgg16": 32, "googlenet": 75, "resnet50": 45,
         "mobilenet_v1": 45, "mobilenet_v2": 45}  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS)
def small(request):
    """Each network for small images, with its weights."""
    return build(request.param, SMALL[request.param])


def images(network, data_format="channels_first", batch=2):
    x = network.images(batch)
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if data_format == "channels_last" else x


def assert_same_layers(runner, x, expected):
    """Each layer adds an error of 1e-5 of its largest result at most, and errors of several layers
    add up like their squares; results are channels first.
    """
    compared = 0
    for (layer, actual), (other, exact) in zip(runner.walk(x), expected, strict=True):
        assert layer is other
        if actual.ndim == 4 and runner.data_format == "channels_last":
            actual = np.moveaxis(actual, -1, 1)
        assert actual.shape == exact.shape == (len(x), *layer.shape)
        assert np.abs(exact).max() > 0
        error = np.abs(actual - exact).max() / np.abs(exact).max()
        assert error <= 1e-5 * (compared + 1) ** 0.5, f"{runner.network.name}, {layer}: {error:.1e}"
        compared += 1
    assert compared == len(runner.network.layers) - 1


def allowed(network):
    """The error that a network's last result may have, of the largest one."""
    return 1e-5 * len(network.layers) ** 0.5


# ------------------------------------------------------------------------ what they compute


def reference_calls(network):
    """The network in float64 by the slow reference, batch normalisation as it is written."""

    def call(layer):
        match layer:
            case Conv():

                def conv(x, residual=0.0):
                    weight = layer.weight.astype(np.float64)
                    y = reference.conv(x, weight, **layer.geometry)
                    if layer.norm:
                        scale, shift, mean, variance = (
                            a.astype(np.float64)[:, None, None] for a in layer.statistics
                        )
                        y = scale * (y - mean) / np.sqrt(variance + 1e-5) + shift
                    else:
                        y = y + layer.bias[:, None, None]
                    return reference.activate(y + residual, layer.activation)

                return conv
            case Pool():
                pool = reference.max_pool if layer.kind == "max" else reference.avg_pool
                return lambda x: pool(x, **layer.geometry)
            case Concat():
                return lambda *branches: np.concatenate(branches, axis=1)
            case Flatten():
                return lambda x: x.reshape(len(x), -1)
            case Dense():
                return lambda x: reference.activate(
                    x @ layer.weight.T.astype(np.float64) + layer.bias, layer.activation
                )

    return [call(layer) for layer in network.layers[1:]]


@pytest.fixture(scope="module")
def exact(small):
    """Each layer of a small network with its result by the reference."""
    return list(small.walk(reference_calls(small), small.images(1).astype(np.float64)))


@pytest.mark.parametrize("data_format", FORMATS)
def test_layers_against_the_reference(small, exact, data_format):
    assert_same_layers(Runner(small, 1, data_format), images(small, data_format, 1), exact)


@pytest.mark.parametrize("plans", [True, False], ids=["plans", "calls"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_layers_against_torch(small, data_format, plans, torch):
    """Its own rounding would count as ours, so PyTorch computes in float64, norms and all."""
    peer = TorchRunner(small, "float64", fold=False)
    expected = ((layer, y.numpy()) for layer, y in peer.walk(peer.tensor(small.images(2))))
    runner = Runner(small, 2, data_format, plans)
    assert_same_layers(runner, images(small, data_format), expected)


@pytest.mark.slow
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_against_torch_in_full(name, data_format, torch):
    network = build(name)
    peer = TorchRunner(network, "float64", fold=False)
    expected = ((layer, y.numpy()) for layer, y in peer.walk(peer.tensor(network.images(1))))
    runner = Runner(network, 1, data_format)
    assert_same_layers(runner, images(network, data_format, 1), expected)


@pytest.mark.parametrize("memory_format", ["contiguous_format", "channels_last"])
def test_torch_as_it_is_timed(small, memory_format, torch):
    """In float32 with folded norms it gives the same scores."""
    peer, x = TorchRunner(small, memory_format=memory_format), small.images(2)
    expected = peer(peer.tensor(x)).numpy()
    actual = Runner(small, 2)(x)
    assert np.abs(actual - expected).max() <= allowed(small) * np.abs(expected).max()


def test_onnx_model(small):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    session = onnxruntime.InferenceSession(onnx_model(small, 2), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": small.images(2)})
    actual = Runner(small, 2)(small.images(2))
    assert np.abs(actual - expected).max() <= allowed(small) * np.abs(expected).max()


def test_ncnn_model(small):
    pytest.importorskip("ncnn", reason="ncnn is not installed")
    call, read = Ncnn().prepare(Case(small, 2, 1))
    actual, expected = Runner(small, 2)(small.images(2)), read(call())
    assert np.abs(actual - expected).max() <= 1e-4 * np.abs(expected).max()


def test_folded_normalisation():
    """The convolution that does the normalisation's work as well gives the same numbers."""
    network = Network("one", lambda x: x.conv("c", 7, 3, 2, 1, norm=True, activation=None),
                      (5, 9, 8))  # fmt: skip
    layer = network.layers[1]
    x = network.images(3).astype(np.float64)
    plain = reference.conv(x, layer.weight, **layer.geometry)
    scale, shift, mean, variance = (a[:, None, None] for a in layer.statistics)
    normalised = (plain - mean) / np.sqrt(variance + np.float64(1e-5)) * scale + shift
    weight, bias = layer.folded
    assert not np.allclose(weight, layer.weight, rtol=0.01)
    folded = reference.conv(x, weight, bias, **layer.geometry)
    np.testing.assert_allclose(folded, normalised, rtol=0, atol=1e-6 * np.abs(normalised).max())


@pytest.mark.parametrize("data_format", FORMATS)
def test_batches_change_nothing(small, data_format):
    """Up to the dense layers, each image of a batch gives bitwise what it gives alone."""
    x = images(small, data_format, 3)
    together = [result.copy() for _, result in Runner(small, 3, data_format).walk(x)]
    single = Runner(small, 1, data_format)
    for i in range(3):
        for (layer, alone), whole in zip(single.walk(x[i : i + 1]), together, strict=True):
            if len(layer.shape) == 3:
                np.testing.assert_array_equal(whole[i], alone[0], err_msg=str(layer))


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_run_leaves_nothing_behind(small, data_format):
    runner, x = Runner(small, 2, data_format), images(small, data_format)
    first = runner(x).copy()
    assert not np.array_equal(runner(-x), first)
    np.testing.assert_array_equal(runner(x), first)


def test_activations_stay_in_range(small):
    for layer, result in Runner(small, 2).walk(small.images(2)):
        assert 0.1 < result.std() < 20, layer


def test_weights_depend_on_the_seed_alone():
    layers = [build("lenet5", seed=seed).layers[1] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(layers[0].weight, layers[1].weight)
    np.testing.assert_array_equal(layers[0].bias, layers[1].bias)
    assert not np.array_equal(layers[0].weight, layers[2].weight)
    deviation = build("alexnet").layers[1].weight.std()
    assert deviation == pytest.approx(math.sqrt(2 / (3 * 11 * 11)), rel=0.02)


# ---------------------------------------------------------------------------- what they cost


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("lenet5", 61_706, 416_520),
        # torchvision's counts of both.
        ("alexnet", 61_100_840, 714_188_480),
        ("vgg16", 138_357_544, 15_470_264_320),
        ("resnet50", 25_557_032, 4_089_184_256),
        # The paper says 4.2 and 569 million.
        ("mobilenet_v1", 4_231_976, 568_740_352),
        # torchvision's: 3.50 million, 301 million with the dense layer.
        ("mobilenet_v2", 3_504_872, 300_774_272),
    ],
)
def test_costs_are_the_published_ones(name, parameters, multiply_adds):
    network = build(name)
    assert network.parameters == parameters
    assert network.multiply_adds == multiply_adds


def test_googlenet_has_the_published_parameters():
    """6,998,552 in Caffe's model, with biases; 6,624,904 in torchvision's, with 3x3 for 5x5."""
    network = build("googlenet")
    normalised = [layer for layer in network.layers if isinstance(layer, Conv)]
    assert len(normalised) == 57
    filters = sum(layer.weight_shape[0] for layer in normalised)
    assert network.parameters - filters == 6_998_552
    five = sum(math.prod(layer.weight_shape) for layer in normalised if layer.name.endswith("5x5"))
    assert network.parameters - five * 16 // 25 == 6_624_904


def geometry(layer):
    """What a layer and a named shape have in common."""
    if isinstance(layer, Conv):
        filters, _, *kernel = layer.weight_shape
        settings = layer.geometry
        return ("conv", *layer.inputs[0].shape, filters, *kernel, settings["stride"],
                settings["padding"], settings["groups"])  # fmt: skip
    settings = layer.geometry
    return (layer.kind, *layer.inputs[0].shape, *(settings[k] for k in (
        "kernel_size", "stride", "padding", "ceil_mode")))  # fmt: skip


def geometry_of_shape(shape):
    one = (shape.stride[0], shape.padding[0])
    assert (*shape.stride, *shape.padding) == (one[0], one[0], one[1], one[1])
    if isinstance(shape, shapes.ConvShape):
        assert shape.dilation == (1, 1)
        return ("conv", shape.channels, *shape.spatial, shape.filters, *shape.kernel, *one,
                shape.groups)  # fmt: skip
    return (shape.kind, shape.channels, *shape.spatial, shape.kernel[0], *one, shape.ceil_mode)


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_the_named_ones(name):
    """Every layer is one of `fastconv.testing.shapes` by name and geometry, and none is missing."""
    named = [shape for shape in shapes.NETWORKS[name]() if not shape.name.startswith("aux")]
    layers = [layer for layer in build(name).layers if isinstance(layer, Conv | Pool)]
    met = set()
    for layer in layers:
        # The shapes say "_x" for the layers of a stage that are alike.
        match = [shape.name for shape in named if geometry_of_shape(shape) == geometry(layer)
                 and re.fullmatch(shape.name.replace("_x", r"_\d+"), layer.name)]  # fmt: skip
        assert match, layer
        met.update(match)
    assert met == {shape.name for shape in named}


@pytest.mark.parametrize("data_format", FORMATS)
def test_memory_is_used_again(small, data_format):
    """The results of a run take little more than what must be kept at once."""
    input_count = math.prod(small.layers[0].shape)
    needed = small.peak_activations
    runner = Runner(small, 4, data_format)
    assert 4 * 4 * (needed - input_count) <= runner.activation_bytes
    assert runner.activation_bytes <= 4 * 4 * 1.05 * needed
    assert needed <= small.activations + input_count


def test_peak_of_a_block_with_a_branch():
    """By hand: the widest moment of a sum of two branches, and of a concatenation."""

    def describe(x):
        a = x.conv("a", 2, 1)
        b = a.conv("b", 8, 1)
        c = b.conv("c", 2, 1, residual=a)
        d, e = c.conv("d", 3, 1), c.conv("e", 4, 1)
        return Concat("f", (d, e)).flatten()

    network = Network("hand", describe, (1, 1, 10))
    # x 10; a 20, b 80, c 20, f 70 of which d is 30 and e 40.
    assert network.peak_activations == 20 + 80 + 20
    assert network.activations == 20 + 80 + 20 + 70
    assert Runner(network).activation_bytes >= 4 * (20 + 80 + 20)


# ------------------------------------------------------------------------------ the command


COMMAND = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from networks.__main__ import main
    sys.exit(main(sys.argv[2:]))
"""


def test_command_writes_its_figures(run_python, tmp_path):
    for extra in ("tqdm", "matplotlib", "threadpoolctl"):
        pytest.importorskip(extra)
    figures, picture, table = (tmp_path / name for name in ("f.json", "f.png", "f.rst"))
    measured = run_python(COMMAND, BENCH, "lenet5", "--batch", "1,2", "--peers", "", "--layers",
                          "--seconds", "0.02", "--rounds", "2", "--json", figures)  # fmt: skip
    assert "LeNet-5" in measured.stdout
    assert "avg pool 2x2 stride 2" in measured.stdout
    records = json.loads(figures.read_text())["results"]
    assert [(r["network"], r["batch"], r["threads"]) for r in records] == [
        ("lenet5", 1, 1), ("lenet5", 2, 1)
    ]  # fmt: skip
    for record in records:
        assert set(record["best"]) == {"plan", "plan-cl", "fastconv"}
        assert all(0 < record["best"][name] <= record["median"][name] for name in record["best"])
        assert all(error <= 1e-5 for error in record["error"].values())
        assert record["peak_gflops"] > 0
        assert {layer["name"] for layer in record["layers"]} == set(record["layer_seconds"]["plan"])

    read = run_python(COMMAND, BENCH, "--read", figures, "--rst", table, "--plot", picture)
    assert "LeNet-5" in read.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert '"LeNet-5", "61.7 k"' in table.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet6"], "'lenet6' is not one of lenet5"),
        (["--peers", "nobody"], "'nobody' is not one of torch"),
        (["--json", "/no/such/directory/file"], "does not exist"),
        (["--read", "/no/such/file"], "/no/such/file"),
    ],
)
def test_command_reports_wrong_arguments(run_python, arguments, message):
    pytest.importorskip("tqdm")
    assert message in run_python(COMMAND, BENCH, *arguments, returncode=2).stderr


def test_tables_of_the_documentation_are_of_these_networks():
    """Times there are one machine's, costs are everybody's."""
    page = (DOCS / "networks_table.rst.inc").read_text("utf-8")
    _, rows = report.cost_table([costs(build(name)) for name in NETWORKS])
    assert len(rows) == len(NETWORKS)
    for row in rows:
        assert ", ".join(f'"{cell}"' for cell in row) in page
