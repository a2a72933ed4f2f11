"""Functions: complex numbers, exact integers, bool, float16 and what mixes with what."""

import itertools

import numpy as np
import pytest

import fastconv
from fastconv import _select
from fastconv._desc.activation import integer_bounds
from fastconv.testing import reference
from fastconv.testing.served import methods, serves

METHODS = ["auto", *methods()]
EXACT = ["auto", *methods(tier="highest")]
INTEGERS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
MOST = 2**63 - 1
GEOMETRY = {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}
MODES = ["zeros", "reflect", "symmetric", "replicate", "circular"]


def numbers(shape, dtype, seed=0, bits=8):
    """Random numbers of a dtype; integers of up to so many bits."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low, high = max(info.min, -(1 << bits)), min(info.max, 1 << bits)
        native = dtype.newbyteorder("=")
        return rng.integers(low, high, shape, dtype=native, endpoint=True).astype(dtype)
    values = rng.standard_normal(shape)
    if dtype.kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def tolerance(dtype):
    return {2: 4e-3, 4: 1e-5, 8: 1e-13}[np.dtype(dtype).type(0).real.itemsize]


def check(found, expected, dtype):
    assert found.dtype == dtype
    if dtype.kind in "iu":
        np.testing.assert_array_equal(found, expected)
    else:
        assert np.abs(found - expected).max() <= tolerance(dtype) * np.abs(expected).max()


def passes(x, weight, method, **options):
    """Every pass that a method serves of one layer: (found, expected, arrays that met in it)."""
    served = served_passes(method, x.shape, weight.shape, (x.dtype, weight.dtype), **options)
    y = reference.conv(x, weight, **options)
    if "forward" in served:
        yield fastconv.conv(x, weight, method=method, **options), y, (x, weight)
    grad = numbers(y.shape, x.dtype, 7)
    if "backward_data" in served:
        yield (fastconv.conv_backward_data(grad, weight, x.shape, method=method, **options),
               reference.conv_backward_data(grad, weight, x.shape, **options), (grad, weight))
    for per_sample in (False, True) if "backward_weight" in served else ():
        args = (grad, x, weight.shape)
        yield (
            fastconv.conv_backward_weight(*args, method=method, per_sample=per_sample, **options),
            reference.conv_backward_weight(*args, per_sample=per_sample, **options), (grad, x))
    yield (fastconv.conv_backward_bias(grad), reference.conv_backward_bias(grad, rank=x.ndim - 2),
           (grad,))  # fmt: skip
    if "backward_data" in served and options.get("padding_mode", "zeros") == "zeros":
        shape = fastconv.conv_transpose_output_shape(y.shape, weight.shape, **options)
        yield (fastconv.conv_transpose(grad, weight, method=method, **options),
               reference.conv_backward_data(grad, weight, shape, **options), (grad, weight))


def result_dtype(arrays):
    if all(array.dtype.kind in "iub" for array in arrays):
        return np.dtype(np.int64)
    return np.result_type(*arrays)


def served_passes(method, x_shape, weight_shape, dtypes, **options):
    """Those of `passes` that a method serves, of x and a weight of these dtypes."""
    x, weight = (np.empty(0, dtype) for dtype in dtypes)
    both, alone = result_dtype((x, weight)), result_dtype((x, x))  # the gradient is like x
    return [
        which
        for which, dtype in zip(_select.PASSES, (both, both, alone), strict=True)
        if serves(method, which, x_shape, weight_shape, **options, dtype=dtype)
    ]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtypes", [*itertools.product([*COMPLEX, "float32"], COMPLEX)], ids=str)
@pytest.mark.served(by=lambda dtypes, method: any(
    served_passes(method, (2, 4, 7, 9), (6, 2, 3, 2), pair, **GEOMETRY)
    for pair in (dtypes, dtypes[::-1])
))
def test_complex(dtypes, method):
    for one, other in (dtypes, dtypes[::-1]):
        x, weight = numbers((2, 4, 7, 9), one), numbers((6, 2, 3, 2), other, 1)
        for found, expected, arrays in passes(x, weight, method, **GEOMETRY):
            check(found, expected, result_dtype(arrays))


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize(
    "dtypes", [*itertools.combinations_with_replacement(INTEGERS, 2)], ids=str)
@pytest.mark.served(by=lambda dtypes, method: served_passes(
    method, (2, 4, 9), (6, 2, 3), dtypes, **GEOMETRY
))
def test_integers(dtypes, method):
    x, weight = numbers((2, 4, 9), dtypes[0]), numbers((6, 2, 3), dtypes[1], 1)
    for found, expected, arrays in passes(x, weight, method, **GEOMETRY):
        check(found, expected, result_dtype(arrays))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "dtypes", [*itertools.product(INTEGERS + FLOATS, FLOATS + COMPLEX)], ids=str)
@pytest.mark.served(by=lambda dtypes, method: served_passes(
    method, (1, 4, 9), (6, 2, 3), dtypes, **GEOMETRY
))
def test_mixed_dtypes(dtypes, method):
    x, weight = numbers((1, 4, 9), dtypes[0], bits=4), numbers((6, 2, 3), dtypes[1], 1)
    for found, expected, arrays in passes(x, weight, method, **GEOMETRY):
        dtype = result_dtype(arrays)
        check(found, expected, dtype)


@pytest.mark.parametrize("dtype", ["int32", "complex64", "float16"])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_modes(rank, padding_mode, data_format, dtype):
    x = numbers((2, 4, *(5, 3, 4)[:rank]), dtype)
    weight = numbers((4, 2, *(3, 2, 2)[:rank]), dtype, 1)
    if data_format == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    options = {"padding": 6, "padding_mode": padding_mode, "stride": 2, "groups": 2, "flip": True}
    y = fastconv.conv(x, weight, **options, data_format=data_format)
    check(y, reference.conv(x, weight, **options, data_format=data_format),
          np.dtype(np.int64 if dtype == "int32" else dtype))  # fmt: skip
    grad = numbers(y.shape, dtype, 2)
    args = (grad, weight, x.shape)
    check(fastconv.conv_backward_data(*args, **options, data_format=data_format),
          reference.conv_backward_data(*args, **options, data_format=data_format), y.dtype)
    args = (grad, x, weight.shape)
    check(fastconv.conv_backward_weight(*args, **options, data_format=data_format),
          reference.conv_backward_weight(*args, **options, data_format=data_format), y.dtype)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "complex64", "complex128", "float16"])
def test_bias_residual_out_and_plan(dtype):
    x, weight, bias = numbers((3, 4, 8), dtype), numbers((6, 4, 3), dtype, 1), numbers(6, dtype, 2)
    residual = numbers((3, 6, 6), dtype, 3)
    expected = reference.conv(x, weight, bias, residual=residual)
    y = fastconv.conv1d(x, weight, bias, residual=residual)
    check(y, expected, result_dtype((x,)))
    out = np.zeros((3, 6, 12), y.dtype)[..., ::2]
    assert fastconv.conv1d(x, weight, bias, residual=residual, out=out) is out
    np.testing.assert_array_equal(out, y)
    plan = fastconv.plan_conv(x.shape, weight, bias)
    assert y.dtype.name in repr(plan)
    np.testing.assert_array_equal(plan(x, residual), y)
    np.testing.assert_array_equal(plan(x[1], residual[1]), y[1])
    # the residual may be a view of out
    shared = residual.astype(y.dtype)
    fastconv.conv1d(x, weight, bias, residual=shared, out=shared)
    np.testing.assert_array_equal(shared, y)


@pytest.mark.parametrize("dtype", [*INTEGERS, *COMPLEX, "float16"])
def test_order_and_strides_of_bytes(dtype):
    x, weight = numbers((2, 3, 6, 5), dtype), numbers((4, 3, 2, 3), dtype, 1)
    y = fastconv.conv(x, weight)
    swapped = np.dtype(dtype).newbyteorder()
    buffer = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = buffer[1:].view(dtype).reshape(x.shape)
    misaligned[...] = x
    for view in (
        x.astype(swapped), np.asfortranarray(x), np.flip(np.flip(x).copy()), misaligned,
        np.repeat(x, 3, axis=2)[:, :, ::3],
    ):  # fmt: skip
        np.testing.assert_array_equal(fastconv.conv(view, weight), y)
        np.testing.assert_array_equal(
            fastconv.conv_backward_weight(y, view, weight.shape),
            fastconv.conv_backward_weight(y, x, weight.shape))
    np.testing.assert_array_equal(fastconv.conv(x, weight.astype(swapped)), y)
    broadcast = np.broadcast_to(x[:1], (5, 3, 6, 5))
    np.testing.assert_array_equal(fastconv.conv(broadcast, weight)[4], y[0])


@pytest.mark.parametrize("dtype", ["int32", "complex64"])
@pytest.mark.parametrize("method", EXACT)
@pytest.mark.served(by=lambda dtype, method: serves(
    method, "forward", (5, 8, 3000), (8, 8, 3), dtype=dtype
))
def test_batch_and_threads_change_nothing(dtype, method):
    x, weight = numbers((5, 8, 3000), dtype, bits=29), numbers((8, 8, 3), dtype, 1, bits=28)
    y = fastconv.conv(x, weight, method=method, num_threads=1)
    np.testing.assert_array_equal(fastconv.conv(x, weight, method=method, num_threads=3), y)
    np.testing.assert_array_equal(fastconv.conv(x[2:3], weight, method=method), y[2:3])


# ---- integers near the end of int64


def by_python(x, weight):
    """Valid convolution of one signal channel with one filter, and the sums of magnitudes."""
    n, k = len(x), len(weight)
    sums = [sum(x[i + j] * weight[j] for j in range(k)) for i in range(n - k + 1)]
    return sums, [sum(abs(x[i + j] * weight[j]) for j in range(k)) for i in range(n - k + 1)]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("dtypes", [("int64", "int64"), ("uint64", "int64"), ("int64", "uint64"),
                                    ("int64", "int8"), ("uint64", "uint64")], ids=str)  # fmt: skip
def test_limbs_against_python(seed, dtypes):
    rng = np.random.default_rng(seed)
    bits = int(rng.integers(1, 62))
    x = numbers(12, dtypes[0], seed, bits)
    weight = numbers(3, dtypes[1], seed + 1, 61 - bits)
    sums, magnitudes = by_python(x.tolist(), weight.tolist())
    args = x[np.newaxis], weight[np.newaxis, np.newaxis]
    if max(magnitudes) > MOST:
        with pytest.raises(OverflowError, match=r"^conv1d: .* 2\^63 - 1"):
            fastconv.conv1d(*args)
        return
    y = fastconv.conv1d(*args)
    assert y.dtype == np.int64
    assert y[0].tolist() == sums
    full = fastconv.conv1d(*args, padding="full", flip=True)
    assert full[0].tolist() == np.convolve(x.astype(object), weight.astype(object)).tolist()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_last_integer(sign):
    """Refused exactly where the sum of magnitudes passes 2^63 - 1, to the last unit."""
    x = np.array([[[sign * (2**62), 2**61, 0]]])
    weight = np.array([[[1, 1]]])
    base = sign * 2**62 + 2**61
    for bias in (2**61 - 1, -(2**61 - 1)):
        y = fastconv.conv1d(x, weight, np.array([bias]))
        assert y.ravel().tolist() == [base + bias, 2**61 + bias]
        residual = np.array([[[bias, 0]]])
        assert fastconv.conv1d(x, weight, residual=residual)[0, 0, 0] == base + bias
    for bias in (2**61, -(2**61)):
        with pytest.raises(OverflowError, match=r"^conv1d: "):
            fastconv.conv1d(x, weight, np.array([bias]))
        with pytest.raises(OverflowError, match=r"^conv1d: "):
            fastconv.conv1d(x, weight, residual=np.array([[[bias, 0]]]))
    # -2^63 fits int64, but its magnitude does not
    with pytest.raises(OverflowError, match=r"^conv1d: "):
        fastconv.conv1d(np.array([[[-(2**63)]]]), np.array([[[1]]]))
    assert fastconv.conv1d(np.array([[[-(2**63), 3]]]), np.array([[[0, 1]]])).item() == 3


def test_overflow_of_every_pass():
    x, weight = np.full((2, 1, 4), 2**40), np.full((1, 1, 2), 2**22)
    grad = np.full((2, 1, 3), 2**40)
    out = np.full((2, 1, 3), 7)
    for call in (
        lambda: fastconv.conv1d(x, weight, out=out),
        lambda: fastconv.conv1d_backward_data(grad, weight, x.shape, out=np.full(x.shape, 7)),
        lambda: fastconv.conv1d_backward_weight(grad, x, weight.shape),
        lambda: fastconv.conv_transpose1d(x, weight),
        lambda: fastconv.conv1d_backward_bias(np.full((2, 1, 3), 2**62)),
        lambda: fastconv.plan_conv(x.shape, weight)(x),
        lambda: fastconv.col2im(np.full((2, 3), 2**62), (1, 4), (2,)),
    ):
        with pytest.raises(OverflowError, match=r"^\w+: the sum of magnitudes"):
            call()
    assert (out == 7).all()
    # a gradient that is folded counts what is folded onto it
    weight[...] = 2**21
    options = {"padding": 3, "padding_mode": "replicate"}
    assert fastconv.conv1d(x, weight, **options).dtype == np.int64
    grad = np.full((2, 1, 9), 2**40)
    with pytest.raises(OverflowError, match=r"^conv1d_backward_data: "):
        fastconv.conv1d_backward_data(grad, weight, x.shape, **options)


def test_sums_that_cancel():
    """The result is small, and exact, where partial sums pass 2^53."""
    x = np.array([[[2**61 + 1, -(2**61)]]])
    assert fastconv.conv1d(x, np.array([[[1, 1]]])).item() == 1
    assert fastconv.conv1d_backward_bias(np.array([[[2**61 + 1, -(2**61)]]])).item() == 1


def test_bounds_of_integers_beyond_int64_are_its_ends():
    for bounds in ((-1e30, 1e30), (-np.inf, np.inf)):
        found = integer_bounds("conv", np.dtype(np.int64), ("clip", *bounds))
        assert found == (-(2**63), 2**63 - 1)
    assert integer_bounds("conv", np.dtype(np.int64), ("clip", -(2.0**62), 7)) == (-(2**62), 7)


def test_integer_activations():
    x, weight = np.array([[[-9, -3, 0, 4, 9]]]), np.array([[[1]]])
    for activation, expected in [
        ("relu", [0, 0, 0, 4, 9]), ("relu6", [0, 0, 0, 4, 6]), (("clip", -4, 5), [-4, -3, 0, 4, 5]),
        (("clip", -np.inf, 2), [-9, -3, 0, 2, 2]),
    ]:  # fmt: skip
        assert fastconv.conv1d(x, weight, activation=activation)[0, 0].tolist() == expected
        plan = fastconv.plan_conv(x.shape, weight, activation=activation)
        assert plan(x)[0, 0].tolist() == expected
    for activation in ("sigmoid", "leaky_relu", ("clip", 0.5, 2), "tanh", "silu"):
        for call in (fastconv.conv1d, lambda x, w, **k: fastconv.plan_conv(x.shape, w, **k)):
            with pytest.raises(TypeError, match="does not give integers"):
                call(x, weight, activation=activation)


def test_complex_has_no_activation():
    x, weight = np.ones((1, 1, 4), complex), np.ones((1, 1, 2))
    with pytest.raises(TypeError, match=r"^conv1d: activation='relu' is not defined for complex"):
        fastconv.conv1d(x, weight, activation="relu")
    with pytest.raises(ValueError, match=r"^conv1d: activation='gelu'"):
        fastconv.conv1d(x, weight, activation="gelu")


def test_special_values_of_complex():
    """As NumPy's products have them; a real operand has no imaginary part that could spoil it."""
    x = np.array([[[complex(np.inf, 1), complex(2, np.nan), 3 + 4j]]])
    y = fastconv.conv1d(x, np.array([[[2.0]]]))[0, 0]
    np.testing.assert_array_equal(y.real, [np.inf, 4, 6])
    np.testing.assert_array_equal(y.imag, [2, np.nan, 8])
    weight = np.array([[[2 + 1j]]])
    with np.errstate(invalid="ignore"):
        expected = x[0, 0] * weight.item()
    y = fastconv.conv1d(x, weight)[0, 0]
    np.testing.assert_array_equal(y.real, expected.real)
    np.testing.assert_array_equal(y.imag, expected.imag)


@pytest.mark.parametrize("name", ["x", "weight", "bias", "residual"])
def test_dtypes_refused(name):
    arrays = {"x": np.ones((1, 2, 5)), "weight": np.ones((3, 2, 2)), "bias": np.ones(3),
              "residual": np.ones((1, 3, 4))}  # fmt: skip
    whole = arrays[name]
    for bad in (whole.astype(object), whole.astype(str), whole.astype("M8[s]"),
                np.ma.masked_array(whole, mask=True)):  # fmt: skip
        with pytest.raises(TypeError, match=rf"^conv1d: {name} "):
            fastconv.conv1d(**arrays | {name: bad})
    if np.dtype(np.longdouble).itemsize > 8:
        for dtype in (np.longdouble, np.clongdouble):
            with pytest.raises(TypeError, match=rf"^conv1d: {name} has dtype"):
                fastconv.conv1d(**arrays | {name: whole.astype(dtype)})


def test_residual_that_loses_its_kind():
    x, weight = np.ones((1, 2, 5)), np.ones((3, 2, 2))
    with pytest.raises(TypeError, match="residual has dtype complex128"):
        fastconv.conv1d(x, weight, residual=np.ones((1, 3, 4), complex))
    with pytest.raises(TypeError, match="residual has dtype float64"):
        fastconv.conv1d(x.astype(int), weight.astype(int), residual=np.ones((1, 3, 4)))
    y = fastconv.conv1d(x, weight, residual=np.ones((1, 3, 4), np.int8))
    np.testing.assert_array_equal(y, np.full((1, 3, 4), 5.0))


def test_a_plan_is_for_one_kind_of_numbers():
    weight = np.ones((1, 1, 2), np.int8)
    plan = fastconv.plan_conv((1, 1, 4), weight)
    assert plan(np.ones((1, 1, 4), np.uint64)).dtype == np.int64
    with pytest.raises(TypeError, match=r"plan: x has dtype float64.*dtype='float64'"):
        plan(np.ones((1, 1, 4)))
    plan_complex = fastconv.plan_conv((1, 1, 4), weight, dtype="complex64")
    assert plan_complex(np.ones((1, 1, 4), np.float32)).dtype == np.complex64
    big = np.array([[[2**60, 1, 2, 3]]])
    assert plan(big).tolist() == [[[2**60 + 1, 3, 5]]]
    assert plan(np.ones((1, 1, 4), bool)).tolist() == [[[2, 2, 2]]]


def test_methods_that_round_refuse_integers():
    for algorithm in _select.ALGORITHMS:
        row = next(r for r in fastconv.explain((1, 16, 12, 12), (16, 16, 3, 3), dtype="int32")
                   if r["method"] == algorithm.name)  # fmt: skip
        if algorithm.tier == "highest":
            assert "rounded" not in str(row["reason"])
            continue
        assert "integers must not be rounded" in row["reason"]
        with pytest.raises(ValueError, match="integers must not be rounded"):
            fastconv.conv2d(np.ones((1, 16, 12, 12), int), np.ones((16, 16, 3, 3), int),
                            precision="medium", method=algorithm.name)  # fmt: skip


@pytest.mark.parametrize("dtype", ["int64", "uint8", "complex64", "float16"])
def test_explain_of_every_dtype(dtype):
    rows = fastconv.explain((1, 4, 9, 9), (4, 4, 3, 3), dtype=dtype, measure=True)
    assert all(row["seconds"] > 0 for row in rows if row["verdict"] != "refused")


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, *COMPLEX, ">c16", ">i2"])
def test_columns(dtype):
    x = numbers((2, 3, 6, 5), dtype)
    cols = fastconv.im2col(x, (2, 3), padding=1)
    assert cols.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(cols, reference.im2col(x, (2, 3), padding=1))
    back = fastconv.col2im(cols, x.shape, (2, 3), padding=1)
    check(back, reference.col2im(cols, x.shape, (2, 3), padding=1), result_dtype((cols,)))


def test_columns_keep_every_bit():
    """Payloads of NaN, signed zeros and integers that float64 cannot hold."""
    values = np.arange(12, dtype=np.uint64) + np.uint64(0x7FF0_0000_0000_0001)
    for dtype in (np.uint64, np.int64, np.float64, np.complex64):
        x = values.view(dtype).reshape(1, 3, 4)
        cols = fastconv.im2col(x, 2)
        assert cols[3].tobytes() == np.ascontiguousarray(x[0, 1:, 1:]).tobytes()
    small = np.array([[[-0.0, np.nan, 1.0]]], np.float16)
    assert fastconv.im2col(small, 1).tobytes() == small.tobytes()


def test_torch_tensors(torch):
    for dtype in (torch.complex64, torch.int32, torch.float16, torch.bool):
        x = (torch.randn(1, 2, 6) * 5).to(dtype)
        weight = (torch.randn(3, 2, 2) * 5).to(dtype)
        y = fastconv.conv1d(x, weight)
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y, fastconv.conv1d(x.numpy(), weight.numpy()))


def test_float16_overflows_to_infinity():
    """Without a warning, as the other dtypes."""
    x, weight = np.full((1, 1, 3), 6e4, np.float16), np.ones((1, 1, 2), np.float16)
    assert fastconv.conv1d(x, weight).tolist() == [[[np.inf, np.inf]]]
    assert fastconv.conv1d(x, weight, out=np.zeros((1, 1, 2), np.float16))[0, 0, 0] == np.inf


def test_large_images_of_small_integers():
    """An 8-bit image, where float32 would round: 5x5 box sums of 255 over 300 channels."""
    x = np.full((1, 300, 40, 40), 255, np.uint8)
    y = fastconv.conv2d(x, np.full((1, 300, 5, 5), 255, np.uint8))
    assert (y == 255 * 255 * 300 * 25).all()
