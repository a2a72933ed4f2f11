"""Properties: what must hold for every input, drawn by hypothesis, on one to three axes.

Numbers are small integers in most properties, so that equality is exact and a counterexample is
an error and not a rounding.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import checks, reference
from fastconv.testing.contract import assert_exact, assert_within_contract

METHODS = ["auto", *(a.name for a in ALGORITHMS if a.tier == "highest")]
PAD_MODES = ("zeros", "reflect", "symmetric", "replicate", "circular")


def function_of(name, rank):
    """The public function; a problem that the named method refuses is computed by "direct".

    A property relates several problems, of which an algorithm may serve only some.
    """
    function = checks.function_of(name, rank)

    def call(*args, **kwargs):
        method = kwargs.get("method", "direct")
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            if method in ("auto", "direct") or f"method={method!r}" not in str(error):
                raise
            return function(*args, **{**kwargs, "method": "direct"})

    return call


def small(low, high):
    return st.integers(low, high)


def axes(rank, low, high):
    """One integer for every axis."""
    return st.tuples(*[small(low, high)] * rank)


@st.composite
def problems(draw, ranks=(1, 2, 3), max_groups=3, padding_modes=PAD_MODES, layouts=True):
    """x, weight and keyword arguments of a convolution that is valid."""
    rank = draw(st.sampled_from(ranks))
    groups = draw(small(1, max_groups))
    kernel, dilation = draw(axes(rank, 1, 4)), draw(axes(rank, 1, 3))
    # Up to several times as long as the shortest axis, so that copies are of copies.
    padding = tuple(zip(draw(axes(rank, 0, 5)), draw(axes(rank, 0, 5)), strict=True))
    lengths = tuple(
        max(1, d * (k - 1) + 1 - sum(p)) + draw(small(0, 20 if rank < 3 else 5))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    # Up to two vectors of the widest kind, and one element more, in channels.
    counts = [1, 2, 3, 5, 17, 33] if rank < 3 else [1, 2, 5, 17]
    channels = groups * draw(st.sampled_from(counts))
    filters = groups * draw(st.sampled_from(counts))
    batch, seed = draw(small(1, 3)), draw(small(0, 2**32))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    formats = ["channels_first", "channels_last"] if layouts else ["channels_first"]
    data_format = draw(st.sampled_from(formats))
    rng = np.random.default_rng(seed)
    shape = (batch, channels, *lengths)
    if data_format == "channels_last":
        shape = (batch, *lengths, channels)
    x = rng.integers(-4, 5, shape).astype(dtype)
    weight = rng.integers(-4, 5, (filters, channels // groups, *kernel)).astype(dtype)
    kwargs = {
        "stride": draw(axes(rank, 1, 3)),
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "padding_mode": draw(st.sampled_from(padding_modes)),
        "data_format": data_format,
        "flip": draw(st.booleans()),
        "method": draw(st.sampled_from(METHODS)),
        "precision": "highest",
    }
    return x, weight, kwargs


def conv(x, weight, kwargs, **changes):
    return function_of("conv", weight.ndim - 2)(x, weight, **{**kwargs, **changes})


def like(x, seed):
    return np.random.default_rng(seed).integers(-4, 5, x.shape).astype(x.dtype)


def inner(a, b):
    return np.vdot(a.astype(np.float64), b.astype(np.float64))


def channel_axis(kwargs):
    return -1 if kwargs["data_format"] == "channels_last" else 1


def spatial(kwargs, *slices):
    """An index of the spatial axes of an array with a batch axis."""
    if kwargs["data_format"] == "channels_last":
        return (slice(None), *slices)
    return (slice(None), slice(None), *slices)


# --------------------------------------------------------------------------------- linearity


@given(problems())
def test_linear_in_x_and_in_weight(problem):
    x, weight, kwargs = problem
    y = conv(x, weight, kwargs)
    other = like(x, 1)
    assert_exact(conv(2 * x - other, weight, kwargs), 2 * y - conv(other, weight, kwargs))
    other = like(weight, 2)
    assert_exact(conv(x, 2 * weight - other, kwargs), 2 * y - conv(x, other, kwargs))


@given(problems())
def test_bias_and_residual_are_added(problem):
    x, weight, kwargs = problem
    y = conv(x, weight, kwargs)
    residual, bias = like(y, 1), np.arange(len(weight)).astype(x.dtype)
    rest = 0 if kwargs["data_format"] == "channels_last" else weight.ndim - 2
    expected = np.maximum(y + bias.reshape(-1, *(1,) * rest) + residual, 0)
    got = conv(x, weight, kwargs, bias=bias, residual=residual, activation="relu")
    assert_exact(got, expected)


# ---------------------------------------------------------------------------------- adjoints


@given(problems())
def test_gradients_are_adjoints(problem):
    """<conv(x, w), g> = <x, backward_data(g, w)> = <w, backward_weight(g, x)>, exactly."""
    x, weight, kwargs = problem
    rank = weight.ndim - 2
    y = conv(x, weight, kwargs)
    grad = like(y, 1)
    product = inner(y, grad)
    data = function_of("conv_backward_data", rank)(grad, weight, x.shape, **kwargs)
    assert inner(x, data) == product
    backward = function_of("conv_backward_weight", rank)
    of_weight = backward(grad, x, weight.shape, **kwargs)
    assert inner(weight, of_weight) == product
    per_sample = backward(grad, x, weight.shape, per_sample=True, **kwargs)
    assert_exact(per_sample.sum(axis=0), of_weight)
    layout = {"data_format": kwargs["data_format"]}
    bias = function_of("conv_backward_bias", rank)(grad, **layout)
    others = set(range(grad.ndim)) - {channel_axis(kwargs) % grad.ndim}
    assert_exact(bias, grad.sum(axis=tuple(others)))


def transposed(x, weight, kwargs, **more):
    names = ("stride", "padding", "dilation", "groups", "data_format")
    return function_of("conv_transpose", weight.ndim - 2)(
        x, weight, **{n: kwargs[n] for n in names}, **{"precision": "highest", **more}
    )


@given(problems(padding_modes=("zeros",)))
def test_conv_transpose_is_the_adjoint(problem):
    """<conv(x, w), g> = <x, conv_transpose(g, w)>, whatever the stride leaves over."""
    x, weight, kwargs = problem
    kwargs = {**kwargs, "flip": False}
    y = conv(x, weight, kwargs)
    grad = like(y, 1)
    rank, last = weight.ndim - 2, kwargs["data_format"] == "channels_last"
    first = 1 if last else 2
    extra = tuple(
        n - ((m - 1) * s - sum(p) + d * (k - 1) + 1)
        for n, m, s, p, d, k in zip(
            x.shape[first : first + rank],
            y.shape[first : first + rank],
            kwargs["stride"],
            kwargs["padding"],
            kwargs["dilation"],
            weight.shape[2:],
            strict=True,
        )
    )
    back = transposed(grad, weight, kwargs, output_size=x.shape[first : first + rank])
    assert back.shape == x.shape
    assert inner(x, back) == inner(y, grad)
    assert_exact(transposed(grad, weight, kwargs, output_padding=extra), back)
    data = function_of("conv_backward_data", rank)
    assert_exact(data(grad, weight, x.shape, **kwargs), back)


def leaves_something(x, weight, kwargs):
    """Whether the padding of a transposed convolution leaves a result; it is refused if not."""
    names = ("stride", "padding", "dilation", "groups", "data_format")
    try:
        reference.conv_transpose_output_shape(
            x.shape, weight.shape, **{n: kwargs[n] for n in names}
        )
    except ValueError:
        with pytest.raises(ValueError, match="padding"):
            transposed(x, weight, kwargs)
        return False
    return True


@given(problems(max_groups=2), small(0, 2**32))
def test_central_differences(problem, seed):
    """In float64, of a nonlinear loss, with respect to x, the weight and the bias."""
    x, weight, kwargs = problem
    rank = weight.ndim - 2
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal(x.shape), rng.standard_normal(weight.shape)
    bias = rng.standard_normal(len(weight))

    def forward(x, weight, bias):
        return conv(x, weight, kwargs, bias=bias)

    grad = np.cos(forward(x, weight, bias))
    gradients = (
        function_of("conv_backward_data", rank)(grad, weight, x.shape, **kwargs),
        function_of("conv_backward_weight", rank)(grad, x, weight.shape, **kwargs),
        function_of("conv_backward_bias", rank)(grad, data_format=kwargs["data_format"]),
    )
    slopes_agree(lambda *at: np.sin(forward(*at)).sum(), (x, weight, bias), gradients, rng)


def slopes_agree(loss, point, gradients, rng):
    """The slope of `loss` at `point` in a random direction of each argument."""
    step = 1e-5
    for i, (array, gradient) in enumerate(zip(point, gradients, strict=True)):
        direction = rng.standard_normal(array.shape)

        def at(shift, i=i, array=array, direction=direction):
            moved = list(point)
            moved[i] = array + shift * direction
            return loss(*moved)

        slope = (at(step) - at(-step)) / (2 * step)
        # The third derivative of the loss, times step**2, and the loss's rounding over the step.
        third = abs((at(1e-3) - at(-1e-3)) / 2e-3 - slope) * (step / 1e-3) ** 2
        rounding = 1e-15 * (1 + np.abs(gradient * array).sum() + gradient.size) / step
        assert abs(slope - inner(gradient, direction)) < 10 * (third + rounding)


@given(problems(padding_modes=("zeros",), max_groups=2), small(0, 2**32))
def test_central_differences_of_conv_transpose(problem, seed):
    """Its gradients are a convolution, and the weight gradient of one."""
    x, weight, kwargs = problem
    kwargs = {**kwargs, "flip": False}
    rank = weight.ndim - 2
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal(weight.shape)
    x = rng.standard_normal(conv(x.astype(float), weight, kwargs).shape)
    if not leaves_something(x, weight, kwargs):
        return
    y = transposed(x, weight, kwargs)
    grad = np.cos(y)
    gradients = (
        conv(grad, weight, kwargs),
        function_of("conv_backward_weight", rank)(x, grad, weight.shape, **kwargs),
    )
    slopes_agree(
        lambda x, weight: np.sin(transposed(x, weight, kwargs)).sum(), (x, weight), gradients, rng
    )


# ----------------------------------------------------------------- equivalent formulations


@given(problems())
def test_groups_are_a_concatenation(problem):
    x, weight, kwargs = problem
    axis, groups = channel_axis(kwargs), kwargs["groups"]
    parts = zip(np.split(x, groups, axis), np.split(weight, groups), strict=True)
    pieces = [conv(px, pw, kwargs, groups=1) for px, pw in parts]
    assert_exact(conv(x, weight, kwargs), np.concatenate(pieces, axis))


@given(problems(padding_modes=("zeros",)))
def test_groups_of_conv_transpose_are_a_concatenation(problem):
    x, weight, kwargs = problem
    axis, groups = channel_axis(kwargs), kwargs["groups"]
    x = like(conv(x, weight, {**kwargs, "flip": False}), 1)
    if not leaves_something(x, weight, kwargs):
        return
    y = transposed(x, weight, kwargs)
    parts = zip(np.split(x, groups, axis), np.split(weight, groups), strict=True)
    pieces = [transposed(px, pw, {**kwargs, "groups": 1}) for px, pw in parts]
    assert_exact(y, np.concatenate(pieces, axis))


@given(problems())
def test_dilation_is_a_kernel_stuffed_with_zeros(problem):
    x, weight, kwargs = problem
    dilation, kernel = kwargs["dilation"], weight.shape[2:]
    stuffed = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    stuffed = np.zeros((*weight.shape[:2], *stuffed), weight.dtype)
    stuffed[(..., *(slice(None, None, d) for d in dilation))] = weight
    assert_exact(conv(x, weight, kwargs), conv(x, stuffed, kwargs, dilation=1))


@given(problems())
def test_stride_is_subsampling(problem):
    x, weight, kwargs = problem
    steps = (slice(None, None, s) for s in kwargs["stride"])
    y = conv(x, weight, kwargs, stride=1)[spatial(kwargs, *steps)]
    assert_exact(conv(x, weight, kwargs), y)


@given(problems(padding_modes=("zeros",)))
def test_stride_of_conv_transpose_is_zeros_between(problem):
    x, weight, kwargs = problem
    x = like(conv(x, weight, {**kwargs, "flip": False}), 1)
    if not leaves_something(x, weight, kwargs):
        return
    y = transposed(x, weight, kwargs)
    first = 1 if kwargs["data_format"] == "channels_last" else 2
    shape = list(x.shape)
    for axis, s in enumerate(kwargs["stride"], start=first):
        shape[axis] = (shape[axis] - 1) * s + 1
    stuffed = np.zeros(shape, x.dtype)
    steps = (slice(None, None, s) for s in kwargs["stride"])
    stuffed[spatial(kwargs, *steps)] = x
    assert_exact(transposed(stuffed, weight, {**kwargs, "stride": 1}), y)


@given(problems())
def test_padding_is_numpys(problem):
    x, weight, kwargs = problem
    around = [(0, 0), *kwargs["padding"], (0, 0)]
    if kwargs["data_format"] == "channels_first":
        around = [(0, 0), (0, 0), *kwargs["padding"]]
    padded = np.pad(x, around, mode=reference.PAD_MODES[kwargs["padding_mode"]])
    assert_exact(conv(x, weight, kwargs), conv(padded, weight, kwargs, padding=0))


@given(problems(padding_modes=PAD_MODES[1:]))
def test_gradients_of_padding_fold_back(problem):
    """The gradient of np.pad is np.pad's adjoint: every copy gives to its source."""
    x, weight, kwargs = problem
    rank = weight.ndim - 2
    first = 1 if kwargs["data_format"] == "channels_last" else 2
    lengths = x.shape[first : first + rank]
    pairs = kwargs["padding"]
    grown = list(x.shape)
    for axis, pair in enumerate(pairs, start=first):
        grown[axis] += sum(pair)
    grad = like(conv(x, weight, kwargs), 1)
    backward = function_of("conv_backward_data", rank)
    whole = backward(grad, weight, grown, **{**kwargs, "padding": 0, "padding_mode": "zeros"})
    for axis, (length, pair) in enumerate(zip(lengths, pairs, strict=True), start=first):
        source = reference.pad_index(length, pair, kwargs["padding_mode"])
        whole = np.stack(
            [np.take(whole, np.flatnonzero(source == i), axis).sum(axis) for i in range(length)],
            axis,
        )
    assert_exact(backward(grad, weight, x.shape, **kwargs), whole)


@given(problems(padding_modes=("zeros",), layouts=False), axes(3, 0, 6))
def test_shift_equivariance(problem, shift):
    """Moving the image moves the result, where the window does not meet the border."""
    x, weight, kwargs = problem
    shift = shift[: weight.ndim - 2]
    try:
        y = conv(x, weight, kwargs, padding=0)
    except ValueError:
        return  # only its padding made the image large enough
    around = [(n * s, 0) for n, s in zip(shift, kwargs["stride"], strict=True)]
    moved = np.pad(x, [(0, 0), (0, 0), *around])
    got = conv(moved, weight, kwargs, padding=0)
    assert_exact(got[(..., *(slice(n, None) for n in shift))], y)


@given(problems())
def test_delta_is_the_identity(problem):
    x, weight, kwargs = problem
    rank, channels = weight.ndim - 2, x.shape[channel_axis(kwargs)]
    for size, at in [((1, 1, 1), (0, 0, 0)), ((3, 5, 3), (1, 2, 1))]:
        delta = np.zeros((channels, channels, *size[:rank]), x.dtype)
        delta[(range(channels), range(channels), *at[:rank])] = 1
        rest = {"stride": 1, "dilation": 1, "groups": 1, "padding": "same"}
        assert_exact(conv(x, delta, kwargs, **rest), x)
        # Each channel by itself, which is the case of depthwise kernels.
        one = np.ascontiguousarray(delta[:, :1] * 0)
        one[(slice(None), 0, *at[:rank])] = 1
        assert_exact(conv(x, one, kwargs, **{**rest, "groups": channels}), x)


@given(problems())
def test_1x1_is_a_matrix_product(problem):
    x, weight, kwargs = problem
    weight = np.ascontiguousarray(weight[(slice(None), slice(None), *[slice(1)] * (x.ndim - 2))])
    rest = {"stride": 1, "dilation": 1, "padding": 0, "groups": 1}
    if kwargs["groups"] > 1:
        weight = np.concatenate([weight] * kwargs["groups"], axis=1)
    y = np.moveaxis(conv(x, weight, kwargs, **rest), channel_axis(kwargs), -1)
    matrix = weight.reshape(weight.shape[:2])
    assert_exact(y, np.moveaxis(x, channel_axis(kwargs), -1) @ matrix.T)


@given(problems())
def test_flip_is_a_flipped_kernel(problem):
    x, weight, kwargs = problem
    turned = np.flip(weight, tuple(range(2, weight.ndim)))
    assert_exact(conv(x, weight, kwargs), conv(x, turned, kwargs, flip=not kwargs["flip"]))


@given(problems(layouts=False))
def test_channels_last_is_transposed(problem):
    x, weight, kwargs = problem
    y = conv(x, weight, kwargs)
    moved = np.moveaxis(x, 1, -1)
    last = conv(moved, weight, kwargs, data_format="channels_last")
    assert_exact(np.moveaxis(last, -1, 1), y)
    # The gradients too.
    rank, grad = weight.ndim - 2, like(y, 1)
    for name, args, arrange in [
        ("conv_backward_data", (weight, x.shape), lambda a: np.moveaxis(a, -1, 1)),
        ("conv_backward_weight", (x, weight.shape), lambda a: a),
    ]:
        function = function_of(name, rank)
        expected = function(grad, *args, **kwargs)
        swapped = (weight, moved.shape) if name.endswith("data") else (moved, weight.shape)
        kwargs_last = {**kwargs, "data_format": "channels_last"}
        got = function(np.moveaxis(grad, 1, -1), *swapped, **kwargs_last)
        assert_exact(arrange(got), expected)


@given(problems(layouts=False, ranks=(2, 3)))
def test_transposed_axes(problem):
    """All spatial axes are treated alike."""
    x, weight, kwargs = problem
    turned = {name: kwargs[name][::-1] for name in ("stride", "padding", "dilation")}
    order = (0, 1, *reversed(range(2, x.ndim)))
    got = conv(x.transpose(order), weight.transpose(order), kwargs, **turned)
    assert_exact(got.transpose(order), conv(x, weight, kwargs))


@given(problems(ranks=(1, 2)), small(0, 1))
def test_fewer_axes_are_axes_of_one(problem, place):
    """1-D is 2-D with an axis of length one, first or last, and 2-D is 3-D."""
    x, weight, kwargs = problem
    rank = weight.ndim - 2
    at = place * rank  # before or after all axes

    def wider(a, first):
        return np.expand_dims(a, first + at)

    first = 1 if kwargs["data_format"] == "channels_last" else 2
    more = dict(kwargs)
    for name, one in (("stride", 2), ("padding", (0, 0)), ("dilation", 3)):
        value = list(kwargs[name])
        value.insert(at, one)
        more[name] = tuple(value)
    y = conv(x, weight, kwargs)
    wide = conv(wider(x, first), wider(weight, 2), more)
    assert_exact(wide, wider(y, first))
    grad = like(y, 1)
    got = function_of("conv_backward_data", rank + 1)(
        wider(grad, first), wider(weight, 2), wider(x, first).shape, **more
    )
    expected = function_of("conv_backward_data", rank)(grad, weight, x.shape, **kwargs)
    assert_exact(got, wider(expected, first))
    got = function_of("conv_backward_weight", rank + 1)(
        wider(grad, first), wider(x, first), wider(weight, 2).shape, **more
    )
    expected = function_of("conv_backward_weight", rank)(grad, x, weight.shape, **kwargs)
    assert_exact(got, wider(expected, 2))


@given(problems())
def test_the_generic_functions_take_the_rank_from_the_arrays(problem):
    x, weight, kwargs = problem
    rank = weight.ndim - 2
    y = conv(x, weight, kwargs)
    assert_exact(function_of("conv", None)(x, weight, **kwargs), y)
    grad, layout = like(y, 1), {"data_format": kwargs["data_format"]}
    for name, args, options in [
        ("conv_backward_data", (grad, weight, x.shape), kwargs),
        ("conv_backward_weight", (grad, x, weight.shape), kwargs),
        ("conv_backward_bias", (grad,), layout),
    ]:
        expected = function_of(name, rank)(*args, **options)
        assert_exact(function_of(name, None)(*args, **options), expected)


@given(problems())
def test_a_plan_computes_the_same(problem):
    """Bitwise, with the weights packed beforehand, for any batch."""
    x, weight, kwargs = problem
    rng = np.random.default_rng(0)
    x = rng.standard_normal(x.shape).astype(x.dtype)
    weight = rng.standard_normal(weight.shape).astype(x.dtype)
    bias = rng.standard_normal(len(weight)).astype(x.dtype)
    plan = function_of("plan_conv", None)(x.shape, weight, bias, activation="relu", **kwargs)
    same = {**kwargs, "method": plan.method}
    y = conv(x, weight, same, bias=bias, activation="relu")
    np.testing.assert_array_equal(plan(x), y)
    np.testing.assert_array_equal(plan(np.concatenate([x, x])), np.concatenate([y, y]))
    np.testing.assert_array_equal(plan(x[0]), y[0])


@given(problems(layouts=False, max_groups=1))
def test_associativity(problem):
    """Convolving twice is convolving with the convolved kernels, in full."""
    x, weight, kwargs = problem
    one, other = x[:1, :1], np.rint(weight[:1, :1])
    second = np.array([1, -2, 3, 1, 2, -1, 0, 4], x.dtype)[: 2 ** (x.ndim - 2)]
    second = second.reshape(1, 1, *(2,) * (x.ndim - 2))
    full = {"padding": "full", "stride": 1, "dilation": 1, "flip": True, "padding_mode": "zeros"}
    left = conv(conv(one, other, kwargs, **full), second, kwargs, **full)
    right = conv(one, conv(other, second, kwargs, **full), kwargs, **full)
    assert_exact(left, right)


# ------------------------------------------------------------------------- nothing else counts


@given(problems(), small(2, 4), st.sampled_from(["auto", *(a.name for a in ALGORITHMS)]))
def test_batch_and_threads_change_nothing(problem, threads, method):
    """Bitwise, on numbers that round, with every algorithm."""
    x, weight, kwargs = problem
    kwargs = {**kwargs, "method": method, "precision": "high"}
    rng = np.random.default_rng(0)
    x = rng.standard_normal(x.shape).astype(x.dtype)
    weight = rng.standard_normal(weight.shape).astype(x.dtype)
    y = conv(x, weight, kwargs, num_threads=1)
    np.testing.assert_array_equal(conv(x, weight, kwargs, num_threads=threads), y)
    for image, expected in zip(x, y, strict=True):
        np.testing.assert_array_equal(conv(image, weight, kwargs), expected)
    doubled = np.concatenate([x, x])
    np.testing.assert_array_equal(conv(doubled, weight, kwargs), np.concatenate([y, y]))


@given(problems())
def test_inputs_stay_and_out_is_the_result(problem):
    x, weight, kwargs = problem
    rank = weight.ndim - 2
    before = x.copy(), weight.copy()
    y = conv(x, weight, kwargs)
    grad = like(y, 1)
    kept = grad.copy()
    for name, args in [
        ("conv", (x, weight)),
        ("conv_backward_data", (grad, weight, x.shape)),
        ("conv_backward_weight", (grad, x, weight.shape)),
    ]:
        function = function_of(name, rank)
        expected = function(*args, **kwargs)
        out = np.full_like(expected, np.nan)
        assert function(*args, **kwargs, out=out) is out
        np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weight, before[1])
    np.testing.assert_array_equal(grad, kept)


# ----------------------------------------------------------------------------------- pooling


@st.composite
def poolings(draw, ranks=(1, 2, 3), dtypes=(np.float32, np.float64)):
    """x and keyword arguments of a pooling that is valid."""
    rank = draw(st.sampled_from(ranks))
    kernel, dilation = draw(axes(rank, 1, 5 if rank < 3 else 3)), draw(axes(rank, 1, 2))
    if draw(small(0, 4)) == 0:
        kernel = (*kernel[:-1], draw(small(6, 24)))
    padding = tuple(
        (draw(small(0, d * (k - 1) // 2)), draw(small(0, d * (k - 1) // 2)))
        for k, d in zip(kernel, dilation, strict=True)
    )
    lengths = tuple(
        max(2, d * (k - 1) + 1 - sum(p)) + draw(small(0, 20 if rank < 3 else 5))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    counts = [1, 2, 5, 17, 33] if rank < 3 else [1, 2, 17]
    shape = (draw(small(1, 3)), draw(st.sampled_from(counts)), *lengths)
    data_format = draw(st.sampled_from(["channels_first", "channels_last"]))
    if data_format == "channels_last":
        shape = (shape[0], *shape[2:], shape[1])
    rng = np.random.default_rng(draw(small(0, 2**32)))
    x = rng.integers(-9, 10, shape).astype(draw(st.sampled_from(dtypes)))
    return x, {
        "kernel_size": kernel,
        "stride": draw(axes(rank, 1, 4)),
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
        "data_format": data_format,
    }


def pool(name, x, *args, **kwargs):
    return function_of(name, x.ndim - 2)(x, *args, **kwargs)


@given(poolings())
def test_max_pool_commutes_with_increasing_functions(problem):
    x, kwargs = problem
    values, indices = pool("max_pool", x, **kwargs, return_indices=True)
    scaled, same = pool("max_pool", 3 * x + 1, **kwargs, return_indices=True)
    assert_exact(scaled, 3 * values + 1)
    assert_exact(same, indices)
    assert_exact(pool("max_pool", x, **kwargs), values)
    least, same = pool("min_pool", -x, **kwargs, return_indices=True)
    assert_exact(least, -values)
    assert_exact(same, indices)


@given(poolings(dtypes=(np.float32, np.float16, np.int8, np.int64, np.uint16)))
def test_maxima_of_any_dtype_are_those_of_float64(problem):
    x, kwargs = problem
    for name in ("max_pool", "min_pool"):
        values, indices = pool(name, x, **kwargs, return_indices=True)
        assert values.dtype == x.dtype
        wide, same = pool(name, x.astype(np.float64), **kwargs, return_indices=True)
        assert_exact(values.astype(np.float64), wide)
        assert_exact(indices, same)
        assert_exact(pool(name, x, **kwargs), values)


@given(poolings())
def test_indices_point_at_the_values(problem):
    x, kwargs = problem
    values, indices = pool("max_pool", x, **kwargs, return_indices=True)
    x, values, indices = (np.moveaxis(a, channel_axis(kwargs), 1) for a in (x, values, indices))
    planes = x.reshape(*x.shape[:2], -1)
    found = np.take_along_axis(planes, indices.reshape(*x.shape[:2], -1), 2)
    assert_exact(found.reshape(values.shape), values)


@given(poolings())
def test_max_pool_backward_conserves_the_sum(problem):
    x, kwargs = problem
    values, indices = pool("max_pool", x, **kwargs, return_indices=True)
    grad = like(values, 1)
    layout = {"data_format": kwargs["data_format"]}
    back = pool("max_pool_backward", grad, indices, x.shape, **layout)
    assert back.sum(dtype=np.float64) == grad.sum(dtype=np.float64)
    # Where nothing was the maximum, nothing arrives.
    everywhere = pool("max_pool_backward", np.ones_like(values), indices, x.shape, **layout)
    assert (back[everywhere == 0] == 0).all()
    # The adjoint of taking the elements at these positions.
    assert inner(back, x) == inner(grad, values)


@given(poolings(), st.booleans())
def test_average_is_linear_and_its_gradient_adjoint(problem, count_include_pad):
    x, kwargs = problem
    # A divisor of one keeps integers.
    total = pool("avg_pool", x, **kwargs, divisor_override=1)
    other = like(x, 1)
    assert_exact(
        pool("avg_pool", 2 * x - other, **kwargs, divisor_override=1),
        2 * total - pool("avg_pool", other, **kwargs, divisor_override=1),
    )
    grad = like(total, 2)
    back = pool("avg_pool_backward", grad, x.shape, **kwargs, divisor_override=1)
    assert inner(total, grad) == inner(x, back)

    kwargs = {**kwargs, "count_include_pad": count_include_pad}
    ones = pool("avg_pool", np.ones_like(x), **kwargs)
    if not count_include_pad:
        assert_exact(ones, np.ones_like(ones))
    mean = pool("avg_pool", x, **kwargs)
    magnitude = reference.avg_pool(np.abs(x), **kwargs)
    assert_within_contract(mean, reference.avg_pool(x, **kwargs), magnitude)
    # A gradient of ones comes back as many times as a position counts.
    grad = np.ones_like(mean, dtype=np.float64)
    back = pool("avg_pool_backward", grad, x.shape, **kwargs)
    total = inner(mean.astype(np.float64), grad)
    assert abs(inner(x, back) - total) <= 1e-5 * (1 + inner(np.abs(x), back))


@given(poolings(), small(2, 4))
def test_pool_batch_and_threads_change_nothing(problem, threads):
    x, kwargs = problem
    x = np.random.default_rng(0).standard_normal(x.shape).astype(x.dtype)
    layout, lengths = {"data_format": kwargs["data_format"]}, x.ndim - 2
    for name, args, options in [
        ("max_pool", (), kwargs),
        ("min_pool", (), kwargs),
        ("avg_pool", (), kwargs),
        ("lp_pool", (3,), kwargs),
        ("adaptive_avg_pool", ((3,) * lengths,), layout),
        ("adaptive_max_pool", ((5,) * lengths,), layout),
    ]:
        function = function_of(name, lengths)
        y = function(x, *args, **options, num_threads=1)
        np.testing.assert_array_equal(function(x, *args, **options, num_threads=threads), y)
        for image, expected in zip(x, y, strict=True):
            np.testing.assert_array_equal(function(image, *args, **options), expected)


@given(poolings())
def test_average_is_a_convolution(problem):
    x, kwargs = problem
    kwargs = {**kwargs, "ceil_mode": False}
    channels = x.shape[channel_axis(kwargs)]
    ones = np.ones((channels, 1, *kwargs["kernel_size"]), x.dtype)
    rest = {k: v for k, v in kwargs.items() if k not in ("kernel_size", "ceil_mode")}
    function = function_of("conv", x.ndim - 2)
    y = function(x, ones, groups=channels, precision="highest", **rest)
    assert_exact(pool("avg_pool", x, **kwargs, divisor_override=1), y)


@given(poolings(ranks=(1, 2)), small(0, 1))
def test_poolings_on_fewer_axes_are_on_axes_of_one(problem, place):
    x, kwargs = problem
    rank = x.ndim - 2
    at, first = place * rank, 1 if kwargs["data_format"] == "channels_last" else 2
    more = dict(kwargs)
    for name, one in (("kernel_size", 1), ("stride", 2), ("padding", (0, 0)), ("dilation", 3)):
        value = list(kwargs[name])
        value.insert(at, one)
        more[name] = tuple(value)
    for name, args in [("max_pool", ()), ("min_pool", ()), ("avg_pool", ()), ("lp_pool", (1,))]:
        narrow = pool(name, x, *args, **kwargs)
        wide = pool(name, np.expand_dims(x, first + at), *args, **more)
        np.testing.assert_array_equal(wide, np.expand_dims(narrow, first + at))
    _, narrow = pool("max_pool", x, **kwargs, return_indices=True)
    wide = np.expand_dims(x, first + at)
    _, wide = pool("max_pool", wide, **more, return_indices=True)
    np.testing.assert_array_equal(wide, np.expand_dims(narrow, first + at))


@given(poolings())
def test_the_generic_poolings_take_the_rank_from_the_window(problem):
    x, kwargs = problem
    layout, size = {"data_format": kwargs["data_format"]}, (2,) * (x.ndim - 2)
    for name, args, options in [
        ("max_pool", (), kwargs),
        ("min_pool", (), kwargs),
        ("avg_pool", (), kwargs),
        ("lp_pool", (2,), kwargs),
        ("adaptive_avg_pool", (size,), layout),
        ("adaptive_max_pool", (size,), layout),
    ]:
        assert_exact(function_of(name, None)(x, *args, **options), pool(name, x, *args, **options))


@given(poolings())
def test_lp_pool_is_a_norm(problem):
    """p = 1 is the sum of magnitudes; scaling scales; the gradient of |x| is homogeneous."""
    x, kwargs = problem
    total = pool("avg_pool", np.abs(x), **kwargs, divisor_override=1)
    assert_within_contract(pool("lp_pool", x, 1, **kwargs), total, total)
    y = pool("lp_pool", x, 3, **kwargs).astype(np.float64)
    scaled = pool("lp_pool", -4 * x, 3, **kwargs)
    assert_within_contract(scaled, 4 * y, 8 * y)
    largest = pool("max_pool", np.abs(x), **kwargs)
    assert (y >= largest * (1 - 1e-6)).all()
    # Euler: <x, gradient> = <y, g>, for a function that is homogeneous of degree one.
    x = x.astype(np.float64) + 0.5
    y = pool("lp_pool", x, 3, **kwargs)
    grad = like(y, 1)
    back = pool_backward_lp(grad, x, 3, kwargs)
    assert abs(inner(x, back) - inner(y, grad)) <= 1e-12 * (1 + inner(y, np.abs(grad)))


def pool_backward_lp(grad, x, norm_type, kwargs):
    return function_of("lp_pool_backward", x.ndim - 2)(grad, x, norm_type, **kwargs)


@given(poolings(), small(0, 2**32))
def test_central_differences_of_poolings(problem, seed):
    """Of every pooling that has a gradient, in float64."""
    x, kwargs = problem
    rng = np.random.default_rng(seed)
    # All different by far more than the step, so that no maximum changes.
    x = rng.permutation(x.size).reshape(x.shape) * (3.0 / x.size) - 1.4999
    layout, rank = {"data_format": kwargs["data_format"]}, x.ndim - 2
    size = tuple(int(n) for n in rng.integers(1, 5, rank))
    forward = {
        "max_pool": lambda x: pool("max_pool", x, **kwargs),
        "min_pool": lambda x: pool("min_pool", x, **kwargs),
        "avg_pool": lambda x: pool("avg_pool", x, **kwargs),
        "lp_pool": lambda x: pool("lp_pool", x, 2.5, **kwargs),
        "adaptive_avg_pool": lambda x: pool("adaptive_avg_pool", x, size, **layout),
        "adaptive_max_pool": lambda x: pool("adaptive_max_pool", x, size, **layout),
    }
    for name, function in forward.items():
        grad = np.cos(function(x))
        if name in ("max_pool", "min_pool", "adaptive_max_pool"):
            args = (size,) if name == "adaptive_max_pool" else ()
            options = layout if args else kwargs
            _, indices = pool(name, x, *args, **options, return_indices=True)
            back = pool("max_pool_backward", grad, indices, x.shape, **layout)
        elif name == "avg_pool":
            back = pool("avg_pool_backward", grad, x.shape, **kwargs)
        elif name == "lp_pool":
            back = pool_backward_lp(grad, x, 2.5, kwargs)
        else:
            back = pool("adaptive_avg_pool_backward", grad, x.shape, **layout)

        # A direction shorter than the differences, for the maxima's sake.
        def loss(x, function=function):
            return np.sin(function(x)).sum()

        step = min(1e-6, 0.1 / x.size)
        direction = rng.uniform(-1, 1, x.shape)
        slope = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
        scale = 1 + np.abs(back).sum()
        assert abs(slope - inner(back, direction)) < 1e-6 * scale, name


@given(poolings())
def test_adaptive_windows_are_those_of_a_regular_pooling(problem):
    """Where the lengths divide, an adaptive pooling is the plain one; to one, it is global."""
    x, kwargs = problem
    layout, rank = {"data_format": kwargs["data_format"]}, x.ndim - 2
    first = 1 if kwargs["data_format"] == "channels_last" else 2
    out = tuple(next(m for m in (4, 3, 2, 1) if n % m == 0) for n in x.shape[first : first + rank])
    window = tuple(n // m for n, m in zip(x.shape[first : first + rank], out, strict=True))
    plain, indices = pool("max_pool", x, window, **layout, return_indices=True)
    got, same = pool("adaptive_max_pool", x, out, **layout, return_indices=True)
    assert_exact(got, plain)
    assert_exact(same, indices)
    mean = pool("avg_pool", x, window, **layout)
    size = reference.avg_pool(np.abs(x), window, **layout)
    assert_within_contract(pool("adaptive_avg_pool", x, out, **layout), mean, 2 * size)
    spatial_axes = tuple(range(first, first + rank))
    whole = pool("adaptive_max_pool", x, 1, **layout)
    assert_exact(whole, x.max(axis=spatial_axes, keepdims=True))
    assert_exact(fastconv.global_max_pool(x, **layout).ravel(), whole.ravel())
    mean = x.mean(axis=spatial_axes, keepdims=True, dtype=np.float64)
    size = np.abs(x).mean(axis=spatial_axes, keepdims=True, dtype=np.float64)
    assert_within_contract(pool("adaptive_avg_pool", x, 1, **layout), mean, size)
    got = fastconv.global_avg_pool(x, **layout)
    assert_within_contract(got.reshape(mean.shape), mean, size)


@given(poolings())
def test_unpooling_undoes_pooling(problem):
    """Windows that do not overlap: every maximum goes back to where it was found."""
    x, kwargs = problem
    layout, rank = {"data_format": kwargs["data_format"]}, x.ndim - 2
    first = 1 if kwargs["data_format"] == "channels_last" else 2
    lengths = x.shape[first : first + rank]
    kernel = tuple(min(k, n) for k, n in zip(kwargs["kernel_size"], lengths, strict=True))
    x = np.abs(x) + 1
    values, indices = pool("max_pool", x, kernel, **layout, return_indices=True)
    back = pool("max_unpool", values, indices, kernel, output_size=lengths, **layout)
    assert back.shape == x.shape
    assert_exact(np.where(back != 0, x, 0), back)
    assert np.count_nonzero(back) == values.size
    assert_exact(pool("max_pool", back, kernel, **layout), values)
    # The same positions as the gradient goes to.
    assert_exact(pool("max_pool_backward", values, indices, x.shape, **layout), back)


@pytest.mark.slow
def test_all_of_these_with_new_examples(run_python):
    """Two thousand fresh examples of each property."""
    code = f"""
        import sys
        import pytest
        sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", {__file__!r}]))
    """
    run_python(code, cpu_seconds=7200, HYPOTHESIS_PROFILE="explore")
