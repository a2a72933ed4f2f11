"""Describe: the one place that validates shapes and numbers and does size arithmetic.

(`_call` checks what needs the arrays themselves: bias, residual, `out`, the range of indices.)

What a caller says of where windows lie comes as one `Geometry`. `describe_conv`, `describe_pool`
and the others turn it, with the shapes of arrays, into a description of plain integers, or raise
an error that names the function, the argument, its value and the rule. Every later layer trusts
a description: sizes are positive, fit together, and their products fit 64 bits.

The arithmetic is done in C integers that are checked at each step, because a description is
made at every call and small convolutions take microseconds.
"""
