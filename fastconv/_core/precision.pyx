"""The precision tier in force for calls that name none. Compiled: every call asks for it."""
import contextvars
import os

from cpython.contextvars cimport get_value

from fastconv._core.messages import shown

TIERS = ("highest", "high", "medium")

cdef enum:
    DEFAULT = -1   # the one of the arithmetic
    NOT_READ = -2  # the environment was not looked at yet

override = contextvars.ContextVar("fastconv.precision", default=None)
cdef object in_block = override
cdef int of_program = NOT_READ  # an index into TIERS, or one of the above


def as_tier(name, value):
    """`value` if it is a tier; `name` is what an error calls it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, TIERS))}, not {shown(value)}")
    if value not in TIERS:
        raise ValueError(f"{name}={shown(value)} is not one of {', '.join(map(repr, TIERS))}")
    return value


def set_for_program(tier):
    """Put a tier in force wherever no block says another; None: the default again."""
    global of_program
    of_program = DEFAULT if tier is None else TIERS.index(tier)


cpdef object precision_in_force():
    """The tier of the enclosing block, the program or the environment; None: the default."""
    tier = get_value(in_block)
    if tier is not None:
        return tier
    if of_program == NOT_READ:
        text = os.environ.get("FASTCONV_PRECISION", "").strip()
        set_for_program(as_tier("FASTCONV_PRECISION", text.lower()) if text else None)
    return None if of_program == DEFAULT else TIERS[of_program]
