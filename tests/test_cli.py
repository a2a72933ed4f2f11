"""Tools: the command line, and the demonstration and the benchmark behind it."""

import json
import re
import sys
from contextlib import nullcontext
from types import SimpleNamespace

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


def test_info_in_json(capsys):
    assert cli.main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"built": fastconv.show_config("dicts"), "here": fastconv.show_runtime("dicts")}


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
        (["1,64,56,56", "64,64,3,3", "--padding-value", "2"], "padding_mode='constant'"),
        (["1", "2", "3"], "expected"),
    ],
)
def test_explain_reports_wrong_arguments(capsys, arguments, message):
    assert cli.main(["explain", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("value", "dtype"), [("-2", "int8"), ("1e3", "f4"), ("1-2j", "c8")])
def test_explain_padding_with_a_constant(capsys, value, dtype):
    layer = ["explain", "1,2,9,9", "3,2,3,3", "--padding=1", "--padding-mode=constant"]
    assert cli.main([*layer, f"--padding-value={value}", f"--dtype={dtype}"]) == 0
    assert "chosen" in capsys.readouterr().out
    if dtype == "int8":
        assert cli.main([*layer, "--padding-value=0.5", f"--dtype={dtype}"]) == 2
        assert "padding_value=0.5" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            cli.main([*layer, "--padding-value=red"])


def test_explain_in_json(capsys):
    assert cli.main(["explain", "1,64,56,56", "64,64,3,3", "--padding", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    expected = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    assert [row["method"] for row in rows] == [row["method"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert row["cost"] == (other["cost"] and other["cost"]._asdict())
        assert row["estimated_seconds"] == other["estimated_seconds"]


@pytest.mark.parametrize(
    ("terminal", "environment", "bold"),
    [(True, {}, True), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False),
     (False, {}, False)],
)  # fmt: skip
def test_what_is_chosen_is_bold_on_a_terminal(capsys, monkeypatch, terminal, environment, bold):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert cli.main(["explain", "1,64,56,56", "64,64,3,3", "--padding", "1"]) == 0
    printed = capsys.readouterr().out
    marked = [line for line in printed.splitlines() if line.startswith("\033[1m")]
    assert len(marked) == 2 * bold
    rows = fastconv.explain((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    chosen = next(row["method"] for row in rows if row["verdict"] == "chosen")
    assert all(line.endswith("\033[0m") and chosen in line for line in marked)
    assert printed.count("\033") == 2 * len(marked)


def test_exit_status_after_ctrl_c(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(fastconv, "show_config", interrupted)
    assert cli.main(["info"]) == 130


def test_exit_status_where_nobody_reads_on(run_python):
    code = """
        import os, sys
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        from fastconv import cli
        sys.exit(cli.main(["info"]))
    """
    assert run_python(code, returncode=141).stderr == ""


@pytest.mark.parametrize("command", ["info", "demo", "bench", "explain", "selftest"])
def test_help_has_examples_that_are_accepted(capsys, command):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "--json" in text
    examples = re.findall(r"^  fastconv (.*?)(?:  .*)?$", text.partition("examples:")[2], re.M)
    assert examples
    for example in examples:
        assert cli._parser().parse_args(example.split()).command == command
    (choices,) = (action.choices for action in cli._parser()._actions if action.choices)
    assert [action.dest for action in choices[command]._actions if not action.help] == []


def recorded(steps):
    """A progress bar that notes how many steps it was told of, and each that was made."""
    made = SimpleNamespace(update=lambda: steps.append(1), set_postfix_str=lambda text: None)
    return lambda total, unit: steps.append(total) or nullcontext(made)


def test_measurements_have_a_progress_bar(capsys, monkeypatch):
    """A step for each method that can serve; where no terminal is, there is no bar."""
    layer = ["explain", "1,4,12,12", "4,4,3,3", "--measure", "--json"]
    assert cli.main(layer) == 0
    told = capsys.readouterr()
    assert told.err == ""
    measured = [row for row in json.loads(told.out) if row["seconds"] is not None]
    steps = []
    monkeypatch.setattr("fastconv._core.progress.bar", recorded(steps))
    assert cli.main(layer) == 0
    assert steps == [len(measured)] + [1] * len(measured)
    assert len(measured) > 3
    assert fastconv.explain((1, 4, 12, 12), (4, 4, 3, 3), measure=True)  # whom nobody watches
    assert len(steps) == 1 + len(measured)


# ------------------------------------------------------------------------------------ selftest


def test_selftest_in_json_and_its_progress(capsys, monkeypatch):
    """The bar ends where it should: a step for each case, and one for each instruction set."""
    from fastconv.testing import selftest

    steps = []
    monkeypatch.setattr(selftest, "bar", recorded(steps))
    assert cli.main(["selftest", "--cases", "2", "--json"]) == 0
    assert steps[0] == len(steps) - 1
    told = json.loads(capsys.readouterr().out)
    assert fastconv.show_runtime("dicts")["isa"] in told["levels"]
    for result in told["levels"].values():
        assert result["failures"] == []
        assert result["passed"]["direct, forward"] >= 4


def test_the_function_test_says_whether_all_agree(capsys, monkeypatch):
    from fastconv.testing import selftest

    failed = {"passed": {}, "refused": {}, "failed": {"direct": 1}, "failures": ["by intent"]}
    monkeypatch.setattr(selftest, "_check_in_process", lambda *args: failed)
    assert fastconv.test(cases=1) is False
    assert "FAILED" in capsys.readouterr().out


def test_selftest_passes_and_counts_every_level(capfd):
    assert cli.main(["selftest", "--cases", "4"]) == 0
    printed = capfd.readouterr().out
    runtime = fastconv.show_runtime(mode="dicts")
    levels = runtime["isa_available"]
    for level in levels[: levels.index(runtime["isa"]) + 1]:  # FASTCONV_MAX_ISA may cap them
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
                     "dilated.256_28_d2", "tiny.conv_8x8", "tiny.max_pool_8x8", "wav2vec2.conv1",
                     "volume.16_32x56x56", "c3d.pool5")
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


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_filters_of_one_channel_compute_the_same(rank):
    from fastconv._bench import peers
    from fastconv._bench.cases import Case
    from fastconv.testing.shapes import ConvShape

    ones, kernel = (1,) * rank, (3, 7, 5)[:rank]
    layer = ConvShape("one", 1, 1, (20, 31, 18)[:rank], kernel, ones,
                      tuple(k // 2 for k in kernel), ones)  # fmt: skip
    case = Case(layer)
    assert case.single_channel
    assert not Case(layer, batch=2).single_channel
    kinds = [peers.Fastconv, peers.FastconvPlan, peers.SciPy, peers.SciPySignal, peers.SciPyFFT]
    kinds += [peers.OpenCV] if rank < 3 and peers.OpenCV.installed() else []
    for kind in kinds:
        assert kind().refuses(case) is None
        call, fetch = kind().prepare(case)
        np.testing.assert_allclose(fetch(call()), expected(case), rtol=1e-4, atol=1e-5)


class Clock:
    """Time that passes only where somebody says so."""

    now = 0.0

    def perf_counter(self):
        return self.now

    process_time = perf_counter

    def sleep(self, seconds):
        self.now += seconds


class Clockwork:
    """A contender that counts its calls, each of which takes its time by a clock of its own."""

    ours = packs = False

    def __init__(self, name, delay, clock):
        self.name, self.delay, self.clock, self.calls = name, delay, clock, 0

    def refuses(self, case):
        return None

    def prepare(self, case):
        return self.call, lambda y: y

    def call(self):
        self.calls += 1
        self.clock.sleep(self.delay)
        return np.ones(3)


def test_who_is_hopelessly_slow_is_called_no_more(monkeypatch):
    from fastconv._bench import measure
    from fastconv._bench.cases import LAYERS, Case

    clock = Clock()
    monkeypatch.setattr(measure, "time", clock)
    quick, slow = Clockwork("quick", 0.0005, clock), Clockwork("slow", 0.05, clock)
    result = measure.measure(Case(LAYERS["tiny.conv_8x8"]), [quick, slow], seconds=0.01, rounds=2)
    assert slow.calls == 3  # one of them to compare results
    assert quick.calls > 6
    assert result.timings["slow"].best == pytest.approx(0.05)
    assert result.timings["quick"].best == pytest.approx(0.0005)


def test_a_copy_is_measured_next_to_poolings_only():
    from fastconv._bench.cases import LAYERS, Case
    from fastconv._bench.peaks import Roof

    for name, measured in [("tiny.max_pool_8x8", True), ("tiny.conv_8x8", False)]:
        roof = Roof("float32", 1)
        roof.sample(Case(LAYERS[name]))
        assert (roof.copy > 0) == measured
        assert roof.gflops > 0 < roof.gbs


# -------------------------------------------------------------------------------- the targets


def test_targets_name_cases_and_peers():
    from fastconv._bench import peers, targets
    from fastconv.testing.shapes import PERFORMANCE_LAYERS

    names = [row.name for row in targets.ROWS]
    assert len(set(names)) == len(names)
    for row in targets.ROWS:
        assert bool(targets.cases_of(row)) == bool(row.layers), row.name
        assert set(row.peers) <= {kind.name for kind in peers.PEERS}
        assert set(row.ours) <= {kind.name for kind in peers.OURS}
    rows = dict(zip(names, targets.ROWS, strict=True))
    # Two batch sizes, two numbers of threads.
    assert len(targets.cases_of(rows["float32"])) == 4 * len(PERFORMANCE_LAYERS)
    assert {c.layer.groups for c in targets.cases_of(rows["grouped"])} == {32}
    assert all(c.layer.kernel == (3, 3) for c in targets.cases_of(rows["winograd"]))
    assert {len(c.layer.spatial) for c in targets.cases_of(rows["float64"])} == {1, 2, 3}
    # What is given leaves cases out.
    some = targets.cases_of(rows["gradients"], batches=[1], threads=[2], passes=["backward_data"])
    assert len(some) == len(PERFORMANCE_LAYERS)
    assert targets.cases_of(rows["gradients"], threads=[3]) == []
    assert [row.name for row in targets.choose(["pools*", "import"])] == [
        "pools", "pools-cl", "pools-copy", "import"
    ]  # fmt: skip
    assert len(targets.choose(["all"])) == len(targets.ROWS)


def test_targets_are_judged():
    from fastconv._bench import targets
    from fastconv._bench.measure import Measurement, Timing
    from fastconv._bench.peaks import Roof

    def judge(name, seconds, **given):
        """Every case of a row, with these times."""
        (row,) = targets.choose([name])
        cases = targets.cases_of(row, **given)
        measured = {}
        for number, case in enumerate(cases):
            roof = Roof(case.dtype, case.threads, gflops=1000.0, gbs=10.0, copy=10.0)
            timings = {n: Timing(0.0, [[s(case, number)]]) for n, s in seconds.items()}
            measured[row.key(case)] = Measurement(case, roof, timings)
        return targets.result(row, cases, measured)

    # Alternately twice and half as fast as torch: one on average.
    result = judge("float32", {"plan": lambda c, n: 1.0, "torch": lambda c, n: (2.0, 0.5)[n % 2],
                               "scipy": lambda c, n: 0.1})  # fmt: skip
    assert result.mean == pytest.approx(1.0)
    assert result.below == 50
    assert result.worst[1] == 0.5
    assert result.cells()[1:4] == (">= 1.50x, each 1.00x", "1.00x !", "50 of 100")
    assert not result.record()["reached"]
    # At 90 % of the peak, but one at half of it.
    result = judge("peak", {"plan": lambda c, n: c.flops / (500e9 if n == 3 else 900e9)})
    assert result.below == 1
    assert result.worst == (list(result.figures)[3], pytest.approx(0.5))
    assert result.cells()[2] == "87%"
    # Here less is better.
    result = judge("tiny", {"fastconv": lambda c, n: 2e-6})
    assert (result.cells()[2], result.below) == ("2.00us", 0)
    assert judge("tiny", {"fastconv": lambda c, n: 4e-6}).below == 1
    result = judge("threads", {"plan": lambda c, n: 1.9, "plan-2t": lambda c, n: 1.0})
    assert result.mean == pytest.approx(1.9)
    assert judge("pools-copy", {"out": lambda c, n: c.bytes / 8e9}).mean == pytest.approx(0.8)
    # Nobody to compare with.
    assert judge("pools", {"fastconv": lambda c, n: 1.0}).cells()[4] == "not measured"


def test_bench_measures_targets(tmp_path, capsys):
    pytest.importorskip("tqdm")
    path, table = tmp_path / "bench.json", tmp_path / "bench.rst"
    arguments = ["--targets", "tiny*,images-scipy", "--layers", "tiny,image.1024.3x3", "--seconds",
                 "0.01", "--rounds", "1", "--json", str(path), "--rst", str(table)]  # fmt: skip
    assert cli.main(["bench", *arguments]) == 0
    printed = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(path.read_text())["targets"]}
    assert list(rows) == ["images-scipy", "tiny", "tiny-plan"]
    assert list(rows["images-scipy"]["figures"]) == ["image.1024.3x3, 1 thread"]
    # The tiny layer serves two rows, and is measured once.
    results = json.loads(path.read_text())["results"]
    assert [r["layer"] for r in results] == ["image.1024.3x3", "tiny.conv_8x8"]
    best = results[1]["contenders"]["fastconv"]["best"]
    assert rows["tiny"]["mean"] == pytest.approx(best)
    assert f"{rows['tiny']['mean'] * 1e6:.2f}us" in printed
    assert f"{rows['tiny']['mean'] * 1e6:.2f}us" in table.read_text()


def test_random_points_are_those_of_their_seed():
    from fastconv._bench import draw

    points = draw.points(5, draw.KINDS, 60)
    assert points == draw.points(5, draw.KINDS, 60)
    assert points != draw.points(6, draw.KINDS, 60)
    batches = draw.points(5, ["layers"], 60, (1, 2), (1, 8))
    assert {(case.threads, case.batch) for case in batches} == {(1, 1), (1, 8), (2, 1), (2, 8)}
    assert [case for case in batches if case.threads == case.batch == 1] == [
        case for case in points if case.series == "layers"]
    assert [sum(case.series == kind for case in points) for kind in draw.KINDS] == [60] * 3
    filters, layers, pools = (
        [case for case in points if case.series == kind] for kind in draw.KINDS)
    assert {case.rank for case in filters} == {1, 2, 3}
    assert {case.dtype for case in filters} == {"float32", "float64", "uint8"}
    assert {case.layer.padding_mode for case in filters} == {"zeros", "symmetric"}
    assert all(case.y_shape == case.x_shape for case in filters)
    assert {case.operation for case in layers} == {"forward", "backward_data", "backward_weight"}
    assert any(case.layer.groups > 1 for case in layers)
    assert any(case.layer.kernel == case.layer.spatial for case in layers)
    assert {case.layer.kind for case in pools} == {"max", "avg"}
    assert all(min(case.y_shape) > 0 for case in points)
    with pytest.raises(ValueError, match="no kind of points is called 'nothing'"):
        draw.points(5, ["nothing"], 1)


def test_bench_draws_random_points(tmp_path, capsys):
    """Peers that pad on both ends alike pass over the others; our methods judge the choice."""
    pytest.importorskip("tqdm")
    path = tmp_path / "bench.json"
    arguments = ["--random", "6", "--points", "3", "--peers", "scipy,scipy-signal,numpy",
                 "--seconds", "0.01", "--rounds", "1", "--json", str(path)]  # fmt: skip
    assert cli.main(["bench", *arguments]) == 0
    printed = capsys.readouterr().out
    for kind in ("filters", "layers", "pools"):
        assert f"random {kind}, 1 thread" in printed
    assert "the automatic choice: " in printed
    results = json.loads(path.read_text())["results"]
    assert len(results) == 9
    assert {"direct", "fastconv"} < set(results[0]["contenders"]) | set(results[0]["refusals"])
    judged = [r["choice_to_own_best"] for r in results if r["choice_to_own_best"]]
    assert judged
    assert all(ratio > 0 for _, ratio in judged)


def test_bench_measures_filters(tmp_path, capsys):
    """Images and volumes; everyone who is installed has the same result, to the last places."""
    pytest.importorskip("tqdm")
    from fastconv._bench import filters

    path, tables = tmp_path / "bench.json", tmp_path / "tables.rst"
    arguments = ["--filters", "sobel,uniform 3,correlate 9x9", "--quick", "--seconds", "0.001",
                 "--rounds", "1", "--json", str(path), "--rst", str(tables)]  # fmt: skip
    assert cli.main(["bench", *arguments]) == 0
    written = tables.read_text()
    assert re.search(r'"sobel, axis 1", "[\d.]+x", "[\d.]+ to [\d.]+", "[\d.]+x", "\\-"', written)
    assert '"uniform, against SciPy"' in written
    printed = capsys.readouterr().out
    assert "uniform against scipy: geometric mean" in printed
    assert 'correlate from 9x9 at "high", against SciPy' in printed
    content = json.loads(path.read_text())
    assert len(content["results"]) == 2 * 2 * 4
    for result in content["results"]:
        assert {"fastconv", "scipy"} <= set(result["contenders"])
    assert {row["name"] for row in content["targets"]} >= {"small", "uniform", "gaussian", "high"}
    volumes = filters.combine(("laplace",), sizes=((5, 6, 7),))
    assert {(case.filter.rank, case.dtype) for case in volumes} == {
        (3, dtype) for dtype in filters.DTYPES}  # fmt: skip


def test_bench_measures_quantised_layers(tmp_path, capsys):
    """Everyone who is installed has the same result, to a unit; and so has our own float32."""
    pytest.importorskip("tqdm")
    path = tmp_path / "bench.json"
    arguments = ["--quantised", "depthwise,16 > 32*", "--threads", "1,2", "--quick", "--seconds",
                 "0.001", "--rounds", "1", "--json", str(path)]
    assert cli.main(["bench", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "16 > 32 28 5x5, 2 threads" in printed
    assert "the same, against our float32" in printed
    content = json.loads(path.read_text())
    assert len(content["results"]) == 2 * 8
    for result in content["results"]:
        assert {"fastconv", "last", "float32"} <= set(result["contenders"])
    assert cli.main(["bench", "--quantised", "nothing"]) == 2


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_contenders_filter_alike(dtype):
    """Bit for bit SciPy, and OpenCV and scikit-image where they are installed nearly so."""
    from fastconv._bench import filters

    for case in filters.combine(dtypes=(dtype,), sizes=((32, 40), (9, 12, 11))):
        ours, theirs = filters.Ours().prepare(case), filters.SciPy().prepare(case)
        expected = ours[1](ours[0]())
        np.testing.assert_array_equal(theirs[1](theirs[0]()), expected)
        for contender in filters.contenders():
            if contender.refuses(case) is None:
                call, fetch = contender.prepare(case)
                error = np.abs(fetch(call()) - expected).max() / expected.max()
                assert error <= case.tolerance, (contender.name, case.name)


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        (["--layers", "pools"], "resnet50.pool1"),
        (["--targets", "pools-copy,tiny", "--layers", "pools,tiny", "--batch", "1"], "(of 2)"),
    ],
)
def test_bench_can_be_interrupted(monkeypatch, capsys, arguments, table):
    pytest.importorskip("tqdm")
    from fastconv._bench import measure

    def measure_one(case, *rest, original=measure.measure):
        if case.layer.name != "resnet50.pool1":
            raise KeyboardInterrupt
        return original(case, *rest)

    monkeypatch.setattr(measure, "measure", measure_one)
    quick = ["--seconds", "0.01", "--rounds", "1", "--peers", ""]
    assert cli.main(["bench", *arguments, *quick]) == 1
    printed = capsys.readouterr()
    assert "interrupted after 1 of " in printed.err
    assert table in printed.out
    assert ("not measured" in printed.out) == ("--targets" in arguments)


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
        (["--targets", "nothing"], "no target is called 'nothing'"),
        (["--targets", "tiny", "--threads", "7"], "nothing is left to measure"),
        (["--json", "/no/such/directory/file"], "does not exist"),
        (["--dtype", "uint16"], "not measured in uint16"),
        (["--filters", "nothing"], "no filter is called 'nothing'"),
        (["--filters", "--peers", "torch"], "no peer is called 'torch'"),
        (["--filters", "--json", "/no/such/directory/file"], "does not exist"),
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
