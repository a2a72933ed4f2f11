"""A result in another dtype: what `out_dtype`, `casting` and the dtype of an `out` ask for.

There is one rule, for convolutions and poolings alike. What NumPy casts with "same_kind" is cast.
Integers become other integers where their values fit, unless casting="saturate" or "wrap";
floating-point numbers become integers by "truncate", "round" or "saturate" only.
"""
import numpy as np

from fastconv._core.messages import shown
from fastconv._desc import hints
from fastconv._desc.arguments import parsed_dtype

CASTINGS = ("same_kind", "saturate", "wrap", "truncate", "round")


def conversion(function, result, out, out_dtype, casting):
    """(dtype of what is returned, how it comes of a `result` of that dtype).

    How: None for NumPy's cast as it is, "check" for one of integers that must fit, or the casting
    that makes integers of them.
    """
    if not isinstance(casting, str):
        raise TypeError(f"{function}: casting must be a name, not {shown(casting)}")
    if casting not in CASTINGS:
        raise ValueError(f"{function}: casting={shown(casting)} is not one of "
                         f"{', '.join(map(repr, CASTINGS))}{hints.of_casting(casting, CASTINGS)}")
    name = "out" if out_dtype is None else "out_dtype"
    if out_dtype is not None:
        dtype = parsed_dtype(function, name, out_dtype)
        if out is not None and out.dtype != dtype:
            raise ValueError(f"{function}: out has dtype {out.dtype}, but out_dtype={dtype}")
    elif out is not None:
        dtype = out.dtype
    else:
        return result, None
    if dtype == result:
        return result, None
    return dtype, _how(function, name, result, dtype, casting)


def _how(function, name, result, dtype, casting):
    if dtype.kind in "iu" and result.kind in "iub":
        if casting == "wrap" or np.can_cast(result, dtype, "safe"):
            return None
        return "saturate" if casting == "saturate" else "check"
    if dtype.kind in "iu" and result.kind == "f":
        if casting in ("truncate", "round", "saturate"):
            return casting
        raise TypeError(
            f"{function}: {name} of {dtype} for a result of {result} needs casting='truncate', "
            f"'round' or 'saturate', not {casting!r}"
        )
    if dtype.kind not in "fiubc":
        raise TypeError(f"{function}: {name} of {dtype} is not supported, only numbers are")
    if not np.can_cast(result, dtype, "same_kind"):
        raise TypeError(
            f"{function}: {name} of {dtype} cannot hold a result of {result}: NumPy does not cast "
            f"it with casting='same_kind'"
        )
    return None
