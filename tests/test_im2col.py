"""Functions: im2col and col2im."""

import numpy as np
import pytest

import fastconv
from fastconv.testing import reference
from fastconv.testing.cases import as_view
from fastconv.testing.contract import assert_exact, assert_within_contract

GEOMETRIES = [
    {"kernel_size": 1},
    {"kernel_size": 3},
    {"kernel_size": (2, 3), "stride": (2, 1), "padding": ((1, 0), (2, 3))},
    {"kernel_size": 3, "stride": 2, "padding": "same"},
    {"kernel_size": 3, "padding": "full", "dilation": 2},
    {"kernel_size": (4, 2), "stride": 5, "padding": 3},
]


def numbers(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def test_by_hand():
    x = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    cols = fastconv.im2col(x, 2)
    expected = [[[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]]
    np.testing.assert_array_equal(cols, expected)
    folded = fastconv.col2im(cols, x.shape, 2)
    np.testing.assert_array_equal(folded, x * [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_the_reference(dtype, data_format, geometry):
    shape = (2, 11, 19, 4) if data_format == "channels_last" else (2, 4, 11, 19)
    x, args = numbers(shape, dtype), {**geometry, "data_format": data_format}
    cols = fastconv.im2col(x, **args)
    assert cols.dtype == dtype
    assert cols.flags.c_contiguous
    np.testing.assert_array_equal(cols, reference.im2col(x, **args))
    cols = numbers(cols.shape, dtype, 1)
    folded = fastconv.col2im(cols, shape, **args)
    assert folded.dtype == dtype
    magnitude = reference.col2im(np.abs(cols), shape, **args)
    assert_within_contract(folded, reference.col2im(cols, shape, **args), magnitude)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_weight_times_columns_is_conv2d(geometry):
    x = np.rint(3 * numbers((2, 4, 11, 19)))
    cols = fastconv.im2col(x, **geometry)
    rest = {k: v for k, v in geometry.items() if k != "kernel_size"}
    size = geometry["kernel_size"]
    size = (size, size) if isinstance(size, int) else size
    weight = np.rint(3 * numbers((5, 4, *size), seed=1))
    y = fastconv.conv2d(x, weight, **rest, precision="highest")
    assert_exact((weight.reshape(5, -1) @ cols).reshape(y.shape), y)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_are_adjoint(geometry):
    x = np.rint(3 * numbers((2, 4, 11, 19), np.float64))
    cols = fastconv.im2col(x, **geometry)
    other = np.rint(3 * numbers(cols.shape, np.float64, 1))
    folded = fastconv.col2im(other, x.shape, **geometry)
    assert np.vdot(cols, other) == np.vdot(x, folded)


def test_against_torch(torch):
    x = numbers((2, 3, 10, 12))
    args = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    cols = fastconv.im2col(x, (3, 2), **args)
    expected = torch.nn.functional.unfold(torch.from_numpy(x), (3, 2), **args)
    np.testing.assert_array_equal(cols, expected.numpy())
    expected = torch.nn.functional.fold(expected, (10, 12), (3, 2), **args)
    np.testing.assert_allclose(fastconv.col2im(cols, x.shape, (3, 2), **args), expected, rtol=1e-6)


def test_without_the_batch_axis():
    x = numbers((3, 8, 9))
    cols = fastconv.im2col(x, 3, padding=1)
    np.testing.assert_array_equal(cols, fastconv.im2col(x[None], 3, padding=1)[0])
    folded = fastconv.col2im(cols, x.shape, 3, padding=1)
    np.testing.assert_array_equal(
        folded, fastconv.col2im(cols[None], (1, 3, 8, 9), 3, padding=1)[0]
    )


def test_empty():
    assert fastconv.im2col(numbers((0, 3, 5, 5)), 2).shape == (0, 12, 16)
    assert fastconv.im2col(numbers((2, 0, 5, 5)), 2).shape == (2, 0, 16)
    assert fastconv.col2im(numbers((0, 12, 16)), (0, 3, 5, 5), 2).shape == (0, 3, 5, 5)
    assert fastconv.col2im(numbers((2, 0, 16)), (2, 0, 5, 5), 2).shape == (2, 0, 5, 5)


@pytest.mark.parametrize("view", ["reversed", "fortran", "slice", "swapped", "misaligned"])
def test_layout_in_memory_changes_nothing(view):
    x = numbers((2, 3, 9, 21))
    cols = fastconv.im2col(x, 3, padding=1)
    np.testing.assert_array_equal(fastconv.im2col(as_view(x, view), 3, padding=1), cols)
    folded = fastconv.col2im(cols, x.shape, 3, padding=1)
    other = fastconv.col2im(as_view(cols, view), x.shape, 3, padding=1)
    np.testing.assert_array_equal(other, folded)
