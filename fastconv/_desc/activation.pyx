"""Activations: as the epilogue of a kernel, and as the bounds of exact integers."""
import numpy as np

from fastconv._kernels.dispatch cimport (
    FC_CLIP, FC_IDENTITY, FC_LEAKY_RELU, FC_SIGMOID, FC_SILU, FC_TANH, fc_epilogue,
)

from fastconv._core.messages import shown
from fastconv._desc import hints

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu")

cdef double INFINITE = float("inf")
cdef object LONGEST = 2**63 - 1


cdef int as_epilogue(str function, activation, fc_epilogue *epilogue) except -1:
    epilogue.lo = epilogue.hi = 0
    if activation is None:
        epilogue.activation = FC_IDENTITY
    elif isinstance(activation, str):
        if activation == "relu":
            epilogue.activation = FC_CLIP
            epilogue.hi = INFINITE
        elif activation == "relu6":
            epilogue.activation = FC_CLIP
            epilogue.hi = 6
        elif activation == "leaky_relu":
            epilogue.activation = FC_LEAKY_RELU
            epilogue.lo = 0.01
        elif activation == "sigmoid":
            epilogue.activation = FC_SIGMOID
        elif activation == "tanh":
            epilogue.activation = FC_TANH
        elif activation == "silu":
            epilogue.activation = FC_SILU
        else:
            raise ValueError(
                f"{function}: activation={shown(activation)} is not None, "
                f"{', '.join(map(repr, ACTIVATIONS))} or ('clip', lo, hi)"
                f"{hints.of_a_name(activation, ACTIVATIONS)}"
            )
    elif isinstance(activation, (tuple, list)):
        if len(activation) != 3 or not isinstance(activation[0], str) or activation[0] != "clip":
            raise ValueError(f"{function}: activation={shown(activation)} is not ('clip', lo, hi)")
        try:
            epilogue.lo = activation[1]
            epilogue.hi = activation[2]
        except (TypeError, ValueError):
            raise TypeError(
                f"{function}: activation={shown(activation)}: the bounds of clip must be numbers"
            ) from None
        except OverflowError:
            raise ValueError(f"{function}: activation: a bound of clip is too large for a "
                             f"floating-point number") from None
        if not epilogue.lo <= epilogue.hi:
            raise ValueError(f"{function}: activation={shown(activation)} needs lo <= hi")
        epilogue.activation = FC_CLIP
    else:
        raise TypeError(
            f"{function}: activation must be None, a name or ('clip', lo, hi), "
            f"not {shown(activation)}"
        )
    return 0


def integer_bounds(str function, result, activation):
    """The bounds of an activation of exact integers, or None without one.

    Complex numbers have no activations, and integers those that stay among them.
    """
    cdef fc_epilogue epilogue
    if activation is None:
        return None
    as_epilogue(function, activation, &epilogue)
    if result.kind == "c":
        raise TypeError(
            f"{function}: activation={shown(activation)} is not defined for complex numbers")
    bounds = [-LONGEST - 1, LONGEST]
    if epilogue.activation == FC_CLIP:
        for i, bound in enumerate((epilogue.lo, epilogue.hi)):
            if np.isfinite(bound):
                if bound != np.floor(bound):
                    break
                bounds[i] = min(max(int(bound), -LONGEST - 1), LONGEST)
            elif (bound > 0) != i:
                break
        else:
            return tuple(bounds)
    raise TypeError(
        f"{function}: activation={shown(activation)} does not give integers, but x and weight are "
        f"integers; convert one to a floating-point dtype"
    )


def clip_bounds(str function, activation):
    """The bounds of an activation that only bounds, as floating-point numbers."""
    cdef fc_epilogue epilogue
    as_epilogue(function, activation, &epilogue)
    if epilogue.activation == FC_IDENTITY:
        return -INFINITE, INFINITE
    if epilogue.activation == FC_CLIP:
        return epilogue.lo, epilogue.hi
    raise ValueError(f"{function}: activation={shown(activation)} is not None, 'relu' or "
                     f"('clip', lo, hi), which quantised results have")
