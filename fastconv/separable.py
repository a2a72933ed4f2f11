"""Depthwise-separable convolutions: a docstring, then describe, select and run."""
from fastconv._call.separable import separable
from fastconv._desc.geometry import geometry
from fastconv._ranks import RANKS, documented, numbered

__all__ = ["separable_conv", "separable_conv1d", "separable_conv2d", "separable_conv3d"]


def _separable_conv(rank):
    name = numbered("separable_conv{d}", rank)

    @documented(name, rank, {
        None: """
            >>> volumes = np.ones((1, 2, 6, 6, 6))
            >>> depthwise, pointwise = np.ones((4, 1, 3, 3, 3)), np.ones((5, 4, 1, 1, 1))
            >>> fastconv.separable_conv(volumes, depthwise, pointwise).shape
            (1, 5, 4, 4, 4)""",
        1: """
            >>> signals = np.array([[0.0, 1, 2, 1, 0], [0, 0, 3, 0, 0]])
            >>> depthwise = np.array([[[1.0, 0, -1]], [[0, 2, 0]]])   # one for each signal
            >>> pointwise = np.array([[[1.0], [1]], [[1], [-1]]])     # their sum and difference
            >>> fastconv.separable_conv1d(signals, depthwise, pointwise, padding="same")
            array([[-1., -2.,  6.,  2.,  1.],
                   [-1., -2., -6.,  2.,  1.]])""",
        2: """
            >>> x = np.arange(32.0).reshape(1, 2, 4, 4)
            >>> depthwise = np.ones((2, 1, 3, 3))
            >>> pointwise = np.array([1.0, -1]).reshape(1, 2, 1, 1)
            >>> fastconv.separable_conv2d(x, depthwise, pointwise)
            array([[[[-144., -144.],
                     [-144., -144.]]]])

            A block of MobileNet:

            >>> x = np.zeros((1, 32, 112, 112), np.float32)
            >>> depthwise = np.zeros((32, 1, 3, 3), np.float32)
            >>> pointwise = np.zeros((64, 32, 1, 1), np.float32)
            >>> y = fastconv.separable_conv2d(x, depthwise, pointwise, padding=1,
            ...                               activation="relu6")
            >>> y.shape
            (1, 64, 112, 112)""",
        3: """
            >>> volume = np.ones((2, 4, 4, 4))
            >>> depthwise, pointwise = np.ones((2, 1, 2, 2, 2)), np.ones((3, 2, 1, 1, 1))
            >>> fastconv.separable_conv3d(volume, depthwise, pointwise, stride=2)[0]
            array([[[16., 16.],
                    [16., 16.]],
            <BLANKLINE>
                   [[16., 16.],
                    [16., 16.]]])""",
    })
    def separable_conv(x, depthwise_weight, pointwise_weight, bias=None, stride=1, padding=0,
                       dilation=1, *, padding_mode="zeros", padding_value=0,
                       data_format="channels_first", flip=False, activation=None, residual=None,
                       precision=None, method="auto", max_workspace=None, num_threads=None,
                       out_dtype=None, casting="same_kind", out=None):
        """Filter each channel of $arrays by itself, then combine the channels.

        The depthwise step gives each of C channels m filters of its own; the pointwise step makes
        K sums of these C m results at each place. It is ``conv$d(conv$d(x, depthwise_weight,
        groups=C), pointwise_weight)`` with the same bits, but what is between the steps stays in
        the cache: no array holds it.

        Parameters
        ----------
        x : array_like
            $which, channels last with ``data_format="channels_last"``; the batch axis may be
            left out. Floating-point or complex numbers, or integers, which are exact.
        depthwise_weight : array_like
            Filters ``(C m, 1, $kernel)``, in either data format$rank. Channel c has
            those from c m up to (c + 1) m, not included.
        pointwise_weight : array_like
            Weights of the sums, ``(K, C m, 1, …, 1)`` with as many axes.
        bias : array_like, optional
            One number for each sum, ``(K,)``.
        stride, padding, dilation, padding_mode, padding_value, flip
            As for `conv$d`; they are those of the depthwise step.
        data_format : {"channels_first", "channels_last"}
            Where `x` and the result have their channels.
        activation, residual
            As for `conv$d`; they go with the pointwise step, at the end.
        precision : {"highest", "high", "medium"}, optional
            What the algorithms may round, as for `conv$d`.
        method : str, default "auto"
            The algorithm of the depthwise step, as for `conv$d`. The pointwise step then has the
            fastest of those that give a result the same bits whatever is computed beside it.
        max_workspace : int, optional
            Most bytes of scratch memory of each step, and of what is between them, which takes a
            few rows at least.
        num_threads : int, optional
            Most threads; by default `get_num_threads`.
        $out

        Returns
        -------
        ndarray
            ``(N, K, $out_axes)`` or ``(N, $out_axes, K)``, with the dtype that NumPy's promotion
            gives `x`, the weights and `bias`, or int64 if all are integers or bool. float16 is
            rounded once, at the end.

        Raises
        ------
        TypeError
            If an argument is of the wrong kind, or the dtype is not supported.
        ValueError
            If sizes do not fit together, or a named method cannot serve.
        OverflowError
            If an exact result of integers, of either step, might not fit int64, or a value not
            `out_dtype`.
        MemoryError
            If the result or scratch memory cannot be allocated.

        See Also
        --------
        conv$d : Each step by itself.
        conv${d}_backward_data, conv${d}_backward_weight : The gradients of each step.

        Notes
        -----
        The bits are those of the two calls where both have one of the algorithms ``"direct"``,
        ``"depthwise"`` and ``"sliding"``, as `explain` tells; of images that are cut into pieces,
        others may have other bits, the same for every batch and number of threads.
        The meaning is that of TensorFlow's ``tf.nn.separable_conv2d``, with PyTorch's layouts.

        References
        ----------
        A. G. Howard et al., "MobileNets: Efficient convolutional neural networks for mobile vision
        applications", 2017.

        F. Chollet, "Xception: Deep learning with depthwise separable convolutions", CVPR 2017.

        $examples
        """
        windows = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                           padding_mode=padding_mode, padding_value=padding_value,
                           data_format=data_format, flip=flip, weight="depthwise_weight")
        return separable(windows, x, depthwise_weight, pointwise_weight, bias,
                         activation=activation, residual=residual, precision=precision,
                         method=method, max_workspace=max_workspace, num_threads=num_threads,
                         out=out, out_dtype=out_dtype, casting=casting)

    return separable_conv


separable_conv, separable_conv1d, separable_conv2d, separable_conv3d = map(_separable_conv, RANKS)
