"""Depthwise convolution: few channels meet in a sum, so memory and overhead decide, not sums.

Each plane of an image (or each vector of channels, where they come last) is convolved by itself,
in one of three ways:

- `planes`: whole planes in place, many in one call of a kernel, for the usual squares of taps;
- `rows`: rows in place, by way of a table of pointers, wherever the kernels allow it;
- `windows`: from a copy of what a block of outputs reads, which stays in the cache. Padding is
  written around it once for all planes of a task.

Kernels take the taps as *columns* (`columns`): runs of taps as far apart as two outputs are, so
that a row of the window that has been loaded serves all outputs and taps that meet in it.

Strides are taken apart by phases (`axes`). A kernel that moves by two sees the even source
positions with its even taps and the odd ones with its odd taps; a window holds each such *input
phase* by itself, and within one all steps are 1. The gradient of the data is a convolution of
grad_output for each *output phase*: for those outputs that meet the same taps.

`make_layout` chooses among the three and cuts the outputs into blocks, `schedule` cuts a call into
tasks, and `blocks` finds the block of a task. `weights` packs, `forward` runs the forward pass and
the gradient of the data, `gradient` that of the weights; `nonfinite` mends what infinite weights do
to gradients. `cost` estimates the time, and `record` tells the layers above.

Integers of 8 and 16 bits have drivers of their own, which make elements of neighbours of one
channel: `words` of two, `byte_planes` and, where channels come last, `byte_pixels` of four.

Sources: Howard et al., "MobileNets" (2017); Zhang, Lo and Lu, "High performance depthwise and
pointwise convolutions on mobile devices" (AAAI 2020).
"""
from fastconv._algorithms.depthwise.record import ALGORITHM

__all__ = ["ALGORITHM"]
