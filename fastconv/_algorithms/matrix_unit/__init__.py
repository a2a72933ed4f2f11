"""Matrix units: a product of float32 by three of bfloat16 (``bf16x3``), or by one (``bf16``).

A matrix unit multiplies numbers of few bits many times as fast as vectors multiply float32. So a
float32 is split into parts that are bfloat16, x = high + low, each rounded to the nearest; what is
left over is 2^-17 of x at most. Then

    x w = low(x) high(w) + high(x) high(w) + high(x) low(w)   to within 2^-15

and the sums are float32: `bf16x3`. The high parts alone make `bf16`, good for two digits. Small
integers need no parts: bytes are multiplied as what they are (`bytes`).

There is no im2col. A block of outputs reads a window of the input, which is gathered with channels
last, filled up to whole steps of the sum, and split. A tile of the input is then 16 positions of
the window, equally far apart, that neighbouring outputs read: for each tap the same tiles
somewhere else in the window. Rows of outputs follow each other without regard to where one ends:
what falls between them is computed in vain, since tiles that are not full take as long. Where
there are few channels, a tap along the last axis and its channels lie side by side, and steps of
the sum run over both.

The window holds as many channels as make some twenty steps. Sums go through memory between such
chunks. What is summed in which order depends on the kernel and the channels alone, so that an
output has the same bits in whatever part of an image it is computed, unless that part is refused.

The unit takes numbers below the normal range for zero, so an image with magnitudes outside of
2^-60 … 2^50, zeros aside, is refused (see _fallback.py), as are filters whose largest weight is.

- `types`: what the others share, above all `Layout`.
- `layout`: the window and the block of outputs of a task.
- `weights`: packed in the order in which tiles of them are loaded.
- `forward`: the forward pass and backward_data: the schedule of a call, and a task.
- `bytes`: the forward pass of small integers.
- `cost`, `record`: what it takes, what it serves, and its entries.

Sources: Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
higher-precision computations" (ARITH 2019); Georganas et al., "Harnessing deep learning via a
single building block" (IPDPS 2020), for products of batches of small matrices; Intel's
Architectures Optimization Reference Manual, chapter 20, for AMX.
"""
from fastconv._algorithms.matrix_unit.record import BF16, BF16X3

__all__ = ["BF16", "BF16X3"]
