"""One definition, four names: a function for arrays of any rank, and for one, two or three axes.

The numbered functions differ from the rank-generic one in their name and in what they accept, so
each family is defined once, by a function of the rank. `documented` gives every member a name, a
signature and a docstring of its own: the docstring in the source has ``$words`` in it, which depend
on the rank or are sections that many functions share.
"""
import functools
import inspect
import re

RANKS = (None, 1, 2, 3)

_WORDS = {
    None: {
        "d": "", "arrays": "arrays", "array": "array", "an_array": "signals, images or volumes",
        "axes": "*spatial", "kernel": "*kernel", "out_axes": "*spatial",
        "each": "one for each spatial axis", "all": "for all spatial axes",
        "i": "i", "at": "i*s + a*d - p", "tap": "a", "o": "i",
        "which": "Signals ``(N, C, L)``, images ``(N, C, H, W)`` or volumes ``(N, C, D, H, W)``",
        "rank": "; they tell the number of spatial axes, 1 to 3",
        "batch": "with the batch axis, since nothing else tells the number of spatial axes",
        "rank_of_x": """The number of spatial axes is the
    number of entries of `$size`, and then the batch axis may be left out. With a single number,
    two axes are ``(C, L)``, four ``(N, C, H, W)`` and five ``(N, C, D, H, W)``; three are
    ambiguous, and refused.""",
        "rank_of_shape": """ Two, four and five axes are ``(C, L)``,
    ``(N, C, H, W)`` and ``(N, C, D, H, W)``, or with their channels last; three are ambiguous,
    and refused.""",
    },
    1: {
        "d": "1d", "arrays": "signals", "array": "signal", "an_array": "a signal",
        "axes": "L", "kernel": "kernel length", "out_axes": "OL",
        "each": "a sequence of one", "all": "for the axis",
        "i": "i", "at": "i*s + a*d - p", "tap": "a", "o": "i",
        "which": "Signals ``(N, C, L)``",
    },
    2: {
        "d": "2d", "arrays": "images", "array": "image", "an_array": "an image",
        "axes": "H, W", "kernel": "kernel height, kernel width", "out_axes": "OH, OW",
        "each": "one for each", "all": "for both axes",
        "i": "i, j", "at": "i*s + a*d - p, j*s + b*d - p", "tap": "a, b", "o": "i, j",
        "which": "Images ``(N, C, H, W)``",
    },
    3: {
        "d": "3d", "arrays": "volumes", "array": "volume", "an_array": "a volume",
        "axes": "D, H, W", "kernel": "kernel depth, kernel height, kernel width",
        "out_axes": "OD, OH, OW", "each": "one for each", "all": "for all three axes",
        "i": "h, i, j", "at": "h*s + a*d - p, i*s + b*d - p, j*s + e*d - p",
        "tap": "a, b, e", "o": "h, i, j",
        "which": "Volumes ``(N, C, D, H, W)``",
    },
}  # fmt: skip

# what the rank-generic functions have to say more of, and the others need not
_NUMBERED = {"rank": "", "batch": "with or without the batch axis",
             "rank_of_x": "The batch axis may be left out.", "rank_of_shape": ""}

_SECTIONS = {
    "x": """x : array_like
    $which,
    channels last with ``data_format="channels_last"``. $rank_of_x""",
    "window": """kernel_size : int or sequence of int
    Extent of the window: one number $all, or $each.
stride : int or sequence of int, optional
    Step between windows; by default the kernel size.
padding : int, sequence or str, default 0
    Elements added before and after: a number, one for each axis, a pair ``(before, after)`` for
    each axis, ``"valid"``, ``"same"``, ``"same_lower"`` or ``"full"``. Less than the window's
    extent on each side, unless there is a `padding_mode`.
dilation : int or sequence of int, default 1
    Step between the elements of a window.
ceil_mode : bool, default False
    Round the result's size up: a last window may hang over the end, if it starts before it.
padding_mode : str, optional
    What padding holds, by the names that `conv$d` has. It then is elements like others: the
    result is that of the padded array without padding.
padding_value : number, default 0
    What it holds with ``padding_mode="constant"``: any finite number of the dtype of `x`.""",
    "return_indices": """return_indices : bool, default False
    Also return where each was found.""",
    "indices": """indices : ndarray of int64
    Only if `return_indices`: for each its flat position in the unpadded plane ``($axes)`` of its
    image and channel; of equal elements the first in row-major order, and for NaN the first.""",
    "output_size": """output_size : int, None or sequence of these
    Size of the result: one number $all, or $each; None keeps the size of the input.""",
    "divisor": """count_include_pad : bool, default True
    Divide by all positions of the window that lie within the padded input, else by the real
    ones only. What `ceil_mode` lets hang over never counts.
divisor_override : number, optional
    Divide by this instead; it must not be 0.""",
    "norm_type": """norm_type : number
    The exponent p, positive; ``inf`` takes the largest magnitude.""",
    "grad_output": """grad_output : array_like
    Gradient of the result, with its shape.""",
    "input_shape": """input_shape : sequence of int
    Shape of the forward call's `x`.""",
    "options": """data_format : {"channels_first", "channels_last"}
    Where arrays have their channels.
num_threads : int, optional
    Most threads; by default `get_num_threads`.
out : ndarray, optional
    Receives the result and is returned. It may overlap an input.""",
    "pool_options": """data_format : {"channels_first", "channels_last"}
    Where arrays have their channels.
num_threads : int, optional
    Most threads; by default `get_num_threads`.
$out""",
    "out": """out_dtype : dtype, optional
    dtype of the result; by default that of `out`, or the one named below.
casting : {"same_kind", "saturate", "wrap", "truncate", "round"}
    How the result gets it. Between integers, values that do not fit are an error unless they are
    to ``"saturate"`` (be clipped) or to ``"wrap"`` (keep their lowest bits). Floating-point numbers
    become integers only by ``"truncate"`` (towards zero), ``"round"`` (half to even) or
    ``"saturate"`` (rounded, then clipped; NaN gives 0). All else is NumPy's ``"same_kind"``.
out : ndarray, optional
    Receives the result and is returned. It may overlap an input.""",
    "pool_raises": """Raises
------
TypeError
    If an argument is of the wrong kind, or an array does not hold real numbers.
ValueError
    If $misfit,
    or the rank is ambiguous.
MemoryError
    If the result cannot be allocated.""",
    "overflow": """OverflowError
    If a value does not fit `out_dtype`.""",
    "planes": """x : array_like
    Signals, images or volumes ``(N, C, *spatial)``, or ``(N, *spatial, C)`` with
    ``data_format="channels_last"``.
rank : int, optional
    Number of spatial axes, from 1 to 3; by default all but two. Where it is given, the batch
    axis may be left out.""",
    "even_windows": """Along an axis of length L, window i of n is the elements from
``floor(i L / n)`` up to, and not including, ``ceil((i + 1) L / n)``. Windows may overlap by an
element, and there may be more of them than elements.""",
    "misfit": "sizes do not fit together, a window would lie wholly in the padding",
    "size": "kernel_size",
    "examples": """Examples
--------
>>> import numpy as np
>>> import fastconv
$example""",
}


def numbered(stem, rank):
    """The name of a family's member: "conv{d}_backward_data" and 2 give conv2d_backward_data."""
    return stem.format(d=_WORDS[rank]["d"])


def documented(name, rank, examples, **words):
    """Make a function that member of its family: its name, and the words of its docstring.

    `examples` maps a rank to what ``$examples`` in the docstring shows; where the rank-generic
    function has none, it shows that of images. `words` go before those of this module.
    """

    def finish(function):
        function.__name__ = function.__qualname__ = name
        function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
        if function.__doc__ is not None:  # python -OO has none
            example = _dedented(examples[rank if rank in examples else 2])
            known = {**_SECTIONS, **_NUMBERED, **_WORDS[rank], **words,
                     "name": name, "example": example}
            function.__doc__ = _fill(_dedented(function.__doc__) + "\n", known)
        return function

    return finish


# The members of a family share the text of their docstring.
_dedented = functools.cache(inspect.cleandoc)
_WORD = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def _fill(text, words):
    """Put the words in, whose own words are of `words` too."""
    if "$" not in text:
        return text
    return _WORD.sub(lambda match: _fill(words[match[1] or match[2]], words), text)
