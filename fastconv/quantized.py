"""Quantised layers: convolutions of 8- and 16-bit integers with scales and zero points."""
from fastconv._desc.arguments import as_shape
from fastconv._desc.geometry import geometry
from fastconv._desc.quantized import as_small_dtype, as_small_integers
from fastconv._ranks import RANKS, documented, numbered

__all__ = ["QConvPlan", "plan_qconv", "qconv", "qconv1d", "qconv2d", "qconv3d"]


def _qconv(rank):
    name = numbered("qconv{d}", rank)

    @documented(name, rank, {
        None: """
            >>> x = np.array([[[1, 2, 3, 4]]], np.uint8)
            >>> fastconv.qconv(x, np.array([[[1, -1]]], np.int8))
            array([[[-1, -1, -1]]], dtype=int32)""",
        1: """
            >>> x = np.array([[[10, 20, 30, 40]]], np.uint8)
            >>> weight = np.array([[[1, 2]]], np.int8)
            >>> fastconv.qconv1d(x, weight, x_zero_point=10, scale=0.5, y_zero_point=100)
            array([[[110, 125, 140]]], dtype=uint8)""",
        2: """
            >>> x = np.full((1, 1, 2, 2), 130, np.uint8)
            >>> weight = np.full((1, 1, 2, 2), 3, np.int8)
            >>> fastconv.qconv2d(x, weight, x_zero_point=128)
            array([[[[24]]]], dtype=int32)
            >>> fastconv.qconv2d(x, weight, x_zero_point=128, scale=0.1, out_dtype="int8")
            array([[[[2]]]], dtype=int8)""",
        3: """
            >>> x = np.ones((1, 1, 2, 2, 2), np.int8)
            >>> fastconv.qconv3d(x, np.ones((1, 1, 2, 2, 2), np.int8))
            array([[[[[8]]]]], dtype=int32)""",
    })
    def qconv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
              x_zero_point=0, weight_zero_point=0, scale=None, y_zero_point=0, out_dtype=None,
              activation=None, data_format="channels_first", num_threads=None, out=None):
        """Convolve quantised $arrays: small integers that stand for real numbers.

        The sums are those of `conv$d` of ``x - x_zero_point`` and ``weight - weight_zero_point``,
        exact, plus bias. Without a `scale` they are the result (ONNX's ConvInteger). With one it is
        ``saturate(round(act(sum * scale)) + y_zero_point)``, halves rounded to even (ONNX's
        QLinearConv).

        Parameters
        ----------
        x : array_like
            $which, channels last with ``data_format="channels_last"``; the batch axis may be
            left out. uint8, int8, uint16 or int16.
        weight : array_like
            Filters ``(K, C / groups, $kernel)``, in either data format$rank. Of the same dtypes.
        bias : array_like, optional
            One integer for each filter, ``(K,)``, in units of the sums; within int32.
        stride, padding, dilation, groups
            As for `conv$d`. Padding holds `x_zero_point`, which stands for zero.
        x_zero_point : int, default 0
            What stands for zero in `x`; within its dtype.
        weight_zero_point : int or array_like, default 0
            The same of the weights: one number, or one for each filter.
        scale : float or array_like, optional
            What a unit of the sums is in units of the result, ``x_scale * weight_scale /
            y_scale``: one number, or one for each filter. Positive; products are of float64.
        y_zero_point : int, default 0
            What stands for zero in the result; it needs a `scale`.
        out_dtype : dtype, optional
            uint8, int8, uint16, int16 or int32 with a `scale`: by default the dtype of
            `y_zero_point` if that has one of them, else that of `x`. int32 (default) or int64
            without.
        activation : str or tuple, optional
            ``"relu"`` or ``("clip", lo, hi)``, of the sum, in units of the result and without its
            zero point.
        data_format : {"channels_first", "channels_last"}
            Where `x` and the result have their channels.
        num_threads : int, optional
            Most threads; by default `get_num_threads`.
        out : ndarray, optional
            Receives the result and is returned. It may overlap an input.

        Returns
        -------
        ndarray
            As of `conv$d`, with the dtype that `out_dtype` says.

        Raises
        ------
        TypeError
            If an argument is of the wrong kind, or a dtype is not supported.
        ValueError
            If sizes do not fit together, a zero point is not within its dtype, or a scale is not
            finite and positive.
        OverflowError
            If a sum does not fit the result's dtype and there is no scale.

        See Also
        --------
        plan_qconv : Pack the weights once, for many calls.
        conv$d : The same of all dtypes, also of integers, into int64.

        References
        ----------
        B. Jacob et al., "Quantization and training of neural networks for efficient
        integer-arithmetic-only inference", 2018. ONNX operators ConvInteger and QLinearConv.

        $examples
        """
        windows = geometry(name, rank, stride=stride, padding=padding, dilation=dilation,
                           groups=groups, data_format=data_format)
        x = as_small_integers(name, "x", x)
        from fastconv._call.quantized import Quantized
        layer = Quantized(windows, x, x.dtype, weight, bias, x_zero_point=x_zero_point,
                          weight_zero_point=weight_zero_point, scale=scale,
                          y_zero_point=y_zero_point, out_dtype=out_dtype, activation=activation,
                          planned=False)
        return layer.run(x, num_threads, out)

    return qconv


qconv, qconv1d, qconv2d, qconv3d = map(_qconv, RANKS)


class QConvPlan:
    """A quantised layer whose weights are packed, made by `plan_qconv`.

    Call it with arrays of the shape it was made for, with any batch size or none. It holds a
    copy of the weights. Several threads may call one plan at once, and a plan can be pickled.

    Attributes
    ----------
    output_shape : tuple of int
        Shape of the result for the shape that the plan was made for.

    See Also
    --------
    plan_qconv : Makes a plan.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> plan = fastconv.plan_qconv((1, 3, 8, 8), np.ones((4, 3, 3, 3), np.int8), padding=1)
    >>> plan(np.ones((2, 3, 8, 8), np.uint8)).shape
    (2, 4, 8, 8)
    """

    def __init__(self, *made_from):
        if len(made_from) != 4:
            raise TypeError("QConvPlan: a plan is made by plan_qconv(x_shape, weight, ...)")
        x_shape, weight, windows, options = made_from
        self._made_from = (x_shape, weight.copy(), windows, options)
        options = dict(options)
        self._num_threads = options.pop("num_threads")
        from fastconv._call.quantized import Quantized
        self._layer = Quantized(geometry("plan_qconv", None, x="x_shape", **windows), x_shape,
                                options.pop("dtype"), weight, planned=True, **options)
        self._layer.prepare(self._num_threads)
        shape = self._layer.description.input_shape(1)
        self._image = shape[1:] if self._layer.description.batched else shape

    def __call__(self, x, out=None):
        """Run the layer on `x`.

        Parameters
        ----------
        x : array_like
            Any batch of images of the plan's shape and dtype, or one without the batch axis.
        out : ndarray, optional
            Receives the result and is returned.

        Returns
        -------
        ndarray
            The result.

        Raises
        ------
        TypeError, ValueError
            If `x` or `out` has another dtype or shape.
        OverflowError
            As `qconv` does.
        """
        x = as_small_integers("plan_qconv", "x", x)
        if x.dtype.newbyteorder("=") != self._layer.x_dtype:
            raise TypeError(f"plan_qconv: x has dtype {x.dtype}, but the plan was made for "
                            f"{self._layer.x_dtype}; make it with dtype={x.dtype.name!r}")
        if x.shape != self._image and x.shape[1:] != self._image:
            raise ValueError(f"plan_qconv: x has shape {x.shape}, but the plan was made for "
                             f"{self._image} with any batch in front, or none")
        return self._layer.run(x, self._num_threads, out)

    @property
    def output_shape(self):
        """Shape of the result for the shape that the plan was made for."""
        description = self._layer.description
        return description.output_shape(description.batch)

    def __reduce__(self):
        return QConvPlan, self._made_from

    def __repr__(self):
        description = self._layer.description
        return (f"<QConvPlan {description.input_shape(description.batch)} "
                f"{self._layer.x_dtype} -> {self.output_shape} {self._layer.result}>")


def plan_qconv(x_shape, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
               x_zero_point=0, weight_zero_point=0, scale=None, y_zero_point=0, out_dtype=None,
               activation=None, data_format="channels_first", num_threads=None, dtype="uint8"):
    """Prepare a quantised layer: pack its weights once.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input, as for `qconv`. The batch size does not bind the plan.
    weight : array_like
        Weights ``(filters, channels / groups, *kernel)``; they fix the number of axes.
    bias, stride, padding, dilation, groups, x_zero_point, weight_zero_point, scale, y_zero_point
        As for `qconv`.
    out_dtype, activation, data_format, num_threads
        As for `qconv`.
    dtype : dtype, default "uint8"
        dtype of the inputs to come: uint8, int8, uint16 or int16.

    Returns
    -------
    QConvPlan
        Call it with an input: ``plan(x, out=None)``.

    Raises
    ------
    TypeError, ValueError
        As `qconv` does.

    See Also
    --------
    qconv : The same without a plan.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> weight = np.ones((8, 3, 3, 3), np.int8)
    >>> plan = fastconv.plan_qconv((1, 3, 32, 32), weight, padding="same", x_zero_point=128,
    ...                            scale=0.01, y_zero_point=128, activation="relu")
    >>> plan(np.full((1, 3, 32, 32), 128, np.uint8)).max()
    np.uint8(128)
    """
    windows = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
               "data_format": data_format}
    options = {"bias": bias, "x_zero_point": x_zero_point,
               "weight_zero_point": weight_zero_point, "scale": scale,
               "y_zero_point": y_zero_point, "out_dtype": out_dtype, "activation": activation,
               "num_threads": num_threads,
               "dtype": as_small_dtype("plan_qconv", "dtype", dtype)}
    return QConvPlan(as_shape("plan_qconv", "x_shape", x_shape),
                     as_small_integers("plan_qconv", "weight", weight), windows, options)
