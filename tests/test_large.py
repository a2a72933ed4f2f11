"""Memory: sizes past 2**31, of arrays, of results, of the matrix that im2col would be."""

import os

import numpy as np
import pytest

import fastconv
from fastconv.testing.contract import assert_exact
from fastconv.testing.served import methods, serves

METHODS = methods("forward", tier="highest")


def memory(gigabytes):
    """The mark of a test that needs so much; where the free memory is unknown there is none."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError):
        free = 0
    return pytest.mark.needs(free >= 1.3 * gigabytes * 2**30, f"{gigabytes} GB of free memory")


def integers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: serves(
    method, "forward", (300_000, 2, 32, 32), (3, 2, 5, 5), stride=9
))
def test_inputs_of_more_than_2_to_the_31(method):
    """Of elements and of bytes; they are all views of one image."""
    image, weight = integers((1, 2, 32, 32)), integers((3, 2, 5, 5), seed=1)
    expected = fastconv.conv2d(image, weight, stride=9)
    many = np.broadcast_to(image, (300_000, 2, 32, 32))
    assert many.nbytes > 2**31
    y = fastconv.conv2d(many, weight, stride=9, method=method)
    assert_exact(y, np.broadcast_to(expected, y.shape))


@memory(10)
@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: serves(
    method, "forward", (1, 1, 8192, 8192), (33, 1, 1, 1)
))
def test_results_of_more_than_2_to_the_31(method):
    x, weight = integers((1, 1, 8192, 8192)), integers((33, 1, 1, 1), seed=1)
    y = fastconv.conv2d(x, weight, method=method)
    assert y.size > 2**31
    for filters in (0, 16, 31, 32):
        assert_exact(y[0, filters], weight[filters, 0, 0, 0] * x[0, 0])


@memory(12)
@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_pooling_of_more_than_2_to_the_31(data_format):
    image = integers((1, 1, 8192, 8192))
    shape = (1, 33, 8192, 8192)
    if data_format == "channels_last":
        image, shape = np.moveaxis(image, 1, -1), (1, 8192, 8192, 33)
    x = np.broadcast_to(image, shape)
    args = {"kernel_size": 2, "stride": 2, "data_format": data_format}
    axis = 3 if data_format == "channels_last" else 1
    for function in (fastconv.max_pool2d, fastconv.avg_pool2d):
        expected = function(image, **args)
        y = np.moveaxis(function(x, **args), axis, 1)
        for channel in (0, 15, 16, 32):
            assert_exact(y[:, channel], np.moveaxis(expected, axis, 1)[:, 0])


@memory(4)
@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.served(by=lambda method: all(
    serves(method, which, (1, 64, 2048, 2048), (4, 64, 3, 3), padding=1)
    for which in ("forward", "backward_data")
))
def test_columns_of_more_than_2_to_the_31(method):
    """64 channels of 3 x 3 taps at 2048 x 2048 places would be a matrix of 2.4e9."""
    image, weight = integers((1, 1, 2048, 2048)), integers((4, 64, 3, 3), seed=1)
    x = np.broadcast_to(image, (1, 64, 2048, 2048))
    summed = weight.sum(axis=1, keepdims=True)
    y = fastconv.conv2d(x, weight, padding=1, method=method)
    assert_exact(y, fastconv.conv2d(image, summed, padding=1, precision="highest"))
    grad = integers(y.shape, seed=2)
    back = fastconv.conv2d_backward_data(grad, weight, x.shape, padding=1, method=method)
    alone = fastconv.conv2d_backward_data(
        grad, weight[:, 63:], image.shape, padding=1, precision="highest"
    )
    assert_exact(back[:, 63:], alone)


@memory(12)
@pytest.mark.slow
def test_columns_as_an_array_of_more_than_2_to_the_31():
    x = integers((1, 256, 1000, 1000))
    cols = fastconv.im2col(x, 3)
    assert cols.size > 2**31
    rows = cols.reshape(256, 3, 3, 998, 998)
    for channel, a, b in [(0, 0, 0), (128, 1, 2), (255, 2, 2)]:
        assert_exact(rows[channel, a, b], x[0, channel, a : a + 998, b : b + 998])


@memory(9)
@pytest.mark.slow
@pytest.mark.parametrize("method", ["direct", "im2col"])
@pytest.mark.served(by=lambda method: serves(method, "forward", (1, 6, 3, 4), (5, 6, 2, 2)))
def test_rows_of_few_elements_more_than_2_to_the_31_apart(method):
    """A list of places has no room for such distances."""
    held = np.empty(2 * 2**30 + 64, np.float32)  # of which a few pages are touched
    x = np.lib.stride_tricks.as_strided(held, (1, 6, 3, 4), (0, 16, 2**32, 4))
    x[...] = integers(x.shape)
    weight = integers((5, 6, 2, 2), seed=1)
    assert_exact(fastconv.conv2d(x, weight, method=method),
                 fastconv.conv2d(x.copy(), weight, method=method))
