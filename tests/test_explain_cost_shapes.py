"""Choice: explain, conv_cost and the output shapes answer without arrays, and rightly."""

import re

import numpy as np
import pytest

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing.cases import ConvCase, PoolCase
from fastconv.testing.served import record_of
from fastconv.testing.shapes import CONV_SHAPES, POOL_SHAPES

NAMES = [a.name for a in ALGORITHMS]


# ------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_output_shape(rank):
    for seed in range(500):
        case = ConvCase.draw(seed, rank=rank)
        keywords = {"data_format": case.data_format}
        got = fastconv.conv_output_shape(
            case.x_shape, case.weight_shape, case.stride, case.padding, case.dilation,
            case.groups, **keywords,
        )  # fmt: skip
        assert got == case.output_shape, case
        assert all(type(n) is int for n in got)


@pytest.mark.parametrize("rank", [2, 3])
def test_pool_output_shape(rank):
    for seed in range(500):
        case = PoolCase.draw(seed, rank=rank)
        geometry = case.geometry
        if isinstance(case.kernel_size, int) and len(case.x_shape) != rank + 2:
            # One number does not tell the rank of an array without a batch axis.
            geometry["kernel_size"] = (case.kernel_size,) * rank
        got = fastconv.pool_output_shape(case.x_shape, **geometry)
        assert got == case.output_shape, case
        assert all(type(n) is int for n in got)


def test_named_shapes():
    for shape in CONV_SHAPES.values():
        for batch in shape.batches:
            got = fastconv.conv_output_shape(
                shape.input_shape(batch), shape.weight_shape, **shape.kwargs()
            )
            assert got == shape.output_shape(batch), shape
    for shape in POOL_SHAPES.values():
        got = fastconv.pool_output_shape(shape.input_shape(), **shape.kwargs())
        assert got == shape.output_shape(), shape


@pytest.mark.parametrize("length", range(1, 14))
def test_sizes_by_counting(length):
    """Every formula against a count of the windows that fit."""
    for k, s, d, lo, hi in np.ndindex(4, 4, 3, 4, 4):
        k, s, d = k + 1, s + 1, d + 1
        extent, total = d * (k - 1) + 1, length + lo + hi
        starts = [i for i in range(0, total, s) if i + extent <= total]
        call = {"stride": s, "dilation": d, "padding": ((lo, hi),)}
        if not starts:
            with pytest.raises(ValueError, match="conv_output_shape"):
                fastconv.conv_output_shape((1, 1, length), (1, 1, k), **call)
            continue
        got = fastconv.conv_output_shape((1, 1, length), (1, 1, k), **call)
        assert got == (1, 1, len(starts))


def test_same_is_onnx_and_tensorflow():
    for length, stride, out in [(7, 2, 4), (8, 2, 4), (224, 4, 56), (5, 7, 1)]:
        for name in ("same", "same_lower"):
            for dilation in (1, 2):
                got = fastconv.conv_output_shape((1, 1, length), (1, 1, 3), stride, name, dilation)
                assert got == (1, 1, out)


# -------------------------------------------------------------------------------------- cost


def test_cost():
    cost = fastconv.conv_cost((8, 6, 20, 21), (10, 3, 3, 5), 2, (1, 2), 1, 2, bias=True)
    assert cost["output_shape"] == (8, 10, 10, 11)
    assert cost["parameters"] == 10 * 3 * 3 * 5 + 10
    assert cost["multiply_adds"] == 8 * 10 * 10 * 11 * 3 * 3 * 5
    assert cost["flops"] == 2 * cost["multiply_adds"]
    assert cost["bytes_read"] == 4 * (8 * 6 * 20 * 21 + 10 * 45 + 10)
    assert cost["bytes_written"] == 4 * 8 * 10 * 10 * 11
    moved = cost["bytes_read"] + cost["bytes_written"]
    assert cost["arithmetic_intensity"] == cost["flops"] / moved
    double = fastconv.conv_cost((8, 6, 20, 21), (10, 3, 3, 5), 2, (1, 2), 1, 2, dtype="float64")
    assert double["bytes_written"] == 2 * cost["bytes_written"]


def test_cost_of_vgg16_and_resnet50():
    """Totals that the papers quote: 15.3 and 3.8 billion multiply-adds."""
    shapes = {n: s for n, s in CONV_SHAPES.items() if n.startswith("vgg16.")}
    repeats = {"conv3_2": 2, "conv4_2": 2, "conv5_1": 3}
    total = 0
    for name, shape in shapes.items():
        cost = fastconv.conv_cost(shape.input_shape(), shape.weight_shape, **shape.kwargs())
        assert cost["flops"] == shape.flops()
        total += cost["multiply_adds"] * repeats.get(name.split(".")[1], 1)
    assert round(total / 1e9, 1) == 15.3


def test_cost_of_nothing():
    cost = fastconv.conv_cost((0, 3, 8, 8), (4, 3, 3, 3))
    assert cost["multiply_adds"] == 0
    cost = fastconv.conv_cost((1, 3, 8, 8), (0, 3, 3, 3))
    assert cost["parameters"] == cost["multiply_adds"] == 0


def test_cost_past_64_bits_is_exact():
    """Python's integers do not overflow, and neither does the count."""
    cost = fastconv.conv_cost((2**20, 512, 1000, 1000), (512, 512, 3, 3), padding=1)
    assert cost["multiply_adds"] == 2**20 * 512 * 10**6 * 512 * 9


# ----------------------------------------------------------------------------------- explain


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_explain_lists_the_registry(dtype, which):
    rows = fastconv.explain((2, 8, 14, 15), (16, 8, 3, 3), padding=1, dtype=dtype, which=which)
    assert [row["method"] for row in rows] == NAMES
    assert [row["verdict"] for row in rows].count("chosen") == 1
    for row, algorithm in zip(rows, ALGORITHMS, strict=True):
        assert row["verdict"] in ("chosen", "can serve", "refused")
        assert (row["reason"] is None) == (row["verdict"] != "refused")
        assert row["flops"] == 2 * 2 * 16 * 14 * 15 * 8 * 9
        assert row["workspace_bytes"] >= 0
        assert row["tier"] == algorithm.tier
        assert row["seconds"] is None


def test_explain_is_what_a_plan_chooses():
    for shape in CONV_SHAPES.values():
        (chosen,) = (
            row["method"]
            for row in fastconv.explain(shape.input_shape(), shape.weight_shape, **shape.kwargs(),
                                        planned=True)
            if row["verdict"] == "chosen"
        )
        small = shape.reduced(2_000_000)
        if small.spatial == shape.spatial and small.channels == shape.channels:
            _, weight, _ = shape.arrays()
            plan = fastconv.plan_conv(shape.input_shape(), weight, **shape.kwargs())
            assert plan.method == chosen


def test_choice_looks_at_one_image_only():
    for shape in CONV_SHAPES.values():
        chosen = {
            row["method"]
            for batch in (1, 2, 7, 64)
            for threads in (1, 2, 8)
            for row in fastconv.explain(
                shape.input_shape(batch), shape.weight_shape, **shape.kwargs(), num_threads=threads
            )
            if row["verdict"] == "chosen"
        }
        assert len(chosen) == 1, shape


def test_the_reason_is_what_the_error_says():
    shapes = (1, 64, 30, 30), (64, 64, 3, 3)
    x, weight = np.zeros(shapes[0], np.float32), np.zeros(shapes[1], np.float32)
    refused = [row for row in fastconv.explain(*shapes, max_workspace=0) if row["reason"]]
    assert refused
    for row in refused:
        with pytest.raises(ValueError, match=r"^conv2d: ") as caught:
            fastconv.conv2d(x, weight, method=row["method"], max_workspace=0)
        # Scratch memory depends on the number of threads, the rest of the words do not.
        words = str(caught.value).split()
        assert (
            sum(word in words for word in row["reason"].split()) >= len(row["reason"].split()) - 1
        )


def test_there_is_always_one_that_needs_nothing():
    for seed in range(200):
        case = ConvCase.draw(seed)
        for which in ("forward", "backward_data", "backward_weight"):
            rows = fastconv.explain(
                case.x_shape, case.weight_shape, **case.geometry, max_workspace=0, which=which
            )
            assert [row["verdict"] for row in rows].count("chosen") == 1, case


def test_workspace_does_not_grow_with_the_image():
    """Bounded by caches and threads, wherever the record does not say otherwise."""
    for method in NAMES:
        if record_of(method).scratch_grows_with_image:
            continue
        sizes = [
            next(
                row["workspace_bytes"]
                for row in fastconv.explain((1, 64, n, n), (64, 64, 3, 3), padding=1)
                if row["method"] == method
            )
            for n in (500, 2000, 8000)
        ]
        assert max(sizes) <= 1.5 * sizes[0] + 1e6, (method, sizes)


@pytest.mark.parametrize("which", ["forward", "backward_data", "backward_weight"])
def test_measure(which):
    rows = fastconv.explain((1, 8, 12, 12), (8, 8, 3, 3), which=which, measure=True)
    for row in rows:
        assert (row["seconds"] is None) == (row["verdict"] == "refused")
        # Microseconds; ten seconds of the wall clock are for a machine that is busy.
        assert row["seconds"] is None or 0 < row["seconds"] < 10


def test_explain_prints_as_a_table():
    text = str(fastconv.explain((1, 8, 12, 12), (8, 8, 3, 3), max_workspace=0))
    for word in (*NAMES, "chosen", "refused", "max_workspace=0"):
        assert word in text
    head, rows = text.splitlines()[: -len(NAMES)], text.splitlines()[-len(NAMES) :]
    assert [row.split()[0] for row in rows] == list(NAMES)
    assert head[-1].split()[:4] == ["method", "verdict", "estimated", "memory"]
    assert "measured" not in head[-1]
    assert "measured" in str(fastconv.explain((1, 8, 12, 12), (8, 8, 3, 3), measure=True))
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "options", "said"),
    [
        ((2, 3, 20), (4, 3, 5), {}, ("2 signals of 20 samples in 3 channels", "4 filters of 5 on 3 "
         "channels", "(2, 4, 16): 2 signals of 16 samples in 4 channels")),
        ((1, 9, 8), (1, 1, 3, 3), {}, ("(1, 9, 8): 1 image of 9x8 pixels in 1 channel\n",
         "1 filter of 3x3 on 1 channel\n", "1 image of 7x6 pixels in 1 channel")),
        ((1, 9, 8, 4), (4, 1, 3, 3), {"groups": 4, "data_format": "channels_last"},
         ("1 image of 9x8 pixels in 4 channels", "4 filters of 3x3 on 1 channel, in 4 groups",
          "(1, 7, 6, 4): 1 image of 7x6 pixels in 4 channels")),
        ((1, 2, 5, 6, 7), (3, 2, 3, 3, 3), {"which": "backward_weight"},
         ("the gradient for the weight", "1 volume of 5x6x7 voxels in 2 channels")),
    ],
)  # fmt: skip
def test_explain_says_what_the_axes_are(x_shape, weight_shape, options, said):
    rows = fastconv.explain(x_shape, weight_shape, **options)
    for words in said:
        assert words in rows.head
    chosen = next(row for row in rows if row["verdict"] == "chosen")
    assert rows.head.splitlines()[-1].startswith(f"{chosen['method']} runs, estimated at ")


def cells(page):
    """The rows of a table in HTML, each a list of cells, and of bold rows the first cells."""
    bold = re.findall(r'<tr style="font-weight: bold"><td[^>]*>(.*?)</td>', page)
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr.*?</tr>", page)]
    assert page.count("<div>") == page.count("</div>") == page.count("<table>") == 1
    return [row for row in rows if row], bold


def test_results_show_themselves_in_notebooks():
    rows = fastconv.explain((1, 8, 12, 12), (8, 8, 3, 3), max_workspace=1000)
    table, bold = cells(rows._repr_html_())
    assert [row[0] for row in table] == [row["method"] for row in rows]
    assert bold == [row["method"] for row in rows if row["verdict"] == "chosen"]
    assert "8 filters of 3x3 on 8 channels" in rows._repr_html_()
    assert "max_workspace=1000" in rows._repr_html_()

    cost = fastconv.conv_cost((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    assert isinstance(cost, dict)
    table, bold = cells(cost._repr_html_())
    assert dict(table)["multiply adds"] == "115,605,504"
    assert not bold

    plan = fastconv.plan_conv((2, 8, 12, 12), np.ones((4, 8, 3, 3), np.float32))
    table = dict(cells(plan._repr_html_())[0])
    assert table["method"] == plan.method
    assert table["x"] == "(2, 8, 12, 12): 2 images of 12x12 pixels in 8 channels"
    assert table["result"] == "(2, 4, 10, 10): 2 images of 10x10 pixels in 4 channels, float32"
    assert table["multiply-adds of direct sums"] == f"{plan.flops / 2:,.0f}"


def test_explain_refuses():
    with pytest.raises(ValueError, match=r"^explain: which"):
        fastconv.explain((1, 1, 4, 4), (1, 1, 2, 2), which="sideways")
    with pytest.raises(TypeError, match=r"^explain: dtype"):
        fastconv.explain((1, 1, 4, 4), (1, 1, 2, 2), dtype="longdouble")


def test_explain_estimates_the_padded_gradient():
    """A gradient with a padding mode is that of the padded input, which is then folded."""
    layer = {"weight_shape": (8, 8, 3, 3), "which": "backward_data"}
    folded = fastconv.explain((1, 8, 20, 20), padding=9, padding_mode="reflect", **layer)
    inner = fastconv.explain((1, 8, 38, 38), **layer)
    assert "(1, 8, 20, 20)" in str(folded)
    keys = "method", "verdict", "estimated_seconds", "workspace_bytes", "flops"
    assert [[row[k] for k in keys] for row in folded] == [[row[k] for k in keys] for row in inner]
