"""One definition, four names: a function for arrays of any rank, and for one, two or three axes.

The numbered functions differ from the rank-generic one in their name and in what they accept, so
each family is defined once, by a function of the rank. `documented` gives every member a name, a
signature and a docstring of its own: the docstring in the source is a `string.Template` whose
words depend on the rank.
"""
from __future__ import annotations

import inspect
import string

RANKS = (None, 1, 2, 3)

_WORDS = {
    None: {
        "d": "", "arrays": "arrays", "array": "array", "axes": "*spatial", "kernel": "*kernel",
        "out_axes": "*spatial", "each": "one for each spatial axis", "all": "for all spatial axes",
        "i": "i", "at": "i*s + a*d - p", "tap": "a", "o": "i",
        "which": "Signals ``(N, C, L)``, images ``(N, C, H, W)`` or volumes ``(N, C, D, H, W)``",
        "rank": "; they tell the number of spatial axes, 1 to 3",
        "batch": "with the batch axis, since nothing else tells the number of spatial axes",
    },
    1: {
        "d": "1d", "arrays": "signals", "array": "signal", "axes": "L", "kernel": "kernel length",
        "out_axes": "OL", "each": "or a sequence of one", "all": "for the axis",
        "i": "i", "at": "i*s + a*d - p", "tap": "a", "o": "i",
        "which": "Signals ``(N, C, L)``", "rank": "",
        "batch": "with or without the batch axis",
    },
    2: {
        "d": "2d", "arrays": "images", "array": "image", "axes": "H, W",
        "kernel": "kernel height, kernel width", "out_axes": "OH, OW",
        "each": "one for each", "all": "for both axes",
        "i": "i, j", "at": "i*s + a*d - p, j*s + b*d - p", "tap": "a, b", "o": "i, j",
        "which": "Images ``(N, C, H, W)``", "rank": "",
        "batch": "with or without the batch axis",
    },
    3: {
        "d": "3d", "arrays": "volumes", "array": "volume", "axes": "D, H, W",
        "kernel": "kernel depth, kernel height, kernel width", "out_axes": "OD, OH, OW",
        "each": "one for each", "all": "for all three axes",
        "i": "h, i, j", "at": "h*s + a*d - p, i*s + b*d - p, j*s + e*d - p",
        "tap": "a, b, e", "o": "h, i, j",
        "which": "Volumes ``(N, C, D, H, W)``", "rank": "",
        "batch": "with or without the batch axis",
    },
}  # fmt: skip


def numbered(stem, rank):
    """The name of a family's member: "conv{d}_backward_data" and 2 give conv2d_backward_data."""
    return stem.format(d=_WORDS[rank]["d"])


def documented(name, rank, examples):
    """Make a function that member of its family: its name, and the words of its docstring.

    `examples` maps a rank to the example that stands for ``$example`` in the docstring.
    """

    def finish(function):
        function.__name__ = function.__qualname__ = name
        function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
        if function.__doc__ is not None:  # python -OO has none
            example = inspect.cleandoc(examples[rank])
            template = string.Template(inspect.cleandoc(function.__doc__) + "\n")
            function.__doc__ = template.substitute(_WORDS[rank], name=name, example=example)
        return function

    return finish
