"""What must hold for every input, drawn by hypothesis.

Numbers are small integers in most properties, so that equality is exact and a counterexample is
an error and not a rounding.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastconv
from fastconv._select import ALGORITHMS
from fastconv.testing import reference
from fastconv.testing.contract import assert_exact, assert_within_contract

METHODS = ["auto", *(a.name for a in ALGORITHMS if a.tier == "highest")]
PAD_MODES = ("zeros", "reflect", "symmetric", "replicate", "circular")


def small(low, high):
    return st.integers(low, high)


def pair(low, high):
    return st.tuples(small(low, high), small(low, high))


@st.composite
def problems(draw, max_groups=3, padding_modes=PAD_MODES, layouts=True):
    """x, weight and keyword arguments of a convolution that is valid."""
    groups = draw(small(1, max_groups))
    kernel, dilation = draw(pair(1, 4)), draw(pair(1, 3))
    padding = (draw(pair(0, 4)), draw(pair(0, 4)))
    lengths = tuple(
        max(1, d * (k - 1) + 1 - sum(p)) + draw(small(0, 20))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    # Up to two vectors of the widest kind, and one element more, in channels.
    channels = groups * draw(st.sampled_from([1, 2, 3, 5, 17, 33]))
    filters = groups * draw(st.sampled_from([1, 2, 3, 5, 17, 33]))
    batch, seed = draw(small(1, 3)), draw(small(0, 2**32))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    data_format = (
        draw(st.sampled_from(["channels_first", "channels_last"]))
        if layouts
        else ("channels_first")
    )
    rng = np.random.default_rng(seed)
    shape = (batch, channels, *lengths)
    if data_format == "channels_last":
        shape = (batch, *lengths, channels)
    x = rng.integers(-4, 5, shape).astype(dtype)
    weight = rng.integers(-4, 5, (filters, channels // groups, *kernel)).astype(dtype)
    kwargs = {
        "stride": draw(pair(1, 3)),
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
    return fastconv.conv2d(x, weight, **{**kwargs, **changes})


def like(x, seed):
    return np.random.default_rng(seed).integers(-4, 5, x.shape).astype(x.dtype)


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
    spread = bias if kwargs["data_format"] == "channels_last" else bias.reshape(-1, 1, 1)
    got = conv(x, weight, kwargs, bias=bias, residual=residual, activation="relu")
    assert_exact(got, np.maximum(y + spread + residual, 0))


# ---------------------------------------------------------------------------------- adjoints


@given(problems())
def test_gradients_are_adjoints(problem):
    """<conv(x, w), g> = <x, backward_data(g, w)> = <w, backward_weight(g, x)>, exactly."""
    x, weight, kwargs = problem
    y = conv(x, weight, kwargs)
    grad = like(y, 1)
    product = np.vdot(y.astype(np.float64), grad)
    data = fastconv.conv2d_backward_data(grad, weight, x.shape, **kwargs)
    assert np.vdot(x.astype(np.float64), data) == product
    of_weight = fastconv.conv2d_backward_weight(grad, x, weight.shape, **kwargs)
    assert np.vdot(weight.astype(np.float64), of_weight) == product
    per_sample = fastconv.conv2d_backward_weight(grad, x, weight.shape, per_sample=True, **kwargs)
    assert_exact(per_sample.sum(axis=0), of_weight)
    bias = fastconv.conv2d_backward_bias(grad, data_format=kwargs["data_format"])
    axis = (0, 1, 2) if kwargs["data_format"] == "channels_last" else (0, 2, 3)
    assert_exact(bias, grad.sum(axis=axis))


@given(problems(max_groups=2), st.integers(0, 2**32))
def test_central_differences(problem, seed):
    """In float64, of a nonlinear loss, with respect to x and to the weight."""
    x, weight, kwargs = problem
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal(x.shape), rng.standard_normal(weight.shape)
    kwargs = {**kwargs, "activation": None}

    def loss(x, weight):
        return np.sin(conv(x, weight, kwargs)).sum()

    grad = np.cos(conv(x, weight, kwargs))
    backward = {k: v for k, v in kwargs.items() if k != "activation"}
    of_x = fastconv.conv2d_backward_data(grad, weight, x.shape, **backward)
    of_weight = fastconv.conv2d_backward_weight(grad, x, weight.shape, **backward)
    step = 1e-5
    for array, gradient, at in [
        (x, of_x, lambda moved: loss(moved, weight)),
        (weight, of_weight, lambda moved: loss(x, moved)),
    ]:
        direction = rng.standard_normal(array.shape)
        slope = (at(array + step * direction) - at(array - step * direction)) / (2 * step)
        expected = np.vdot(gradient, direction)
        # The third derivative of the loss, times step**2, and the rounding of the loss / step.
        scale = 1 + np.abs(gradient).sum() + np.abs(conv(x, weight, kwargs)).sum() ** 1.5
        assert abs(slope - expected) < 1e-7 * scale


# ----------------------------------------------------------------- equivalent formulations


@given(problems())
def test_groups_are_a_concatenation(problem):
    x, weight, kwargs = problem
    axis = 3 if kwargs["data_format"] == "channels_last" else 1
    parts = zip(
        np.split(x, kwargs["groups"], axis), np.split(weight, kwargs["groups"]), strict=True
    )
    pieces = [conv(px, pw, kwargs, groups=1) for px, pw in parts]
    assert_exact(conv(x, weight, kwargs), np.concatenate(pieces, axis))


@given(problems())
def test_dilation_is_a_kernel_stuffed_with_zeros(problem):
    x, weight, kwargs = problem
    dh, dw = kwargs["dilation"]
    kh, kw = weight.shape[2:]
    stuffed = np.zeros((*weight.shape[:2], dh * (kh - 1) + 1, dw * (kw - 1) + 1), weight.dtype)
    stuffed[:, :, ::dh, ::dw] = weight
    assert_exact(conv(x, weight, kwargs), conv(x, stuffed, kwargs, dilation=1))


@given(problems())
def test_stride_is_subsampling(problem):
    x, weight, kwargs = problem
    sh, sw = kwargs["stride"]
    y = conv(x, weight, kwargs, stride=1)
    last = kwargs["data_format"] == "channels_last"
    y = y[:, ::sh, ::sw] if last else y[:, :, ::sh, ::sw]
    assert_exact(conv(x, weight, kwargs), y)


@given(problems())
def test_padding_is_numpys(problem):
    x, weight, kwargs = problem
    around = [(0, 0), *kwargs["padding"], (0, 0)]
    if kwargs["data_format"] == "channels_first":
        around = [(0, 0), (0, 0), *kwargs["padding"]]
    padded = np.pad(x, around, mode=reference.PAD_MODES[kwargs["padding_mode"]])
    assert_exact(conv(x, weight, kwargs), conv(padded, weight, kwargs, padding=0))


@given(problems(padding_modes=("zeros",), layouts=False), pair(0, 6))
def test_shift_equivariance(problem, shift):
    """Moving the image moves the result, where the window does not meet the border."""
    x, weight, kwargs = problem
    (sh, sw), (down, right) = kwargs["stride"], shift
    try:
        y = conv(x, weight, kwargs, padding=0)
    except ValueError:
        return  # only its padding made the image large enough
    moved = np.pad(x, ((0, 0), (0, 0), (down * sh, 0), (right * sw, 0)))
    assert_exact(conv(moved, weight, kwargs, padding=0)[:, :, down:, right:], y)


@given(problems())
def test_delta_is_the_identity(problem):
    x, _, kwargs = problem
    channels = x.shape[3 if kwargs["data_format"] == "channels_last" else 1]
    for size, at in [((1, 1), (0, 0)), ((3, 5), (1, 2))]:
        delta = np.zeros((channels, channels, *size), x.dtype)
        delta[range(channels), range(channels), at[0], at[1]] = 1
        rest = {"stride": 1, "dilation": 1, "groups": 1, "padding": "same"}
        assert_exact(conv(x, delta, kwargs, **rest), x)


@given(problems())
def test_1x1_is_a_matrix_product(problem):
    x, weight, kwargs = problem
    weight = np.ascontiguousarray(weight[:, :, :1, :1])
    rest = {"stride": 1, "dilation": 1, "padding": 0, "groups": 1}
    if kwargs["groups"] > 1:
        weight = np.tile(weight, (1, kwargs["groups"], 1, 1))
    y = conv(x, weight, kwargs, **rest)
    if kwargs["data_format"] == "channels_last":
        assert_exact(y, x @ weight[:, :, 0, 0].T)
    else:
        assert_exact(y, np.einsum("kc,nchw->nkhw", weight[:, :, 0, 0], x))


@given(problems())
def test_flip_is_a_flipped_kernel(problem):
    x, weight, kwargs = problem
    turned = np.flip(weight, (2, 3))
    assert_exact(conv(x, weight, kwargs), conv(x, turned, kwargs, flip=not kwargs["flip"]))


@given(problems(layouts=False))
def test_channels_last_is_transposed(problem):
    x, weight, kwargs = problem
    last = conv(np.moveaxis(x, 1, -1), weight, kwargs, data_format="channels_last")
    assert_exact(np.moveaxis(last, -1, 1), conv(x, weight, kwargs))


@given(problems(layouts=False))
def test_transposed_axes(problem):
    """Height and width are treated alike."""
    x, weight, kwargs = problem
    turned = {name: kwargs[name][::-1] for name in ("stride", "padding", "dilation")}
    got = conv(np.swapaxes(x, 2, 3), np.swapaxes(weight, 2, 3), kwargs, **turned)
    assert_exact(np.swapaxes(got, 2, 3), conv(x, weight, kwargs))


@given(problems(layouts=False, max_groups=1))
def test_associativity(problem):
    """Convolving twice is convolving with the convolved kernels, in full."""
    x, weight, kwargs = problem
    one, other = x[:1, :1], np.rint(weight[:1, :1])
    second = np.array([[[[1, -2], [3, 1]]]], x.dtype)
    full = {"padding": "full", "stride": 1, "dilation": 1, "flip": True, "padding_mode": "zeros"}
    left = conv(conv(one, other, kwargs, **full), second, kwargs, **full)
    right = conv(one, conv(other, second, kwargs, **full), kwargs, **full)
    assert_exact(left, right)


# ------------------------------------------------------------------------- nothing else counts


@given(problems(), st.integers(2, 4))
def test_batch_and_threads_change_nothing(problem, threads):
    """Bitwise, on numbers that round."""
    x, weight, kwargs = problem
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
    before = x.copy(), weight.copy()
    y = conv(x, weight, kwargs)
    out = np.full_like(y, np.nan)
    assert conv(x, weight, kwargs, out=out) is out
    np.testing.assert_array_equal(out, y)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(weight, before[1])


# ----------------------------------------------------------------------------------- pooling


@st.composite
def poolings(draw):
    """x and keyword arguments of a pooling that is valid."""
    kernel, dilation = draw(pair(1, 5)), draw(pair(1, 2))
    padding = tuple(
        (draw(small(0, d * (k - 1) // 2)), draw(small(0, d * (k - 1) // 2)))
        for k, d in zip(kernel, dilation, strict=True)
    )
    lengths = tuple(
        max(2, d * (k - 1) + 1 - sum(p)) + draw(small(0, 20))
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    )
    shape = (draw(small(1, 3)), draw(st.sampled_from([1, 2, 5, 17, 33])), *lengths)
    data_format = draw(st.sampled_from(["channels_first", "channels_last"]))
    if data_format == "channels_last":
        shape = (shape[0], *shape[2:], shape[1])
    rng = np.random.default_rng(draw(small(0, 2**32)))
    x = rng.integers(-9, 10, shape).astype(draw(st.sampled_from([np.float32, np.float64])))
    return x, {
        "kernel_size": kernel,
        "stride": draw(pair(1, 4)),
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
        "data_format": data_format,
    }


@given(poolings())
def test_max_pool_commutes_with_increasing_functions(problem):
    x, kwargs = problem
    values, indices = fastconv.max_pool2d(x, **kwargs, return_indices=True)
    scaled, same = fastconv.max_pool2d(3 * x + 1, **kwargs, return_indices=True)
    assert_exact(scaled, 3 * values + 1)
    assert_exact(same, indices)
    assert_exact(fastconv.max_pool2d(x, **kwargs), values)
    least, same = fastconv.min_pool2d(-x, **kwargs, return_indices=True)
    assert_exact(least, -values)
    assert_exact(same, indices)


@given(poolings())
def test_indices_point_at_the_values(problem):
    x, kwargs = problem
    values, indices = fastconv.max_pool2d(x, **kwargs, return_indices=True)
    axes = (0, 3, 1, 2) if kwargs["data_format"] == "channels_last" else (0, 1, 2, 3)
    x, values, indices = (a.transpose(axes) for a in (x, values, indices))
    planes = x.reshape(*x.shape[:2], -1)
    found = np.take_along_axis(planes, indices.reshape(*x.shape[:2], -1), 2)
    assert_exact(found.reshape(values.shape), values)


@given(poolings())
def test_max_pool_backward_conserves_the_sum(problem):
    x, kwargs = problem
    values, indices = fastconv.max_pool2d(x, **kwargs, return_indices=True)
    grad = like(values, 1)
    layout = {"data_format": kwargs["data_format"]}
    back = fastconv.max_pool2d_backward(grad, indices, x.shape, **layout)
    assert back.sum(dtype=np.float64) == grad.sum(dtype=np.float64)
    # Where nothing was the maximum, nothing arrives.
    everywhere = fastconv.max_pool2d_backward(np.ones_like(values), indices, x.shape, **layout)
    assert (back[everywhere == 0] == 0).all()


@given(poolings(), st.booleans())
def test_average_is_linear_and_its_gradient_adjoint(problem, count_include_pad):
    x, kwargs = problem
    # A divisor of one keeps integers.
    total = fastconv.avg_pool2d(x, **kwargs, divisor_override=1)
    other = like(x, 1)
    assert_exact(
        fastconv.avg_pool2d(2 * x - other, **kwargs, divisor_override=1),
        2 * total - fastconv.avg_pool2d(other, **kwargs, divisor_override=1),
    )
    grad = like(total, 2)
    back = fastconv.avg_pool2d_backward(grad, x.shape, **kwargs, divisor_override=1)
    assert np.vdot(total.astype(float), grad) == np.vdot(x.astype(float), back)

    kwargs = {**kwargs, "count_include_pad": count_include_pad}
    ones = fastconv.avg_pool2d(np.ones_like(x), **kwargs)
    if not count_include_pad:
        assert_exact(ones, np.ones_like(ones))
    mean = fastconv.avg_pool2d(x, **kwargs)
    magnitude = reference.avg_pool(np.abs(x), **kwargs)
    assert_within_contract(mean, reference.avg_pool(x, **kwargs), magnitude)


@given(poolings(), st.integers(2, 4))
def test_pool_batch_and_threads_change_nothing(problem, threads):
    x, kwargs = problem
    x = np.random.default_rng(0).standard_normal(x.shape).astype(x.dtype)
    for function in (fastconv.max_pool2d, fastconv.avg_pool2d):
        y = function(x, **kwargs, num_threads=1)
        np.testing.assert_array_equal(function(x, **kwargs, num_threads=threads), y)
        for image, expected in zip(x, y, strict=True):
            np.testing.assert_array_equal(function(image, **kwargs), expected)


@given(poolings())
def test_average_is_a_convolution(problem):
    x, kwargs = problem
    if kwargs["ceil_mode"]:
        kwargs = {**kwargs, "ceil_mode": False}
    channels = x.shape[3 if kwargs["data_format"] == "channels_last" else 1]
    ones = np.ones((channels, 1, *kwargs["kernel_size"]), x.dtype)
    rest = {k: v for k, v in kwargs.items() if k not in ("kernel_size", "ceil_mode")}
    y = fastconv.conv2d(x, ones, groups=channels, precision="highest", **rest)
    assert_exact(fastconv.avg_pool2d(x, **kwargs, divisor_override=1), y)


@pytest.mark.slow
def test_all_of_these_with_new_examples(run_python):
    """Two thousand fresh examples of each property."""
    code = f"""
        import sys
        import pytest
        sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", {__file__!r}]))
    """
    run_python(code, timeout=3600, HYPOTHESIS_PROFILE="explore")
