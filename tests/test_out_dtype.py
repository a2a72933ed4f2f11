"""Functions: results of another dtype, by `out_dtype`, `casting` and an `out` of that dtype."""

import math
import pickle

import numpy as np
import pytest

import fastconv

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]
CASTINGS = ["same_kind", "saturate", "wrap", "truncate", "round"]


def numbers(rng, shape, dtype, scale):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "c":
        values = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        return (scale * values).astype(dtype)
    if dtype.kind == "f":
        # halves too, which are rounded to even
        return (rng.integers(-8, 8, shape) * scale / 4).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -scale), min(info.max, scale), shape, endpoint=True,
                        dtype=dtype)  # fmt: skip


# Calls of an x and further options. They are exact in each of the dtypes.
def convolution(rng, dtype):
    x = numbers(rng, (2, 3, 6, 7), dtype, 40)
    weight = numbers(rng, (4, 3, 3, 2), dtype, 9)
    bias = numbers(rng, 4, dtype, 5)
    return lambda **kwargs: fastconv.conv2d(x, weight, bias, padding=1, **kwargs)


def residual(rng, dtype):
    x, weight = numbers(rng, (2, 30), dtype, 40), numbers(rng, (2, 1, 5), dtype, 9)
    added = numbers(rng, (2, 30), dtype, 7)
    activation = None if np.dtype(dtype).kind == "c" else "relu"
    return lambda **kwargs: fastconv.conv1d(x, weight, padding="same", groups=2, residual=added,
                                            activation=activation, **kwargs)  # fmt: skip


def planned(rng, dtype):
    x, weight = numbers(rng, (2, 2, 4, 5, 6), dtype, 40), numbers(rng, (3, 2, 2, 2, 2), dtype, 9)

    def call(out=None, **kwargs):
        plan = fastconv.plan_conv((2, 4, 5, 6), weight, data_format="channels_first", **kwargs)
        return pickle.loads(pickle.dumps(plan))(x, out=out)

    return call


def transposed(rng, dtype):
    x, weight = numbers(rng, (2, 3, 5, 4), dtype, 40), numbers(rng, (3, 2, 3, 3), dtype, 9)
    bias = numbers(rng, 2, dtype, 9)
    return lambda **kwargs: fastconv.conv_transpose(x, weight, bias, stride=2, **kwargs)


def backward_data(rng, dtype):
    grad, weight = numbers(rng, (2, 4, 8), dtype, 40), numbers(rng, (4, 2, 3), dtype, 9)
    return lambda **kwargs: fastconv.conv1d_backward_data(
        grad, weight, (2, 2, 8), padding=1, padding_mode="reflect", **kwargs)  # fmt: skip


def backward_weight(rng, dtype):
    grad, x = numbers(rng, (2, 4, 8), dtype, 9), numbers(rng, (2, 2, 10), dtype, 9)
    per_sample = bool(rng.integers(2))
    return lambda **kwargs: fastconv.conv1d_backward_weight(
        grad, x, (4, 2, 3), per_sample=per_sample, **kwargs)  # fmt: skip


def pooling(name, *args, **options):
    def make(rng, dtype):
        x = numbers(rng, (2, 3, 9, 8), dtype, 300)
        return lambda **kwargs: getattr(fastconv, name)(x, *args, **options, **kwargs)

    return make


def unpooling(rng, dtype):
    x = numbers(rng, (2, 3, 4, 4), dtype, 300)
    indices = rng.permutation(64)[:16].reshape(4, 4) + np.zeros((2, 3, 1, 1), np.int64)
    return lambda **kwargs: fastconv.max_unpool2d(x, indices, 2, **kwargs)


CALLS = {
    "conv": convolution, "residual": residual, "plan": planned, "transposed": transposed,
    "backward_data": backward_data, "backward_weight": backward_weight,
    "max": pooling("max_pool2d", 2), "min": pooling("min_pool", (3, 2), 1, 1),
    "average": pooling("avg_pool2d", 2, padding=1), "norm": pooling("lp_pool2d", 2, 3),
    "largest": pooling("lp_pool2d", math.inf, 3),
    "framed": pooling("avg_pool2d", 2, padding=1, padding_mode="reflect"),
    "adaptive average": pooling("adaptive_avg_pool2d", 3),
    "adaptive max": pooling("adaptive_max_pool2d", (2, 5)),
    "global average": pooling("global_avg_pool"), "global max": pooling("global_max_pool"),
    "unpool": unpooling,
}  # fmt: skip


def expected(values, dtype, casting):
    """What the rule gives, one value after the other in Python's numbers; or the error's type."""
    dtype, kind = np.dtype(dtype), values.dtype.kind
    if dtype.kind not in "iu":
        if not np.can_cast(values.dtype, dtype, "same_kind"):
            return TypeError
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    if kind == "c" or (kind == "f" and casting in ("same_kind", "wrap")):
        return TypeError
    info, result = np.iinfo(dtype), np.empty(values.shape, dtype)
    for i, value in np.ndenumerate(values):
        number = value.item()
        if isinstance(number, float):
            if not math.isfinite(number) and casting != "saturate":
                return OverflowError
            if math.isnan(number):
                number = 0
            elif math.isinf(number):
                number = info.max + 1 if number > 0 else info.min - 1
            else:
                number = math.trunc(number) if casting == "truncate" else round(number)
        if casting == "saturate":
            number = min(max(number, info.min), info.max)
        elif casting == "wrap":
            number = (int(number) - info.min) % (info.max - info.min + 1) + info.min
        elif not info.min <= number <= info.max:
            return OverflowError
        result[i] = number
    return result


def check(call, natural, dtype, casting, out):
    """A call with `out_dtype`, or an `out` of that dtype, or both, against the natural result."""
    wanted = expected(natural, dtype, casting)
    options = {"casting": casting}
    if out != "out":
        options["out_dtype"] = dtype
    target = None
    if out != "none":
        target = options["out"] = np.full((*natural.shape[:-1], 2 * natural.shape[-1]), 7,
                                          dtype)[..., ::2]  # fmt: skip
    if isinstance(wanted, type):
        with pytest.raises(wanted, match=r"out|fit|cast"):
            call(**options)
        assert target is None or (target == target.dtype.type(7)).all()
        return
    found = call(**options)
    assert target is None or found is target
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("casting", CASTINGS)
def test_every_dtype(name, casting):
    """From every dtype to every other, of the same or of another byte order."""
    real = ["bool", *INTEGERS, *FLOATS]
    pools = name not in ("conv", "residual", "plan", "transposed", "backward_data",
                         "backward_weight")  # fmt: skip
    for i, dtype in enumerate(real if pools else [*real, "complex64", "complex128"]):
        rng = np.random.default_rng(i)
        call = CALLS[name](rng, dtype)
        natural = call()
        if natural.dtype == np.float16:  # summed in float32, and never rounded to float16
            natural = call(out_dtype=np.float32)
            np.testing.assert_array_equal(natural.astype(np.float16), call())
        for target in [*real, "complex64", ">f4", ">i2", "longdouble"]:
            if target == natural.dtype:
                continue
            check(call, natural, target, casting, rng.choice(["none", "out", "both"]))


@pytest.mark.parametrize("seed", range(300))
def test_random_calls(seed):
    rng = np.random.default_rng(seed)
    name = rng.choice(list(CALLS))
    dtype = rng.choice(["int8", "uint8", "int16", "int32", "uint64", *FLOATS])
    call = CALLS[name](rng, dtype)
    natural = call(out_dtype=np.float32) if dtype == "float16" else call()
    check(call, natural, rng.choice([*INTEGERS, *FLOATS]), rng.choice(CASTINGS),
          rng.choice(["none", "out", "both"]))  # fmt: skip


@pytest.mark.parametrize("casting", ["truncate", "round", "saturate"])
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("source", FLOATS)
def test_the_ends_of_the_range(source, dtype, casting):
    """Values beside the smallest and the largest integer, halves, infinities and NaN, alone."""
    info = np.iinfo(dtype)
    with np.errstate(over="ignore"):
        ends = np.array([info.min, info.max, 0, 1, -1, 2, 3], source)
        around = [ends, ends - 1, ends + 1, ends - 0.5, ends + 0.5, ends - 0.25, ends + 0.25,
                  np.nextafter(ends, ends.dtype.type(np.inf)),
                  np.nextafter(ends, ends.dtype.type(-np.inf)),
                  np.array([np.inf, -np.inf, np.nan], source)]  # fmt: skip
    for value in np.concatenate(around):
        x = np.full((1, 1), value, source)
        check(lambda x=x, **kwargs: fastconv.max_pool1d(x, 1, **kwargs), x, dtype, casting, "none")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_at_the_ends_of_the_range(dtype):
    values = [-2**63, -2**31 - 1, -2**31, -32769, -32768, -129, -128, -1, 0, 1, 127, 128, 255, 256,
              32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62]  # fmt: skip
    for value in values:
        x = np.full((1, 1), value, np.int64)
        for casting in CASTINGS:
            check(lambda x=x, **kw: fastconv.max_pool1d(x, 1, **kw), x, dtype, casting, "none")
    x = np.array([[2**64 - 1, 2**63, 3]], np.uint64)
    for casting in CASTINGS:
        check(lambda **kw: fastconv.max_pool1d(x, 1, **kw), x, dtype, casting, "both")


def test_a_result_that_is_cut_into_pieces_to_be_rounded():
    rng = np.random.default_rng(0)
    x = rng.uniform(-300, 300, (2, 3, 300, 211)).astype(np.float32)
    for casting in ("round", "saturate"):
        found = fastconv.max_pool2d(x, 1, out_dtype=np.int16, casting=casting)
        np.testing.assert_array_equal(found, np.rint(x).astype(np.int16))
    found = fastconv.max_pool2d(x, 1, out_dtype=np.uint8, casting="saturate")
    np.testing.assert_array_equal(found, np.clip(np.rint(x), 0, 255).astype(np.uint8))
    wide = x.astype(np.float64) * 1e7
    found = fastconv.max_pool2d(wide, 1, out_dtype=np.int32, casting="saturate")
    np.testing.assert_array_equal(found, np.clip(np.rint(wide), -2**31, 2**31 - 1).astype(np.int32))


@pytest.mark.parametrize("dtype", ["float64", "uint8", "float16", ">f4"])
def test_an_out_that_overlaps_x(dtype):
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 3, (1, 1, 3, 3)).astype(np.float32)
    memory = np.zeros(2 * 12 * 13, np.float64)
    x = memory.view(np.float32)[5:5 + 12 * 13].reshape(1, 1, 12, 13)
    x[...] = rng.integers(0, 3, x.shape)
    natural = fastconv.conv2d(x.copy(), weight, padding=1)
    out = memory.view(dtype)[:12 * 13].reshape(x.shape)
    assert fastconv.conv2d(x, weight, padding=1, out=out, casting="round") is out
    np.testing.assert_array_equal(out, natural.astype(dtype))


def test_a_plan_holds_to_its_dtype():
    x, weight = np.full((1, 6), 100, np.uint8), np.ones((1, 1, 3), np.uint8)
    plan = fastconv.plan_conv(x.shape, weight, out_dtype="uint8", casting="saturate")
    assert "uint8" in repr(plan)
    assert plan(x).dtype == np.uint8
    np.testing.assert_array_equal(plan(x), [[255] * 4])
    with pytest.raises(ValueError, match=r"plan: out has dtype int64, but out_dtype=uint8"):
        plan(x, out=np.zeros((1, 4), np.int64))
    strict = fastconv.plan_conv(x.shape, weight)
    with pytest.raises(OverflowError, match=r"plan: the result holds 300"):
        strict(x, out=np.zeros((1, 4), np.uint8))


def test_bounds_of_an_activation_come_first():
    x = np.array([[100, -50, 3]], np.int8)
    found = fastconv.conv1d(x, np.full((1, 1, 1), 5, np.int8), activation="relu6",
                            out_dtype=np.uint8)  # fmt: skip
    np.testing.assert_array_equal(found, [[6, 0, 6]])


def test_indices_stay_integers():
    x = np.arange(8, dtype=np.uint8).reshape(1, 8)
    values, indices = fastconv.max_pool1d(x, 2, return_indices=True, out_dtype=np.float32)
    assert values.dtype == np.float32
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, [[1, 3, 5, 7]])


def test_empty_results():
    x = np.zeros((0, 1, 8), np.float32)
    for casting in ("truncate", "round", "saturate"):
        found = fastconv.conv1d(x, np.ones((2, 1, 3)), out_dtype=np.uint8, casting=casting)
        assert (found.shape, found.dtype) == ((0, 2, 6), np.uint8)


@pytest.mark.parametrize("function", [
    lambda **kw: fastconv.conv2d(np.ones((1, 4, 4)), np.ones((1, 1, 3, 3)), **kw),
    lambda **kw: fastconv.conv_transpose2d(np.ones((1, 4, 4)), np.ones((1, 1, 3, 3)), **kw),
    lambda **kw: fastconv.plan_conv((1, 4, 4), np.ones((1, 1, 3, 3)), **kw),
    lambda **kw: fastconv.explain((1, 4, 4), (1, 1, 3, 3), dtype="float64", **kw),
    lambda **kw: fastconv.max_pool2d(np.ones((1, 4, 4)), 2, **kw),
    lambda **kw: fastconv.global_avg_pool(np.ones((1, 1, 4, 4)), **kw),
], ids=["conv2d", "conv_transpose2d", "plan_conv", "explain", "max_pool2d", "global_avg_pool"])
def test_refused(function, request):
    name = request.node.callspec.id
    for error, word, options in [
        (TypeError, "out_dtype", {"out_dtype": "nonsense"}),
        (TypeError, "out_dtype", {"out_dtype": [1]}),
        (TypeError, "out_dtype", {"out_dtype": object}),
        (TypeError, "out_dtype", {"out_dtype": "M8[s]"}),
        (TypeError, "out_dtype", {"out_dtype": "m8[s]"}),
        (TypeError, "out_dtype", {"out_dtype": "S8"}),
        (TypeError, "out_dtype", {"out_dtype": "(2,3)f4"}),
        (TypeError, "out_dtype", {"out_dtype": bool, "casting": "saturate"}),
        (TypeError, "out_dtype", {"out_dtype": "uint8"}),
        (TypeError, "out_dtype", {"out_dtype": "int64", "casting": "wrap"}),
        (ValueError, "casting", {"casting": "unsafe"}),
        (ValueError, "casting", {"casting": "Round", "out_dtype": "uint8"}),
        (TypeError, "casting", {"casting": None}),
        (TypeError, "casting", {"casting": 1}),
        (TypeError, "casting", {"casting": np.array(["round"])}),
    ]:
        with pytest.raises(error, match=rf"^{name}: .*{word}"):
            function(**options)
