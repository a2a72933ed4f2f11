"""Plans: a layer prepared once and run many times."""
from fastconv._call.explanation import plan_as_html
from fastconv._call.plan import Prepared
from fastconv._desc.arguments import as_array, as_shape
from fastconv._desc.geometry import geometry
from fastconv.runtime import get_num_threads
from fastconv.stream import ConvStream

__all__ = ["ConvPlan", "plan_conv"]


class ConvPlan:
    """A convolution whose weights are packed, made by `plan_conv`.

    Call it with arrays of the shape it was made for, with any batch size or none. It holds a
    copy of the weights, so that changing the original array does not change the plan. Several
    threads may call one plan at once, and a plan can be pickled.

    Attributes
    ----------
    method : str
        The algorithm chosen.
    output_shape : tuple of int
        Shape of the result for the shape that the plan was made for.
    workspace_bytes : int
        Scratch memory of a call on the present number of threads, packed weights included.
    flops : float
        Floating-point operations of the direct sum for the shape that the plan was made for.

    See Also
    --------
    plan_conv : Makes a plan.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> plan = fastconv.plan_conv((1, 3, 8, 8), np.ones((4, 3, 3, 3), np.float32), padding=1)
    >>> plan(np.ones((2, 3, 8, 8), np.float32)).shape
    (2, 4, 8, 8)
    """

    def __init__(self, *made_from):
        if len(made_from) != 4:
            raise TypeError("ConvPlan: a plan is made by plan_conv(x_shape, weight, ...)")
        x_shape, weight, windows, options = made_from
        self._made_from = (x_shape, weight.copy(), windows, options)
        prepared = Prepared(geometry("plan_conv", None, x="x_shape", **windows), x_shape, weight,
                            **options)
        self._prepared = prepared
        self._run = prepared.run

    def __call__(self, x, residual=None, out=None):
        """Convolve `x`.

        Parameters
        ----------
        x : array_like
            Any batch of images of the plan's shape, or one without the batch axis.
        residual : array_like, optional
            Added before the activation; it has the result's shape.
        out : ndarray, optional
            Receives the result and is returned. Its dtype is that which the plan was made for,
            or, where it was made without an `out_dtype`, any that `conv` takes.

        Returns
        -------
        ndarray
            The result.

        Raises
        ------
        TypeError
            If an argument is not an array of numbers, or `x` has a dtype that the plan was not
            made for.
        ValueError
            If a shape does not fit.
        OverflowError
            If an exact result of integers might not fit int64, or a value the result's dtype.
        """
        return self._run(x, residual, out)

    def stream(self, axis=-1):
        """Convolve a signal that arrives in chunks.

        Parameters
        ----------
        axis : int, default -1
            Which of the spatial axes goes on: from 0, or from -1 backwards.

        Returns
        -------
        ConvStream
            Give it chunks by `push`, and end the signal by `finish`. Padding is the plan's, in
            numbers: what ``"same"`` means for the plan's shape. It has no residual.

        Raises
        ------
        TypeError, ValueError
            If there is no such axis, or its padding mode is ``"circular"``, which needs the far end
            of the signal first.
        """
        _, weight, windows, options = self._made_from
        return ConvStream(self._prepared, weight, windows, options, axis)

    @property
    def method(self):
        """The algorithm chosen."""
        return self._prepared.algorithm.name

    @property
    def output_shape(self):
        """Shape of the result for the shape that the plan was made for."""
        description = self._prepared.description
        return description.output_shape(description.batch)

    @property
    def workspace_bytes(self):
        """Scratch memory of a call on the present number of threads, in bytes."""
        threads = self._made_from[3]["num_threads"] or get_num_threads()
        return self._prepared.algorithm.workspace(
            self._prepared.description, "forward", threads)

    @property
    def flops(self):
        """Floating-point operations of the direct sum, for the plan's shape."""
        description = self._prepared.description
        return description.flops(description.batch)

    def __reduce__(self):
        return ConvPlan, self._made_from

    def _repr_html_(self):
        return plan_as_html(self, self._prepared.description, self._prepared.dtype)

    def __repr__(self):
        description = self._prepared.description
        return (f"<ConvPlan {self.method} {description.input_shape(description.batch)} -> "
                f"{self.output_shape} {self._prepared.dtype}>")


def plan_conv(x_shape, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, *,
              padding_mode="zeros", padding_value=0, data_format="channels_first", flip=False,
              activation=None, precision=None, method="auto", max_workspace=None,
              num_threads=None, dtype=None, out_dtype=None, casting="same_kind"):
    """Prepare a convolution: choose its algorithm and pack its weights once.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the input, as for `conv`. The batch size does not bind the plan.
    weight : array_like
        Weights ``(filters, channels / groups, *kernel)``; they fix the number of axes.
    bias : array_like, optional
        One number for each filter.
    stride, padding, dilation, groups, padding_mode, padding_value, data_format, flip, activation
        As for `conv`.
    precision, method, max_workspace, num_threads
        As for `conv`.
    dtype : dtype, optional
        dtype of the inputs to come; the weight's if not given.
    out_dtype, casting
        As for `conv`.

    Returns
    -------
    ConvPlan
        Call it with an input: ``plan(x, residual=None, out=None)``.

    Raises
    ------
    TypeError, ValueError
        As `conv` does.

    See Also
    --------
    conv : The same without a plan.
    explain : Why an algorithm is chosen.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv
    >>> weight = np.zeros((8, 3, 3, 3), np.float32)
    >>> plan = fastconv.plan_conv((1, 3, 32, 32), weight, padding="same", activation="relu")
    >>> plan.output_shape
    (1, 8, 32, 32)
    """
    windows = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
               "padding_mode": padding_mode, "padding_value": padding_value,
               "data_format": data_format, "flip": flip}
    options = {"bias": bias, "dtype": dtype, "activation": activation, "precision": precision,
               "method": method, "max_workspace": max_workspace, "num_threads": num_threads,
               "out_dtype": out_dtype, "casting": casting}
    return ConvPlan(as_shape("plan_conv", "x_shape", x_shape),
                    as_array("plan_conv", "weight", weight, True), windows, options)
