"""The public poolings: a docstring, then describe and run.

Every family is defined once, by a function of the rank: see `_ranks`.
"""
from fastconv._call import pool as call
from fastconv._desc.geometry import geometry
from fastconv._ranks import RANKS, documented, numbered

__all__ = [
    "adaptive_avg_pool", "adaptive_avg_pool1d", "adaptive_avg_pool1d_backward",
    "adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_backward", "adaptive_avg_pool_backward", "adaptive_max_pool",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool", "avg_pool1d",
    "avg_pool1d_backward", "avg_pool2d", "avg_pool2d_backward", "avg_pool3d",
    "avg_pool3d_backward", "avg_pool_backward", "global_avg_pool", "global_max_pool", "lp_pool",
    "lp_pool1d", "lp_pool1d_backward", "lp_pool2d", "lp_pool2d_backward", "lp_pool3d",
    "lp_pool3d_backward", "lp_pool_backward", "max_pool", "max_pool1d", "max_pool1d_backward",
    "max_pool2d", "max_pool2d_backward", "max_pool3d", "max_pool3d_backward", "max_pool_backward",
    "max_unpool", "max_unpool1d", "max_unpool2d", "max_unpool3d", "min_pool", "min_pool1d",
    "min_pool2d", "min_pool3d", "pool_output_shape",
]


_EXTREMES = {
    "max": {
        None: """
            >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
            >>> fastconv.max_pool(x, 2)
            array([[[[ 5.,  7.],
                     [13., 15.]]]])""",
        1: """
            >>> x = np.array([[1.0, 5, 2, 4]])
            >>> fastconv.max_pool1d(x, 2)
            array([[5., 4.]])""",
        2: """
            >>> x = np.arange(16.0).reshape(1, 4, 4)
            >>> fastconv.max_pool2d(x, 2)
            array([[[ 5.,  7.],
                    [13., 15.]]])
            >>> fastconv.max_pool2d(x, 2, return_indices=True)[1]
            array([[[ 5,  7],
                    [13, 15]]])""",
        3: """
            >>> x = np.arange(16.0).reshape(1, 2, 2, 4)
            >>> fastconv.max_pool3d(x, 2)
            array([[[[13., 15.]]]])""",
    },
    "min": {
        None: """
            >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
            >>> fastconv.min_pool(x, 2)
            array([[[[ 0.,  2.],
                     [ 8., 10.]]]])""",
        1: """
            >>> x = np.array([[1.0, 5, 2, 4]])
            >>> fastconv.min_pool1d(x, 2)
            array([[1., 2.]])""",
        2: """
            >>> x = np.arange(16.0).reshape(1, 4, 4)
            >>> fastconv.min_pool2d(x, 2)
            array([[[ 0.,  2.],
                    [ 8., 10.]]])""",
        3: """
            >>> x = np.arange(16.0).reshape(1, 2, 2, 4)
            >>> fastconv.min_pool3d(x, 2)
            array([[[[0., 2.]]]])""",
    },
}


def _extreme_pool(kind, rank):
    name = numbered(kind + "_pool{d}", rank)

    @documented(name, rank, _EXTREMES[kind], kind=kind)
    def pool(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
             padding_mode=None, padding_value=0, return_indices=False,
             data_format="channels_first", num_threads=None, out_dtype=None,
             casting="same_kind", out=None):
        """Take the ${kind}imum of each window of $an_array.

        Without a `padding_mode` padding never wins: a window's ${kind}imum is that of its real
        elements. A window with a NaN gives NaN. Every real dtype is exact.

        Parameters
        ----------
        $x
        $window
        $return_indices
        $pool_options

        Returns
        -------
        ndarray
            The ${kind}ima, with the dtype of `x`.
        $indices

        $pool_raises
        $overflow

        See Also
        --------
        max_pool${d}_backward : The gradient.
        max_unpool$d : Puts elements back to where they were found.

        References
        ----------
        .. [1] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular
           and octagonal kernels", Pattern Recognition Letters 13, 1992: windows of any length at a
           bounded cost. Here elements are combined by doubling, which needs no division of the row
           into blocks; see J. Gil and M. Werman, "Computing 2-D min, median, and max filters",
           1993, for both.

        $examples
        """
        windows = geometry(name, rank, kernel_size=kernel_size, stride=stride, padding=padding,
                           dilation=dilation, ceil_mode=ceil_mode, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format)
        return call.forward(windows, kind, x, return_indices=return_indices,
                            num_threads=num_threads, out=out,
                            out_dtype=out_dtype, casting=casting)

    return pool


max_pool, max_pool1d, max_pool2d, max_pool3d = (_extreme_pool("max", rank) for rank in RANKS)
min_pool, min_pool1d, min_pool2d, min_pool3d = (_extreme_pool("min", rank) for rank in RANKS)


def _avg_pool(rank):
    name = numbered("avg_pool{d}", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
            >>> fastconv.avg_pool(x, 2)
            array([[[[ 2.5,  4.5],
                     [10.5, 12.5]]]])""",
        1: """
            >>> x = np.array([[1.0, 5, 2, 4]])
            >>> fastconv.avg_pool1d(x, 2)
            array([[3., 3.]])""",
        2: """
            >>> x = np.arange(16.0).reshape(1, 4, 4)
            >>> fastconv.avg_pool2d(x, 2)
            array([[[ 2.5,  4.5],
                    [10.5, 12.5]]])""",
        3: """
            >>> x = np.arange(16.0).reshape(1, 2, 2, 4)
            >>> fastconv.avg_pool3d(x, 2)
            array([[[[6.5, 8.5]]]])""",
    })
    def avg_pool(x, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
                 padding_mode=None, padding_value=0, count_include_pad=True,
                 divisor_override=None, data_format="channels_first", num_threads=None,
                 out_dtype=None, casting="same_kind", out=None):
        r"""Take the average of each window of $an_array.

        Parameters
        ----------
        $x
        $window
        $divisor
        $pool_options

        Returns
        -------
        ndarray
            The averages, with the dtype of `x`; float64 for integers and bool.

        $pool_raises
        $overflow

        See Also
        --------
        avg_pool${d}_backward : The gradient.
        adaptive_avg_pool$d : For a result of given size.

        Notes
        -----
        float16 is summed in float32, small integers as integers, others in float64: the sums
        of integers are exact below 2\ :sup:`53`.
        Long sums are added in pairs, in float64 for float32.

        $examples
        """
        windows = geometry(name, rank, kernel_size=kernel_size, stride=stride, padding=padding,
                           dilation=dilation, ceil_mode=ceil_mode, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format)
        return call.forward(windows, "mean", x, count_include_pad=count_include_pad,
                            divisor_override=divisor_override, num_threads=num_threads, out=out,
                            out_dtype=out_dtype, casting=casting)

    return avg_pool


avg_pool, avg_pool1d, avg_pool2d, avg_pool3d = map(_avg_pool, RANKS)


def _lp_pool(rank):
    name = numbered("lp_pool{d}", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.array([[[[3.0, 4], [0, 0]]]])
            >>> fastconv.lp_pool(x, 2, 2)
            array([[[[5.]]]])""",
        1: """
            >>> x = np.array([[3.0, 4, 0, 2]])
            >>> fastconv.lp_pool1d(x, 2, 2)
            array([[5., 2.]])""",
        2: """
            >>> x = np.array([[[3.0, 4], [0, 0]]])
            >>> fastconv.lp_pool2d(x, 2, 2)
            array([[[5.]]])""",
        3: """
            >>> x = np.array([[[[3.0, 4], [0, 0]]]])
            >>> fastconv.lp_pool3d(x, 2, (1, 2, 2))
            array([[[[5.]]]])""",
    })
    def lp_pool(x, norm_type, kernel_size, stride=None, padding=0, dilation=1, *, ceil_mode=False,
                padding_mode=None, padding_value=0, data_format="channels_first",
                num_threads=None, out_dtype=None, casting="same_kind", out=None):
        """Take the p-norm of each window of $an_array.

        That is the p-th root of the sum of p-th powers of magnitudes. It neither overflows nor
        underflows where the norm itself does not.

        Parameters
        ----------
        $x
        $norm_type
        $window
        $pool_options

        Returns
        -------
        ndarray
            The norms, with the dtype of `x`; float64 for integers and bool.

        $pool_raises
        $overflow

        See Also
        --------
        lp_pool${d}_backward : The gradient.
        avg_pool$d : Averages.

        $examples
        """
        windows = geometry(name, rank, kernel_size=kernel_size, stride=stride, padding=padding,
                           dilation=dilation, ceil_mode=ceil_mode, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format)
        return call.forward(windows, "norm", x, norm_type=norm_type, num_threads=num_threads,
                            out=out, out_dtype=out_dtype, casting=casting)

    return lp_pool


lp_pool, lp_pool1d, lp_pool2d, lp_pool3d = map(_lp_pool, RANKS)


def _adaptive_avg_pool(rank):
    name = numbered("adaptive_avg_pool{d}", rank)

    @documented(name, rank, {
        1: """
            >>> x = np.array([[1.0, 2, 3, 4, 5]])
            >>> fastconv.adaptive_avg_pool1d(x, 2)
            array([[2., 4.]])""",
        2: """
            >>> x = np.arange(9.0).reshape(1, 3, 3)
            >>> fastconv.$name(x, (1, 2))
            array([[[3.5, 4.5]]])""",
        3: """
            >>> x = np.arange(8.0).reshape(1, 2, 2, 2)
            >>> fastconv.adaptive_avg_pool3d(x, 1)
            array([[[[3.5]]]])""",
    }, size="output_size")
    def adaptive_avg_pool(x, output_size, *, data_format="channels_first", num_threads=None,
                          out_dtype=None, casting="same_kind", out=None):
        """Take the average of windows that share the input out evenly, of $an_array.

        $even_windows

        Parameters
        ----------
        $x
        $output_size
        $pool_options

        Returns
        -------
        ndarray
            The averages, with the dtype of `x`; float64 for integers and bool.

        $pool_raises
        $overflow

        See Also
        --------
        adaptive_avg_pool${d}_backward : The gradient.
        global_avg_pool : One window for each plane.

        $examples
        """
        windows = geometry(name, rank, output_size=output_size, data_format=data_format)
        return call.adaptive(windows, "mean", x, num_threads=num_threads, out=out,
                             out_dtype=out_dtype, casting=casting)

    return adaptive_avg_pool


(adaptive_avg_pool, adaptive_avg_pool1d, adaptive_avg_pool2d,
 adaptive_avg_pool3d) = map(_adaptive_avg_pool, RANKS)


def _adaptive_max_pool(rank):
    name = numbered("adaptive_max_pool{d}", rank)

    @documented(name, rank, {
        1: """
            >>> x = np.array([[1.0, 2, 3, 4, 5]])
            >>> fastconv.adaptive_max_pool1d(x, 2)
            array([[3., 5.]])""",
        2: """
            >>> x = np.arange(9.0).reshape(1, 3, 3)
            >>> fastconv.$name(x, (1, 2))
            array([[[7., 8.]]])""",
        3: """
            >>> x = np.arange(8.0).reshape(1, 2, 2, 2)
            >>> fastconv.adaptive_max_pool3d(x, 1)
            array([[[[7.]]]])""",
    }, size="output_size")
    def adaptive_max_pool(x, output_size, *, return_indices=False, data_format="channels_first",
                          num_threads=None, out_dtype=None, casting="same_kind", out=None):
        """Take the maximum of windows that share the input out evenly, of $an_array.

        $even_windows

        Parameters
        ----------
        $x
        $output_size
        $return_indices
        $pool_options

        Returns
        -------
        ndarray
            The maxima, with the dtype of `x`.
        $indices

        $pool_raises
        $overflow

        See Also
        --------
        max_pool${d}_backward : The gradient.
        global_max_pool : One window for each plane.

        $examples
        """
        windows = geometry(name, rank, output_size=output_size, data_format=data_format)
        return call.adaptive(windows, "max", x, return_indices=return_indices,
                             num_threads=num_threads, out=out,
                             out_dtype=out_dtype, casting=casting)

    return adaptive_max_pool


(adaptive_max_pool, adaptive_max_pool1d, adaptive_max_pool2d,
 adaptive_max_pool3d) = map(_adaptive_max_pool, RANKS)


@documented("global_avg_pool", None, {
    None: """
        >>> x = np.arange(32.0).reshape(1, 2, 4, 4)
        >>> fastconv.global_avg_pool(x).shape
        (1, 2, 1, 1)
        >>> fastconv.global_avg_pool(x).ravel()
        array([ 7.5, 23.5])""",
})
def global_avg_pool(x, *, rank=None, data_format="channels_first", num_threads=None,
                    out_dtype=None, casting="same_kind", out=None):
    """Take the average of each plane: of everything that an image has in one channel.

    Parameters
    ----------
    $planes
    $pool_options

    Returns
    -------
    ndarray
        The averages, with the dtype of `x`; float64 for integers and bool. The spatial axes stay,
        with length 1.

    $pool_raises
    $overflow

    See Also
    --------
    adaptive_avg_pool : For a result of any size.

    $examples
    """
    return call.whole("global_avg_pool", "mean", x, rank=rank, data_format=data_format,
                      num_threads=num_threads, out=out,
                      out_dtype=out_dtype, casting=casting)


@documented("global_max_pool", None, {
    None: """
        >>> x = np.arange(32.0).reshape(1, 2, 4, 4)
        >>> fastconv.global_max_pool(x).shape
        (1, 2, 1, 1)
        >>> fastconv.global_max_pool(x).ravel()
        array([15., 31.])""",
})
def global_max_pool(x, *, rank=None, data_format="channels_first", num_threads=None,
                    out_dtype=None, casting="same_kind", out=None):
    """Take the maximum of each plane: of everything that an image has in one channel.

    Parameters
    ----------
    $planes
    $pool_options

    Returns
    -------
    ndarray
        The maxima, with the dtype of `x`. The spatial axes stay, with length 1.

    $pool_raises
    $overflow

    See Also
    --------
    adaptive_max_pool : For a result of any size.

    $examples
    """
    return call.whole("global_max_pool", "max", x, rank=rank, data_format=data_format,
                      num_threads=num_threads, out=out,
                      out_dtype=out_dtype, casting=casting)


def _max_unpool(rank):
    name = numbered("max_unpool{d}", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.array([[[[1.0, 5], [2, 3]]]])
            >>> y, indices = fastconv.max_pool(x, 2, return_indices=True)
            >>> fastconv.max_unpool(y, indices, 2)
            array([[[[0., 5.],
                     [0., 0.]]]])""",
        1: """
            >>> x = np.array([[1.0, 5, 2, 4]])
            >>> y, indices = fastconv.max_pool1d(x, 2, return_indices=True)
            >>> fastconv.max_unpool1d(y, indices, 2)
            array([[0., 5., 0., 4.]])""",
        2: """
            >>> x = np.array([[[1.0, 5], [2, 3]]])
            >>> y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
            >>> fastconv.max_unpool2d(y, indices, 2)
            array([[[0., 5.],
                    [0., 0.]]])""",
        3: """
            >>> x = np.array([[[[1.0, 5], [2, 3]], [[0, 1], [1, 0]]]])
            >>> y, indices = fastconv.max_pool3d(x, 2, return_indices=True)
            >>> fastconv.max_unpool3d(y, indices, 2)
            array([[[[0., 5.],
                     [0., 0.]],
            <BLANKLINE>
                    [[0., 0.],
                     [0., 0.]]]])""",
    })
    def max_unpool(x, indices, kernel_size, stride=None, padding=0, *, output_size=None,
                   data_format="channels_first", num_threads=None, out_dtype=None,
                   casting="same_kind", out=None):
        """Put the elements of a maximum pooling back to where they were found, of $an_array.

        Parameters
        ----------
        $x
        indices : array_like of int
            Flat positions in the plane of the result, in the shape of `x`, as returned by
            `max_pool$d` with ``return_indices=True``.
        kernel_size : int or sequence of int
            Extent of the window: one number $all, or $each.
        stride : int or sequence of int, optional
            As in the pooling; by default the kernel size.
        padding : int or sequence, default 0
            As in the pooling: a number, one for each axis, or a pair for each axis.
        output_size : sequence of int, optional
            The spatial size of the result, or its whole shape. Several sizes are pooled to the
            same one; the default is ``(size - 1) * stride - padding before and after +
            kernel_size``, and what is given differs from it by less than the stride.
        $pool_options

        Returns
        -------
        ndarray
            The elements in their places, and zeros, with the dtype of `x`. Where indices are equal,
            the last element in row-major order stays.

        $pool_raises
        $overflow

        See Also
        --------
        max_pool$d : Gives the indices.

        $examples
        """
        windows = geometry(name, rank, kernel_size=kernel_size, stride=stride, padding=padding,
                           output_size=output_size, data_format=data_format)
        return call.unpool(windows, x, indices, num_threads=num_threads, out=out,
                           out_dtype=out_dtype, casting=casting)

    return max_unpool


max_unpool, max_unpool1d, max_unpool2d, max_unpool3d = map(_max_unpool, RANKS)


def _max_pool_backward(rank):
    name = numbered("max_pool{d}_backward", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.array([[[[1.0, 5], [2, 3]]]])
            >>> y, indices = fastconv.max_pool(x, 2, return_indices=True)
            >>> fastconv.max_pool_backward(np.ones_like(y), indices, x.shape)
            array([[[[0., 1.],
                     [0., 0.]]]])""",
        1: """
            >>> x = np.array([[1.0, 5, 2, 3]])
            >>> y, indices = fastconv.max_pool1d(x, 2, return_indices=True)
            >>> fastconv.max_pool1d_backward(np.ones_like(y), indices, x.shape)
            array([[0., 1., 0., 1.]])""",
        2: """
            >>> x = np.array([[[1.0, 5], [2, 3]]])
            >>> y, indices = fastconv.max_pool2d(x, 2, return_indices=True)
            >>> fastconv.max_pool2d_backward(np.ones_like(y), indices, x.shape)
            array([[[0., 1.],
                    [0., 0.]]])""",
        3: """
            >>> x = np.array([[[[1.0, 5], [2, 3]]]])
            >>> y, indices = fastconv.max_pool3d(x, (1, 2, 2), return_indices=True)
            >>> fastconv.max_pool3d_backward(np.ones_like(y), indices, x.shape)
            array([[[[0., 1.],
                     [0., 0.]]]])""",
    }, misfit="the gradient is not that of such a call")
    def max_pool_backward(grad_output, indices, input_shape, *, data_format="channels_first",
                          num_threads=None, out=None):
        """Gradient of `max_pool$d`, `min_pool$d` and `adaptive_max_pool$d`.

        Parameters
        ----------
        $grad_output
        indices : array_like of int
            What the forward call returned with ``return_indices=True``.
        $input_shape$rank_of_shape
        $options

        Returns
        -------
        ndarray
            The gradient of `x`: zero but where an element was found; where windows share one, their
            gradients add up. It has the dtype of `grad_output`; float64 for integers and bool.

        $pool_raises

        See Also
        --------
        max_pool$d : The forward pass.

        $examples
        """
        windows = geometry(name, rank, data_format=data_format, x="input_shape")
        return call.backward_max(windows, grad_output, indices, input_shape,
                                 num_threads=num_threads, out=out)

    return max_pool_backward


(max_pool_backward, max_pool1d_backward, max_pool2d_backward,
 max_pool3d_backward) = map(_max_pool_backward, RANKS)


def _avg_pool_backward(rank):
    name = numbered("avg_pool{d}_backward", rank)

    @documented(name, rank, {
        None: """
            >>> fastconv.avg_pool_backward(np.ones((1, 1, 1)), (1, 2, 2), (2, 2))
            array([[[0.25, 0.25],
                    [0.25, 0.25]]])""",
        1: """
            >>> fastconv.avg_pool1d_backward(np.ones((1, 1)), (1, 2), 2)
            array([[0.5, 0.5]])""",
        2: """
            >>> fastconv.avg_pool2d_backward(np.ones((1, 1, 1)), (1, 2, 2), 2)
            array([[[0.25, 0.25],
                    [0.25, 0.25]]])""",
        3: """
            >>> fastconv.avg_pool3d_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2), (1, 2, 2))
            array([[[[0.25, 0.25],
                     [0.25, 0.25]]]])""",
    }, misfit="the gradient is not that of such a call")
    def avg_pool_backward(grad_output, input_shape, kernel_size, stride=None, padding=0,
                          dilation=1, *, ceil_mode=False, padding_mode=None, padding_value=0,
                          count_include_pad=True, divisor_override=None,
                          data_format="channels_first", num_threads=None, out=None):
        """Gradient of `avg_pool$d` with respect to its input.

        Parameters
        ----------
        $grad_output
        $input_shape
        $window
        $divisor
        $options

        Returns
        -------
        ndarray
            The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64
            for integers and bool.

        $pool_raises

        See Also
        --------
        avg_pool$d : The forward pass.

        $examples
        """
        windows = geometry(name, rank, kernel_size=kernel_size, stride=stride, padding=padding,
                           dilation=dilation, ceil_mode=ceil_mode, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format,
                           x="input_shape")
        return call.backward_mean(windows, grad_output, input_shape,
                                  count_include_pad=count_include_pad,
                                  divisor_override=divisor_override, num_threads=num_threads,
                                  out=out)

    return avg_pool_backward


(avg_pool_backward, avg_pool1d_backward, avg_pool2d_backward,
 avg_pool3d_backward) = map(_avg_pool_backward, RANKS)


def _lp_pool_backward(rank):
    name = numbered("lp_pool{d}_backward", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.array([[[3.0, 4], [0, 0]]])
            >>> fastconv.lp_pool_backward(np.ones((1, 1, 1)), x, 2, (2, 2))
            array([[[0.6, 0.8],
                    [0. , 0. ]]])""",
        1: """
            >>> x = np.array([[3.0, 4]])
            >>> fastconv.lp_pool1d_backward(np.ones((1, 1)), x, 2, 2)
            array([[0.6, 0.8]])""",
        2: """
            >>> x = np.array([[[3.0, 4], [0, 0]]])
            >>> fastconv.lp_pool2d_backward(np.ones((1, 1, 1)), x, 2, 2)
            array([[[0.6, 0.8],
                    [0. , 0. ]]])""",
        3: """
            >>> x = np.array([[[[3.0, 4], [0, 0]]]])
            >>> fastconv.lp_pool3d_backward(np.ones((1, 1, 1, 1)), x, 2, (1, 2, 2))
            array([[[[0.6, 0.8],
                     [0. , 0. ]]]])""",
    }, misfit="the gradient is not that of such a call")
    def lp_pool_backward(grad_output, x, norm_type, kernel_size, stride=None, padding=0,
                         dilation=1, *, ceil_mode=False, padding_mode=None, padding_value=0,
                         data_format="channels_first", num_threads=None, out=None):
        """Gradient of `lp_pool$d` with respect to its input.

        Of a norm y, that of an element x is ``sign(x) (abs(x) / y)**(p - 1)``, and 0 where x or y
        is 0. With p = inf it is the sign of the first largest element.

        Parameters
        ----------
        $grad_output
        $x
        $norm_type
        $window
        $options

        Returns
        -------
        ndarray
            The gradient of `x`, with the dtype that `grad_output` and `x` have together; float64
            for integers and bool.

        $pool_raises

        See Also
        --------
        lp_pool$d : The forward pass.

        $examples
        """
        windows = geometry(name, rank, kernel_size=kernel_size, stride=stride, padding=padding,
                           dilation=dilation, ceil_mode=ceil_mode, padding_mode=padding_mode,
                           padding_value=padding_value, data_format=data_format)
        return call.backward_norm(windows, grad_output, x, norm_type=norm_type,
                                  num_threads=num_threads, out=out)

    return lp_pool_backward


(lp_pool_backward, lp_pool1d_backward, lp_pool2d_backward,
 lp_pool3d_backward) = map(_lp_pool_backward, RANKS)


def _adaptive_avg_pool_backward(rank):
    name = numbered("adaptive_avg_pool{d}_backward", rank)

    @documented(name, rank, {
        None: """
            >>> fastconv.adaptive_avg_pool_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2))
            array([[[[0.25, 0.25],
                     [0.25, 0.25]]]])""",
        1: """
            >>> fastconv.adaptive_avg_pool1d_backward(np.ones((1, 1)), (1, 2))
            array([[0.5, 0.5]])""",
        2: """
            >>> fastconv.adaptive_avg_pool2d_backward(np.ones((1, 1, 1)), (1, 2, 2))
            array([[[0.25, 0.25],
                    [0.25, 0.25]]])""",
        3: """
            >>> fastconv.adaptive_avg_pool3d_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 2))
            array([[[[0.25, 0.25],
                     [0.25, 0.25]]]])""",
    }, misfit="the gradient is not that of such a call")
    def adaptive_avg_pool_backward(grad_output, input_shape, *, data_format="channels_first",
                                   num_threads=None, out=None):
        """Gradient of `adaptive_avg_pool$d` with respect to its input.

        Parameters
        ----------
        $grad_output
        $input_shape$rank_of_shape
        $options

        Returns
        -------
        ndarray
            The gradient of `x`, of shape `input_shape`, with the dtype of `grad_output`; float64
            for integers and bool.

        $pool_raises

        See Also
        --------
        adaptive_avg_pool$d : The forward pass.

        $examples
        """
        windows = geometry(name, rank, data_format=data_format, x="input_shape")
        return call.backward_adaptive(windows, grad_output, input_shape, num_threads=num_threads,
                                      out=out)

    return adaptive_avg_pool_backward


(adaptive_avg_pool_backward, adaptive_avg_pool1d_backward, adaptive_avg_pool2d_backward,
 adaptive_avg_pool3d_backward) = map(_adaptive_avg_pool_backward, RANKS)


def pool_output_shape(x_shape, kernel_size, stride=None, padding=0, dilation=1, *,
                      ceil_mode=False, padding_mode=None, data_format="channels_first"):
    """Shape of a pooling's result, by arithmetic alone.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input.
    kernel_size : int or sequence of int
        Extent of the window. Its entries tell the number of spatial axes, and then the batch axis
        may be left out; with a single number they follow from `x_shape` as for `max_pool`.
    stride, padding, dilation, ceil_mode, padding_mode, data_format
        As for `max_pool`.

    Returns
    -------
    tuple of int
        The shape.

    Raises
    ------
    TypeError, ValueError
        As `max_pool` does.

    See Also
    --------
    conv_output_shape : The same for convolutions.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.pool_output_shape((1, 64, 112, 112), 3, stride=2, padding=1)
    (1, 64, 56, 56)
    """
    windows = geometry("pool_output_shape", None, kernel_size=kernel_size, stride=stride,
                       padding=padding, dilation=dilation, ceil_mode=ceil_mode,
                       padding_mode=padding_mode, data_format=data_format, x="x_shape")
    return call.output_shape(windows, x_shape)
