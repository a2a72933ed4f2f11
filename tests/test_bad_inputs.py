"""Bad inputs: what must be refused is, with the right error, and what is merely odd works.

Each entry of the lists below is one call. A refusal must name the function and the argument in its
message. The whole file runs once more in new processes, with one thread and with four, which must
end normally.
"""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

import fastconv as fc


def f32(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 7 - 3


X = f32(2, 4, 6, 7)
W = f32(3, 4, 3, 3)
W_TRANSPOSED = W.swapaxes(0, 1)
B = f32(3)
Y = f32(2, 3, 4, 5)
P = f32(2, 4, 3, 3)
INDICES = fc.max_pool2d(X, 2, return_indices=True)[1]


def conv(x=X, weight=W, bias=None, **kwargs):
    return fc.conv2d(x, weight, bias, **kwargs)


def data(grad=Y, weight=W, input_shape=X.shape, **kwargs):
    return fc.conv2d_backward_data(grad, weight, input_shape, **kwargs)


def wgrad(grad=Y, x=X, weight_shape=W.shape, **kwargs):
    return fc.conv2d_backward_weight(grad, x, weight_shape, **kwargs)


def maxp(x=X, kernel_size=2, **kwargs):
    return fc.max_pool2d(x, kernel_size, **kwargs)


def minp(x=X, kernel_size=2, **kwargs):
    return fc.min_pool2d(x, kernel_size, **kwargs)


def avgp(x=X, kernel_size=2, **kwargs):
    return fc.avg_pool2d(x, kernel_size, **kwargs)


def maxb(grad=P, indices=INDICES, input_shape=X.shape, **kwargs):
    return fc.max_pool2d_backward(grad, indices, input_shape, **kwargs)


def avgb(grad=P, input_shape=X.shape, kernel_size=2, **kwargs):
    return fc.avg_pool2d_backward(grad, input_shape, kernel_size, **kwargs)


def plan(x_shape=X.shape, weight=W, bias=None, **kwargs):
    return fc.plan_conv(x_shape, weight, bias, **kwargs)


def tran(x=X, weight=W_TRANSPOSED, bias=None, **kwargs):
    return fc.conv_transpose2d(x, weight, bias, **kwargs)


NAMES = {
    conv: "conv2d",
    tran: "conv_transpose2d",
    data: "conv2d_backward_data",
    wgrad: "conv2d_backward_weight",
    maxp: "max_pool2d",
    minp: "min_pool2d",
    avgp: "avg_pool2d",
    maxb: "max_pool2d_backward",
    avgb: "avg_pool2d_backward",
    plan: "plan_conv",
    fc.conv2d_backward_bias: "conv2d_backward_bias",
    fc.im2col: "im2col",
    fc.col2im: "col2im",
    fc.conv_output_shape: "conv_output_shape",
    fc.conv_transpose_output_shape: "conv_transpose_output_shape",
    fc.pool_output_shape: "pool_output_shape",
    fc.explain: "explain",
    fc.conv_cost: "conv_cost",
}

# (function, error, word in the message, positional arguments, keyword arguments)
REFUSED = []


def refuse(error, word, function, *args, **kwargs):
    REFUSED.append((function, error, word, args, kwargs))


# ---- 1: sizes of zero

refuse(ValueError, "kernel", conv, f32(0, 0, 0, 0), f32(0, 0, 0, 0))
refuse(ValueError, "kernel", conv, X, f32(3, 4, 0, 3))
refuse(ValueError, "kernel", conv, X, f32(3, 4, 3, 0), padding=5)
refuse(ValueError, "kernel", conv, X, f32(3, 4, 0, 0))
refuse(ValueError, "x", conv, f32(2, 4, 0, 7), W)
refuse(ValueError, "x", conv, f32(2, 4, 0, 7), W, padding=3, padding_mode="reflect")
refuse(ValueError, "x", conv, f32(2, 4, 0, 0), f32(3, 4, 1, 1))
refuse(ValueError, "kernel", data, Y, f32(3, 4, 0, 3))
refuse(ValueError, "kernel", wgrad, Y, X, (3, 4, 0, 3))
refuse(ValueError, "kernel", plan, X.shape, f32(3, 4, 0, 3))
refuse(ValueError, "x", maxp, f32(2, 4, 0, 7))
refuse(ValueError, "x", avgp, f32(2, 4, 6, 0), padding=1)

# ---- 2: stride, dilation, groups

for function in (conv, data, wgrad, plan):
    for name in ("stride", "dilation"):
        for value in (0, -1, -(2**63), -(2**70), (1, 0), (-3, 1), (1, 2, 3), [], ()):
            refuse(ValueError, name, function, **{name: value})
        for value in (True, 1.5, "2", 1.0, (1, 1.5), (True, 1), None, {1, 2}, {1: 1}, b"11", 1j):
            refuse(TypeError, name, function, **{name: value})
    refuse(ValueError, "stride", function, stride=2**70)
    refuse(ValueError, "dilation", function, dilation=2**70)
    refuse(ValueError, "dilation", function, dilation=2**55)
    for value in (0, -1, 3, 2**55, 2**70, -(2**70)):
        refuse(ValueError, "groups", function, groups=value)
    for value in (True, 1.5, "2", [], (1,), None):
        refuse(TypeError, "groups", function, groups=value)
refuse(ValueError, "weight", conv, groups=2)  # the weight is made for one group
refuse(ValueError, "groups", conv, f32(2, 4, 6, 7), f32(3, 2, 3, 3), groups=2)
refuse(ValueError, "groups", conv, f32(2, 3, 6, 7), f32(4, 1, 3, 3), groups=2)
for function in (maxp, minp, avgp):
    for value in (0, -1, [], (1, 0), (1, 2, 3), -(2**70), 2**70):
        refuse(ValueError, "stride", function, stride=value)
    for value in (True, 1.5, "2"):
        refuse(TypeError, "stride", function, stride=value)
    for value in (0, -3, [], (1, 2, 3), 2**70):
        refuse(ValueError, "dilation", function, dilation=value)
    for value in (True, 1.5, "2", None):
        refuse(TypeError, "dilation", function, dilation=value)

# ---- 3: padding

for function in (conv, data, wgrad, plan, maxp, minp, avgp):
    for value in (
        -1,
        [],
        (),
        (1, -1),
        ((0, 0), (-1, 0)),
        (1, 2, 3),
        ((1, 2, 3), (1, 2, 3)),
        ((1, 1),) * 3,
        -(2**70),
        2**70,
        2**62,
        2**63 - 1,
        "SAME",
        "circular",
        "",
    ):
        refuse(ValueError, "padding", function, padding=value)
    for value in (True, 1.5, None, (1.5, 1), ((True, 0), (0, 0)), {1, 2}, 1j):
        refuse(TypeError, "padding", function, padding=value)
    refuse(ValueError, "padding", function, padding=((2**63 - 1, 2**63 - 1), (0, 0)))
refuse(ValueError, "kernel", conv, X, f32(3, 4, 7, 3))
refuse(ValueError, "kernel", conv, X, f32(3, 4, 9, 3), padding=(1, 0))
for function in (conv, data, wgrad, plan):
    for value in ("nearest", "linear_ramp", None, 1, "", ["zeros"]):
        refuse((TypeError, ValueError), "padding_mode", function, padding_mode=value)

# ---- 4: kernels that dilation stretches

refuse(ValueError, "kernel", conv, X, W, dilation=2**31)
refuse(ValueError, "dilation", conv, X, W, dilation=2**62)
refuse(ValueError, "dilation", conv, X, W, dilation=2**62, padding="full")
refuse(ValueError, "dilation", conv, X, W, dilation=2**62, padding="same")
refuse(ValueError, "dilation", conv, X, W, dilation=2**63 - 1)
refuse(ValueError, "dilation", conv, X, W, dilation=-3)
refuse(ValueError, "dilation", maxp, X, 3, dilation=2**62)
refuse(ValueError, "kernel_size", maxp, X, 2**63 - 1, dilation=2)

# ---- 5: arrays that do not fit each other

refuse(ValueError, "weight", conv, X, f32(3, 5, 3, 3))
refuse(ValueError, "weight", conv, X, f32(3, 4, 3))
refuse(ValueError, "weight", conv, X, f32(3, 4, 3, 3, 3))
refuse(ValueError, "weight", conv, X, np.float32(1))
refuse(ValueError, "weight", conv, X, f32(4))
refuse(ValueError, "weight", conv, X, [])
refuse(ValueError, "x", conv, f32(6, 7), W)
refuse(ValueError, "x", conv, f32(1, 2, 4, 6, 7), W)
refuse(ValueError, "x", conv, np.float32(1), W)
refuse(ValueError, "x", conv, [], W)
refuse(ValueError, "bias", conv, X, W, f32(4))
refuse(ValueError, "bias", conv, X, W, f32(1))
refuse(ValueError, "bias", conv, X, W, f32(3, 1))
refuse(ValueError, "bias", conv, X, W, f32(1, 3))
refuse(ValueError, "bias", conv, X, W, np.float32(1))
refuse(ValueError, "bias", conv, X, W, f32(0))
refuse(ValueError, "bias", plan, X.shape, W, f32(4))
refuse(ValueError, "residual", conv, residual=f32(2, 3, 4, 4))
refuse(ValueError, "residual", conv, residual=f32(2, 3, 1, 1))
refuse(ValueError, "residual", conv, residual=f32(3, 4, 5))
refuse(ValueError, "residual", conv, residual=np.float32(1))
refuse(ValueError, "weight", plan, X.shape, f32(3, 5, 3, 3))
refuse(ValueError, "x", plan, (6, 7), W)

# ---- 6: gradients that do not come from the forward shapes

refuse(ValueError, "grad_output", data, f32(2, 3, 4, 6))
refuse(ValueError, "grad_output", data, f32(2, 4, 4, 5))
refuse(ValueError, "grad_output", data, f32(1, 3, 4, 5))
refuse(ValueError, "grad_output", data, f32(3, 4, 5))
refuse(ValueError, "grad_output", data, f32(0, 3, 4, 5))
refuse(ValueError, "grad_output", data, f32(2, 3, 0, 5))
refuse(ValueError, "grad_output", data, [])
refuse(ValueError, "grad_output", data, np.float32(1))
for shape in [
    (2, 4, 6, 8), (2, 5, 6, 7), (3, 4, 6, 7), (4, 6, 7), (6, 7), (), (2, 4, 2, 7), (2, 4, 0, 7),
    (2, 4, -6, 7), (-2, 4, 6, 7), (2, 4, 2**62, 7), (2**40, 4, 2**40, 2**40), (2, 4, 2**70, 7),
    (2, 4, 6, 7, 1),
]:  # fmt: skip
    refuse(ValueError, "", data, Y, W, shape)
    refuse(ValueError, "", avgb, P, shape)
for shape in [(2, 4, 6.0, 7), (2, 4, "6", 7), 6, None, "2467", (2, 4, True, 7), 1.5]:
    refuse(TypeError, "input_shape", data, Y, W, shape)
    refuse(TypeError, "input_shape", maxb, P, INDICES, shape)
    refuse(TypeError, "input_shape", avgb, P, shape)
for shape in [
    (3, 4, 3, 2), (3, 5, 3, 3), (4, 4, 3, 3), (3, 4, 3), (3, 4), (), (3, 4, 0, 3), (0, 4, 3, 3),
    (3, 4, -3, 3), (-3, 4, 3, 3), (3, 4, 2**62, 3), (3, 4, 2**70, 3), (3, 4, 9, 3),
    (3, 4, 3, 3, 1),
]:  # fmt: skip
    refuse(ValueError, "", wgrad, Y, X, shape)
for shape in [(3, 4, 3.0, 3), (3, 4, "3", 3), 6, None, (3, 4, True, 3)]:
    refuse(TypeError, "weight_shape", wgrad, Y, X, shape)
refuse(ValueError, "grad_output", wgrad, f32(2, 3, 4, 6))
refuse(ValueError, "grad_output", wgrad, f32(1, 3, 4, 5))
refuse(ValueError, "grad_output", wgrad, f32(3, 4, 5))
refuse(ValueError, "grad_output", fc.conv2d_backward_bias, f32(4, 5))
refuse(ValueError, "grad_output", fc.conv2d_backward_bias, f32(1, 2, 3, 4, 5))
refuse(ValueError, "grad_output", fc.conv2d_backward_bias, np.float32(1))


def indices_with(value, where=(0, 0, 0, 0)):
    changed = INDICES.copy()
    changed[where] = value
    return changed


for value in (-1, 6 * 7, 6 * 7 + 1, 2**31, 2**63 - 1, -(2**63)):
    refuse(ValueError, "indices", maxb, P, indices_with(value))
    refuse(ValueError, "indices", maxb, P, indices_with(value, (1, 3, 2, 2)))
refuse(TypeError, "indices", maxb, P, INDICES.astype(float))
refuse(TypeError, "indices", maxb, P, INDICES.astype(object))
refuse(TypeError, "indices", maxb, P, INDICES.astype(bool))
refuse(TypeError, "indices", maxb, P, None)
refuse(ValueError, "indices", maxb, P, INDICES[:1])
refuse(ValueError, "indices", maxb, P, INDICES[..., :2])
refuse(ValueError, "indices", maxb, P, INDICES.ravel())
refuse(ValueError, "", maxb, P[:1], INDICES)
refuse(ValueError, "", maxb, P, INDICES, (2, 5, 6, 7))
refuse(ValueError, "", maxb, P, INDICES, (3, 4, 6, 7))
refuse(ValueError, "", maxb, P, INDICES, (4, 6, 7))
refuse(ValueError, "", maxb, P, INDICES, (2, 4, -6, 7))
refuse(ValueError, "", maxb, P, INDICES, (2, 4, 2**62, 7))
refuse(ValueError, "", maxb, P, INDICES, (2, 4, 0, 7))
refuse(ValueError, "", avgb, P[:1])
refuse(ValueError, "", avgb, P[..., :2])
refuse(ValueError, "", avgb, f32(2, 4, 0, 3))

# ---- 7: pooling

for function in (maxp, minp, avgp):
    for value in (0, -1, [], (), (2, 0), (1, 2, 3), 2**32, 2**63 - 1, 2**70, (7, 2)):
        refuse(ValueError, "kernel_size|window", function, kernel_size=value)
    for value in (None, True, 1.5, "2", (1.5, 2), {2}):
        refuse(TypeError, "kernel_size", function, kernel_size=value)
    refuse(ValueError, "padding", function, padding=2)
    refuse(ValueError, "padding", function, kernel_size=3, padding=((0, 3), (0, 0)))
    refuse(ValueError, "padding", function, kernel_size=(1, 2), padding=1)
    # The taps at -1 and 2 straddle an axis of two elements.
    refuse(ValueError, "padding", function, f32(1, 1, 2, 8), (2, 1), stride=1, padding=(1, 0),
           dilation=(3, 1))  # fmt: skip
    refuse(ValueError, "x", function, f32(6, 7))
    refuse(ValueError, "x", function, f32(1, 2, 4, 6, 7))
    refuse(ValueError, "x", function, np.float32(1))
    for value in ("NCHW", None):
        refuse((TypeError, ValueError), "data_format", function, data_format=value)
refuse(ValueError, "divisor_override", avgp, divisor_override=0)
refuse(ValueError, "divisor_override", avgb, divisor_override=0)
refuse(TypeError, "divisor_override", avgp, divisor_override="2")
refuse(TypeError, "divisor_override", avgp, divisor_override=[2])

# ---- 8: sizes whose product overflows

refuse(ValueError, "padding|result|element", conv, X, W, padding=2**40)
refuse(ValueError, "", fc.conv_output_shape, (2**40, 4, 2**20, 2**20), (3, 4, 3, 3))
refuse(ValueError, "", fc.pool_output_shape, (2**40, 4, 2**20, 2**20), 2)
refuse(ValueError, "", plan, (2**40, 4, 2**20, 2**20), W)

# ---- 9: what is not an array of numbers

NOT_ARRAYS = {
    "None": None,
    "str": "abc",
    "strings": np.full((2, 4, 6, 7), "a"),
    "object": np.full((2, 4, 6, 7), None),
    "datetime": np.zeros((2, 4, 6, 7), "M8[s]"),
    "timedelta": np.zeros((2, 4, 6, 7), "m8[s]"),
    "void": np.zeros((2, 4, 6, 7), "V4"),
    "record": np.zeros((2, 4, 6, 7), "f4,f4"),
    "longdouble": np.zeros((2, 4, 6, 7), np.longdouble),
    "masked": np.ma.masked_array(X, mask=X > 1),
    "dict": {},
    "function": len,
}
if np.dtype(np.longdouble).itemsize == 8:
    del NOT_ARRAYS["longdouble"]
for value in NOT_ARRAYS.values():
    refuse(TypeError, "x", conv, value)
    refuse(TypeError, "x", maxp, value)
    refuse(TypeError, "x", minp, value)
    refuse(TypeError, "x", avgp, value)
    refuse(TypeError, "x", fc.im2col, value, 2)
    refuse(TypeError, "x", wgrad, Y, value)
    refuse(TypeError, "grad_output", data, value)
    refuse(TypeError, "grad_output", fc.conv2d_backward_bias, value)
    refuse(TypeError, "grad_output", maxb, value)
    refuse(TypeError, "cols", fc.col2im, value, X.shape, 2)
    if value is not None:
        refuse(TypeError, "bias", conv, X, W, value)
        refuse(TypeError, "residual", conv, residual=value)
    refuse(TypeError, "weight", conv, X, value)
    refuse(TypeError, "weight", plan, X.shape, value)
refuse(ValueError, "x", conv, [[1.0, 2.0], [3.0]])
refuse(ValueError, "weight", conv, X, [[1.0, 2.0], [3.0]])
refuse(ValueError, "x", maxp, [[1.0, 2.0], [3.0]])

# ---- 10: out

READ_ONLY = np.zeros_like(Y)
READ_ONLY.flags.writeable = False
SHAPES = {conv: Y.shape, data: X.shape, wgrad: W.shape, maxb: X.shape, avgb: X.shape}
SHAPES |= dict.fromkeys((maxp, minp, avgp), P.shape)
for function, shape in SHAPES.items():
    refuse(ValueError, "out", function, out=np.zeros((*shape[:-1], shape[-1] + 1), np.float32))
    refuse(ValueError, "out", function, out=np.zeros(shape[1:], np.float32))
    refuse(ValueError, "out", function, out=np.zeros((1, *shape), np.float32))
    refuse(ValueError, "out", function, out=np.zeros(0, np.float32))
    for dtype in (np.int32, np.bool_, object, "S4", "m8[s]"):
        refuse(TypeError, "out", function, out=np.zeros(shape, dtype))
    refuse(ValueError, "out", function, out=np.broadcast_to(np.zeros(1, np.float32), shape))
    locked = np.zeros(shape, np.float32)
    locked.flags.writeable = False
    refuse(ValueError, "out", function, out=locked)
    for value in ([], 1.0, "out", np.zeros(shape, np.float32).tolist()):
        refuse(TypeError, "out", function, out=value)
# An array that is writeable, but whose elements lie on top of each other.
OVERLAPPING = np.lib.stride_tricks.as_strided(np.zeros(64, np.float32), Y.shape, (0, 0, 4, 4))
refuse(ValueError, "out", conv, out=OVERLAPPING)

# ---- the other arguments

for function in (conv, data, wgrad, plan):
    for value in ("fastest", "", "winograd-x"):
        refuse(ValueError, "method", function, method=value)
    for value in (None, 1, ["direct"], b"direct"):
        refuse(TypeError, "method", function, method=value)
    for value in ("best", "", "HIGH"):
        refuse(ValueError, "precision", function, precision=value)
    for value in (1, True, ["high"], b"high"):
        refuse(TypeError, "precision", function, precision=value)
    for value in (0, -1, 2**70):
        refuse(ValueError, "num_threads", function, num_threads=value)
    for value in (True, 1.5, "2", [2]):
        refuse(TypeError, "num_threads", function, num_threads=value)
    refuse(ValueError, "max_workspace", function, max_workspace=-1)
    for value in (1.5, "1", [1], True):
        refuse(TypeError, "max_workspace", function, max_workspace=value)
    for value in ("NCHW", "", None, 1):
        refuse((TypeError, ValueError), "data_format", function, data_format=value)
for function in (conv, plan):
    for value in ("gelu", "", ("clip",), ("clip", 1), ("clip", 2, 1), ("relu", 0, 1),
                  ("clip", np.nan, 1)):  # fmt: skip
        refuse(ValueError, "activation", function, activation=value)
    for value in (1, len, True, ("clip", "a", 1), ("clip", None, 1), b"relu"):
        refuse(TypeError, "activation", function, activation=value)
for function in (maxp, minp, avgp):
    for value in (0, -1):
        refuse(ValueError, "num_threads", function, num_threads=value)
    for value in (True, 1.5, "2"):
        refuse(TypeError, "num_threads", function, num_threads=value)
for function in (fc.conv_output_shape, fc.explain, fc.conv_cost):
    refuse(ValueError, "weight", function, X.shape, (3, 5, 3, 3))
    refuse(ValueError, "stride", function, X.shape, W.shape, stride=0)
    refuse(TypeError, "stride", function, X.shape, W.shape, stride=1.5)
    refuse(ValueError, "", function, (2, 4, -6, 7), W.shape)
    refuse(TypeError, "", function, (2, 4, 6.5, 7), W.shape)
    refuse(TypeError, "", function, None, W.shape)
refuse(ValueError, "kernel_size", fc.pool_output_shape, X.shape, 0)
refuse(ValueError, "", fc.pool_output_shape, (2, 4, -6, 7), 2)
refuse(ValueError, "kernel_size", fc.im2col, X, 0)
refuse(ValueError, "kernel", fc.im2col, X, 9)
refuse(ValueError, "cols", fc.col2im, f32(2, 16, 29), X.shape, 2)
refuse(ValueError, "cols", fc.col2im, f32(2, 15, 30), X.shape, 2)
refuse(ValueError, "cols", fc.col2im, f32(1, 16, 30), X.shape, 2)
refuse(ValueError, "cols", fc.col2im, f32(2, 16, 5, 6), X.shape, 2)
refuse(ValueError, "", fc.col2im, f32(2, 16, 30), (2, 4, -6, 7), 2)

# ---- transposed convolution

for name in ("stride", "dilation"):
    for value in (0, -1, -(2**63), (1, 0), (1, 2, 3), [], (), 2**70):
        refuse(ValueError, name, tran, **{name: value})
    for value in (True, 1.5, "2", None, (True, 1), {1, 2}, 1j):
        refuse(TypeError, name, tran, **{name: value})
for value in (-1, [], (1, 2, 3), 2**62, 2**70, "SAME", ((1, -1), (0, 0)), 99):
    refuse(ValueError, "padding", tran, padding=value)
for value in (True, 1.5, None, {1, 2}):
    refuse(TypeError, "padding", tran, padding=value)
for value in (-1, 1, 2**70, (0, 1), [], (0, 0, 0)):
    refuse(ValueError, "output_padding", tran, output_padding=value)
for value in (True, 0.5, None, "0"):
    refuse(TypeError, "output_padding", tran, output_padding=value)
refuse(ValueError, "output_padding", tran, stride=2, dilation=3, output_padding=3)
refuse(ValueError, "output_padding", tran, stride=(2, 1), output_padding=1)
for value in (0, -1, 7, 9, 2**70, (8, 8), (9, 9, 9), [], (6, 7)):
    refuse(ValueError, "output_size", tran, output_size=value)
for value in (True, 8.0, "8"):
    refuse(TypeError, "output_size", tran, output_size=value)
refuse(ValueError, "output_size", tran, stride=2, output_size=14, output_padding=1)
refuse(ValueError, "output_size", tran, stride=2, padding="same", output_size=(13, 14))
for value in (0, -1, 3, 2**70):
    refuse(ValueError, "groups", tran, groups=value)
refuse(TypeError, "groups", tran, groups=True)
refuse(ValueError, "weight", tran, weight=W)
refuse(ValueError, "weight", tran, weight=f32(4, 3, 3))
refuse(ValueError, "weight", tran, weight=f32(4, 3, 3, 3, 3))
refuse(ValueError, "weight", tran, weight=np.float32(1))
refuse(ValueError, "kernel", tran, weight=f32(4, 3, 0, 3))
refuse(ValueError, "x", tran, f32(6, 7))
refuse(ValueError, "x", tran, f32(1, 2, 4, 6, 7))
refuse(ValueError, "x", tran, f32(2, 4, 0, 7))
refuse(ValueError, "bias", tran, bias=f32(4))
refuse(ValueError, "bias", tran, bias=f32(3, 1))
refuse(ValueError, "dilation", tran, dilation=2**62)
refuse(ValueError, "stride", tran, stride=2**62)
refuse(ValueError, "result|elements", tran, stride=2**40)
for value in (*NOT_ARRAYS.values(), np.zeros(X.shape, "g" if "longdouble" in NOT_ARRAYS else "O")):
    refuse(TypeError, "x", tran, value)
    refuse(TypeError, "weight", tran, weight=value)
    if value is not None:
        refuse(TypeError, "bias", tran, bias=value)
refuse(ValueError, "out", tran, out=np.zeros((2, 3, 8, 8), np.float32))
refuse(TypeError, "out", tran, out=np.zeros((2, 3, 8, 9), np.int64))
refuse(TypeError, "out", tran, out=[])
refuse(ValueError, "method", tran, method="fastest")
refuse(TypeError, "precision", tran, precision=1)
refuse(ValueError, "num_threads", tran, num_threads=0)
refuse(ValueError, "max_workspace", tran, max_workspace=-1)
refuse(ValueError, "data_format", tran, data_format="NCHW")
refuse(ValueError, "x", fc.conv_transpose_output_shape, (3, 5), (3, 2, 3, 3))
refuse(ValueError, "x_shape", fc.conv_transpose_output_shape, (3, -5), (3, 2, 3))
refuse(TypeError, "x_shape", fc.conv_transpose_output_shape, None, (3, 2, 3))
refuse(TypeError, "weight_shape", fc.conv_transpose_output_shape, (3, 5), (3, 2, 3.0))
refuse(ValueError, "", fc.conv_transpose_output_shape, (3, 2**62), (3, 2, 3), 4)
refuse(ValueError, "", fc.conv_transpose_output_shape, (2**40, 3, 2**20), (3, 2**20, 3))

# ---- other ranks, under their own names

RANKED = []


def ranked(function, *defaults):
    """A public function as one whose first arguments have defaults."""

    def call(*args, **kwargs):
        return function(*args, *defaults[len(args):], **kwargs)

    NAMES[call] = function.__name__
    RANKED.append(call)
    return call


for d, n in (("1d", 1), ("3d", 3), ("", 2), ("", 1)):
    x, weight = f32(2, 4, *(6, 7, 8)[:n]), f32(3, 4, *(3, 3, 3)[:n])
    y = fc.conv(x, weight)
    rank_conv = ranked(getattr(fc, f"conv{d}"), x, weight)
    rank_data = ranked(getattr(fc, f"conv{d}_backward_data"), y, weight, x.shape)
    rank_wgrad = ranked(getattr(fc, f"conv{d}_backward_weight"), y, x, weight.shape)
    rank_tran = ranked(getattr(fc, f"conv_transpose{d}"), y, weight)
    rank_bias = ranked(getattr(fc, f"conv{d}_backward_bias"), y)
    for function in (rank_conv, rank_data, rank_wgrad, rank_tran):
        for name in ("stride", "dilation"):
            for value in (0, -1, (1,) * (n + 3), [], 2**70):
                refuse(ValueError, name, function, **{name: value})
            for value in (True, 1.5, "2", None, (1,) * (n - 1) + (1.5,)):
                refuse(TypeError, name, function, **{name: value})
        for value in (-1, 2**62, (1,) * (n + 3), [(1, 2, 3)] * n, "SAME"):
            refuse(ValueError, "padding", function, padding=value)
        for value in (True, None, 1.5):
            refuse(TypeError, "padding", function, padding=value)
        refuse(ValueError, "groups", function, groups=5)
        refuse(ValueError, "dilation", function, dilation=2**62)
        refuse(ValueError, "out", function, out=np.zeros(3, np.float32))
        refuse(ValueError, "method", function, method="fastest")
        refuse(ValueError, "num_threads", function, num_threads=0)
        refuse(ValueError, "data_format", function, data_format="NCHW")
    for bad in (f32(3, 5, *(3,) * n), f32(3), f32(3, 4, *(3,) * n, 3, 3, 3), f32(3, 4, *(0,) * n)):
        refuse(ValueError, "weight|kernel", rank_conv, x, bad)
        refuse(ValueError, "", rank_data, y, bad)
        refuse(ValueError, "", rank_wgrad, y, x, bad.shape)
        refuse(ValueError, "weight|kernel", rank_tran, x, bad)
    refuse(ValueError, "x", rank_conv, x.ravel())
    refuse(ValueError, "x", rank_tran, y[..., :0])
    refuse(ValueError, "bias", rank_conv, x, weight, f32(4))
    refuse(ValueError, "bias", rank_tran, y, weight, f32(3))
    refuse(ValueError, "grad_output", rank_data, y[..., :-1])
    refuse(ValueError, "grad_output", rank_wgrad, y[:1])
    refuse(ValueError, "grad_output", rank_bias, f32(3))
    refuse(ValueError, "grad_output", rank_bias, f32(1, 1, 1, 1, 1, 1))
    refuse(TypeError, "grad_output", rank_bias, None)
    refuse(ValueError, "kernel", rank_conv, x[..., :1], weight)
    for value in (None, "abc", np.full(x.shape, None), np.ma.masked_array(x, mask=x > 1)):
        refuse(TypeError, "x", rank_conv, value)
        refuse(TypeError, "x", rank_tran, value)
        refuse(TypeError, "grad_output", rank_data, value)


def label(entry):
    function, _, word, args, kwargs = entry
    shown = [a.shape if isinstance(a, np.ndarray) else a for a in (*args, *kwargs.items())]
    return f"{NAMES[function]}-{word}-{shown}"[:100]


@pytest.mark.parametrize("entry", REFUSED, ids=map(label, REFUSED))
def test_refused(entry):
    function, error, word, args, kwargs = entry
    out = kwargs.get("out")
    before = out.copy() if isinstance(out, np.ndarray) else None
    # The function's name first, and the argument as a word of its own.
    pattern = rf"^{NAMES[function]}: (?s:.*)(?<![a-z])({word})(?![a-z])"
    with pytest.raises(error, match=pattern) as caught:
        function(*args, **kwargs)
    # Exactly these types: an OverflowError or a UnicodeError would be an accident.
    assert type(caught.value) in (error if isinstance(error, tuple) else (error,))
    if before is not None:
        np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize(
    ("function", "args"),
    [(conv, {}), (conv, {"activation": "relu"}), (data, {}), (wgrad, {})],
)
@pytest.mark.parametrize("bad", [{"stride": 0}, {"padding": -1}, {"num_threads": 0}], ids=str)
def test_a_failed_call_leaves_out_as_it_was(function, args, bad):
    shape = function(**args).shape
    out = np.full(shape, 7, np.float32)
    with pytest.raises(ValueError, match=next(iter(bad))):
        function(**args, **bad, out=out)
    assert (out == 7).all()


def test_out_is_untouched_when_an_index_is_wrong():
    """The bad index comes last, when all others would have been scattered already."""
    out = np.full(X.shape, 7, np.float32)
    with pytest.raises(ValueError, match="indices"):
        maxb(P, indices_with(42, (1, 3, 2, 2)), out=out)
    assert (out == 7).all()


# --------------------------------------------------------------------------- odd, but right


def test_huge_strides_are_legal():
    for stride in (2**31 - 1, 2**31, 2**32, 2**55, 2**62, 2**63 - 1):
        np.testing.assert_array_equal(conv(stride=stride), conv()[:, :, :1, :1])
        if stride < 2**62:  # one input at any stride is one kernel
            np.testing.assert_array_equal(
                tran(X[..., :1, :1], stride=stride), tran(X[..., :1, :1]))
        np.testing.assert_array_equal(maxp(stride=stride), maxp()[:, :, :1, :1])
        np.testing.assert_array_equal(avgp(stride=stride), avgp()[:, :, :1, :1])
        grad = Y[:, :, :1, :1]
        wide = np.zeros_like(Y)
        wide[:, :, 0, 0] = grad[:, :, 0, 0]
        np.testing.assert_array_equal(data(grad, stride=stride), data(wide))
        np.testing.assert_array_equal(wgrad(grad, stride=stride), wgrad(wide))


def test_huge_dilations_are_legal_for_kernels_of_one():
    weight = f32(3, 4, 1, 1)
    expected = conv(weight=weight)
    for dilation in (2**31 - 1, 2**31, 2**55, 2**62, 2**63 - 1):
        np.testing.assert_array_equal(conv(weight=weight, dilation=dilation), expected)
        np.testing.assert_array_equal(
            tran(weight=weight.swapaxes(0, 1), dilation=min(dilation, 2**61)), expected)
        np.testing.assert_array_equal(maxp(kernel_size=1, stride=2, dilation=dilation),
                                      X[:, :, ::2, ::2])  # fmt: skip


def test_padding_longer_than_the_input():
    y = conv(padding=((50, 3), (0, 60)))
    padded = np.pad(X, ((0, 0), (0, 0), (50, 3), (0, 60)))
    np.testing.assert_array_equal(y, conv(padded))


def test_one_output_far_inside_the_padding():
    """2**40 zeros on either side, and a stride that steps over them."""
    y = conv(padding=2**40, stride=2**62)
    np.testing.assert_array_equal(y, np.zeros((2, 3, 1, 1)))
    for stride in (2**12, 2**30, 2**31, 2**40):
        far = {"padding": ((stride, stride), (0, 0)), "stride": (stride, 1)}
        for method in ("auto", "depthwise", "direct", "im2col", "sliding"):
            y = conv(**far, method=method)
            assert y.shape == (2, 3, 3, 5)
            np.testing.assert_array_equal(y[:, :, 0], 0)
            np.testing.assert_array_equal(y[:, :, 1], conv(method=method)[:, :, 0])
            np.testing.assert_array_equal(y[:, :, 2], 0)
            grad = data(y, **far, method=method)
            np.testing.assert_array_equal(grad[:, :, 3:], 0)
            np.testing.assert_array_equal(grad[:, :, :3], data(
                y[:, :, 1:2], input_shape=(*X.shape[:2], 3, X.shape[3]), method=method))


def test_a_window_far_larger_than_the_input():
    """Only the real elements may cost time."""
    args = {"kernel_size": (2**32, 1), "stride": (2**32, 1), "padding": ((2**32 - 1, 0), (0, 0))}
    np.testing.assert_array_equal(maxp(**args), X[:, :, :1])
    y = avgp(**args, count_include_pad=False)
    np.testing.assert_array_equal(y, X[:, :, :1])
    y = avgp(**args)
    np.testing.assert_array_equal(y, X[:, :, :1] * np.float32(2.0**-32))


def test_a_window_that_repeats_for_ever_is_refused_in_time(run_python):
    """2**40 windows of 2**40 taps: checking them one by one would take hours."""
    code = """
        import sys
        import numpy as np
        import fastconv
        function = getattr(fastconv, sys.argv[1])
        for axis in (0, 1):
            pick = lambda value, other: (value, other) if axis else (other, value)
            try:
                function(
                    np.zeros((1, 1, 6, 7), np.float32), pick(2**40, 1), stride=pick(2**20, 1),
                    dilation=pick(2**20, 1), padding=pick(2**60 - 2**20, 0),
                )
            except (ValueError, MemoryError) as error:
                print(error)
            else:
                raise SystemExit("accepted")
    """
    for name in ("max_pool2d", "avg_pool2d"):
        run_python(code, name, cpu_seconds=30)


def test_equal_arguments_of_other_types_are_not_taken_for_each_other():
    """A call is not another one that was described before, because True == 1 == 1.0."""
    x, w = np.arange(16.0).reshape(1, 1, 4, 4), np.ones((1, 1, 2, 2))
    for _ in range(2):
        fc.conv2d(x, w, stride=1)
        fc.conv2d(x, w, stride=(1, 1))
        fc.max_pool2d(x, 1)
        fc.max_pool2d(x, (1, 1))
        for bad in (True, 1.0, (1, True), (1.0, 1)):
            with pytest.raises(TypeError):
                fc.conv2d(x, w, stride=bad)
            with pytest.raises(TypeError):
                fc.max_pool2d(x, bad)


def test_a_list_is_read_at_every_call():
    x, size = np.arange(16.0).reshape(1, 1, 4, 4), [2, 2]
    assert fc.max_pool2d(x, size).shape == (1, 1, 2, 2)
    size[0] = 4
    assert fc.max_pool2d(x, size).shape == (1, 1, 1, 2)
    for activation in (("clip", 0, 1), ["clip", 0, 2], ("clip", 0.0, 1.0), ["clip", 0, 2]):
        y = fc.conv2d(x, np.ones((1, 1, 1, 1)), activation=activation)
        assert y.max() == activation[2]


def test_as_many_arguments_as_there_can_be():
    """The longest shapes, with everything named, twice."""
    x, w = np.ones((1, 2, 3, 4, 5)), np.ones((4, 1, 2, 2, 2))
    for _ in range(2):
        y = fc.conv3d(x, w, stride=(1, 1, 1), padding=((1, 0), (0, 1), (1, 1)), dilation=(1, 1, 1),
                      groups=2, padding_mode="reflect", activation=("clip", 0, 3))
        assert y.shape == (1, 4, 3, 4, 6)
        assert y.max() == 3


def test_index_of_the_last_element_is_legal():
    grad = maxb(P, indices_with(6 * 7 - 1))
    assert grad[0, 0, 5, 6] != 0
    assert grad.sum() == P.sum()


def test_indices_of_any_integer_dtype():
    expected = maxb()
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.uint64, ">i8", ">i2"):
        np.testing.assert_array_equal(maxb(indices=INDICES.astype(dtype)), expected)
    with pytest.raises(ValueError, match="indices"):
        maxb(indices=np.full(P.shape, 2**64 - 1, np.uint64))


def test_ceil_mode_makes_no_empty_window():
    x = f32(1, 1, 4, 5)
    np.testing.assert_array_equal(
        avgp(x, 1, stride=2, ceil_mode=True, count_include_pad=False), x[..., ::2, ::2]
    )


def test_a_line_of_more_than_2_to_the_24():
    """Its length does not survive a trip through float32."""
    length = 2**24 + 1
    x = np.broadcast_to(np.float32(1), (1, 1, 1, length))
    assert fc.max_pool2d(x, (1, 2), (1, 2), ceil_mode=True).shape == (1, 1, 1, 2**23 + 1)
    _, indices = fc.max_pool2d(x, 1, (1, length - 1), return_indices=True)
    np.testing.assert_array_equal(indices, [[[[0, length - 1]]]])
    assert fc.conv_output_shape(x.shape, (1, 1, 1, 2)) == (1, 1, 1, length - 1)


def test_sizes_past_2_to_the_31_without_allocating():
    assert fc.conv_output_shape((1, 1, 2**20, 2**20), (1, 1, 3, 3)) == (
        1, 1, 2**20 - 2, 2**20 - 2,
    )  # fmt: skip
    assert fc.pool_output_shape((1, 1, 2**31 + 7, 2**20), (2, 1)) == (1, 1, 2**30 + 3, 2**20)


def test_what_cannot_be_allocated():
    """Valid sizes, but of some 10**17 bytes."""
    x = np.broadcast_to(np.float32(0), (1, 1, 2**27, 2**27))
    for call in (
        lambda: fc.conv2d(x, f32(1, 1, 3, 3)),
        lambda: fc.max_pool2d(x, 2, 1),
        lambda: fc.avg_pool2d(x, 2, 1),
        lambda: fc.im2col(x, 2),
        lambda: fc.conv_transpose2d(x, f32(1, 1, 3, 3)),
        lambda: fc.conv1d(f32(1, 1, 5), f32(1, 1, 1), padding=2**56),
        lambda: fc.conv_transpose1d(f32(1, 1, 2), f32(1, 1, 1), stride=2**57),
        lambda: fc.conv3d(x[:, :, None], f32(1, 1, 1, 3, 3)),
        lambda: fc.conv2d(np.zeros((1, 1, 1, 1), np.int8), np.ones((1, 1, 1, 1), np.int8),
                          padding=2**27),
    ):
        with pytest.raises(MemoryError):
            call()


class Index:
    """An integer that counts how often it is asked, and changes each time."""

    def __init__(self, value, step=0):
        self.value, self.step, self.asked = value, step, 0

    def __index__(self):
        self.asked += 1
        self.value += self.step
        return self.value - self.step


class Raises:
    def __index__(self):
        raise RuntimeError("from __index__")


class Clears:
    """Empties the list it stands in when it is asked."""

    def __init__(self, holder):
        self.holder = holder

    def __index__(self):
        self.holder.clear()
        return 1


@pytest.mark.parametrize(
    ("function", "name", "value"),
    [
        *(
            (f, name, 1)
            for f in (conv, tran, maxp, minp, avgp)
            for name in ("stride", "dilation", "padding")
        ),
        # The gradient that is given fits one geometry only.
        *((f, "stride", 1) for f in (data, wgrad)),
        *((f, "dilation", 1) for f in (data, wgrad)),
        *((f, "padding", 0) for f in (data, wgrad)),
    ],
)
def test_index_is_asked_once(function, name, value):
    """A number that grows with every look must be looked at once."""
    one, other = Index(value, 1000), [Index(value, 1000), Index(value, 1000)]
    expected = function(**{name: value})
    np.testing.assert_array_equal(function(**{name: one}), expected)
    np.testing.assert_array_equal(function(**{name: other}), expected)
    assert [index.asked for index in (one, *other)] == [1, 1, 1]


@pytest.mark.parametrize("step", [1, -1, -1000, 2**40])
def test_shapes_are_read_once(step):
    """A size that changes after it was checked must not be believed twice."""
    for function, grad, shape in [(data, Y, X.shape), (avgb, P, X.shape), (maxb, P, X.shape)]:
        for axis in range(4):
            changing = list(shape)
            changing[axis] = Index(shape[axis], step)
            keyword = {"input_shape": tuple(changing)}
            expected = function(grad, input_shape=shape)
            np.testing.assert_array_equal(function(grad, **keyword), expected)
    for axis in range(4):
        changing = list(W.shape)
        changing[axis] = Index(W.shape[axis], step)
        np.testing.assert_array_equal(wgrad(weight_shape=tuple(changing)), wgrad())


@pytest.mark.parametrize("function", [conv, data, wgrad, tran, maxp, minp, avgp])
@pytest.mark.parametrize("name", ["stride", "dilation", "padding"])
def test_errors_of_index_come_through(function, name):
    for value in (Raises(), (1, Raises()), [Raises(), 1]):
        with pytest.raises(RuntimeError, match="from __index__"):
            function(**{name: value})


@pytest.mark.parametrize("function", [conv, maxp, avgp])
@pytest.mark.parametrize("name", ["stride", "dilation", "padding"])
def test_a_list_that_empties_itself(function, name):
    """It may be refused, or read as it was; it may not be read behind its end."""
    holder = []
    holder.extend([Clears(holder), 2])
    try:
        y = function(**{name: holder})
    except (ValueError, IndexError):
        return
    np.testing.assert_array_equal(y, function(**{name: (1, 2)}))


def test_a_padding_pair_that_empties_itself():
    pair = []
    pair.extend([Clears(pair), 1])
    try:
        y = conv(padding=[pair, (1, 1)])
    except (ValueError, IndexError):
        return
    np.testing.assert_array_equal(y, conv(padding=[(1, 1), (1, 1)]))


# ---------------------------------------------------------------- function, argument, rule


X8, W3, PAIR = np.ones((1, 2, 8, 8), np.float32), np.ones((2, 2, 3, 3), np.float32), np.arange(2)
HUGE = 10**400
NAMED = [
    ("conv2d", "data_format", lambda: fc.conv2d(X8, W3, data_format=PAIR)),
    ("conv2d", "flip", lambda: fc.conv2d(X8, W3, flip=PAIR)),
    ("conv2d", "stride", lambda: fc.conv2d(X8, W3, stride=np.array(2.0))),
    ("conv2d", "groups", lambda: fc.conv2d(X8, W3, groups=np.array([1]))),
    ("conv2d", "activation", lambda: fc.conv2d(X8, W3, activation=("clip", 0, HUGE))),
    ("conv2d_backward_weight", "per_sample", lambda: fc.conv2d_backward_weight(
        np.ones((1, 2, 6, 6), np.float32), X8, W3.shape, per_sample=PAIR)),
    ("max_pool2d", "data_format", lambda: fc.max_pool2d(X8, 2, data_format=PAIR)),
    ("max_pool2d", "ceil_mode", lambda: fc.max_pool2d(X8, 2, ceil_mode=PAIR)),
    ("max_pool2d", "return_indices", lambda: fc.max_pool2d(X8, 2, return_indices=PAIR)),
    ("adaptive_max_pool2d", "return_indices",
     lambda: fc.adaptive_max_pool2d(X8, 2, return_indices=PAIR)),
    ("avg_pool2d", "count_include_pad",
     lambda: fc.avg_pool2d(X8, 2, count_include_pad=PAIR)),
    ("avg_pool2d", "divisor_override",
     lambda: fc.avg_pool2d(X8, 2, divisor_override=HUGE)),
    ("lp_pool2d", "norm_type", lambda: fc.lp_pool2d(X8, HUGE, 2)),
    ("plan_conv", "x_shape", lambda: fc.plan_conv(5, W3)),
    ("plan_conv", "dtype", lambda: fc.plan_conv(X8.shape, W3, dtype="nonsense")),
    ("explain", "x_shape", lambda: fc.explain(5, W3.shape)),
    ("explain", "dtype", lambda: fc.explain(X8.shape, W3.shape, dtype="nonsense")),
    ("explain", "num_threads", lambda: fc.explain(X8.shape, W3.shape, num_threads=0)),
    ("conv_cost", "x_shape", lambda: fc.conv_cost(5, W3.shape)),
    ("conv_cost", "dtype", lambda: fc.conv_cost(X8.shape, W3.shape, dtype="nonsense")),
    ("conv_output_shape", "x_shape", lambda: fc.conv_output_shape(5, W3.shape)),
    ("get_precision", "dtype", lambda: fc.get_precision("nonsense")),
    ("conv2d", "axis -2 of x",
     lambda: fc.conv2d(X8[:, :, :2], np.ones((2, 2, 3, 3), np.float32))),
    ("max_pool2d", "axis -3 of x",
     lambda: fc.max_pool2d(X8, (3, 2), data_format="channels_last")),
    ("im2col", "axis -2 of x", lambda: fc.im2col(X8, (9, 2))),
    ("conv_transpose2d", "axis -2 of x",
     lambda: fc.conv_transpose2d(np.ones((1, 8, 0, 2)), W3, data_format="channels_last")),
    ("conv_transpose2d", "axis -2 of the result", lambda: fc.conv_transpose2d(
        np.ones((1, 1, 1, 2)), W3, padding=(0, 4), data_format="channels_last")),
    ("max_unpool2d", "axis -2 of x",
     lambda: fc.max_unpool2d(X8[:, :, :0], np.ones((1, 2, 0, 8), int), 2)),
    ("max_unpool2d", "axis -1 must",
     lambda: fc.max_unpool2d(P, INDICES, 2, output_size=(6, 99))),
    # what a function calls its arguments
    ("conv2d_backward_data", "input_shape has 2 axes",
     lambda: fc.conv2d_backward_data(Y, W, (6, 7))),
    ("conv2d_backward_data", "of input_shape", lambda: fc.conv2d_backward_data(Y, W, (2, 4, 2, 7))),
    ("conv2d_backward_weight", "weight_shape has", lambda: fc.conv2d_backward_weight(Y, X, (3, 4))),
    ("conv_output_shape", "x_shape has", lambda: fc.conv_output_shape((8,), W3.shape)),
    ("explain", "weight_shape has 3", lambda: fc.explain(X8.shape, (2, 3, 3, 3))),
    ("plan_conv", "of x_shape", lambda: fc.plan_conv((1, 2, 2, 2), W3)),
    ("pool_output_shape", "of x_shape", lambda: fc.pool_output_shape((1, 2, 2, 2), 3)),
    ("max_pool_backward", "input_shape has 7 axes",
     lambda: fc.max_pool_backward(P, INDICES, (1,) * 7)),
    ("max_pool_backward", "three axes, input_shape",
     lambda: fc.max_pool_backward(P[0], INDICES[0], X.shape[1:])),
    ("avg_pool2d_backward", "of input_shape",
     lambda: fc.avg_pool2d_backward(P, X.shape, (9, 2))),
    # arrays, memoryviews and worse for a name, a flag, a number
    ("conv2d", "method", lambda: fc.conv2d(X8, W3, method=PAIR)),
    ("conv2d", "method", lambda: fc.conv2d(X8, W3, method=memoryview(PAIR))),
    ("conv2d", "max_workspace", lambda: fc.conv2d(X8, W3, max_workspace=PAIR)),
    ("conv2d", "max_workspace", lambda: fc.conv2d(X8, W3, max_workspace=memoryview(PAIR))),
    ("conv2d", "max_workspace", lambda: fc.conv2d(X8, W3, max_workspace=np.True_)),
    ("conv2d", "activation", lambda: fc.conv2d(X8, W3, activation=(PAIR, 0, 1))),
    ("conv2d", "flip", lambda: fc.conv2d(X8, W3, flip=memoryview(PAIR))),
    ("conv2d", "stride", lambda: fc.conv2d(X8, W3, stride=memoryview(np.ones((1, 2), int)))),
    ("conv2d", "stride", lambda: fc.conv2d(X8, W3, stride=10**5000)),
    ("conv2d", "stride", lambda: fc.conv2d(X8, W3, stride=-(10**5000))),
    ("conv2d_backward_data", "input_shape",
     lambda: fc.conv2d_backward_data(Y, W, memoryview(np.ones((2, 2), int)))),
    ("max_pool2d", "ceil_mode", lambda: fc.max_pool2d(X8, 2, ceil_mode=memoryview(PAIR))),
    ("explain", "which", lambda: fc.explain(X8.shape, W3.shape, which=PAIR)),
    ("explain", "planned", lambda: fc.explain(X8.shape, W3.shape, planned=PAIR)),
    ("explain", "measure", lambda: fc.explain(X8.shape, W3.shape, measure=PAIR)),
    ("conv_cost", "bias", lambda: fc.conv_cost(X8.shape, W3.shape, bias=PAIR)),
    ("show_config", "mode", lambda: fc.show_config(PAIR)),
    *((name, "dtype", functools.partial(call, dtype=dtype)) for name, call in [
        ("plan_conv", lambda dtype: fc.plan_conv(X8.shape, W3, dtype=dtype)),
        ("explain", lambda dtype: fc.explain(X8.shape, W3.shape, dtype=dtype)),
        ("conv_cost", lambda dtype: fc.conv_cost(X8.shape, W3.shape, dtype=dtype)),
        ("get_precision", lambda dtype: fc.get_precision(dtype)),
    ] for dtype in ({"names": ["a"]}, "f4,,x", PAIR, "O", "M8[s]", "f4,f4", "(2,3)f4")),
]


@pytest.mark.parametrize(("function", "argument", "call"), NAMED, ids=lambda value: (
    value if isinstance(value, str) else "call"))  # fmt: skip
def test_messages_name_function_and_argument(function, argument, call):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(f"{function}: ")
    assert argument in text


class Pretender:
    """NumPy asks it for an array, and gets what is no number."""

    def __array__(self, dtype=None, copy=None):
        return np.array(1j)


class Four:
    """An integer that does not compare with others."""

    def __index__(self):
        return 4


EMPTY = np.ma.masked_array(np.zeros((0, 2)))

# What `fuzz.py` found: (function, argument, call).
FUZZED = [
    ("get_precision", "dtype", lambda: fc.get_precision((-1000, False))),
    ("im2col", "kernel_size", lambda: fc.im2col(X8, (2, Pretender()))),
    ("im2col", "kernel_size", lambda: fc.im2col(X8, (3, (b"ab", [1], 1e308)))),
    ("col2im", "kernel_size", lambda: fc.col2im(P, (1, 1, 4, 4), ((-2, None), [1]))),
    ("explain", "planned", lambda: fc.explain(X8.shape, W3.shape, planned=EMPTY)),
    ("explain", "measure", lambda: fc.explain(X8.shape, W3.shape, measure=PAIR)),
    ("conv_cost", "bias", lambda: fc.conv_cost(X8.shape, W3.shape, bias=EMPTY)),
    ("conv2d", "max_workspace", lambda: fc.conv2d(X8, W3, max_workspace=np.array([1, 2]))),
    ("conv2d", "activation", lambda: fc.conv2d(X8, W3, activation=(PAIR, 0, 1))),
    ("conv2d", "activation", lambda: fc.conv2d(X8, W3, activation=("clip", 0, PAIR))),
    ("conv2d", "activation", lambda: fc.conv2d(X8, W3, activation=("clip", np.array(b""), 1))),
    ("conv2d", "x", lambda: fc.conv2d([Pretender(), False], W3)),
    ("lp_pool2d", "norm_type", lambda: fc.lp_pool2d(X8, np.array(b""), 2)),
    ("lp_pool2d", "norm_type", lambda: fc.lp_pool2d(X8, EMPTY, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "argument", "call"), FUZZED, ids=lambda value: (
    value if isinstance(value, str) else "call"))  # fmt: skip
def test_odd_objects_meet_errors_of_ours(function, argument, call):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert str(caught.value).startswith(f"{function}: ")
    assert argument in str(caught.value)


@pytest.mark.needs(sys.platform != "win32", "limits of memory, a POSIX call")
def test_arguments_of_any_kind(tmp_path):
    """The first of the calls that `fuzz.py` makes, in processes that may end before their time."""
    script = os.path.join(os.path.dirname(__file__), "fuzz.py")
    command = [sys.executable, script, "--calls", "2000"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_max_workspace_by_index_is_an_integer():
    np.testing.assert_array_equal(
        fc.conv2d(X8, W3, max_workspace=Four()), fc.conv2d(X8, W3, max_workspace=4))
    wanted, got = (
        [row["reason"] for row in fc.explain(X8.shape, W3.shape, max_workspace=value)]
        for value in (4, Four())
    )  # fmt: skip
    assert got == wanted


def test_an_array_without_axes_is_an_integer():
    np.testing.assert_array_equal(fc.im2col(X8, np.array(2)), fc.im2col(X8, 2))


def test_memoryviews_are_arrays():
    expected = fc.conv2d(X8, W3, padding=((1, 0), (0, 1)))
    padding = memoryview(np.array([[1, 0], [0, 1]]))
    np.testing.assert_array_equal(
        fc.conv2d(memoryview(X8), memoryview(W3), padding=padding), expected)
    turned = memoryview(X8[:, :, ::-1, ::2])
    np.testing.assert_array_equal(fc.max_pool2d(turned, 2), fc.max_pool2d(X8[:, :, ::-1, ::2], 2))


class Endless:
    """A sequence that says it is huge, and would count how much of it is read."""

    def __init__(self):
        self.read = 0

    def __len__(self):
        return 10**9

    def __iter__(self):
        while True:
            self.read += 1
            yield 1


SEQUENCES = [
    ("conv2d", "stride", lambda value: fc.conv2d(X8, W3, stride=value)),
    ("conv2d", "padding", lambda value: fc.conv2d(X8, W3, padding=value)),
    ("conv2d", "padding", lambda value: fc.conv2d(X8, W3, padding=(value, 1))),
    ("conv2d", "dilation", lambda value: fc.conv2d(X8, W3, dilation=value)),
    ("conv_transpose2d", "output_padding",
     lambda value: fc.conv_transpose2d(X8, W3, output_padding=value)),
    ("conv_transpose2d", "output_size",
     lambda value: fc.conv_transpose2d(X8, W3, output_size=value)),
    ("conv2d_backward_data", "input_shape", lambda value: fc.conv2d_backward_data(Y, W, value)),
    ("conv2d_backward_weight", "weight_shape",
     lambda value: fc.conv2d_backward_weight(Y, X, value)),
    ("conv_output_shape", "x_shape", lambda value: fc.conv_output_shape(value, W3.shape)),
    ("explain", "weight_shape", lambda value: fc.explain(X8.shape, value)),
    ("plan_conv", "x_shape", lambda value: fc.plan_conv(value, W3)),
    ("im2col", "kernel_size", lambda value: fc.im2col(X8, value)),
    ("col2im", "kernel_size", lambda value: fc.col2im(np.ones((1, 8, 49)), X8.shape, value)),
    ("max_pool", "kernel_size", lambda value: fc.max_pool(X8, value)),
    ("max_pool2d", "kernel_size", lambda value: fc.max_pool2d(X8, value)),
    ("avg_pool2d", "stride", lambda value: fc.avg_pool2d(X8, 2, value)),
    ("adaptive_avg_pool2d", "output_size", lambda value: fc.adaptive_avg_pool2d(X8, value)),
    ("max_unpool2d", "output_size",
     lambda value: fc.max_unpool2d(P, INDICES, 2, output_size=value)),
    ("avg_pool2d_backward", "input_shape", lambda value: fc.avg_pool2d_backward(P, value, 2)),
    ("max_pool2d_backward", "input_shape",
     lambda value: fc.max_pool2d_backward(P, INDICES, value)),
]


@pytest.mark.parametrize("kind", [
    "array", "wide array", "range", "longer range", "list", "tuple", "iterator", "object",
])  # fmt: skip
@pytest.mark.parametrize(("function", "argument", "call"), SEQUENCES, ids=lambda value: (
    value if isinstance(value, str) else "call"))  # fmt: skip
def test_sequences_far_too_long_are_refused_at_once(function, argument, call, kind):
    """No more of them is read, or printed, than could be meant."""
    value, count = {
        "array": lambda: (np.broadcast_to(1, 10**8), 10**8),
        "wide array": lambda: (np.broadcast_to(1, (10**8, 2)), 10**8),
        "range": lambda: (range(10**9), 10**9),
        "longer range": lambda: (range(10**30), "more than 64"),
        "list": lambda: ([1] * 10**6, 10**6),
        "tuple": lambda: ((1,) * 10**6, 10**6),
        "iterator": lambda: (iter(range(10**9)), "more than 64"),
        "object": lambda: (Endless(), 10**9),
    }[kind]()
    with pytest.raises(ValueError, match=rf"^{function}: {argument} has {count} entries") as caught:
        call(value)
    assert len(str(caught.value)) < 300
    if kind == "object":
        assert value.read < 100


# What beginners write, and what the message says to write instead.
HINTS = {
    "channels last": (lambda: conv(f32(2, 6, 7, 4)), "give data_format='channels_last'"),
    "channels last, one image": (lambda: conv(f32(6, 7, 4)), "give data_format='channels_last'"),
    "channels first": (lambda: conv(data_format="channels_last"),
                       "come first, leave data_format='channels_last' out"),
    "a kernel of two axes": (lambda: conv(weight=f32(3, 3)), "weight[None, None], and fastconv.nd"),
    "a kernel of one axis": (lambda: fc.conv1d(f32(9), f32(3)), "channel is weight[None, None]"),
    "its shape": (lambda: fc.plan_conv((9, 9), f32(1, 1, 3, 3)), "has the shape (1, *x_shape)"),
    "an image of two axes": (lambda: conv(f32(6, 7)), "an image of one channel is x[None]"),
    "a signal of one axis": (lambda: fc.conv1d(f32(9), f32(1, 1, 3)), "signal of one channel is x"),
    "an image to pool": (lambda: fc.max_pool2d(f32(6, 7), 2), "an image of one channel is x[None]"),
    "depthwise": (lambda: conv(weight=f32(8, 1, 3, 3)), "each channel by itself give groups=4"),
    "one kernel for all colours": (lambda: conv(weight=f32(1, 1, 3, 3)),
                                   "give groups=4 and weight.repeat(4, axis=0)"),
    "one kernel, as many groups": (lambda: conv(weight=f32(1, 1, 3, 3), groups=4),
                                   "the same one for each group is weight.repeat(4, axis=0)"),
    "one kernel, colours last": (lambda: conv(f32(6, 7, 3), f32(1, 1, 3, 3)),
                                 "give data_format='channels_last'"),
    "a stack of grey images": (lambda: conv(f32(9, 6, 7), f32(1, 1, 3, 3)),
                               "a stack of 9 with one channel each is x[:, None]"),
    "a stack, by its shape": (lambda: fc.plan_conv((9, 6, 7), f32(1, 1, 3, 3)),
                              "(n, 1, *x_shape[1:])"),
    "TensorFlow's weights": (lambda: conv(weight=f32(3, 3, 4, 8)), "weight.transpose(3, 2, 0, 1)"),
    "TensorFlow's volumes": (lambda: fc.conv3d(f32(1, 5, 6, 6, 6), f32(3, 3, 3, 5, 2)),
                             "weight.transpose(4, 3, 0, 1, 2)"),
    "filters last": (lambda: conv(weight=f32(4, 5, 3, 3)), "weight.swapaxes(0, 1)"),
    "transposed": (lambda: fc.conv_transpose2d(X, W), "of the filters, give weight.swapaxes(0, 1)"),
    "SAME": (lambda: conv(padding="SAME"), "'full'; write 'same'"),
    "SAME_UPPER": (lambda: conv(padding="SAME_UPPER"), "'full'; write 'same'"),
    "SAME of a pooling": (lambda: fc.avg_pool2d(X, 2, padding="SAME"), "'full'; write 'same'"),
    "a mode": (lambda: conv(padding="reflect"), "give padding_mode='reflect', and as padding how"),
    "a pair of a signal": (lambda: fc.conv1d(f32(2, 9), f32(1, 2, 3), padding=(2, 0)),
                           "needs 1; before and after an axis are a pair, ((2, 0),)"),
    "four ends": (lambda: conv(padding=(1, 1, 2, 2)), "a (before, after) pair for each axis"),
    "a filter of three axes": (lambda: conv(weight=f32(4, 3, 3)), "and one filter weight[None]"),
    "groups of colours": (lambda: conv(f32(8, 7, 3), f32(3, 1, 3, 3), groups=3),
                          "8 channels of x; if the channels of x come last, give data_format="),
    "stride for bias": (lambda: fc.conv2d(X, W, 2), "come after it: give them by name"),
    "ReLU": (lambda: conv(activation="ReLU"), "; write 'relu'"),
    "HWC": (lambda: conv(data_format="HWC"), "not 'HWC'; write 'channels_last'"),
    "unsafe": (lambda: conv(casting="unsafe"), "'wrap' for integers and 'truncate' for other"),
    "clamp": (lambda: conv(casting="clamp"), "; write 'saturate'"),
    "mono to a stereo stream": (
        lambda: fc.plan_conv((9, 2), f32(2, 2, 3),
                             data_format="channels_last").stream().push(f32(9)),
        "a signal of one channel is chunk[..., None]"),
    "causal": (lambda: conv(padding="causal"), "((dilation * (kernel - 1), 0),)"),
    "NHWC": (lambda: conv(data_format="NHWC"), "not 'NHWC'; write 'channels_last'"),
    "NCHW": (lambda: conv(data_format="NCHW"), "not 'NCHW'; write 'channels_first'"),
    "mirror": (lambda: conv(padding=1, padding_mode="mirror"), "'wrap'; write 'reflect'"),
    "nearest": (lambda: conv(padding=1, padding_mode="nearest"), "'wrap'; write 'replicate'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", HINTS)
def test_messages_say_what_to_write_instead(mistake):
    call, hint = HINTS[mistake]
    with pytest.raises(ValueError) as caught:
        call()
    assert hint in str(caught.value)


def test_plans_and_streams_are_not_made_by_hand():
    for made, by in ((fc.ConvPlan, "plan_conv"), (fc.QConvPlan, "plan_qconv"),
                     (fc.ConvStream, "plan_conv"), (fc.PoolStream, "stream_pool")):
        for arguments in ((), (X.shape, W)):
            with pytest.raises(TypeError, match=rf"^{made.__name__}: .* made by .*{by}\("):
                made(*arguments)


def test_a_chunk_of_another_dtype():
    stream = fc.plan_conv((1, 9), np.ones((1, 1, 3))).stream()
    stream.push(np.ones((1, 5)))
    with pytest.raises(TypeError, match=r"dtype float32, .* give chunk\.astype\('float64'\)"):
        stream.push(np.ones((1, 5), np.float32))


def test_an_array_in_the_place_of_its_shape():
    for call, name in (
        (lambda: fc.explain(X, W), "explain: x_shape"),
        (lambda: fc.conv2d_backward_weight(X, X, W), "conv2d_backward_weight: weight_shape"),
        (lambda: fc.max_pool2d_backward(X, X.astype(np.int64), X), "input_shape"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=name) as caught:
            call()
        assert str(caught.value).endswith("_shape is the array's .shape")


def test_messages_guess_at_nothing():
    """Where no hint fits there is none."""
    for call in (
        lambda: conv(padding="nothing"), lambda: conv(data_format="CHWN"),
        lambda: conv(padding_mode="nothing"), lambda: conv(weight=f32(3, 5, 3, 3)),
        lambda: conv(f32(2, 0, 6, 7)), lambda: conv(weight=f32(1, 1, 1, 1, 1)),
    ):  # fmt: skip
        with pytest.raises(ValueError) as caught:
            call()
        assert ";" not in str(caught.value)


@pytest.mark.parametrize("value", [[1] * 10**6, "1" * 10**6, np.ones(10**6), b"1" * 10**6],
                         ids=lambda value: type(value).__name__)  # fmt: skip
def test_messages_show_the_beginning_of_what_is_long(value):
    for name in ("groups", "stride", "padding", "method", "precision", "activation", "flip",
                 "data_format", "padding_mode", "num_threads", "max_workspace"):  # fmt: skip
        if name == "flip" and type(value) in (list, str, bytes):
            continue  # what is not empty is true
        with pytest.raises((TypeError, ValueError), match=rf"^conv2d: .*{name}") as caught:
            fc.conv2d(X8, W3, **{name: value})
        assert len(str(caught.value)) < 1000


def test_a_workspace_may_be_any_integer():
    for value in (Index(10**7), np.int64(10**7), np.array(10**7), 10**30):
        np.testing.assert_array_equal(fc.conv2d(X8, W3, max_workspace=value), fc.conv2d(X8, W3))


# -------------------------------------------------------------------------- once more, alone


@pytest.mark.parametrize("threads", [1, 4])
def test_all_of_this_in_another_process(threads, tmp_path):
    environment = os.environ | {
        "FASTCONV_NUM_THREADS": str(threads),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", __file__,
               "-k", "not in_another_process"]  # which is this one
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    passed = int(done.stdout.rsplit(" passed", 1)[0].split()[-1])
    assert passed > len(REFUSED)
