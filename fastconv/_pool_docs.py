"""What the docstrings of poolings share."""
from __future__ import annotations

import inspect

_X = {
    1: """Signals ``(N, C, L)``, or ``(N, L, C)`` with ``data_format="channels_last"``; the batch
    axis may be left out.""",
    2: """Images ``(N, C, H, W)``, or ``(N, H, W, C)`` with ``data_format="channels_last"``; the
    batch axis may be left out.""",
    3: """Volumes ``(N, C, D, H, W)``, or ``(N, D, H, W, C)`` with
    ``data_format="channels_last"``; the batch axis may be left out.""",
    None: """Signals ``(N, C, L)``, images ``(N, C, H, W)`` or volumes ``(N, C, D, H, W)``, or with
    their channels last. The number of spatial axes is the number of entries of `%(size)s`, and then
    the batch axis may be left out. With a single number, two axes are ``(C, L)``, four
    ``(N, C, H, W)`` and five ``(N, C, D, H, W)``; three are ambiguous, and refused.""",
}
_AXES = {
    1: "an integer, or a sequence of one",
    2: "one for both axes or one for each",
    3: "one for all axes or one for each",
    None: "one for all spatial axes or one for each",
}
_PLANE = {1: "(L,)", 2: "(H, W)", 3: "(D, H, W)", None: "of the spatial axes"}

_SHARED = {
    "x": """x : array_like
    %(shape)s""",
    "kernel_size": """kernel_size : int or sequence of int
    Extent of the window, %(axes)s.""",
    "window": """%(kernel_size)s
stride : int or sequence of int, optional
    Step between windows; by default the kernel size.
padding : int, sequence or str, default 0
    Elements added before and after: a number, one for each axis, a pair ``(before, after)`` for
    each axis, ``"valid"``, ``"same"``, ``"same_lower"`` or ``"full"``. Less than the window's
    extent on each side.
dilation : int or sequence of int, default 1
    Step between the elements of a window.
ceil_mode : bool, default False
    Round the result's size up: a last window may hang over the end, if it starts before it.""",
    "output_size": """output_size : int, None or sequence of these
    Size of the result, %(axes)s; None keeps the size of the input.""",
    "return_indices": """return_indices : bool, default False
    Also return where each was found.""",
    "divisor": """count_include_pad : bool, default True
    Divide by all positions of the window that lie within the padded input, else by the real
    ones only. What `ceil_mode` lets hang over never counts.
divisor_override : number, optional
    Divide by this instead; it must not be 0.""",
    "norm_type": """norm_type : number
    The exponent p, positive; ``inf`` takes the largest magnitude.""",
    "data_format": """data_format : {"channels_first", "channels_last"}
    Where arrays have their channels.""",
    "call": """%(data_format)s
num_threads : int, optional
    Most threads; by default `get_num_threads`.
out : ndarray, optional
    Receives the result and is returned. It may overlap an input.""",
    "indices": """indices : ndarray of int64
    Only if `return_indices`: for each its flat position in the unpadded plane %(plane)s of its
    image and channel; of equal elements the first in row-major order, and for NaN the first.""",
    "grad_output": """grad_output : array_like
    Gradient of the result, with its shape.""",
    "input_shape": """input_shape : sequence of int
    Shape of the forward call's `x`.""",
    "unpooled": """stride : int or sequence of int, optional
    As in the pooling; by default the kernel size.
padding : int or sequence, default 0
    As in the pooling: a number, one for each axis, or a pair for each axis.
output_size : sequence of int, optional
    The spatial size of the result, or its whole shape. Several sizes are pooled to the same
    one; the default is ``(size - 1) * stride - padding before and after + kernel_size``, and
    what is given differs from it by less than the stride.""",
    "planes": """x : array_like
    Signals, images or volumes ``(N, C, *spatial)``, or ``(N, *spatial, C)`` with
    ``data_format="channels_last"``.
rank : int, optional
    Number of spatial axes, from 1 to 3; by default all but two. Where it is given, the batch
    axis may be left out.""",
    "input_shape_alone": """input_shape : sequence of int
    Shape of the forward call's `x`. Two, four and five axes are ``(C, L)``, ``(N, C, H, W)`` and
    ``(N, C, D, H, W)``, or with their channels last; three are ambiguous, and refused.""",
    "raises": """Raises
------
TypeError
    If an argument is of the wrong kind, or an array does not hold real numbers.
ValueError
    If sizes do not fit together, a window would lie wholly in the padding, or the rank is
    ambiguous.
MemoryError
    If the result cannot be allocated.""",
    "raises_backward": """Raises
------
TypeError
    If an argument is of the wrong kind, or an array does not hold real numbers.
ValueError
    If the gradient is not that of such a call, or the rank is ambiguous.
MemoryError
    If the result cannot be allocated.""",
    "source": """References
----------
.. [1] M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and
   octagonal kernels", Pattern Recognition Letters 13, 1992: windows of any length at a bounded
   cost. Here elements are combined by doubling, which needs no division of the row into blocks;
   see J. Gil and M. Werman, "Computing 2-D min, median, and max filters", 1993, for both.""",
}


_FLAT = {
    name: text.replace("%(kernel_size)s", _SHARED["kernel_size"])
    .replace("%(data_format)s", _SHARED["data_format"])
    for name, text in _SHARED.items()
}


def described(rank, size="kernel_size"):
    """Fill in the sections that a docstring names, for arrays of this rank."""
    facts = {"shape": _X[rank] % {"size": size}, "axes": _AXES[rank], "plane": _PLANE[rank]}
    # sections hold others, two deep at most
    sections = {name: text % facts if "%(" in text else text for name, text in _FLAT.items()}

    def fill(function):
        function.__doc__ = inspect.cleandoc(function.__doc__) % sections + "\n"
        return function

    return fill
