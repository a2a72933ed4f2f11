"""Bad inputs: arrays of every kind: what NumPy allows, other libraries hand over, and overlaps."""

import numpy as np
import pytest

import fastconv
from fastconv.testing.cases import VIEWS, as_view
from fastconv.testing.served import methods, passes_served


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


METHODS = methods(tier="highest")
X = np.rint(3 * numbers((2, 4, 9, 11)))
W = np.rint(3 * numbers((5, 4, 3, 3), seed=1))
Y = fastconv.conv2d(X, W, precision="highest")
POOL, INDICES = fastconv.max_pool2d(X, 2, return_indices=True)

# Each public function as a function of one array, and the array that it is given.
FUNCTIONS = {
    "conv2d-x": (lambda a: fastconv.conv2d(a, W), X),
    "conv2d-weight": (lambda a: fastconv.conv2d(X, a), W),
    "conv2d-bias": (lambda a: fastconv.conv2d(X, W, a), np.arange(5, dtype=np.float32)),
    "conv2d-residual": (lambda a: fastconv.conv2d(X, W, residual=a), Y),
    "backward_data-grad": (lambda a: fastconv.conv2d_backward_data(a, W, X.shape), Y),
    "backward_data-weight": (lambda a: fastconv.conv2d_backward_data(Y, a, X.shape), W),
    "backward_weight-grad": (lambda a: fastconv.conv2d_backward_weight(a, X, W.shape), Y),
    "backward_weight-x": (lambda a: fastconv.conv2d_backward_weight(Y, a, W.shape), X),
    "backward_bias": (fastconv.conv2d_backward_bias, Y),
    "max_pool2d": (lambda a: fastconv.max_pool2d(a, 3, 2, 1), X),
    "min_pool2d": (lambda a: fastconv.min_pool2d(a, 3, 2, 1), X),
    "avg_pool2d": (lambda a: fastconv.avg_pool2d(a, 3, 2, 1), X),
    "max_backward": (lambda a: fastconv.max_pool2d_backward(a, INDICES, X.shape), POOL),
    "avg_backward": (lambda a: fastconv.avg_pool2d_backward(a, X.shape, 2), POOL),
    "im2col": (lambda a: fastconv.im2col(a, 3), X),
    "col2im": (lambda a: fastconv.col2im(a, X.shape, 3), fastconv.im2col(X, 3)),
    "plan-x": (fastconv.plan_conv(X.shape, W), X),
    "plan-weight": (lambda a: fastconv.plan_conv(X.shape, a)(X), W),
}


@pytest.fixture(params=FUNCTIONS)
def problem(request):
    """A function of one array, and an array for it."""
    return FUNCTIONS[request.param]


def same(got, expected):
    assert type(got) is np.ndarray
    assert got.dtype == expected.dtype
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("view", [v for v in VIEWS if v not in ("plain", "broadcast")])
def test_views(problem, view):
    function, array = problem
    before = array.copy()
    given = as_view(array, view)
    same(function(given), function(array))
    np.testing.assert_array_equal(given, before)


def test_broadcast_views(problem):
    function, array = problem
    for axis in range(array.ndim):
        given = np.broadcast_to(np.take(array, [0], axis), array.shape)
        same(function(given), function(given.copy()))


def everything(x, weight, grad, kernel, **args):
    """The result of every function that reads one of these arrays."""
    for method in METHODS:
        geometry = {**args, "padding": kernel // 2}
        choice = {**geometry, "method": method}
        served = passes_served(method, x.shape, weight.shape, **geometry)
        if "forward" in served:
            yield fastconv.conv2d(x, weight, **choice)
            yield fastconv.plan_conv(x.shape, weight, **choice)(x)
        if "backward_data" in served:
            yield fastconv.conv2d_backward_data(grad, weight, x.shape, **choice)
        if "backward_weight" in served:
            yield fastconv.conv2d_backward_weight(grad, x, weight.shape, **choice)
    window = {**args, "kernel_size": kernel, "stride": 1, "padding": kernel // 2}
    yield fastconv.max_pool2d(x, **window)
    yield fastconv.min_pool2d(x, **window)
    yield fastconv.avg_pool2d(x, **window)
    yield fastconv.im2col(x, **window)
    yield fastconv.conv2d_backward_bias(grad, **args)


@pytest.mark.parametrize("odd", [0, 3, -5, 8, 12345, -(2**40)])
@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_odd_strides_on_axes_of_length_one(data_format, kernel, axis, odd):
    """NumPy leaves the stride of such an axis to chance; nothing may rely on it."""

    def with_odd_stride(array):
        strides = [odd if n == 1 else s for n, s in zip(array.shape, array.strides, strict=True)]
        return np.lib.stride_tricks.as_strided(array, array.shape, strides)

    lengths = [3, 4, 6, 7]
    lengths[axis] = 1
    x = np.rint(3 * numbers(lengths))
    weight = np.rint(3 * numbers((1 if axis == 0 else 5, lengths[1], kernel, kernel), seed=1))
    if data_format == "channels_last":
        x = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    y = fastconv.conv2d(x, weight, padding=kernel // 2, data_format=data_format)
    arrays = x, weight, np.rint(3 * numbers(y.shape, seed=2))
    expected = list(everything(*arrays, kernel, data_format=data_format))
    odd_ones = map(with_odd_stride, arrays)
    for got, wanted in zip(
        everything(*odd_ones, kernel, data_format=data_format), expected, strict=True
    ):
        same(got, wanted)


def test_inputs_longer_than_their_elements(problem):
    """A field of a record array: strides that are no multiple of the item."""
    function, array = problem
    records = np.zeros(array.shape, [("pad", "u1"), ("value", array.dtype)])
    records["value"] = array
    assert records["value"].strides[-1] == 5
    same(function(records["value"]), function(array))


def test_lists(problem):
    """Nested lists are float64 arrays, which a plan for float32 refuses."""
    function, array = problem
    if isinstance(function, fastconv.ConvPlan):
        with pytest.raises(TypeError, match="x has dtype float64"):
            function(array.tolist())
        return
    same(function(array.tolist()), function(array.astype(np.float64)))


class Subclass(np.ndarray):
    pass


class WithArray:
    """Only has __array__."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


class WithDLPack:
    """Only has DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize(
    "wrap", [lambda a: a.view(Subclass), WithArray, WithDLPack, np.ma.masked_array, memoryview],
    ids=["subclass", "__array__", "dlpack", "masked without a mask", "memoryview"],
)  # fmt: skip
def test_what_holds_an_array(problem, wrap):
    function, array = problem
    same(function(wrap(array.copy())), function(array))


def test_torch_tensors(problem, torch):
    function, array = problem
    same(function(torch.from_numpy(array.copy())), function(array))


def test_matrix():
    """np.matrix has two axes for ever, so only its columns fit anywhere."""
    with pytest.warns(PendingDeprecationWarning):
        bias = np.matrix(np.arange(5.0))
    with pytest.raises(ValueError, match="bias"):
        fastconv.conv2d(X, W, bias)


def test_mixed_precision():
    wide = W.astype(np.float64)
    same(fastconv.conv2d(X, wide), fastconv.conv2d(X.astype(np.float64), wide))
    same(fastconv.conv2d_backward_data(Y, wide, X.shape),
         fastconv.conv2d_backward_data(Y.astype(np.float64), wide, X.shape))  # fmt: skip


class Misbehaves:
    def __init__(self, action):
        self.action = action

    def __array__(self, dtype=None, copy=None):
        return self.action()


def test_array_that_raises(problem):
    function, _ = problem

    def action():
        raise RuntimeError("from __array__")

    with pytest.raises(RuntimeError, match="from __array__"):
        function(Misbehaves(action))


def test_array_that_recurses(problem):
    function, _ = problem
    holder = []

    def action():
        return np.asarray(holder[0])

    holder.append(Misbehaves(action))
    with pytest.raises(RecursionError):
        function(holder[0])


def test_array_that_is_no_array(problem):
    function, _ = problem
    with pytest.raises((TypeError, ValueError)):
        function(Misbehaves(lambda: "no array"))


def test_array_that_changes_another_argument():
    """The weight is given another shape while x is read: refused or computed, no crash."""
    weight = W.copy()

    def action():
        weight.resize((1,), refcheck=False)
        return X

    try:
        fastconv.conv2d(Misbehaves(action), weight)
    except ValueError as error:
        assert "weight" in str(error)  # noqa: PT017

    x = X.copy()

    def shrink():
        x.resize((1,), refcheck=False)
        return W

    with pytest.raises(ValueError, match=r"conv2d: .*\bx\b"):
        fastconv.conv2d(x, Misbehaves(shrink))


# ------------------------------------------------------------------------------------- out


OUTS = {
    "conv2d": (lambda x, out: fastconv.conv2d(x, W, padding=1, groups=1, out=out), (2, 5, 9, 11)),
    "max_pool2d": (lambda x, out: fastconv.max_pool2d(x, 3, 1, 1, out=out), X.shape),
    "avg_pool2d": (lambda x, out: fastconv.avg_pool2d(x, 3, 1, 1, out=out), X.shape),
}


@pytest.mark.parametrize("name", OUTS)
def test_out_of_a_subclass_is_returned(name):
    call, shape = OUTS[name]
    expected = call(X, None)
    out = np.zeros(shape, np.float32).view(Subclass)
    assert call(X, out) is out
    np.testing.assert_array_equal(np.asarray(out), expected)


@pytest.mark.parametrize("name", OUTS)
@pytest.mark.parametrize("shift", [-13, -1, 0, 1, 7, 44])
def test_out_is_a_shifted_view_of_x(name, shift):
    call, shape = OUTS[name]
    expected = call(X, None)
    storage = np.zeros(2000, np.float32)
    source = storage[100 : 100 + X.size].reshape(X.shape)
    target = storage[100 + shift : 100 + shift + int(np.prod(shape))].reshape(shape)
    source[...] = X
    call(source, target)
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("name", OUTS)
def test_out_interleaved_with_x(name):
    """They share a range of memory, but no element."""
    call, shape = OUTS[name]
    storage = np.zeros((2, 5, 9, 22), np.float32)
    source, target = storage[:, :4, :, ::2], storage[:, : shape[1], :, 1::2]
    source[...] = X
    call(source, target)
    np.testing.assert_array_equal(target, call(X, None))
    np.testing.assert_array_equal(source, X)


@pytest.mark.parametrize("stride", [0, 4, -8])
def test_out_with_any_stride_on_an_axis_of_length_one(stride):
    """Elements of such an axis share no memory, whatever its stride: here of a view with gaps."""
    storage = np.zeros((2, 9, 22), np.float32)
    strides = [storage.strides[0], stride, storage.strides[1], 2 * storage.itemsize]
    out = np.lib.stride_tricks.as_strided(storage, (2, 1, 9, 11), strides)
    assert fastconv.conv2d(X, W[:1], padding=1, out=out) is out
    np.testing.assert_array_equal(out, fastconv.conv2d(X, W[:1], padding=1))
    assert not storage[..., 1::2].any()


def test_results_do_not_share_memory():
    one, other = fastconv.conv2d(X, W), fastconv.conv2d(X, W)
    assert not np.shares_memory(one, other)
    one[...] = 0
    np.testing.assert_array_equal(other, fastconv.conv2d(X, W))


@pytest.mark.parametrize(("strides", "apart"), [
    ((0, 0, 4, 4), False), ((64, 64, 8, 4), False), ((64, 64, 12, 8), False),
    ((64, 64, 8, 12), False), ((0, 0, 0, 4), False), ((64, 64, 4, 16), True),
    ((0, 0, -16, 4), True), ((64, 64, 20, 8), True), ((64, 64, 8, 44), True),
])  # fmt: skip
def test_an_out_that_overlaps_itself_is_refused(strides, apart):
    """Also where no stride is zero; rows that interleave without meeting are taken."""
    memory = np.zeros(200, np.float32)
    out = np.lib.stride_tricks.as_strided(memory[50:], (1, 1, 4, 4), strides)
    x, w = np.ones((1, 1, 6, 6), np.float32), np.ones((1, 1, 3, 3), np.float32)
    if apart:
        assert fastconv.conv2d(x, w, out=out) is out
        assert (out == 9).all()
    else:
        with pytest.raises(ValueError, match=r"conv2d: out has strides .* share memory"):
            fastconv.conv2d(x, w, out=out)
        assert not memory.any()
