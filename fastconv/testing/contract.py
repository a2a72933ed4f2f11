"""How far a result may be from the exact one: the precision contract as assertions.

Let ``u`` be half the spacing of the numbers just above 1 (``2**-24`` for float32, ``2**-53`` for
float64). At ``"highest"`` every element must satisfy ``|y - exact| <= 16 u sum|x||w|``, which
bounds the error by the size of what was added and not by the size of the sum; at ``"high"`` and
``"medium"`` the largest error is compared with the largest result. NaN and infinities must be
where the exact result has them, at every tier.
"""

from __future__ import annotations

import numpy as np

__all__ = ["TIERS", "assert_exact", "assert_within_contract", "unit_roundoff"]

# Largest error over largest result that a tier promises, for (float32, float64).
TIERS = {"high": (1e-5, 1e-13), "medium": (1e-2, 1e-2)}

# The most that an activation enlarges an error in its argument: its greatest slope.
_SLOPES = {"sigmoid": 0.25, "silu": 1.1}

# Activations that are evaluated inexactly themselves, to a few units in the last place.
_TRANSCENDENTAL = ("sigmoid", "tanh", "silu")


def unit_roundoff(dtype) -> float:
    """Half the spacing of floating-point numbers just above 1."""
    return float(np.finfo(dtype).eps) / 2


def assert_within_contract(
    actual,
    exact,
    magnitude,
    *,
    tier="highest",
    dtype=None,
    activation=None,
    few=False,
    each=False,
    context="",
):
    """Assert that `actual` agrees with `exact` within the precision contract.

    Numbers of float16 are computed in float32 and rounded once. Of complex numbers each part
    keeps the promise: ``|x||w|`` bounds the products in both of its sums.

    Parameters
    ----------
    actual : ndarray
        What the library returned.
    exact : ndarray
        The reference's result.
    magnitude : ndarray or None
        ``sum|x||w|`` behind each element; may be None except at ``"highest"``.
    tier : {"highest", "high", "medium"}
        The promise to hold `actual` to.
    dtype : dtype, optional
        The precision promised; that of `actual` by default.
    activation : None, str or tuple
        An activation that was applied after the sums.
    few : bool
        Whether the results are so few that all of them may be small by cancellation. Then the
        largest ``sum|x||w|`` counts in place of the largest result.
    each : bool
        Whether to judge each image, along the first axis, by its own largest result.
    context : object
        Printed when the assertion fails.

    Raises
    ------
    AssertionError
        With the worst element, its error in units of the bound, and `context`.
    """
    actual, exact = np.asarray(actual), np.asarray(exact)
    dtype = actual.dtype if dtype is None else np.dtype(dtype)
    assert actual.shape == exact.shape, f"shape {actual.shape}, not {exact.shape}: {context}"
    if actual.dtype.kind == "c":
        options = {"tier": tier, "activation": activation, "few": few, "each": each}
        options["context"] = context
        part = actual.real.dtype if dtype.kind == "c" else dtype
        assert_within_contract(actual.real, exact.real, magnitude, dtype=part, **options)
        assert_within_contract(actual.imag, exact.imag, magnitude, dtype=part, **options)
        return
    finite = np.isfinite(exact)
    if not (finite.all() and np.isfinite(actual).all()):
        for name, test in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
            wrong = np.argwhere(test(actual) != test(exact))
            assert not len(wrong), f"{name} misplaced at {wrong[0].tolist()}: {context}"
        if not finite.any():
            return
        actual, exact = np.where(finite, actual, 0), np.where(finite, exact, 0)
        magnitude = None if magnitude is None else np.where(finite, magnitude, 0)
    error, size = np.abs(actual.astype(np.float64) - exact), np.abs(exact)
    rounded = dtype == np.float16
    dtype = np.dtype(np.float32) if rounded else dtype
    bound = np.zeros(exact.shape)
    if magnitude is not None:
        unit = unit_roundoff(dtype)
        bound = 16 * unit * _SLOPES.get(activation, 1.0) * magnitude
        if activation in _TRANSCENDENTAL:
            bound = bound + 8 * unit * size
        # The least that any rounding can be off, and the reference's own last rounding.
        bound = bound + np.finfo(dtype).smallest_subnormal + 2.0**-53 * size
    if tier != "highest":
        axes = tuple(range(each, size.ndim))
        largest = (magnitude if few else size).max(initial=0, axis=axes, keepdims=True)
        bound = np.maximum(bound, TIERS[tier][dtype.itemsize > 4] * largest)
    if rounded:
        half = unit_roundoff(np.float16)
        bound = (1 + half) * bound + half * size + np.finfo(np.float16).smallest_subnormal
    if (error > bound).any():
        ratio = error / np.maximum(bound, np.finfo(np.float64).tiny)
        worst = tuple(map(int, np.unravel_index(np.argmax(ratio), ratio.shape)))
        raise AssertionError(
            f"error is {ratio[worst]:.3g} x the bound of {tier!r} at {worst}: "
            f"{actual[worst]!r} instead of {exact[worst]!r}: {context}"
        )


def assert_exact(actual, exact, context=""):
    """Assert that `actual` equals `exact` in every element (a zero's sign aside).

    Parameters
    ----------
    actual, exact : ndarray
        What the library returned, and the reference's result.
    context : object
        Printed when the assertion fails.
    """
    actual, exact = np.asarray(actual), np.asarray(exact)
    assert actual.shape == exact.shape, f"shape {actual.shape}, not {exact.shape}: {context}"
    differs = (actual != exact) & ((actual == actual) | (exact == exact))
    if differs.any():
        wrong = np.argwhere(differs)
        where = tuple(map(int, wrong[0]))
        raise AssertionError(
            f"{len(wrong)} of {actual.size} elements differ, first at {where}: "
            f"{actual[where]!r} instead of {exact[where]!r}: {context}"
        )
