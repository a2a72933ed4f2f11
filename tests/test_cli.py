"""The command line, and the demonstration and the benchmark behind it."""

import json

import numpy as np
import pytest

import fastconv
from fastconv import cli
from fastconv.testing import reference


def test_info_says_what_is_built_and_what_runs(capsys):
    assert cli.main(["info"]) == 0
    printed = capsys.readouterr().out
    assert fastconv.__version__ in printed
    assert fastconv.show_runtime(mode="dicts")["isa"] in printed


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"fastconv {fastconv.__version__}\n"


def test_help_needs_no_extras(run_python):
    code = """
        import contextlib, sys
        from fastconv import cli
        for command in ("info", "demo", "bench", "explain", "selftest"):
            with contextlib.suppress(SystemExit):
                cli.main([command, "--help"])
        heavy = {"matplotlib", "sklearn", "tqdm", "torch", "onnx", "fastconv._bench"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    assert "--peers" in run_python(code).stdout


# ------------------------------------------------------------------------------------- explain


def test_explain_a_named_layer_and_its_shapes_agree(capsys):
    assert cli.main(["explain", "resnet50.conv2_x.3x3"]) == 0
    by_name = capsys.readouterr().out
    assert cli.main(["explain", "1,64,56,56", "64,64,3,3", "--padding", "1"]) == 0
    assert capsys.readouterr().out == by_name
    assert "chosen" in by_name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet50.nothing"], "resnet50.nothing"),
        (["1,64,56,56", "64,a"], "'64,a' is not a shape"),
        (["1,64,56,56", "64,3,3,3"], "64 channels"),
        (["1,64,56,56", "64,64,3,3", "--padding", "bogus"], "bogus"),
        (["1", "2", "3"], "expected"),
    ],
)
def test_explain_reports_wrong_arguments(capsys, arguments, message):
    assert cli.main(["explain", *arguments]) == 2
    assert message in capsys.readouterr().err


# ------------------------------------------------------------------------------------ selftest


def test_selftest_passes_and_counts_every_level(capfd):
    assert cli.main(["selftest", "--cases", "4"]) == 0
    printed = capfd.readouterr().out
    for level in fastconv.show_runtime(mode="dicts")["isa_available"]:
        assert level in printed
    assert "selftest passed" in printed
    assert "direct, backward_weight" in printed


def test_selftest_fails_where_a_result_is_wrong(monkeypatch):
    from fastconv.testing import selftest

    assert not selftest.check(3, 0)["failures"]
    right = fastconv.conv2d
    monkeypatch.setattr(fastconv, "conv2d", lambda *args, **kwargs: right(*args, **kwargs) + 0.01)
    result = selftest.check(3, 0)
    assert result["failed"]["direct, forward"] >= 3
    assert "ConvCase.draw(0)" in result["failures"][0]
    assert result["passed"]["direct, backward_data"] >= 3
    assert "direct, backward_data" not in result["failed"]


# --------------------------------------------------------------------------------------- bench


def test_layers_are_selected_by_group_network_name_and_glob():
    from fastconv._bench.cases import select

    def names(*patterns):
        return [layer.name for layer in select(patterns)]

    assert names("tiny") == ["tiny.conv_8x8", "tiny.max_pool_8x8"]
    assert names("lenet5") == [f"lenet5.{n}" for n in ("C1", "C3", "C5", "S2", "S4")]
    assert names("vgg16.conv1_1", "vgg16.conv1_*") == ["vgg16.conv1_1", "vgg16.conv1_2"]
    assert len(names("performance")) == 25
    with pytest.raises(ValueError, match="no layer is called 'nothing'"):
        select(["nothing"])


def test_roofline_and_counts():
    from fastconv._bench.cases import LAYERS, Case
    from fastconv._bench.peaks import Roof

    roof = Roof("float32", 1, gflops=100.0, gbs=10.0)
    conv = Case(LAYERS["vgg16.conv3_2"])
    assert conv.flops == 2 * 256 * 56 * 56 * 256 * 9
    assert conv.bytes == 4 * (2 * 256 * 56 * 56 + 256 * 256 * 9)
    assert roof.attainable(conv) == (100.0, "compute")
    pool = Case(LAYERS["resnet50.pool1"])
    assert pool.flops == 9 * 64 * 56 * 56
    rate, bound = roof.attainable(pool)
    assert bound == "memory"
    assert rate == pytest.approx(10 * 9 * 56 * 56 / (4 * (112 * 112 + 56 * 56)))


def expected(case):
    """What every contender must compute, from the reference."""
    layer, geometry = case.layer, case.layer.kwargs()
    match case.operation, layer.kind if case.pools else "conv":
        case "forward", "conv":
            return reference.conv(case.x, case.weight, case.bias, **geometry)
        case "backward_data", "conv":
            return reference.conv_backward_data(case.grad, case.weight, case.x_shape, **geometry)
        case "backward_weight", "conv":
            return reference.conv_backward_weight(case.grad, case.x, layer.weight_shape, **geometry)
        case "forward", "max":
            return reference.max_pool(case.x, **geometry)
        case "forward", "avg":
            return reference.avg_pool(case.x, **geometry)
        case "backward_data", "max":
            return reference.max_pool_backward(case.grad, case.indices, case.x_shape)
        case _:
            return reference.avg_pool_backward(case.grad, case.x_shape, **geometry)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("operation", ["forward", "backward_data", "backward_weight"])
def test_contenders_compute_the_same(operation, data_format):
    # The slow and simple ones; `fastconv bench` checks everyone before it times them.
    from fastconv._bench.cases import LAYERS, combine
    from fastconv._bench.peers import Fastconv, FastconvPlan, NumPy, SciPy

    layers = [
        LAYERS[name].reduced(200_000) if hasattr(LAYERS[name], "reduced") else LAYERS[name]
        for name in ("lenet5.C3", "lenet5.S2", "resnet50.conv1", "resnext50.conv2_x.3x3",
                     "dilated.256_28_d2", "tiny.conv_8x8", "tiny.max_pool_8x8")
    ]  # fmt: skip
    for case in combine(layers, [operation], ["float32", "float64"], [2], [1]):
        exact = expected(case)
        ran = 0
        for contender in (Fastconv(data_format), FastconvPlan(data_format), SciPy(), NumPy()):
            if contender.refuses(case) is None:
                call, fetch = contender.prepare(case)
                np.testing.assert_allclose(fetch(call()), exact, rtol=1e-4, atol=1e-4)
                ran += 1
        assert ran >= 1 + (operation == "forward")


def test_bench_writes_its_figures(tmp_path, capsys):
    pytest.importorskip("tqdm")
    path = tmp_path / "bench.json"
    arguments = ["--layers", "tiny", "--peers", "scipy,numpy", "--seconds", "0.01", "--rounds", "2"]
    table = tmp_path / "bench.rst"
    assert cli.main(["bench", *arguments, "--json", str(path), "--rst", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "geometric mean" in printed
    results = json.loads(path.read_text())["results"]
    assert [r["layer"] for r in results] == ["tiny.conv_8x8", "tiny.max_pool_8x8"]
    assert set(results[0]["contenders"]) == {"plan", "fastconv", "scipy", "numpy"}
    assert all(0 < c["best"] <= c["median"] for c in results[0]["contenders"].values())
    assert results[0]["ratio_to_fastest_peer"] > 0
    assert results[0]["roof"]["gflops"] > 0
    assert '"tiny.conv_8x8"' in table.read_text()
    assert f'"{results[0]["ratio_to_fastest_peer"]:.2f}x ' in table.read_text()


def test_bench_draws(tmp_path):
    pytest.importorskip("tqdm")
    pytest.importorskip("matplotlib")
    path = tmp_path / "bench.png"
    arguments = ["--layers", "tiny", "--peers", "scipy", "--seconds", "0.01", "--rounds", "1"]
    assert cli.main(["bench", *arguments, "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_bench_reports_a_wrong_peer_instead_of_its_time(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    from fastconv._bench import peers

    right = peers.SciPy.prepare

    def prepare(self, case):
        call, fetch = right(self, case)
        return call, lambda y: fetch(y) + 0.1

    monkeypatch.setattr(peers.SciPy, "prepare", prepare)
    arguments = ["--layers", "tiny", "--peers", "scipy", "--seconds", "0.01", "--rounds", "1"]
    assert cli.main(["bench", *arguments]) == 1
    assert "WRONG" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "nothing"], "no layer is called 'nothing'"),
        (["--peers", "nobody"], "no peer is called 'nobody'"),
        (["--json", "/no/such/directory/file"], "does not exist"),
    ],
)
def test_bench_reports_wrong_arguments(capsys, arguments, message):
    pytest.importorskip("tqdm")
    assert cli.main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------------------------------- demo


@pytest.mark.parametrize("command", ["demo", "bench"])
def test_missing_extras_are_named(run_python, command):
    code = """
        import importlib.util, sys
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name: None if name == "tqdm" else find(name)
        from fastconv import cli
        sys.exit(cli.main([sys.argv[1]]))
    """
    done = run_python(code, command, returncode=2)
    assert "tqdm" in done.stderr
    assert f'pip install "fastconv[{command}]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_demo_filters_agree_with_scipy():
    pytest.importorskip("sklearn")
    pytest.importorskip("PIL")
    from fastconv._demo import photo

    picture = photo.photograph()[:, 150:210, 200:280]  # walls and eaves, not sky
    results = [photo.run(f, rounds=1) for f in photo.filters(picture)]
    assert all(r.error < 1e-5 for r in results)
    assert len(photo.table(results)) == 2 + len(results)


def test_demo_network_descends_along_its_gradient():
    pytest.importorskip("sklearn")
    from fastconv._demo import lenet

    rng = np.random.default_rng(0)
    net = lenet.LeNet5(rng)
    # In float64, so that central differences resolve the gradient.
    net.params = {name: value.astype(np.float64) for name, value in net.params.items()}
    images, labels = rng.standard_normal((3, 1, 32, 32)), np.array([1, 5, 9])
    _, grads = net.backward(net.forward(images), labels)
    assert set(grads) == set(net.params)
    for name, value in net.params.items():
        direction = rng.standard_normal(value.shape)
        losses = []
        for sign in (1, -1):
            net.params[name] = value + sign * 1e-5 * direction
            losses.append(net.backward(net.forward(images), labels)[0])
        net.params[name] = value
        slope = (losses[0] - losses[1]) / 2e-5
        assert slope == pytest.approx((grads[name] * direction).sum(), rel=1e-6, abs=1e-9), name


def test_demo_draws_and_judges(tmp_path, monkeypatch, capsys):
    for extra in ("sklearn", "PIL", "matplotlib", "tqdm"):
        pytest.importorskip(extra)
    from fastconv import _demo
    from fastconv._demo import lenet, photo

    def train_briefly(data, rng, progress, train=lenet.train):
        data.train, data.train_labels = data.train[:64], data.train_labels[:64]
        return train(data, rng, progress, epochs=2)

    monkeypatch.setattr(lenet, "train", train_briefly)
    monkeypatch.setattr(photo, "photograph", lambda f=photo.photograph: f()[:, 150:214, 200:296])
    assert _demo.run(tmp_path / "new" / "folder") == 1
    printed = capsys.readouterr()
    assert "the accuracy is below 98%" in printed.err
    figure = tmp_path / "new" / "folder" / "fastconv-demo.png"
    assert str(figure) in printed.out
    assert figure.read_bytes().startswith(b"\x89PNG")
