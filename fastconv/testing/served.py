"""Which algorithms serve a problem, by the word of their records: what tests are drawn from.

A test that names an algorithm is written down for those problems only that the algorithm serves.
So none is excused while it runs, and whatever is refused there is a failure.
"""

from __future__ import annotations

import fastconv
from fastconv import _select
from fastconv._core.precision import precision_in_force
from fastconv._select import ALGORITHMS, PASSES

__all__ = ["methods", "passes_served", "record_of", "serves"]


_SERVED = {}  # of a problem, the methods: the tests of all algorithms ask about the same ones


def record_of(method):
    """The record of an algorithm.

    Parameters
    ----------
    method : str
        Its name.

    Returns
    -------
    Algorithm
        From the registry.
    """
    return next(algorithm for algorithm in ALGORITHMS if algorithm.name == method)


def methods(which=None, tier=None):
    """The algorithms that can be tested for something, in the order of the registry.

    Parameters
    ----------
    which : str or None
        A pass that they must have; None if any will do.
    tier : str or None
        The precision that they must promise; None if any will do.

    Returns
    -------
    list of str
        Their names.
    """
    return [
        algorithm.name
        for algorithm in ALGORITHMS
        if (which is None or which in algorithm.passes) and tier in (None, algorithm.tier)
    ]


def passes_served(method, x_shape, weight_shape, **options):
    """The passes of a convolution that an algorithm computes.

    Parameters
    ----------
    method : str
        Its name, or ``"auto"``, which computes all of them.
    x_shape, weight_shape : sequence of int
        The shapes.
    **options
        Geometry, dtype, precision and limits, as for `explain`.

    Returns
    -------
    tuple of str
        Those of ``"forward"``, ``"backward_data"`` and ``"backward_weight"`` that it does not
        refuse.
    """
    return tuple(
        which for which in PASSES if serves(method, which, x_shape, weight_shape, **options)
    )


def serves(method, which, x_shape, weight_shape, **options):
    """Whether an algorithm computes one pass of a convolution.

    Parameters
    ----------
    method : str
        Its name, or ``"auto"``, which serves everything.
    which : str
        The pass.
    x_shape, weight_shape, **options
        As for `passes_served`.

    Returns
    -------
    bool
        True unless it refuses.
    """
    if method == "auto":
        return True
    problem = repr((x_shape, weight_shape, which, sorted(options.items()), precision_in_force()))
    key = problem, _select.ALGORITHMS
    if key not in _SERVED:
        rows = fastconv.explain(x_shape, weight_shape, **options, which=which)
        _SERVED[key] = {row["method"] for row in rows if row["reason"] is None}
    return method in _SERVED[key]
